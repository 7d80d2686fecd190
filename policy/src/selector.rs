//! Label selectors: what an endpoint must have.

use crate::endpoint::{Endpoint, NAMESPACE, split};
use crate::truth::{Truth, Why};

/// Before the labels of a pod's namespace, among the labels of the pod.
pub const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

/// Requirements that all must hold; none of them holds for every endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// `k8s`, `reserved`, …; `any` stands for each.
    pub source: String,
    pub key: String,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// The selector within a namespace, unless it says itself which namespaces it is about.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        if !self.requirements.iter().any(Requirement::is_about_namespace) {
            self.requirements.push(Requirement::new(NAMESPACE, Test::In(vec![namespace.to_owned()])));
        }
        self
    }

    /// The selector of whom a policy of this namespace is for, whatever it says itself of namespaces.
    #[must_use]
    pub fn inside(mut self, namespace: &str) -> Self {
        self.requirements.push(Requirement::new(NAMESPACE, Test::In(vec![namespace.to_owned()])));
        self
    }

    /// The selector of pods alone, unless it names what is none: without it `NotIn` and `DoesNotExist` fit the world.
    #[must_use]
    pub fn of_pods(mut self) -> Self {
        if !self.requirements.iter().any(|own| own.source == "reserved") {
            self.requirements.push(Requirement::new(NAMESPACE, Test::Exists));
        }
        self
    }

    #[must_use]
    pub fn matches(&self, endpoint: &Endpoint) -> Truth {
        Truth::all(self.requirements.iter().map(|requirement| requirement.matches(endpoint)))
    }
}

impl Requirement {
    /// `key` may begin with a source (`k8s:app`); without one every source will do.
    #[must_use]
    pub fn new(key: &str, test: Test) -> Self {
        let (source, key) = key.split_once(':').unwrap_or(("any", key));
        Self { source: source.to_owned(), key: key.to_owned(), test }
    }

    fn is_about_namespace(&self) -> bool {
        // One that starts up has no namespace yet.
        self.key == NAMESPACE[4..] || self.key.starts_with(NAMESPACE_LABELS) || self.source == "reserved"
    }

    fn matches(&self, endpoint: &Endpoint) -> Truth {
        let has = |source: &str| self.source == "any" || self.source == source;
        if let (Some(namespace), true) = (&endpoint.namespace, self.key == NAMESPACE[4..] && has("k8s")) {
            return self.decided(Some(namespace));
        }
        let Some(labels) = &endpoint.labels else {
            return Truth::Unknown(if endpoint.namespace.is_some() { Why::Labels } else { Why::Endpoint });
        };
        let value = labels.iter().map(|label| split(label)).find(|(source, key, _)| *key == self.key && has(source));
        // Labels of namespaces are not in every log. One of them goes by the namespace's name.
        if let (None, Some(name)) = (value, self.key.strip_prefix(NAMESPACE_LABELS))
            && let Some(namespace) = &endpoint.namespace
        {
            if name == "kubernetes.io/metadata.name" {
                return self.decided(Some(namespace));
            }
            if !labels.iter().any(|label| split(label).1.starts_with(NAMESPACE_LABELS)) {
                return Truth::Unknown(Why::Labels);
            }
        }
        self.decided(value.map(|(_, _, value)| value))
    }

    fn decided(&self, value: Option<&str>) -> Truth {
        let is_in = |values: &[String]| value.is_some_and(|value| values.iter().any(|own| own == value));
        Truth::from(match &self.test {
            Test::In(values) => is_in(values),
            Test::NotIn(values) => !is_in(values),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        })
    }
}
