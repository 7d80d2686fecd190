//! Policies from YAML: `CiliumNetworkPolicy`, `CiliumClusterwideNetworkPolicy` and Kubernetes' own `NetworkPolicy`, also as a `List`
//! that `kubectl get -o yaml` writes.
//!
//! A field that this does not know is an error: to leave it out would judge another policy than the one that was written. One that
//! is known and that flows do not tell about is taken, and what hangs on it comes out as unknown.

mod cilium;
mod kubernetes;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::policy::{Policies, Policy};
use crate::selector::{NAMESPACE_LABELS, Requirement, Selector, Test};

/// Why policies cannot be used; names the file.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("{file}: {why}")]
    Yaml { file: String, why: String },
    #[error("{file}: {policy}: {place}: {why}")]
    Policy { file: String, policy: String, place: String, why: String },
    #[error(
        "{file}: document {number}: kind {kind:?} is no policy that this knows; it knows CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and NetworkPolicy"
    )]
    Kind { file: String, number: usize, kind: String },
    #[error("{0}: no policy in it")]
    Empty(String),
}

/// What is wrong, and where in the policy.
type Wrong = (String, String);

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    spec: Option<Spec>,
    specs: Option<Vec<Spec>>,
    items: Option<Vec<Document>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

/// The fields of all kinds; each kind says which are its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Spec {
    endpoint_selector: Option<LabelSelector>,
    node_selector: Option<LabelSelector>,
    pod_selector: Option<LabelSelector>,
    policy_types: Option<Vec<String>>,
    ingress: Option<Vec<Option<Item>>>,
    egress: Option<Vec<Option<Item>>>,
    ingress_deny: Option<Vec<Option<Item>>>,
    egress_deny: Option<Vec<Option<Item>>>,
    enable_default_deny: Option<DefaultDeny>,
    labels: Option<serde::de::IgnoredAny>,
    description: Option<String>,
    log: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

/// A rule, in whichever list it stands.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Item {
    from_endpoints: Option<Vec<LabelSelector>>,
    from_requires: Option<Vec<LabelSelector>>,
    from_entities: Option<Vec<String>>,
    #[serde(rename = "fromCIDR")]
    from_cidr: Option<Vec<String>>,
    #[serde(rename = "fromCIDRSet")]
    from_cidr_set: Option<Vec<CidrSet>>,
    from_nodes: Option<Vec<LabelSelector>>,
    from_groups: Option<Vec<serde::de::IgnoredAny>>,
    to_endpoints: Option<Vec<LabelSelector>>,
    to_requires: Option<Vec<LabelSelector>>,
    to_entities: Option<Vec<String>>,
    #[serde(rename = "toCIDR")]
    to_cidr: Option<Vec<String>>,
    #[serde(rename = "toCIDRSet")]
    to_cidr_set: Option<Vec<CidrSet>>,
    #[serde(rename = "toFQDNs")]
    to_fqdns: Option<Vec<Name>>,
    to_nodes: Option<Vec<LabelSelector>>,
    to_services: Option<Vec<serde::de::IgnoredAny>>,
    to_groups: Option<Vec<serde::de::IgnoredAny>>,
    to_ports: Option<Vec<ToPorts>>,
    icmps: Option<Vec<Icmps>>,
    authentication: Option<serde::de::IgnoredAny>,
    // Of NetworkPolicy.
    from: Option<Vec<KubernetesPeer>>,
    to: Option<Vec<KubernetesPeer>>,
    ports: Option<Vec<KubernetesPort>>,
}

