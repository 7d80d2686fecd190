//! Patterns of names: pods and services by prefix, domains and nodes with `*`.

use regex::Regex;

use crate::segment::Pattern;

/// `namespace/prefix`, `namespace/`, `/prefix`; a prefix alone is of the namespace `default`.
#[derive(Debug)]
pub(super) struct Namespaced {
    /// Empty: any.
    namespace: String,
    prefix: String,
}

impl Namespaced {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; it must be [namespace/][prefix]".to_owned());
        }
        let mut parts = text.split('/');
        let first = parts.next().unwrap_or_default().to_owned();
        Ok(match parts.next() {
            Some(prefix) => Self { namespace: first, prefix: prefix.to_owned() },
            None => Self { namespace: "default".to_owned(), prefix: first },
        })
    }

    /// The namespace that it must be, if any will not do.
    pub(super) fn namespace(&self) -> Option<Pattern> {
        (!self.namespace.is_empty()).then(|| Pattern::Is(self.namespace.clone()))
    }

    /// How its name must begin.
    pub(super) fn prefix(&self) -> Option<Pattern> {
        (!self.prefix.is_empty()).then(|| Pattern::Begins(self.prefix.clone()))
    }

    /// Something with neither namespace nor name is no pod and no service.
    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        !(namespace.is_empty() && name.is_empty())
            && (self.namespace.is_empty() || self.namespace == namespace)
            && name.starts_with(&self.prefix)
    }
}

/// A domain name with `*`, which stands for any characters of names, dots among them.
pub(super) fn fqdn(pattern: &str) -> Result<Regex, String> {
    let name = pattern.trim();
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    if name.is_empty() || name.ends_with('.') {
        return Err(format!("{pattern:?} is no name"));
    }
    let mut regex = String::from("^");
    for c in name.chars() {
        match c {
            '.' => regex.push_str("[.]"),
            '*' => regex.push_str("[-.0-9a-z]*"),
            'a'..='z' | '0'..='9' | '-' | '_' => regex.push(c),
            other => return Err(format!("{pattern:?} has {other:?}, which no name has")),
        }
    }
    regex.push('$');
    Regex::new(&regex).map_err(|error| error.to_string())
}

/// `node` or `cluster/node`, each with `*`.
#[derive(Debug)]
pub(super) struct NodeName {
    cluster: Option<Regex>,
    /// `None`: any.
    node: Option<Regex>,
}

impl NodeName {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let part = |part: &str| if part.is_empty() { Ok(None) } else { fqdn(part).map(Some) };
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [node] => Ok(Self { cluster: None, node: Some(fqdn(node)?) }),
            [cluster, node] => Ok(Self { cluster: part(cluster)?, node: part(node)? }),
            _ => Err(format!("{text:?} has more than one slash; it must be [cluster/]node")),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let (cluster, node) = name.split_once('/').unwrap_or(("default", name));
        let fits = |pattern: &Option<Regex>, text| pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
        fits(&self.cluster, cluster) && fits(&self.node, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_of_the_default_namespace() {
        let matches = |pattern: &str, namespace, name| Namespaced::parse(pattern).unwrap().matches(namespace, name);
        assert!(matches("web", "default", "web-1") && !matches("web", "shop", "web-1"));
        assert!(matches("shop/web", "shop", "web-1") && !matches("shop/web", "shop", "cart"));
        assert!(
            matches("shop/", "shop", "") && matches("/web", "any", "web-1") && matches("shop/web/x", "shop", "web")
        );
        assert!(matches("/", "shop", "") && !matches("/", "", ""));
        assert!(Namespaced::parse("").is_err());
    }

    #[test]
    fn a_star_crosses_dots_and_no_underscore() {
        let matches = |pattern: &str, name| fqdn(pattern).unwrap().is_match(name);
        assert!(matches("*.Example.com. ", "a.b.example.com") && !matches("*.example.com", "example.com"));
        assert!(!matches("*", "a_b") && matches("a_*", "a_b") && !matches("example.com", "examplexcom"));
        assert!(!matches("example.com", "Example.com"), "names of flows stay as they are");
        for bad in ["", " ", ".", "..", "a..", "a b", "a/b", "é"] {
            assert!(fqdn(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_node_without_a_cluster_is_of_the_default_one() {
        let matches = |pattern: &str, name| NodeName::parse(pattern).unwrap().matches(name);
        assert!(matches("node-a", "prod/node-a") && matches("node-a", "node-a"));
        assert!(matches("default/node-*", "node-a") && !matches("prod/node-a", "node-a"));
        assert!(matches("prod/", "prod/node-a"));
        assert!(NodeName::parse("a/b/c").is_err() && NodeName::parse("").is_err());
    }
}
