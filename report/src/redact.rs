//! Pseudonyms for what may tell of persons and organisations.
//!
//! Promises:
//! 1. The same value gets the same token with the same key, wherever it stands, so that answers stay right.
//! 2. Without the key no token can be traced back, nor can values be tried one by one.
//! 3. A column of a class that is redacted holds nothing but tokens, NULL, and words that Cilium reserves.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, ListArray, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;
use lookback_flow::columns::{ColumnId, Personal};
use ring::hmac;

use crate::manifest::hexadecimal;

/// Bytes of a token: few enough to read, so many that no two values of a cluster share one.
const TOKEN: usize = 6;

/// Shortest key; HMAC-SHA-256 is as strong as its key is long, up to 32 bytes.
pub const SHORTEST_KEY: usize = 16;

/// What names no one: the identities that Cilium reserves, as endpoints are called by them.
const RESERVED: &[&str] =
    &["world", "host", "remote-node", "health", "kube-apiserver", "ingress", "unmanaged", "init", "unknown"];

/// The classes of columns, as a command line names them, and what tokens of each begin with.
pub const CLASSES: &[(&str, Personal, &str)] = &[
    ("addresses", Personal::Address, "ip"),
    ("pods", Personal::Pod, "pod"),
    ("labels", Personal::Label, "label"),
    ("hosts", Personal::Host, "host"),
    ("urls", Personal::Body, "text"),
    ("ids", Personal::Identity, "id"),
];

/// Which classes are redacted, and by which key.
#[derive(Clone)]
pub struct Redaction {
    classes: Vec<Personal>,
    key: hmac::Key,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").field("classes", &self.classes).finish_non_exhaustive()
    }
}

/// Why nothing can be redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("{0:?} is no class to redact; there are addresses, pods, labels, hosts, urls, ids, and all")]
    Class(String),
    #[error("a key of {0} bytes is too short to keep tokens from being traced back: give {SHORTEST_KEY} or more")]
    Key(usize),
}

impl Redaction {
    /// Redaction of some classes, `all` for all of them.
    ///
    /// # Errors
    /// When a class is not known or the key is too short.
    pub fn new(classes: &[String], key: &[u8]) -> Result<Self, RedactError> {
        if key.len() < SHORTEST_KEY {
            return Err(RedactError::Key(key.len()));
        }
        let mut chosen = Vec::new();
        for class in classes {
            let known = CLASSES.iter().filter(|(name, ..)| name == class || class == "all").map(|(_, class, _)| *class);
            let before = chosen.len();
            chosen.extend(known);
            if chosen.len() == before {
                return Err(RedactError::Class(class.clone()));
            }
        }
        Ok(Self { classes: chosen, key: hmac::Key::new(hmac::HMAC_SHA256, key) })
    }

    /// Whether names of hosts, nodes and domains are redacted.
    #[must_use]
    pub fn hides_hosts(&self) -> bool {
        self.redacts(Personal::Host)
    }

    fn redacts(&self, class: Personal) -> bool {
        self.classes.contains(&class)
    }

    /// The token of a value of a class; the value itself where its class is not redacted.
    #[must_use]
    pub fn token(&self, class: Personal, value: &str) -> String {
        let prefix = CLASSES.iter().find(|(_, own, _)| *own == class).map(|(.., prefix)| *prefix);
        match prefix {
            Some(prefix) if self.redacts(class) && !value.is_empty() => {
                let tag = hmac::sign(&self.key, format!("{prefix}\0{value}").as_bytes());
                format!("{prefix}-{}", hexadecimal(tag.as_ref().get(..TOKEN).unwrap_or_default()))
            }
            _ => value.to_owned(),
        }
    }

    /// The best name of an endpoint: an address, a reserved word, a DNS name, or `namespace/name`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> String {
        if RESERVED.contains(&name) {
            name.to_owned()
        } else if name.parse::<IpAddr>().is_ok() {
            self.token(Personal::Address, name)
        } else if let Some((namespace, own)) = name.split_once('/') {
            format!("{}/{}", self.token(Personal::Pod, namespace), self.token(Personal::Pod, own))
        } else if name.contains('.') {
            self.domain(name)
        } else {
            self.token(Personal::Pod, name)
        }
    }

    /// A DNS name; one of a service in the cluster is made of names of its own, which stay told apart.
    #[must_use]
    pub fn domain(&self, name: &str) -> String {
        let Some((own, zone)) = name.split_once(".svc.").filter(|(own, _)| own.contains('.')) else {
            let name = if self.redacts(Personal::Host) { name.strip_suffix('.').unwrap_or(name) } else { name };
            return self.token(Personal::Host, name);
        };
        let parts: Vec<String> = own.split('.').map(|part| self.token(Personal::Pod, part)).collect();
        format!("{}.svc.{zone}", parts.join("."))
    }

    fn label(&self, label: &str) -> String {
        if label.starts_with("reserved:") { label.to_owned() } else { self.token(Personal::Label, label) }
    }

    /// A batch of columns of the schema, with tokens for what is redacted.
    ///
    /// # Errors
    /// When Arrow refuses an array, which none of the schema's columns makes it do.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
            let Some(id) = ColumnId::of(field.name()) else { return Ok(array.clone()) };
            let column = id.column();
            match (column.name, column.personal) {
                // A best name may be of any class.
                ("client" | "server", _) => replaced(array, &|name| self.endpoint(name)),
                // It has addresses in it.
                ("connection_id", _) if self.redacts(Personal::Address) => {
                    replaced(array, &|id| self.clone().with(Personal::Identity).token(Personal::Identity, id))
                }
                (_, Personal::Host) if self.redacts(Personal::Host) || self.redacts(Personal::Pod) => {
                    replaced(array, &|name| self.domain(name))
                }
                (_, class) if !self.redacts(class) => Ok(array.clone()),
                (_, Personal::Label) => replaced(array, &|label| self.label(label)),
                (_, Personal::Identity) if array.data_type().is_numeric() => {
                    Ok(new_null_array(array.data_type(), array.len()))
                }
                (_, class) => replaced(array, &|value| self.token(class, value)),
            }
        });
        RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
    }

    fn with(mut self, class: Personal) -> Self {
        self.classes.push(class);
        self
    }
}

