//! The running kernel's own description of its types (BTF): where members stand, what reasons for drops there are.
//!
//! Reads as much of the format as is asked for. A file that makes no sense gives an error, never a panic: offsets are checked,
//! and members are looked for to a bounded depth.

use std::collections::HashMap;
use std::path::Path;

/// Where the kernel tells of its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Structs inside structs without a name that are looked into.
const DEEPEST: u32 = 8;

/// Why types could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    #[error("{VMLINUX}: {0}; this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)")]
    Io(#[from] std::io::Error),
    #[error("{VMLINUX}: not BTF that this version reads: {0}")]
    Broken(&'static str),
    #[error("{VMLINUX}: struct {0} has no member {1}")]
    Missing(&'static str, &'static str),
}

const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const MODIFIERS: [u32; 5] = [TYPEDEF, 9, 10, 11, 18];

/// A kernel's types.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Where types begin, by number less one.
    types: Vec<usize>,
    strings: usize,
    strings_end: usize,
}

/// A type's head.
struct Head {
    name: u32,
    kind: u32,
    count: usize,
    /// Members have bit fields.
    flag: bool,
    /// A size or a type's number.
    value: u32,
    at: usize,
}

impl Btf {
    /// # Errors
    /// When the kernel has none.
    pub fn of_kernel() -> Result<Self, BtfError> {
        Self::new(std::fs::read(Path::new(VMLINUX))?)
    }

    /// # Errors
    /// When the bytes are no BTF in this machine's order.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let number = |at| number(&bytes, at).ok_or(BtfError::Broken("it is cut off"));
        if bytes.first_chunk() != Some(&0xeb9f_u16.to_ne_bytes()) {
            return Err(BtfError::Broken("it does not begin as BTF does"));
        }
        let (header, types_at, types_length) = (number(4)? as usize, number(8)? as usize, number(12)? as usize);
        let (strings_at, strings_length) = (number(16)? as usize, number(20)? as usize);
        let mut at = header.saturating_add(types_at);
        let end = at.saturating_add(types_length);
        let strings = header.saturating_add(strings_at);
        let mut btf = Self { bytes, types: Vec::new(), strings, strings_end: strings.saturating_add(strings_length) };
        while at < end {
            let head = btf.head_at(at).ok_or(BtfError::Broken("a type is cut off"))?;
            btf.types.push(at);
            let body = match head.kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * head.count,
                6 | 13 => 8 * head.count,
                2 | 7..=12 | 16 | 18 => 0,
                _ => return Err(BtfError::Broken("a kind of type is not known")),
            };
            at = at.saturating_add(12 + body);
        }
        Ok(btf)
    }

    fn head_at(&self, at: usize) -> Option<Head> {
        let info = number(&self.bytes, at + 4)?;
        Some(Head {
            name: number(&self.bytes, at)?,
            kind: info >> 24 & 0x1f,
            count: (info & 0xffff) as usize,
            flag: info >> 31 != 0,
            value: number(&self.bytes, at + 8)?,
            at,
        })
    }

    fn head(&self, id: u32) -> Option<Head> {
        let position = usize::try_from(id).ok()?.checked_sub(1)?;
        self.head_at(*self.types.get(position)?)
    }

    fn text(&self, offset: u32) -> &str {
        let start = self.strings.saturating_add(offset as usize);
        let rest = self.bytes.get(start..self.strings_end.min(self.bytes.len())).unwrap_or_default();
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
    }

    fn named(&self, kind: u32, name: &str) -> Option<Head> {
        let mut heads = self.types.iter().filter_map(|at| self.head_at(*at));
        heads.find(|head| head.kind == kind && self.text(head.name) == name)
    }

    /// Where a member stands in a struct, in bytes; members of structs without a name count as the struct's own.
    ///
    /// # Errors
    /// When there is no such struct or member.
    pub fn offset(&self, of: &'static str, member: &'static str) -> Result<u32, BtfError> {
        let missing = BtfError::Missing(of, member);
        let Some(head) = self.named(STRUCT, of) else { return Err(missing) };
        self.member(&head, member, DEEPEST).map(|bits| bits / 8).ok_or(missing)
    }

    fn member(&self, of: &Head, name: &str, depth: u32) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        (0..of.count).find_map(|position| {
            let at = of.at + 12 + position * 12;
            let (member, kind, mut bits) =
                (number(&self.bytes, at)?, number(&self.bytes, at + 4)?, number(&self.bytes, at + 8)?);
            if of.flag {
                bits &= 0x00ff_ffff;
            }
            if self.text(member) == name {
                return Some(bits);
            }
            let inner = (member == 0).then(|| self.resolve(kind)).flatten()?;
            Some(bits.saturating_add(self.member(&inner, name, depth)?))
        })
    }

    /// The struct or union that a type is, behind its other names.
    fn resolve(&self, mut id: u32) -> Option<Head> {
        for _ in 0..DEEPEST {
            let head = self.head(id)?;
            if head.kind == STRUCT || head.kind == UNION {
                return Some(head);
            }
            if !MODIFIERS.contains(&head.kind) {
                return None;
            }
            id = head.value;
        }
        None
    }

    /// The names of an enum's values, by number; empty when there is no such enum.
    #[must_use]
    pub fn values(&self, of: &str) -> HashMap<u32, String> {
        let Some(head) = self.named(ENUM, of) else { return HashMap::new() };
        let value = |position: usize| {
            let at = head.at + 12 + position * 8;
            Some((number(&self.bytes, at + 4)?, self.text(number(&self.bytes, at)?).to_owned()))
        };
        (0..head.count).filter_map(value).collect()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_tells_of_its_packets() {
        let Ok(btf) = Btf::of_kernel() else {
            eprintln!("skipped: this kernel has no BTF");
            return;
        };
        let len = btf.offset("sk_buff", "len").unwrap();
        assert_eq!(btf.offset("sk_buff", "data_len").unwrap(), len + 4);
        // In a struct without a name.
        assert!(btf.offset("sk_buff", "network_header").unwrap() > len);
        assert!(matches!(btf.offset("sk_buff", "nothing"), Err(BtfError::Missing("sk_buff", "nothing"))));
        let reasons = btf.values("skb_drop_reason");
        assert!(reasons.values().any(|name| name == "SKB_DROP_REASON_NETFILTER_DROP"), "{reasons:?}");
    }

    #[test]
    fn what_is_no_btf_is_an_error() {
        let real = std::fs::read(VMLINUX).unwrap_or_default();
        for length in [0, 1, 2, 23, 24, 100, 5000] {
            let cut = real.get(..length.min(real.len())).unwrap().to_vec();
            assert!(Btf::new(cut).is_err(), "{length}");
        }
        let mut odd = real.get(..4096.min(real.len())).unwrap().to_vec();
        for at in 0..odd.len() {
            odd[at] = odd[at].wrapping_mul(31).wrapping_add(7);
            let _ = Btf::new(odd.clone()).map(|btf| btf.offset("sk_buff", "len").is_ok());
        }
    }
}
