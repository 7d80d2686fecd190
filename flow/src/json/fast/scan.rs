//! Single values of JSON, as an exporter writes them: without white space, numbers as plain digits.

use crate::json::plain::MOST_ITEMS;
use crate::rows::list::{put_no_member, put_text, put_text_member};
use crate::schema::{Member, Scalar};

/// Where the text ends that begins behind its opening quote: the position of the byte that is no plain character, which
/// is a quote, a backslash or a control character.
#[inline]
pub(super) fn text_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let special = specials(*block);
        if special != 0 {
            return Some(at + special.trailing_zeros() as usize);
        }
        at += 16;
    }
    bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).map(|end| at + end)
}

/// A bit for each byte that is no plain character; those above the lowest one need not be right.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "sixteen bytes at once, where four instructions in Rust would look at eight")]
#[inline]
fn specials(block: [u8; 16]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let [low, high] = halves(block).map(u64::cast_signed);
    // SAFETY: every x86-64 has SSE2, and nothing here touches memory.
    unsafe {
        let block = _mm_set_epi64x(high, low);
        let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"'.cast_signed()));
        let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\'.cast_signed()));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)).cast_unsigned()
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn specials(block: [u8; 16]) -> u32 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero, and of some above the first one.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let marks = halves(block).map(|word| {
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control) & HIGH
    });
    match marks {
        [0, 0] => 0,
        [0, high] => 1 << (8 + high.trailing_zeros() / 8),
        [low, _] => 1 << (low.trailing_zeros() / 8),
    }
}

fn halves(block: [u8; 16]) -> [u64; 2] {
    let (words, _) = block.as_chunks::<8>();
    std::array::from_fn(|half| words.get(half).map_or(0, |word| u64::from_le_bytes(*word)))
}

/// Where a text without escapes stands within its quotes, the first of which is here.
#[inline]
pub(super) fn plain_text(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end = text_end(bytes, at + 1)?;
    (bytes.get(end) == Some(&b'"')).then_some((at + 1, end))
}

/// Where a list of plain texts ends; what is in it is put into `list`.
pub(super) fn texts(bytes: &[u8], at: usize, list: &mut Vec<u8>) -> Option<usize> {
    items(bytes, at, |at| {
        let (from, to) = plain_text(bytes, at)?;
        put_text(bytes.get(from..to)?, list);
        Some(to + 1)
    })
}

/// Where a list of messages ends whose members are plain texts and stand in their order; what is in it is put into `list`.
pub(super) fn structs(members: &[Member], bytes: &[u8], at: usize, list: &mut Vec<u8>) -> Option<usize> {
    items(bytes, at, |at| {
        let mut members = members.iter();
        let mut at = at;
        if bytes.get(at) != Some(&b'{') {
            return None;
        }
        loop {
            let (name, name_end) = plain_text(bytes, at + 1)?;
            let name = bytes.get(name..name_end)?;
            let member = members.find(|member| {
                let is_it = member.name.as_bytes() == name;
                if !is_it {
                    put_no_member(list);
                }
                is_it
            })?;
            if !matches!(member, Member { scalar: Scalar::Text, repeated: false, .. }) {
                return None;
            }
            if bytes.get(name_end + 1) != Some(&b':') {
                return None;
            }
            let (from, to) = plain_text(bytes, name_end + 2)?;
            put_text_member(bytes.get(from..to)?, list);
            at = to + 1;
            match bytes.get(at)? {
                b',' => {}
                b'}' => {
                    members.for_each(|_| put_no_member(list));
                    return Some(at + 1);
                }
                _ => return None,
            }
        }
    })
}

/// Where a list ends, whose items `item` knows the end of; `None` for one of very many.
fn items(bytes: &[u8], at: usize, mut item: impl FnMut(usize) -> Option<usize>) -> Option<usize> {
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let mut at = at + 1;
    if bytes.get(at) == Some(&b']') {
        return Some(at + 1);
    }
    for _ in 0..MOST_ITEMS {
        at = item(at)? + 1;
        match bytes.get(at - 1)? {
            b',' => {}
            b']' => return Some(at),
            _ => return None,
        }
    }
    None
}

