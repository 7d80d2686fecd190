//! Lists as bytes: what tells a list from others of its column, and what it is made of again when a batch is. So a list that comes
//! once takes one piece of memory, whatever is in it.
//!
//! A list of texts is its texts; a list of messages is their members, as many for each as the message has.

use super::MemberValue;

const NONE: u8 = 0;
const TEXT: u8 = 1;
const NUMBER: u8 = 2;
const TEXTS: u8 = 3;

/// Adds a text to a list of texts.
pub(crate) fn put_text(text: &[u8], list: &mut Vec<u8>) {
    list.extend_from_slice(&text.len().to_le_bytes());
    list.extend_from_slice(text);
}

/// Adds a text as member of a message; an empty one is no value.
pub(crate) fn put_text_member(text: &[u8], list: &mut Vec<u8>) {
    if text.is_empty() {
        return put_no_member(list);
    }
    list.push(TEXT);
    put_text(text, list);
}

/// Adds a member without a value.
pub(crate) fn put_no_member(list: &mut Vec<u8>) {
    list.push(NONE);
}

/// Adds a member.
pub(super) fn put_member(value: &MemberValue, list: &mut Vec<u8>) {
    match value {
        MemberValue::None => put_no_member(list),
        MemberValue::Text(text) => {
            list.push(TEXT);
            put_text(text.as_bytes(), list);
        }
        MemberValue::Number(number) => {
            list.push(NUMBER);
            list.extend_from_slice(&number.to_le_bytes());
        }
        MemberValue::Texts(texts) => {
            list.push(TEXTS);
            list.extend_from_slice(&texts.len().to_le_bytes());
            texts.iter().for_each(|text| put_text(text.as_bytes(), list));
        }
    }
}

/// A member that is read.
pub(super) enum Member<'a> {
    None,
    Text(&'a str),
    Number(u64),
    Texts(Vec<&'a str>),
}

/// What of a list is still to be read.
pub(super) struct Items<'a>(pub &'a [u8]);

impl<'a> Items<'a> {
    /// The next text of a list of texts; `None` at its end.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::from_le_bytes(self.chunk()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// The next member of a list of messages; `None` at its end.
    pub(super) fn member(&mut self) -> Option<Member<'a>> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match *kind {
            TEXT => Member::Text(self.text()?),
            NUMBER => Member::Number(u64::from_le_bytes(self.chunk()?)),
            TEXTS => {
                let count = usize::from_le_bytes(self.chunk()?);
                Member::Texts((0..count).map_while(|_| self.text()).collect())
            }
            _ => Member::None,
        })
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }
}
