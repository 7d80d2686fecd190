//! Interfaces and addresses of this thread's network namespace, asked of the kernel by netlink; and word of changes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

const NEWLINK: u16 = 16;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST_DUMP: u16 = 0x301;

/// Groups that tell of interfaces and addresses.
const CHANGES: u32 = 0x1 | 0x10 | 0x100;

const UP: u32 = 1;
const IFNAME: u16 = 3;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub index: u32,
    pub name: String,
    pub is_up: bool,
    /// Packets begin with an Ethernet header.
    pub is_ethernet: bool,
    pub is_loopback: bool,
    /// `veth`, `vxlan` and the like; empty for hardware.
    pub kind: String,
}

/// Tells of changes, and of nothing else.
#[derive(Debug)]
pub struct Changes(OwnedFd);

impl Changes {
    /// # Errors
    /// When there is no netlink.
    pub fn watch() -> io::Result<Self> {
        Ok(Self(open(CHANGES, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?))
    }

    /// Takes what has come; whether anything has.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut any = false;
        let mut buffer = vec![0; 16 << 10];
        // Too many changes to keep are an error, and a change.
        loop {
            match recv(&self.0, &mut buffer, RecvFlags::DONTWAIT) {
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => any = true,
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    // Without a protocol it is the one of routes.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// All interfaces.
///
/// # Errors
/// When the kernel does not tell.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    Ok(dump(GETLINK, NEWLINK, 16)?.iter().filter_map(|message| interface(message)).collect())
}

/// All addresses.
///
/// # Errors
/// When the kernel does not tell.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    Ok(dump(GETADDR, NEWADDR, 8)?.iter().filter_map(|message| address(message)).collect())
}

/// Asks for everything of a kind: the bodies of the answers.
fn dump(ask: u16, answer: u16, head: usize) -> io::Result<Vec<Vec<u8>>> {
    let socket = open(0, SocketFlags::CLOEXEC)?;
    let mut request = Vec::new();
    let length = u32::try_from(16 + head).unwrap_or_default();
    request.extend(length.to_ne_bytes());
    request.extend(ask.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.resize(16 + head, 0);
    send(&socket, &request, SendFlags::empty())?;
    let mut bodies = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let (Some(length), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
            let length = length as usize;
            let body = rest.get(16..length).unwrap_or_default();
            match kind {
                DONE => return Ok(bodies),
                ERROR => {
                    let code = u32_at(body, 0).map_or(0, u32::cast_signed);
                    return Err(io::Error::from_raw_os_error(-code));
                }
                kind if kind == answer => bodies.push(body.to_vec()),
                _ => {}
            }
            rest = rest.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn interface(message: &[u8]) -> Option<Interface> {
    let kind = u16_at(message, 2)?;
    let (index, flags) = (u32_at(message, 4)?, u32_at(message, 8)?);
    let mut found = Interface {
        index,
        name: String::new(),
        is_up: flags & UP != 0,
        is_ethernet: kind == ETHERNET || kind == LOOPBACK,
        is_loopback: kind == LOOPBACK,
        kind: String::new(),
    };
    for (number, value) in attributes(message.get(16..)?) {
        match number {
            IFNAME => found.name = text(value),
            LINKINFO => {
                let kind = attributes(value).find(|(number, _)| *number == INFO_KIND);
                found.kind = kind.map(|(_, value)| text(value)).unwrap_or_default();
            }
            _ => {}
        }
    }
    (!found.name.is_empty()).then_some(found)
}

fn address(message: &[u8]) -> Option<IpAddr> {
    let all: Vec<_> = attributes(message.get(8..)?).collect();
    // Of a pair of ends the second attribute is this one's.
    let own = all.iter().find(|(number, _)| *number == 2).or_else(|| all.iter().find(|(number, _)| *number == 1))?.1;
    match own.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(*own.first_chunk::<4>()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(*own.first_chunk::<16>()?))),
        _ => None,
    }
}

/// Attributes: number, value.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, number) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number & 0x3fff, value))
    })
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let lo = interfaces().unwrap().into_iter().find(|interface| interface.is_loopback).unwrap();
        assert_eq!((lo.name.as_str(), lo.index, lo.is_ethernet), ("lo", 1, true));
        assert!(!lo.is_up || addresses().unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn answers_that_are_cut_off_are_passed_over() {
        for bytes in [&[0xff; 40][..], &[0; 40], &[1, 0, 2], &[]] {
            let _ = (interface(bytes), address(bytes), attributes(bytes).take(100).count());
        }
    }
}
