//! What a ticket says of itself. It is the server's own secret language, but most have the name of the job in them.

use std::fmt::Write as _;

use arrow_flight::sql::{Any, TicketStatementQuery};
use prost::Message as _;
use prost::bytes::Bytes;

/// Most characters of a ticket that are told.
const MOST: usize = 120;

/// Fewest readable characters in a row that may be a word.
const WORD: usize = 4;

/// A ticket in words: what is readable in it, or else its first bytes.
pub(crate) fn described(ticket: &[u8]) -> String {
    let any = Any::decode(ticket).ok().filter(|any| any.type_url.starts_with("type.googleapis.com/"));
    let inner = any.map(|any| match any.unpack::<TicketStatementQuery>() {
        Ok(Some(query)) => query.statement_handle,
        _ => any.value,
    });
    let bytes = inner.unwrap_or_else(|| Bytes::copy_from_slice(ticket));
    if bytes.is_empty() {
        return "an empty ticket".to_owned();
    }
    let words: Vec<&str> = bytes
        .split(|byte| !(b' '..=b'~').contains(byte))
        .filter_map(|run| std::str::from_utf8(run).ok())
        .map(str::trim)
        .filter(|word| word.len() >= WORD)
        .collect();
    let mut text = words.join(" ");
    if text.is_empty() {
        for byte in bytes.iter().take(MOST / 2) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    if let Some((at, _)) = text.char_indices().nth(MOST) {
        text.truncate(at);
        text.push('…');
    }
    format!("ticket {text}")
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::ProstMessageExt as _;

    use super::*;

    #[test]
    fn the_job_in_a_ticket_is_read() {
        let statement = TicketStatementQuery { statement_handle: Bytes::from_static(b"\x0a\x07aB3dE9z\x10\x02") };
        assert_eq!(described(&statement.as_any().encode_to_vec()), "ticket aB3dE9z");
        assert_eq!(described(b"job-17"), "ticket job-17");
        assert_eq!(described(b"\x00\x01\xff"), "ticket 0001ff");
        assert_eq!(described(b""), "an empty ticket");
        // Nothing of it drives a terminal, and it is short.
        assert_eq!(described(b"\x1b[31mred\x07job"), "ticket [31mred");
        assert_eq!(described(&[b'x'; 4096]).chars().count(), "ticket ".len() + MOST + 1);
        assert_eq!(described(&[0; 4096]).chars().count(), "ticket ".len() + MOST);
    }
}
