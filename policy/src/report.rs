//! What policies would have done to the flows that were seen.

use std::collections::BTreeMap;

use crate::policy::{By, Decision, Policies};
use crate::seen::{Access, Seen};
use crate::truth::{Truth, Why};

/// An access, and what is decided of it.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    pub access: Access<'a>,
    pub decision: Decision,
}

/// What one rule lets through or denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    pub accesses: u64,
    pub flows: u64,
}

/// All accesses, by what was seen of them and what is decided. One that passed at one time and was denied at another is in two of
/// the lists.
#[derive(Debug)]
pub struct Report<'a> {
    policies: &'a Policies,
    /// Passed, and would have been denied.
    pub newly_denied: Vec<Judged<'a>>,
    /// Was denied, and would have passed, as far as these policies go.
    pub newly_allowed: Vec<Judged<'a>>,
    /// Was denied, and would have been.
    pub still_denied: Vec<Judged<'a>>,
    /// Passed, and would have passed.
    pub still_allowed: Vec<Judged<'a>>,
    /// What the log tells is not enough.
    pub not_known: Vec<(Judged<'a>, Why)>,
    /// What each rule that allows has let through; those of no use are there, too.
    pub rules: BTreeMap<By, Uses>,
}

impl<'a> Report<'a> {
    #[must_use]
    pub fn new(policies: &'a Policies, seen: &'a Seen) -> Self {
        let mut rules = BTreeMap::new();
        for (number, policy) in policies.policies.iter().enumerate() {
            rules.extend((0..policy.rules.len()).map(|place| (By::Rule(number, place), Uses::default())));
        }
        let mut report = Self {
            policies,
            newly_denied: Vec::new(),
            newly_allowed: Vec::new(),
            still_denied: Vec::new(),
            still_allowed: Vec::new(),
            not_known: Vec::new(),
            rules,
        };
        seen.accesses().into_iter().for_each(|access| report.take(access));
        report
    }

    fn take(&mut self, access: Access<'a>) {
        let decision = self.policies.decide(&access);
        let (passed, denied) = (access.tally.passed(), access.tally.denied());
        for by in &decision.by {
            if let Some(uses) = self.rules.get_mut(by) {
                uses.accesses += 1;
                uses.flows += passed + denied;
            }
        }
        let (yes, no) = match decision.allowed {
            Truth::Unknown(why) => {
                self.not_known.push((Judged { access, decision }, why));
                return;
            }
            Truth::Yes => (&mut self.still_allowed, &mut self.newly_allowed),
            Truth::No => (&mut self.newly_denied, &mut self.still_denied),
        };
        if passed > 0 {
            yes.push(Judged { access, decision: decision.clone() });
        }
        if denied > 0 {
            no.push(Judged { access, decision });
        }
    }

    /// Whether nothing that passed would have been denied.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.newly_denied.is_empty()
    }

    /// Flows that are not known, by the reason.
    #[must_use]
    pub fn unknowns(&self) -> BTreeMap<Why, Uses> {
        let mut unknowns: BTreeMap<Why, Uses> = BTreeMap::new();
        for (judged, why) in &self.not_known {
            let uses = unknowns.entry(*why).or_default();
            uses.accesses += 1;
            uses.flows += judged.access.tally.passed() + judged.access.tally.denied();
        }
        unknowns
    }

    /// What decided, in words.
    #[must_use]
    pub fn by(&self, by: &By) -> String {
        let name = |number: &usize| self.policies.policies.get(*number).map_or("?", |policy| policy.name.as_str());
        match by {
            By::Rule(number, place) => {
                let rule = self.policies.policies.get(*number).and_then(|policy| policy.rules.get(*place));
                format!("{} {}", name(number), rule.map_or("?", |rule| rule.place.as_str()))
            }
            By::Open(way) => format!("no policy on {}", way.name()),
            By::Closed(way, numbers) => {
                let mut names: Vec<&str> = numbers.iter().map(name).collect();
                names.dedup();
                format!("no rule of {} allows it on {}", names.join(", "), way.name())
            }
            By::Host => "the node itself".to_owned(),
        }
    }

    /// Everything that decided about an access, in words.
    #[must_use]
    pub fn why(&self, judged: &Judged<'_>) -> String {
        let mut texts: Vec<String> = judged.decision.by.iter().map(|by| self.by(by)).collect();
        texts.dedup();
        texts.join("; ")
    }
}
