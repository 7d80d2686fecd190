//! Yes, no, and unknown with the reason, joined as Kleene's logic has it: a no settles an "and", a yes settles an "or", whatever
//! is unknown beside it.

/// What a log does not tell, so that a rule cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The endpoint's labels are not in the log.
    Labels,
    /// Neither identity nor labels nor namespace of the endpoint are in the log.
    Endpoint,
    /// The address is not in the log.
    Address,
    /// No DNS name of the address is in the log.
    Names,
    /// The protocol or port is not in the log.
    Port,
    /// The rule looks into requests, and none were seen on this connection.
    Requests,
    /// The part of the policy that flows do not tell about.
    Rule(&'static str),
}

impl Why {
    /// In words, for a person.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Labels => "the log has no labels of the endpoint (masked?)".to_owned(),
            Self::Endpoint => "the log does not tell what the endpoint is".to_owned(),
            Self::Address => "the log does not tell the address".to_owned(),
            Self::Names => {
                "the log has no DNS name of the address (toFQDNs goes by names that were looked up)".to_owned()
            }
            Self::Port => "the log does not tell protocol and port".to_owned(),
            Self::Requests => "the rule looks into requests, and the log has none of this connection".to_owned(),
            Self::Rule(part) => format!("the policy uses {part}, which flows do not tell about"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    No,
    Unknown(Why),
    Yes,
}

impl Truth {
    #[must_use]
    pub fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown(why) => {
                if other() == Self::No {
                    Self::No
                } else {
                    Self::Unknown(why)
                }
            }
        }
    }

    #[must_use]
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Unknown(why) => {
                if other() == Self::Yes {
                    Self::Yes
                } else {
                    Self::Unknown(why)
                }
            }
        }
    }

    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    /// Whether any is true; of none, no.
    pub fn any(items: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for item in items {
            found = found.or(|| item);
            if found == Self::Yes {
                break;
            }
        }
        found
    }

    /// Whether all are true; of none, yes.
    pub fn all(items: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::Yes;
        for item in items {
            found = found.and(|| item);
            if found == Self::No {
                break;
            }
        }
        found
    }
}

impl From<bool> for Truth {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}
