//! Flow lines that a container runtime or a logger has wrapped.
//!
//! | wrapping | looks like |
//! |---|---|
//! | CRI | `2026-03-01T10:00:00.1Z stdout F {"flow":…}`; `P` for a part, the rest follows |
//! | Docker | `{"log":"{\"flow\":…}\n","stream":"stdout","time":"…"}`; no `\n` at the end of a part |
//! | logfmt | `level=info msg="{\"flow\":…}" subsys=hubble` |

use std::borrow::Cow;

use super::reader::Reader;

/// What a wrapping says of its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unwrapped<'a> {
    /// The stream that it came from; parts of one stream belong together.
    pub stream: &'static str,
    pub text: Cow<'a, str>,
    /// Whether the rest follows in a later line of this stream.
    pub partial: bool,
}

/// The stream of a wrapped line, and whether its rest follows in a later line of this stream: a reader must not cut between
/// them. `None` for a line that is not wrapped.
#[must_use]
pub fn stream_of(line: &[u8]) -> Option<(&'static str, bool)> {
    if !matches!(line.first(), Some(b'0'..=b'9')) && !line.starts_with(b"{\"log\":") {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    cri(text).or_else(|| docker(text)).map(|unwrapped| (unwrapped.stream, unwrapped.partial))
}

/// A line of the container runtime interface's log format.
pub(super) fn cri(line: &str) -> Option<Unwrapped<'_>> {
    let mut parts = line.splitn(4, ' ');
    let (time, stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    let text = parts.next().unwrap_or_default();
    let stream = match stream {
        "stdout" => "stdout",
        "stderr" => "stderr",
        _ => return None,
    };
    crate::time::parse_rfc3339(time)?;
    let partial = match tags.split(':').next()? {
        "F" => false,
        "P" => true,
        _ => return None,
    };
    Some(Unwrapped { stream, text: Cow::Borrowed(text), partial })
}

/// A line of Docker's json-file driver.
pub(super) fn docker(line: &str) -> Option<Unwrapped<'_>> {
    let mut reader = Reader::new(line);
    reader.open_object().ok()?;
    let (mut log, mut stream) = (None, "docker");
    let mut first = true;
    while let Some(key) = reader.key(first).ok()? {
        first = false;
        match &*key {
            "log" => log = Some(reader.text().ok()?),
            "stream" => stream = if reader.text().ok()? == "stderr" { "docker-stderr" } else { "docker" },
            _ => {
                reader.skip().ok()?;
            }
        }
    }
    reader.end().ok()?;
    let text = log?;
    let partial = !text.ends_with('\n');
    Some(Unwrapped { stream, text, partial })
}

/// The JSON in the `msg="…"` of a logfmt line.
pub(super) fn logfmt(line: &str) -> Option<String> {
    let start = match line.find(" msg=\"{") {
        Some(at) => at + 6,
        None if line.starts_with("msg=\"{") => 5,
        None => return None,
    };
    unquote(line.get(start..)?)
}

/// A Go-quoted string up to its closing quote, as `strconv.Quote` writes it.
fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => {
                let digits = match chars.next()? {
                    'n' => {
                        text.push('\n');
                        0
                    }
                    't' => {
                        text.push('\t');
                        0
                    }
                    'r' => {
                        text.push('\r');
                        0
                    }
                    'a' => {
                        text.push('\u{7}');
                        0
                    }
                    'b' => {
                        text.push('\u{8}');
                        0
                    }
                    'f' => {
                        text.push('\u{c}');
                        0
                    }
                    'v' => {
                        text.push('\u{b}');
                        0
                    }
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    plain @ ('"' | '\\' | '\'') => {
                        text.push(plain);
                        0
                    }
                    _ => return None,
                };
                if digits > 0 {
                    let mut code = 0u32;
                    for _ in 0..digits {
                        code = code.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
                    }
                    text.push(char::from_u32(code)?);
                }
            }
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cri_lines_and_their_parts() {
        let whole = cri("2026-03-01T10:00:00.1Z stdout F {\"flow\":{}}").unwrap();
        assert_eq!((whole.stream, &*whole.text, whole.partial), ("stdout", "{\"flow\":{}}", false));
        assert_eq!(stream_of(b"2026-03-01T10:00:00.1Z stdout P {\"fl"), Some(("stdout", true)));
        assert_eq!(stream_of(b"2026-03-01T10:00:00.1Z stdout F {\"fl"), Some(("stdout", false)));
        assert!(cri("yesterday stdout F {}").is_none());
    }

    #[test]
    fn docker_lines_and_their_parts() {
        let whole = docker(r#"{"log":"{\"flow\":{}}\n","stream":"stdout","time":"2026-03-01T10:00:00Z"}"#).unwrap();
        assert_eq!((&*whole.text, whole.partial), ("{\"flow\":{}}\n", false));
        assert_eq!(stream_of(br#"{"log":"{\"fl","stream":"stdout"}"#), Some(("docker", true)));
        assert!(docker("{\"flow\":{}}").is_none());
    }

    #[test]
    fn logfmt_messages() {
        assert_eq!(
            logfmt(r#"level=info msg="{\"flow\":{\"Summary\":\"a\\\"b\"}}" subsys=hubble"#).as_deref(),
            Some(r#"{"flow":{"Summary":"a\"b"}}"#)
        );
        assert_eq!(logfmt("level=info msg=\"Started\""), None);
        assert_eq!(logfmt("level=info msg=\"{open"), None);
    }
}
