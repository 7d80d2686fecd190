//! What may stand at the cursor of the filter line: names of filters, and values, known ones and those that the data have.

use std::collections::HashMap;

use lookback_flow::columns::ColumnId;
use lookback_flow::filter::flags::FLAGS;
use lookback_flow::terms::EVENT_TYPES;

use crate::data::cell::columns_of_flag;
use crate::data::query::{TIMES, Word, quoted, words};

/// Offers that are shown.
const MOST: usize = 50;

#[derive(Clone, Debug, Default)]
pub struct Completion {
    pub offers: Vec<Offer>,
    pub chosen: Option<usize>,
    /// Values of flags, as the data have them.
    pub values: HashMap<String, Vec<String>>,
    /// The flag whose values were asked for last.
    pub asked: Option<String>,
}

/// A word that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The whole word.
    pub word: String,
    pub help: String,
}

/// The word that the cursor is in or behind, by its place in bytes.
fn word_at(text: &str, cursor: usize) -> Option<Word> {
    words(text).into_iter().find(|word| word.at.start < cursor && cursor <= word.at.end)
}

/// Values that do not depend on the data.
fn known(flag: &str) -> Vec<String> {
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match flag {
        "verdict" => of(&["DROPPED", "FORWARDED", "AUDIT", "REDIRECTED", "ERROR", "TRACED", "TRANSLATED"]),
        "protocol" => of(&["tcp", "udp", "http", "dns", "kafka", "icmpv4", "icmpv6", "sctp"]),
        "type" => EVENT_TYPES.iter().map(|(_, name)| (*name).to_owned()).collect(),
        "traffic-direction" => of(&["ingress", "egress"]),
        "ip-version" => of(&["4", "6"]),
        "http-status" => of(&["2+", "3+", "4+", "5+"]),
        "http-method" => of(&["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
        "tcp-flags" => of(&["SYN", "FIN", "RST", "SYN,ACK"]),
        "last" => of(&["1m", "10m", "1h", "1d"]),
        _ => Vec::new(),
    }
}

impl Completion {
    /// Offers for a place in the line; gives the flag and column whose values are to be looked up, if any are.
    pub fn update(&mut self, text: &str, cursor: usize) -> Option<(String, ColumnId)> {
        self.chosen = None;
        self.offers.clear();
        let word = word_at(text, cursor);
        let turn = if word.as_ref().is_some_and(|word| word.is_turned) { "not:" } else { "" };
        let key = word.as_ref().map_or("", |word| word.key.as_str());
        let Some(value) = word.as_ref().and_then(|word| word.value.as_deref()) else {
            self.names(key, turn);
            return None;
        };
        self.offer_values(key, value, turn);
        // A word that is whole needs no offer.
        let own = word.as_ref().and_then(|word| text.get(word.at.clone()));
        if let [only] = self.offers.as_slice()
            && Some(only.word.as_str()) == own
        {
            self.offers.clear();
        }
        let is_known = self.values.contains_key(key) || self.asked.as_deref() == Some(key);
        let column = columns_of_flag(key).first().copied().filter(|_| !is_known)?;
        self.asked = Some(key.to_owned());
        Some((key.to_owned(), column))
    }

    fn names(&mut self, key: &str, turn: &str) {
        let flags = FLAGS.iter().map(|flag| (flag.name, flag.value.is_some(), flag.help));
        let all: Vec<_> = flags.chain(TIMES.iter().map(|(name, help)| (*name, true, *help))).collect();
        // What begins so comes before what has it somewhere.
        let begins = all.iter().filter(|(name, ..)| name.starts_with(key));
        let within = all.iter().filter(|(name, ..)| !name.starts_with(key) && name.contains(key));
        for (name, takes, help) in begins.chain(within).take(MOST) {
            let colon = if *takes { ":" } else { "" };
            self.offers.push(Offer { word: format!("{turn}{name}{colon}"), help: (*help).to_owned() });
        }
    }

    fn offer_values(&mut self, key: &str, value: &str, turn: &str) {
        let lower = value.to_lowercase();
        let own = self.values.get(key).into_iter().flatten().map(|value| (value.clone(), "in the data"));
        let mut seen: Vec<String> = Vec::new();
        for (offered, help) in own.chain(known(key).into_iter().map(|value| (value, ""))) {
            let is_new = !seen.iter().any(|own| own.eq_ignore_ascii_case(&offered));
            if is_new && offered.to_lowercase().contains(&lower) && seen.len() < MOST {
                let word = format!("{turn}{key}:{}", quoted(&offered));
                self.offers.push(Offer { word, help: help.to_owned() });
                seen.push(offered);
            }
        }
        let begins = format!("{turn}{key}:{lower}");
        self.offers.sort_by_key(|offer| !offer.word.to_lowercase().starts_with(&begins));
    }

    /// The line with an offer in the place of the word at the cursor; and the cursor behind it.
    #[must_use]
    pub fn complete(&self, text: &str, cursor: usize, offer: usize) -> Option<(String, usize)> {
        let word = &self.offers.get(offer)?.word;
        let at = word_at(text, cursor).map_or(cursor..cursor, |word| word.at);
        let before = text.get(..at.start)?;
        let after = text.get(at.end..)?;
        let blank = if word.ends_with(':') || after.starts_with(' ') { "" } else { " " };
        let end = at.start + word.len() + blank.len();
        Some((format!("{before}{word}{blank}{after}"), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(text: &str) -> Vec<String> {
        let mut completion = Completion::default();
        completion.values.insert("from-pod".to_owned(), vec!["shop/web-1".to_owned(), "db/pg-0".to_owned()]);
        completion.update(text, text.len());
        completion.offers.into_iter().map(|offer| offer.word).collect()
    }

    #[test]
    fn names_and_values_are_offered() {
        assert_eq!(offers("verd"), ["verdict:"]);
        assert_eq!(offers("reply not:from-po")[..2], ["not:from-pod:", "not:from-port:"]);
        assert_eq!(offers("verdict:dr"), ["verdict:DROPPED"]);
        assert_eq!(offers("from-pod:pg"), ["from-pod:db/pg-0"]);
        assert!(offers("verdict:DROPPED").is_empty());
    }

    #[test]
    fn an_offer_takes_the_place_of_the_word() {
        let mut completion = Completion::default();
        let text = "verd reply";
        completion.update(text, 4);
        assert_eq!(completion.complete(text, 4, 0), Some(("verdict: reply".to_owned(), 8)));
        completion.update("verdict:dr", 10);
        assert_eq!(completion.complete("verdict:dr", 10, 0), Some(("verdict:DROPPED ".to_owned(), 16)));
    }

    #[test]
    fn values_of_the_data_are_looked_up_once() {
        let mut completion = Completion::default();
        assert_eq!(completion.update("from-pod:", 9).unwrap().0, "from-pod");
        assert!(completion.update("from-pod:s", 10).is_none());
    }
}
