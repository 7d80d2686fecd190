//! Lines of a log that is still being written: whole ones, as they come.

use super::{Chunk, MAX_LINE};

/// What was written since the last whole line: at most one line of [`MAX_LINE`], and what was added last.
#[derive(Debug, Default)]
pub struct Growing {
    rest: Vec<u8>,
    /// The line that is being written is longer than may be; its beginning was given.
    endless: bool,
}

impl Growing {
    /// Takes what was written; gives the lines that are whole then. Of a line that is longer than [`MAX_LINE`] only its
    /// beginning is given, so that the decoder rejects it.
    pub fn add(&mut self, mut bytes: &[u8]) -> Option<Chunk> {
        if self.endless {
            bytes = bytes.get(memchr::memchr(b'\n', bytes)? + 1..)?;
            self.endless = false;
        }
        // What was there before has no line's end.
        let end = memchr::memrchr(b'\n', bytes).map(|end| end + 1);
        let (whole, begun) = bytes.split_at(end.unwrap_or_default());
        let whole = end.map(|_| [&*std::mem::take(&mut self.rest), whole].concat());
        self.rest.extend_from_slice(begun);
        if self.rest.len() <= MAX_LINE {
            return whole.map(|bytes| Chunk { bytes });
        }
        self.endless = true;
        self.rest.truncate(MAX_LINE + 1);
        self.rest.push(b'\n');
        let bytes = [whole.unwrap_or_default(), std::mem::take(&mut self.rest)].concat();
        Some(Chunk { bytes })
    }

    /// The line that was never ended, when nothing more will be written.
    pub fn end(&mut self) -> Option<Chunk> {
        let bytes = std::mem::take(&mut self.rest);
        (!bytes.is_empty()).then_some(Chunk { bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(chunk: Option<Chunk>) -> Option<String> {
        chunk.map(|chunk| String::from_utf8(chunk.bytes).unwrap())
    }

    #[test]
    fn lines_are_given_when_they_are_whole() {
        let mut growing = Growing::default();
        assert_eq!(text(growing.add(b"on")), None);
        assert_eq!(text(growing.add(b"e\ntwo\nthr")).as_deref(), Some("one\ntwo\n"));
        assert_eq!(text(growing.add(b"ee")), None);
        assert_eq!(text(growing.add(b"\n")).as_deref(), Some("three\n"));
        assert_eq!(text(growing.end()), None);
        assert_eq!(text(growing.add(b"four")), None);
        assert_eq!(text(growing.end()).as_deref(), Some("four"));
    }

    #[test]
    fn of_an_endless_line_only_the_beginning_is_kept() {
        let mut growing = Growing::default();
        let part = vec![b'x'; 1 << 20];
        assert_eq!(text(growing.add(b"one\nxx")).as_deref(), Some("one\n"));
        let given: Vec<usize> = (0..100).filter_map(|_| growing.add(&part)).map(|chunk| chunk.bytes.len()).collect();
        assert_eq!(given, [MAX_LINE + 2]);
        assert!(growing.rest.capacity() <= MAX_LINE + 2 * part.len());
        assert_eq!(text(growing.add(b"x\ntwo\nth")).as_deref(), Some("two\n"));
        assert_eq!(text(growing.end()).as_deref(), Some("th"));
    }
}