/// A field, and whether it is there.
type Field = (&'static str, bool);

impl Item {
    /// Fields that say from whom, as Cilium has them.
    fn fields_from(&self) -> [Field; 7] {
        [
            ("fromEndpoints", self.from_endpoints.is_some()),
            ("fromEntities", self.from_entities.is_some()),
            ("fromCIDR", self.from_cidr.is_some()),
            ("fromCIDRSet", self.from_cidr_set.is_some()),
            ("fromRequires", self.from_requires.is_some()),
            ("fromNodes", self.from_nodes.is_some()),
            ("fromGroups", self.from_groups.is_some()),
        ]
    }

    /// Fields that say to whom, as Cilium has them.
    fn fields_to(&self) -> [Field; 9] {
        [
            ("toEndpoints", self.to_endpoints.is_some()),
            ("toEntities", self.to_entities.is_some()),
            ("toCIDR", self.to_cidr.is_some()),
            ("toCIDRSet", self.to_cidr_set.is_some()),
            ("toFQDNs", self.to_fqdns.is_some()),
            ("toRequires", self.to_requires.is_some()),
            ("toNodes", self.to_nodes.is_some()),
            ("toServices", self.to_services.is_some()),
            ("toGroups", self.to_groups.is_some()),
        ]
    }

    /// Fields that Kubernetes alone has.
    fn of_kubernetes(&self) -> [Field; 3] {
        [("from", self.from.is_some()), ("to", self.to.is_some()), ("ports", self.ports.is_some())]
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LabelSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CidrSet {
    cidr: Option<String>,
    except: Option<Vec<String>>,
    cidr_group_ref: Option<String>,
    cidr_group_selector: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Name {
    match_name: Option<String>,
    match_pattern: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ToPorts {
    ports: Option<Vec<PortProtocol>>,
    rules: Option<L7Rules>,
    #[serde(rename = "terminatingTLS")]
    terminating_tls: Option<serde::de::IgnoredAny>,
    #[serde(rename = "originatingTLS")]
    originating_tls: Option<serde::de::IgnoredAny>,
    server_names: Option<Vec<String>>,
    listener: Option<serde::de::IgnoredAny>,
}

/// A number or a name, quoted or not.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum NumberOrName {
    Number(i64),
    Name(String),
}

impl NumberOrName {
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => name.parse().ok(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PortProtocol {
    port: Option<NumberOrName>,
    end_port: Option<u16>,
    protocol: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct L7Rules {
    http: Option<Vec<Option<HttpRule>>>,
    dns: Option<Vec<Name>>,
    kafka: Option<Vec<serde::de::IgnoredAny>>,
    l7proto: Option<String>,
    l7: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HttpRule {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    headers: Option<Vec<serde::de::IgnoredAny>>,
    header_matches: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Icmps {
    fields: Option<Vec<IcmpField>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IcmpField {
    family: Option<String>,
    r#type: NumberOrName,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct KubernetesPeer {
    pod_selector: Option<LabelSelector>,
    namespace_selector: Option<LabelSelector>,
    ip_block: Option<IpBlock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IpBlock {
    cidr: String,
    #[serde(default)]
    except: Vec<String>,
}

type KubernetesPort = PortProtocol;

impl Policies {
    /// The policies of a file; `file` is for messages alone.
    ///
    /// # Errors
    /// When the text is no YAML, holds something else than policies, or uses a field that this does not know.
    pub fn parse(file: &str, yaml: &str) -> Result<Self, ParseError> {
        let documents: Vec<Option<Document>> = serde_saphyr::from_multiple(yaml)
            .map_err(|error| ParseError::Yaml { file: file.to_owned(), why: error.to_string() })?;
        let mut policies = Vec::new();
        for (number, document) in (1..).zip(documents.into_iter().flatten()) {
            let items = match document.items {
                Some(items) => items,
                None => vec![document],
            };
            for item in items {
                policies.extend(read(file, number, item)?);
            }
        }
        if policies.is_empty() { Err(ParseError::Empty(file.to_owned())) } else { Ok(Self { policies }) }
    }
}

fn read(file: &str, number: usize, document: Document) -> Result<Vec<Policy>, ParseError> {
    let Document { kind, metadata, spec, specs, .. } = document;
    let namespace = metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default");
    let is_clusterwide = kind == "CiliumClusterwideNetworkPolicy";
    let name = if is_clusterwide { metadata.name.clone() } else { format!("{namespace}/{}", metadata.name) };
    let wrong = |(place, why): Wrong| ParseError::Policy { file: file.to_owned(), policy: name.clone(), place, why };
    if metadata.name.is_empty() {
        return Err(wrong(("metadata.name".to_owned(), "is missing".to_owned())));
    }
    let single = specs.is_none();
    let specs: Vec<(String, Spec)> = spec
        .map(|spec| ("spec".to_owned(), spec))
        .into_iter()
        .chain(specs.into_iter().flatten().enumerate().map(|(at, spec)| (format!("specs[{at}]"), spec)))
        .collect();
    if specs.is_empty() && single {
        return Err(wrong(("spec".to_owned(), "is missing".to_owned())));
    }
    let read = |(place, spec): (String, Spec)| match kind.as_str() {
        "CiliumNetworkPolicy" => cilium::policy(&name, Some(namespace), &place, spec).map_err(wrong),
        "CiliumClusterwideNetworkPolicy" => cilium::policy(&name, None, &place, spec).map_err(wrong),
        "NetworkPolicy" => kubernetes::policy(&name, namespace, &place, spec).map_err(wrong),
        _ => Err(ParseError::Kind { file: file.to_owned(), number, kind: kind.clone() }),
    };
    specs.into_iter().map(read).collect()
}

impl LabelSelector {
    /// `prefix` stands before each key.
    fn selector(&self, place: &str, prefix: &str) -> Result<Selector, Wrong> {
        let key = |key: &str| format!("{prefix}{key}");
        let labels = self.match_labels.iter().flatten();
        let mut requirements: Vec<Requirement> =
            labels.map(|(name, value)| Requirement::new(&key(name), Test::In(vec![value.clone()]))).collect();
        for (at, expression) in self.match_expressions.iter().flatten().enumerate() {
            let values = expression.values.clone().unwrap_or_default();
            let test = match expression.operator.as_str() {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                other => {
                    let why = format!("operator {other:?} is none of In, NotIn, Exists, DoesNotExist");
                    return Err((format!("{place}.matchExpressions[{at}]"), why));
                }
            };
            requirements.push(Requirement::new(&key(&expression.key), test));
        }
        Ok(Selector { requirements })
    }
}

/// What stands before the labels of a namespace.
fn namespace_prefix() -> String {
    format!("k8s:{NAMESPACE_LABELS}")
}

/// The first of some fields that is there and is not of this kind.
fn foreign(fields: &[Field], place: &str, kind: &str) -> Result<(), Wrong> {
    match fields.iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err((format!("{place}.{name}"), format!("is no field of a {kind}"))),
        None => Ok(()),
    }
}
