//! A pull parser over the bytes of one line.
//!
//! Promises:
//! 1. It accepts what RFC 8259 accepts, as UTF-8, without lone surrogates, at most [`MAX_DEPTH`] levels deep, and nothing
//!    else; so a line is good or bad whatever is asked of it.
//! 2. Text without escapes is borrowed from the line.
//! 3. Time and memory are linear in the length of the line.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Bad;

/// Deepest nesting of objects and lists; the deepest known message is at 6.
pub const MAX_DEPTH: usize = 100;

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Object,
    List,
    Text,
    Number,
    Bool,
    Null,
}

/// A position in one line, which must be UTF-8.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// A reader of the value that begins at a position, so many levels deep.
    pub(crate) fn starting(text: &'a str, at: usize, depth: usize) -> Self {
        Self { text, at, depth }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text from an earlier position to here.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn syntax<T>(&self, what: &'static str) -> Result<T, Bad> {
        if self.at >= self.text.len() {
            return Err(Bad::Truncated);
        }
        Err(Bad::Syntax { what, at: self.at })
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Bad> {
        if self.byte() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.syntax(what)
    }

    /// Looks at the next value without taking it.
    pub(crate) fn peek(&mut self) -> Result<Next, Bad> {
        self.skip_space();
        match self.byte() {
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::List),
            Some(b'"') => Ok(Next::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(b't' | b'f') => Ok(Next::Bool),
            Some(b'n') => Ok(Next::Null),
            _ => self.syntax("a value"),
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Bad> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { self.syntax("the end of the line") }
    }

    fn open(&mut self, byte: u8, what: &'static str) -> Result<(), Bad> {
        self.skip_space();
        self.expect(byte, what)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Bad::TooDeep);
        }
        Ok(())
    }

    /// Takes `{`; then [`Self::key`] until it gives `None`.
    pub(crate) fn open_object(&mut self) -> Result<(), Bad> {
        self.open(b'{', "an object")
    }

    /// The next key of an open object, or `None` at its end. `first` is true for the first call.
    pub(crate) fn key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Bad> {
        self.skip_space();
        if self.byte() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(None);
        }
        if !first {
            self.expect(b',', "a comma or the end of an object")?;
            self.skip_space();
        }
        let key = self.text()?;
        self.skip_space();
        self.expect(b':', "a colon")?;
        Ok(Some(key))
    }

    /// Takes `[`; then [`Self::item`] before each value until it gives false.
    pub(crate) fn open_list(&mut self) -> Result<(), Bad> {
        self.open(b'[', "a list")
    }

    pub(crate) fn item(&mut self, first: bool) -> Result<bool, Bad> {
        self.skip_space();
        if self.byte() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',', "a comma or the end of a list")?;
        }
        Ok(true)
    }

    pub(crate) fn null(&mut self) -> Result<(), Bad> {
        self.word("null")
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Bad> {
        self.skip_space();
        if self.byte() == Some(b't') { self.word("true").map(|()| true) } else { self.word("false").map(|()| false) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Bad> {
        self.skip_space();
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        if word.starts_with(rest) { Err(Bad::Truncated) } else { self.syntax(word) }
    }

    /// The digits of a number as written.
    pub(crate) fn number(&mut self) -> Result<&'a str, Bad> {
        self.skip_space();
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.syntax("a digit"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) {
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Bad> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return self.syntax("a digit");
        }
        self.digits();
        Ok(())
    }

    /// A string's text, borrowed unless it has escapes.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Bad> {
        self.skip_space();
        self.expect(b'"', "a string")?;
        let start = self.at;
        loop {
            match self.byte() {
                Some(b'"') => {
                    let text = self.since(start);
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(byte) if byte >= b' ' => self.at += 1,
                _ => return self.syntax("a printable character"),
            }
        }
    }

    /// Goes on with a string at its first backslash.
    fn escaped(&mut self, start: usize) -> Result<String, Bad> {
        let mut text = self.since(start).to_owned();
        loop {
            let plain = self.at;
            while matches!(self.byte(), Some(byte) if byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            text.push_str(self.since(plain));
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return self.syntax("a printable character"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let byte = self.byte();
        self.at += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return self.syntax("an escape");
            }
        })
    }

    fn unicode(&mut self) -> Result<char, Bad> {
        let high = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if !self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) {
                return self.surrogate();
            }
            self.at += 2;
            let low = self.hex4()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.surrogate();
            }
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).map_or_else(|| self.surrogate(), Ok)
    }

    fn surrogate<T>(&self) -> Result<T, Bad> {
        Err(Bad::Syntax { what: "the other half of a surrogate pair", at: self.at })
    }

    fn hex4(&mut self) -> Result<u32, Bad> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.byte().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.syntax("a hexadecimal digit");
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// Passes over a whole value, checking it as if it were read, and gives its text.
    pub(crate) fn skip(&mut self) -> Result<&'a str, Bad> {
        let next = self.peek()?;
        let start = self.at;
        match next {
            Next::Object => self.skip_object()?,
            Next::List => {
                self.open_list()?;
                let mut first = true;
                while self.item(first)? {
                    first = false;
                    self.skip()?;
                }
            }
            Next::Text => {
                self.text()?;
            }
            Next::Number => {
                self.number()?;
            }
            Next::Bool => {
                self.bool()?;
            }
            Next::Null => self.null()?,
        }
        Ok(self.since(start))
    }

    fn skip_object(&mut self) -> Result<(), Bad> {
        let mut keys = Keys::default();
        self.open_object()?;
        let mut first = true;
        while let Some(key) = self.key(first)? {
            first = false;
            keys.add(key)?;
            self.skip()?;
        }
        Ok(())
    }
}

/// The keys of one object, to notice one that comes twice. A short list is searched, a long one hashed, so that an
/// object with a million keys does not take a million squared steps.
#[derive(Debug, Default)]
pub(crate) struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    const FEW: usize = 16;

    pub(crate) fn add(&mut self, key: Cow<'a, str>) -> Result<(), Bad> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(Bad::DuplicateKey(key.into_owned()));
        }
        if self.few.len() < Self::FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}
