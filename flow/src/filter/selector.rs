//! Kubernetes label selectors over Cilium's labels, which have a source: `k8s:app=web`.

use std::net::IpAddr;

/// All requirements must hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    /// `None`: any.
    source: Option<String>,
    key: String,
    holds: Holds,
}

#[derive(Debug, PartialEq, Eq)]
enum Holds {
    Exists,
    Absent,
    In(Vec<String>),
    /// No such label, or one with another value.
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

/// A label of an endpoint.
#[derive(Clone, Copy, Debug)]
struct Label<'a> {
    source: &'a str,
    key: &'a str,
    value: &'a str,
}

impl<'a> Label<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (source, key) = name.split_once(':').unwrap_or(("unspec", name));
        Self { source, key, value }
    }

    /// A range of addresses has the key of every wider one, too.
    fn has_key(&self, source: Option<&str>, key: &str) -> bool {
        source.is_none_or(|source| source == "any" || source == self.source)
            && (self.key == key || (self.source == "cidr" && covers(key, self.key).unwrap_or(false)))
    }
}

/// Whether a range of addresses lies within another one.
fn covers(wide: &str, narrow: &str) -> Option<bool> {
    let parse = |range: &str| -> Option<(IpAddr, u32)> {
        let (address, bits) = range.split_once('/')?;
        // An IPv6 range in a label has dashes, as a key may have no colons.
        let address = address.parse().or_else(|_| address.replace('-', ":").parse()).ok()?;
        Some((address, bits.parse().ok()?))
    };
    let ((wide, wide_bits), (narrow, narrow_bits)) = (parse(wide)?, parse(narrow)?);
    Some(wide_bits <= narrow_bits && within(narrow, wide, wide_bits))
}

/// Whether an address shares its first bits with another one of its family.
pub(super) fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (bits <= width && (a ^ b) >> (width - bits) == 0);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens };
        let mut requirements = Vec::new();
        while parser.peek().is_some() {
            requirements.push(parser.requirement().map_err(|why| format!("{text:?} is no label selector: {why}"))?);
            match parser.next() {
                None => break,
                Some(",") if parser.peek().is_some() => {}
                Some(other) => return Err(format!("{text:?} is no label selector: unexpected {other:?}")),
            }
        }
        Ok(Self(requirements))
    }

    pub(super) fn matches<'a>(&self, labels: &(impl Iterator<Item = &'a str> + Clone)) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels.clone()))
    }
}

impl Requirement {
    fn holds<'a>(&self, labels: impl Iterator<Item = &'a str>) -> bool {
        let found = labels.map(Label::parse).find(|label| label.has_key(self.source.as_deref(), &self.key));
        let value = found.map(|label| label.value);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.holds {
            Holds::Exists => value.is_some(),
            Holds::Absent => value.is_none(),
            Holds::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Holds::NotIn(values) => value.is_none_or(|value| values.iter().all(|other| other != value)),
            Holds::Above(limit) => number().is_some_and(|number| number > *limit),
            Holds::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// Words and signs.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = match rest.as_bytes() {
            [b'=' | b'!', b'=', ..] => 2,
            [b'=' | b'!' | b'(' | b')' | b',' | b'<' | b'>', ..] => 1,
            _ => rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.first().copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.peek() == Some(token);
        if is_next {
            self.next();
        }
        is_next
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let is_absent = self.take("!");
        let key = self.next().filter(|key| is_word(key)).ok_or("a key is missing")?;
        let (source, key) = match key.split_once(':') {
            Some((source, key)) => (Some(source.to_owned()), key.to_owned()),
            None => (None, key.to_owned()),
        };
        let holds = match self.peek() {
            None | Some(",") => {
                return Ok(Requirement { source, key, holds: if is_absent { Holds::Absent } else { Holds::Exists } });
            }
            Some(_) if is_absent => return Err("a key with ! has no value".to_owned()),
            Some("=" | "==") => {
                self.next();
                Holds::In(vec![self.value()])
            }
            Some("!=") => {
                self.next();
                Holds::NotIn(vec![self.value()])
            }
            Some("in") => {
                self.next();
                Holds::In(self.values()?)
            }
            Some("notin") => {
                self.next();
                Holds::NotIn(self.values()?)
            }
            Some(sign @ ("<" | ">")) => {
                self.next();
                let limit = self.value();
                let limit = limit.parse().map_err(|_| format!("{limit:?} is no whole number"))?;
                if sign == ">" { Holds::Above(limit) } else { Holds::Below(limit) }
            }
            Some(other) => return Err(format!("unexpected {other:?}")),
        };
        Ok(Requirement { source, key, holds })
    }

    /// A value, which may be empty.
    fn value(&mut self) -> String {
        match self.peek() {
            Some(word) if is_word(word) => self.next().unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if !self.take("(") {
            return Err("a list in parentheses is missing".to_owned());
        }
        let mut values = vec![self.value()];
        while self.take(",") {
            values.push(self.value());
        }
        if self.take(")") { Ok(values) } else { Err("a list is not closed".to_owned()) }
    }
}

fn is_word(token: &str) -> bool {
    !matches!(token, "=" | "==" | "!=" | "!" | "(" | ")" | "," | "<" | ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 4] = ["k8s:app=web", "k8s:tier=", "reserved:world", "cidr:10.1.2.0/24"];

    fn matches(selector: &str) -> bool {
        Selector::parse(selector).unwrap().matches(&LABELS.into_iter())
    }

    #[test]
    fn the_grammar_of_kubernetes() {
        for yes in [
            "",
            "app",
            "app=web",
            "app == web",
            "app!=db",
            "app in (db, web)",
            "app notin (db,x)",
            "!zone",
            "tier=",
            "zone!=a",
            "app=web,!zone",
            "zone notin (a)",
            "k8s:app=web",
            "any:app",
            "reserved:world",
            "world",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in
            ["zone", "app=db", "app!=web", "app in (db)", "!app", "app=web,zone", "reserved:app", "app>1", "zone in ()"]
        {
            assert!(!matches(no), "{no}");
        }
        for bad in ["=", "app=web,", "app in web", "app in (web", "!app=web", "app web", "app>x", ",app"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_has_the_key_of_every_wider_one() {
        assert!(matches("cidr:10.0.0.0/8") && matches("cidr:10.1.2.0/24") && matches("cidr:0.0.0.0/0"));
        assert!(!matches("cidr:10.1.2.0/25") && !matches("cidr:11.0.0.0/8") && !matches("k8s:10.0.0.0/8"));
    }
}
