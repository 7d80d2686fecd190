//! Records of layer 7.

use std::borrow::Cow;

use regex::Regex;

use super::{COLUMNS, Columns, L7, exactly, field, pairs, parsed};
use crate::columns::ColumnId;
use crate::filter::FilterError;
use crate::filter::condition::Condition;
use crate::proto::flow::{EventTypeFilter, FlowFilter};

/// Records of layer 7.
pub(super) fn layer_7(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    let Columns { http_url, http_headers, .. } = *COLUMNS;
    let asks_http = [
        ("http_status_code", !filter.http_status_code.is_empty()),
        ("http_method", !filter.http_method.is_empty()),
        ("http_path", !filter.http_path.is_empty()),
        ("http_url", !filter.http_url.is_empty()),
        ("http_header", !filter.http_header.is_empty()),
    ];
    if let Some((name, _)) = asks_http.into_iter().find(|(_, is_asked)| *is_asked) {
        let of_l7 = |kind: &EventTypeFilter| kind.r#type == L7;
        if !filter.event_type.is_empty() && !filter.event_type.iter().any(of_l7) {
            return Err(field(name, "asks for records of layer 7, which event_type leaves out"));
        }
        exactly("l7_protocol", &["http"], all);
    }
    let regexes = |name, values: &[String]| {
        parsed(name, values, |text| Regex::new(text).map_err(|_| format!("{text:?} is no regular expression")))
    };
    if !filter.dns_query.is_empty() {
        let patterns = regexes("dns_query", &filter.dns_query)?;
        exactly("l7_protocol", &["dns"], all);
        all.push(Condition::text(ColumnId::known("dns_query"), move |query| {
            patterns.iter().any(|pattern| pattern.is_match(query.unwrap_or_default()))
        }));
    }
    if !filter.http_status_code.is_empty() {
        let codes = parsed("http_status_code", &filter.http_status_code, status)?;
        let code = ColumnId::known("http_code");
        all.push(Condition::new([code], move |view, row| {
            let found = view.number(code, row).filter(|code| *code != 0).map(|code| format!("{code:03}"));
            let fits = |(start, is_prefix): &(String, bool), found: &str| {
                if *is_prefix { found.starts_with(start) } else { found == start }
            };
            found.is_some_and(|found| codes.iter().any(|code| fits(code, &found)))
        }));
    }
    if !filter.http_method.is_empty() {
        let methods = filter.http_method.clone();
        all.push(Condition::text(ColumnId::known("http_method"), move |found| {
            methods.iter().any(|method| method.eq_ignore_ascii_case(found.unwrap_or_default()))
        }));
    }
    if !filter.http_url.is_empty() {
        let patterns = regexes("http_url", &filter.http_url)?;
        all.push(Condition::text(http_url, move |url| {
            url.is_some_and(|url| patterns.iter().any(|pattern| pattern.is_match(url)))
        }));
    }
    if !filter.http_path.is_empty() {
        let patterns = regexes("http_path", &filter.http_path)?;
        all.push(Condition::text(http_url, move |url| {
            let path = url.and_then(path);
            path.is_some_and(|path| patterns.iter().any(|pattern| pattern.is_match(&path)))
        }));
    }
    if !filter.http_header.is_empty() {
        let wanted = filter.http_header.clone();
        all.push(Condition::new([http_headers], move |view, row| {
            let Some(headers) = view.structs(http_headers, row) else { return false };
            pairs(&headers, "key", "value")
                .any(|(key, value)| wanted.iter().any(|header| header.key == key && header.value == value))
        }));
    }
    Ok(())
}

/// A status, or how it begins.
fn status(text: &str) -> Result<(String, bool), String> {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let begins_well = text.starts_with(['1', '2', '3', '4', '5']);
    match text.strip_suffix('+') {
        Some(start) if begins_well && matches!(start.len(), 1 | 2) && is_digits(start) => Ok((start.to_owned(), true)),
        None if begins_well && text.len() == 3 && is_digits(text) => Ok((text.to_owned(), false)),
        _ => Err(format!("{text:?} is no HTTP status; it must be like 404, 4+ or 50+")),
    }
}

/// The path of a URL as a request has it, decoded: an absolute one, or one that begins with a slash.
fn path(url: &str) -> Option<Cow<'_, str>> {
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let url = url.split_once('?').map_or(url, |(before, _)| before);
    let path = if url == "*" || url.starts_with('/') {
        url
    } else {
        let (scheme, rest) = url.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let rest = rest.strip_prefix('/').filter(|_| is_scheme)?;
        match rest.strip_prefix('/') {
            Some(authority) => authority.find('/').map_or("", |at| authority.get(at..).unwrap_or_default()),
            None => url.get(url.len() - rest.len() - 1..)?,
        }
    };
    decoded(path)
}

/// A text in which `%2F` stands for a slash; `None` where a percent sign stands for nothing.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned().into())
}