/// The whole number that begins here, and where it ends; quoted or not. `None` for one that is written otherwise.
pub(super) fn whole(bytes: &[u8], from: usize) -> Option<(u64, usize)> {
    let quoted = bytes.get(from) == Some(&b'"');
    let start = from + usize::from(quoted);
    let mut at = start;
    let mut value = 0u64;
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        at += 1;
    }
    // A number does not begin with a zero but the zero itself.
    if at == start || (at > start + 1 && bytes.get(start) == Some(&b'0')) {
        return None;
    }
    if quoted {
        return (bytes.get(at) == Some(&b'"')).then_some((value, at + 1));
    }
    Some((value, at))
}

/// The truth value that begins here, and where it ends.
pub(super) fn truth(bytes: &[u8], from: usize) -> Option<(bool, usize)> {
    let rest = bytes.get(from..)?;
    if rest.starts_with(b"true") {
        Some((true, from + 4))
    } else if rest.starts_with(b"false") {
        Some((false, from + 5))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_ends_at_the_first_byte_that_is_not_plain(bytes in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), Just(b'!'), Just(b'#'), Just(b'['), Just(0x1f), Just(0x20), Just(0x80),
                Just(0xdc), Just(0xff), Just(0), b'a'..=b'z', b'a'..=b'z', b'a'..=b'z', b'a'..=b'z'], 0..40)) {
            for from in 0..=bytes.len() {
                let expected = bytes[from..].iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).map(|end| from + end);
                prop_assert_eq!(text_end(&bytes, from), expected);
            }
        }
    }

    #[test]
    fn lists() {
        let member = |name: &str| Member {
            name: name.into(),
            camel: name.into(),
            number: 1,
            scalar: Scalar::Text,
            repeated: false,
        };
        let members = [member("key"), member("value")];
        let mut put = Vec::new();
        let mut all = |list: &str| {
            put.clear();
            structs(&members, list.as_bytes(), 0, &mut put).map(|end| (end, put.clone()))
        };
        for (list, items) in [
            ("[]", vec![]),
            (r#"[{"key":"a","value":"b"},{"value":"c"},{"key":""}]"#, vec![["a", "b"], ["", "c"], ["", ""]]),
        ] {
            let mut expected = Vec::new();
            items.iter().flatten().for_each(|text| put_text_member(text.as_bytes(), &mut expected));
            assert_eq!(all(&format!("{list},")), Some((list.len(), expected)));
        }
        for odd in [r#"["key":"a"]"#, r#"[{"key":"a"}"#, r#"[{"key":"a","key":"b"}]"#, r#"[{"key":1}]"#, "[{}]", "{}"] {
            assert_eq!(all(odd), None, "{odd}");
        }
        let many = |items: usize| format!("[{}]", vec![r#"{"key":"a"}"#; items].join(","));
        assert!(all(&many(MOST_ITEMS)).is_some());
        assert!(all(&many(MOST_ITEMS + 1)).is_none());
        let mut expected = Vec::new();
        [b"a", b"b"].iter().for_each(|text| put_text(*text, &mut expected));
        put.clear();
        assert_eq!(texts(br#"["a","b"]x"#, 0, &mut put), Some(9));
        assert_eq!(put, expected);
        for odd in [
            r#"["a""#,
            r#"["a",]"#,
            r#"["a
"]"#,
            "[1]",
            "\"a\"",
        ] {
            assert_eq!(texts(odd.as_bytes(), 0, &mut put), None, "{odd}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(whole(b"0,", 0), Some((0, 1)));
        assert_eq!(whole(b"18446744073709551615", 0), Some((u64::MAX, 20)));
        assert_eq!(whole(b"\"12\"}", 0), Some((12, 4)));
        for odd in [&b"18446744073709551616"[..], b"01", b"-1", b"\"1", b"\"\"", b"", b"x"] {
            assert_eq!(whole(odd, 0), None);
        }
    }
}