/// The array with every text in it replaced; what holds no text stays.
fn replaced(array: &ArrayRef, token: &dyn Fn(&str) -> String) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter().map(|text| text.map(token));
            Arc::new(texts.collect::<StringArray>())
        }
        DataType::Dictionary(keys, _) if **keys == DataType::Int32 => {
            let own = array.as_dictionary::<Int32Type>();
            Arc::new(DictionaryArray::try_new(own.keys().clone(), replaced(own.values(), token)?)?)
        }
        DataType::List(item) => {
            let own = array.as_list::<i32>();
            let items = replaced(own.values(), token)?;
            Arc::new(ListArray::try_new(item.clone(), own.offsets().clone(), items, own.nulls().cloned())?)
        }
        DataType::Struct(fields) => {
            let own = array.as_struct();
            let columns = own.columns().iter().map(|column| replaced(column, token)).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, own.nulls().cloned())?)
        }
        kind if kind.is_primitive() || *kind == DataType::Boolean => array.clone(),
        // No column has another type; if one ever does, it tells nothing rather than all.
        kind => new_null_array(kind, array.len()),
    })
}

#[cfg(test)]
mod tests {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use lookback_flow::json::Decoder;
    use lookback_flow::rows::Projection;

    use super::*;

    fn redaction(classes: &[&str]) -> Redaction {
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        Redaction::new(&classes, b"0123456789abcdef").unwrap()
    }

    #[test]
    fn names_keep_what_ties_them_together() {
        let own = redaction(&["pods", "hosts"]);
        let pod = |name: &str| own.token(Personal::Pod, name);
        assert_eq!(own.endpoint("shop/web"), format!("{}/{}", pod("shop"), pod("web")));
        assert_eq!(
            own.domain("web.shop.svc.cluster.local."),
            format!("{}.{}.svc.cluster.local.", pod("web"), pod("shop"))
        );
        assert_eq!(own.endpoint("world"), "world");
        assert_eq!(own.endpoint("10.0.0.1"), "10.0.0.1", "addresses were not asked for");
        assert_eq!(own.domain("api.example.com."), own.domain("api.example.com"));
        assert_ne!(pod("web"), own.token(Personal::Host, "web"));
        let other = Redaction::new(&["pods".to_owned()], b"another key of mine").unwrap();
        assert_ne!(pod("web"), other.token(Personal::Pod, "web"));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(Redaction::new(&["pod".to_owned()], b"0123456789abcdef").unwrap_err().to_string().contains("pods"));
        assert!(Redaction::new(&["pods".to_owned()], b"short").unwrap_err().to_string().contains("too short"));
    }

    #[test]
    fn nothing_of_a_redacted_class_is_left_in_any_column() {
        let line = r#"{"flow":{"time":"2026-03-01T10:00:00Z","uuid":"u-secret","verdict":"FORWARDED","IP":{"source":"10.1.2.3","destination":"10.1.2.4"},"source":{"namespace":"ns-secret","labels":["k8s:app=secret","reserved:host"],"pod_name":"pod-secret","workloads":[{"name":"w-secret","kind":"Deployment"}]},"destination_names":["secret.example.com"],"l7":{"type":"REQUEST","http":{"method":"GET","url":"http://secret/","headers":[{"key":"X","value":"secret"}]}},"node_name":"node-secret","Summary":"secret"},"node_name":"node-secret","time":"2026-03-01T10:00:00Z"}"#;
        let own = redaction(&["all"]);
        for is_packed in [false, true] {
            let mut decoder = Decoder::new(Projection::all());
            decoder.line(line.as_bytes()).unwrap();
            let batch = if is_packed { decoder.finish_packed() } else { decoder.finish() }.unwrap();
            let told = |batch: &RecordBatch| {
                let format = FormatOptions::default();
                let cell = |column: &ArrayRef| {
                    ArrayFormatter::try_new(column, &format).unwrap().value(0).try_to_string().unwrap()
                };
                batch
                    .columns()
                    .iter()
                    // A moment holds no name, and arrow shows one of a time zone only with a feature that nothing else wants.
                    .filter(|column| !matches!(column.data_type(), DataType::Timestamp(..)))
                    .map(cell)
                    .filter(|text| text.contains("secret") || text.contains("10.1.2"))
                    .count()
            };
            assert!(told(&batch) > 8, "the test sees what there is");
            let redacted = own.batch(&batch).unwrap();
            assert_eq!(told(&redacted), 0);
            let text = |name: &str| {
                let column = redacted.column_by_name(name).unwrap();
                ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap().value(0).to_string()
            };
            assert_eq!(text("source_pod"), own.token(Personal::Pod, "pod-secret"));
            assert!(text("source_labels").contains("reserved:host"));
            assert_eq!(text("verdict"), "FORWARDED");
        }
    }
}
