//! Single values of JSON, as an exporter writes them: without white space, numbers as plain digits.

/// Where the text ends that begins behind its opening quote: the position of the byte that is no plain character, which
/// is a quote, a backslash or a control character.
pub(super) fn text_end(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    // Bytes whose high bit is set in `x - 1` and not in `x` are zero; above the first one this may err.
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().ok()?);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special = (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control) & HIGH;
        if special != 0 {
            return Some(at + special.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).map(|end| at + end)
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
    fn numbers() {
        assert_eq!(whole(b"0,", 0), Some((0, 1)));
        assert_eq!(whole(b"18446744073709551615", 0), Some((u64::MAX, 20)));
        assert_eq!(whole(b"\"12\"}", 0), Some((12, 4)));
        for odd in [&b"18446744073709551616"[..], b"01", b"-1", b"\"1", b"\"\"", b"", b"x"] {
            assert_eq!(whole(odd, 0), None);
        }
    }
}
