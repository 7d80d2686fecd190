//! The column `extra`: what the reader does not know, or knows with another type, as JSON in the place where it stood.

use std::borrow::Cow;

use crate::json::{Bad, Next, Reader, write_text};
use crate::schema::{ENVELOPE, FieldKind, MessageId, SCHEMA};

/// Builds the text while an event is decoded.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    text: String,
    /// Messages whose braces are open, outermost first, the envelope left out.
    open: Vec<MessageId>,
}

impl Extra {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.open.clear();
    }

    /// Adds a member to a message; messages come in the order in which an event is read, each once.
    pub(crate) fn add(&mut self, message: MessageId, key: &str, json: &str) {
        let mut path = Vec::new();
        let mut id = message;
        while id != ENVELOPE {
            path.push(id);
            id = SCHEMA.message(id).parent;
        }
        path.reverse();
        if self.text.is_empty() {
            self.text.push('{');
        }
        let common = self.open.iter().zip(&path).take_while(|(a, b)| a == b).count();
        while self.open.len() > common {
            self.open.pop();
            self.text.push('}');
        }
        for id in path.iter().skip(common) {
            self.key(&SCHEMA.message(*id).name);
            self.text.push('{');
            self.open.push(*id);
        }
        self.key(key);
        self.text.push_str(&one_line(json));
    }

    fn key(&mut self, key: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        write_text(&mut self.text, key);
        self.text.push(':');
    }

    /// The whole text; `None` when nothing was added.
    pub(crate) fn finish(&mut self) -> Option<&str> {
        if self.text.is_empty() {
            return None;
        }
        self.text.extend(std::iter::repeat_n('}', self.open.len() + 1));
        Some(&self.text)
    }
}

/// JSON without line feeds, which may stand between its values when the line was wrapped in another: kept, they would part
/// the line that is written of it, and make lines that nobody logged.
pub(crate) fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains('\n') { Cow::Owned(json.replace('\n', " ")) } else { Cow::Borrowed(json) }
}

/// A member that was kept as it was written.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    pub message: MessageId,
    pub key: String,
    pub json: &'a str,
}

/// The members that the text of an `extra` holds. Only decoders write it; should a foreign file have something else
/// there, what can be read is given and the columns stand alone for the rest.
pub(crate) fn kept(text: Option<&str>) -> Vec<Kept<'_>> {
    let mut members = Vec::new();
    if let Some(text) = text {
        let _ = collect(ENVELOPE, &mut Reader::new(text), &mut members);
    }
    members
}

/// A message's object is gone into, anything else is kept as it is.
fn collect<'a>(id: MessageId, reader: &mut Reader<'a>, members: &mut Vec<Kept<'a>>) -> Result<(), Bad> {
    let message = SCHEMA.message(id);
    reader.open_object()?;
    let mut first = true;
    while let Some(key) = reader.key(first)? {
        first = false;
        let next = reader.peek()?;
        let field = message.by_name(&key).and_then(|at| message.fields.get(at));
        match field.map(|field| &field.kind) {
            Some(FieldKind::Message(child)) if next == Next::Object => collect(*child, reader, members)?,
            _ => members.push(Kept { message: id, key: key.into_owned(), json: reader.skip()? }),
        }
    }
    Ok(())
}
