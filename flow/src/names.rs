//! What an endpoint is called: the best name there is, by the rules of `docs/rules.md`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch, StringArray, StructArray};
use serde::{Deserialize, Serialize};

use crate::columns::ColumnId;
use crate::json::{Bad, Next, Reader};
use crate::view::{View, WrongType};

/// Identities that stand for something by their number alone, in Cilium's words.
pub const RESERVED_IDENTITIES: &[(u32, &str)] = &[
    (1, "host"),
    (2, "world"),
    (3, "unmanaged"),
    (4, "health"),
    (5, "init"),
    (6, "remote-node"),
    (7, "kube-apiserver"),
    (8, "ingress"),
    (9, "world-ipv4"),
    (10, "world-ipv6"),
    (11, "aggregate-cluster"),
    (12, "aggregate-cluster-mesh"),
    (13, "aggregate-world"),
    (14, "aggregate-remote-node"),
];

/// Labels that name an application, best first.
const APP_LABELS: &[&str] = &["app.kubernetes.io/name", "k8s-app", "app"];

/// Characters of the parts of pod names that Kubernetes generates (its `rand.SafeEncodeString`).
const GENERATED: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The columns of one end of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    pub namespace: ColumnId,
    pub pod: ColumnId,
    pub workloads: ColumnId,
    pub labels: ColumnId,
    pub service: ColumnId,
    pub service_namespace: ColumnId,
    pub names: ColumnId,
    pub identity: ColumnId,
    pub ip: ColumnId,
}

impl Side {
    /// Names of the columns that naming an endpoint needs, for `source` or `destination`.
    pub const COLUMNS: [&'static str; 9] =
        ["namespace", "pod", "workloads", "labels", "service_name", "service_namespace", "names", "identity", "ip"];

    /// The side `source` or `destination`; `None` for anything else.
    #[must_use]
    pub fn of(side: &str) -> Option<Self> {
        let column = |name: &str| ColumnId::of(&format!("{side}_{name}"));
        Some(Self {
            namespace: column("namespace")?,
            pod: column("pod")?,
            workloads: column("workloads")?,
            labels: column("labels")?,
            service: column("service_name")?,
            service_namespace: column("service_namespace")?,
            names: column("names")?,
            identity: column("identity")?,
            ip: column("ip")?,
        })
    }
}

/// Which workload owns a pod, as far as any line of the input tells: workloads are filled only on the node where the
/// endpoint lives, and the other node's lines name the pod alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Workloads {
    /// By namespace, then pod.
    pods: BTreeMap<String, BTreeMap<String, String>>,
}

impl Workloads {
    /// Learns from a batch that has the columns of [`Side::COLUMNS`]; others teach nothing.
    ///
    /// # Errors
    /// When a column has not the type of the schema.
    pub fn learn(&mut self, batch: &RecordBatch) -> Result<(), WrongType> {
        let view = View::new(batch)?;
        for side in ["source", "destination"].into_iter().filter_map(Side::of) {
            // What was met before teaches nothing; where it is not numbered, it is looked at again.
            let mut met = HashSet::new();
            for row in 0..batch.num_rows() {
                let numbers = [side.namespace, side.pod, side.workloads].map(|column| view.key(column, row));
                if let [namespace, Some(pod), Some(workloads)] = numbers
                    && !met.insert((namespace, pod, workloads))
                {
                    continue;
                }
                if let Some(pod) = view.text(side.pod, row)
                    && let Some(items) = view.structs(side.workloads, row)
                    && let Some(workload) = first_name(&items)
                {
                    self.add(view.text(side.namespace, row).unwrap_or_default(), pod, workload);
                }
            }
        }
        Ok(())
    }

    /// Learns from the JSON of an endpoint, which has been found to be good.
    pub(crate) fn learn_endpoint(&mut self, json: &str) {
        let _ = self.learn_from(&mut Reader::new(json));
    }

    fn learn_from(&mut self, reader: &mut Reader<'_>) -> Result<(), Bad> {
        let (mut namespace, mut pod, mut workload) = (None, None, None);
        reader.open_object()?;
        let mut first = true;
        while let Some(key) = reader.key(first)? {
            first = false;
            match (&*key, reader.peek()?) {
                ("namespace", Next::Text) => namespace = Some(reader.text()?),
                ("pod_name" | "podName", Next::Text) => pod = Some(reader.text()?),
                ("workloads", Next::List) => workload = first_workload(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        // An empty text is no text.
        if let (Some(pod), Some(workload)) = (pod.filter(|pod| !pod.is_empty()), workload) {
            self.add(namespace.as_deref().unwrap_or_default(), &pod, &workload);
        }
        Ok(())
    }

    /// Learns what another has learnt.
    pub fn merge(&mut self, other: &Self) {
        for (namespace, pods) in &other.pods {
            for (pod, workload) in pods {
                self.add(namespace, pod, workload);
            }
        }
    }

    fn add(&mut self, namespace: &str, pod: &str, workload: &str) {
        let pods = match self.pods.get_mut(namespace) {
            Some(pods) => pods,
            None => self.pods.entry(namespace.to_owned()).or_default(),
        };
        match pods.get_mut(pod) {
            // Should lines differ, the first by name, so that their order does not matter.
            Some(known) => {
                if workload < known.as_str() {
                    workload.clone_into(known);
                }
            }
            None => {
                pods.insert(pod.to_owned(), workload.to_owned());
            }
        }
    }

    /// How many pods are known.
    #[must_use]
    pub fn pods(&self) -> usize {
        self.pods.values().map(BTreeMap::len).sum()
    }

    /// At most so many pods of it.
    #[must_use]
    pub fn first(&self, most: usize) -> Self {
        let mut some = Self::default();
        let pods = self.pods.iter().flat_map(|(namespace, pods)| pods.iter().map(move |pod| (namespace, pod)));
        pods.take(most).for_each(|(namespace, (pod, workload))| some.add(namespace, pod, workload));
        some
    }

    fn of(&self, namespace: &str, pod: &str) -> Option<&str> {
        self.pods.get(namespace)?.get(pod).map(String::as_str)
    }
}

/// Writes the best name of an endpoint; nothing when there is none.
pub fn best_name(view: &View<'_>, side: &Side, row: usize, workloads: &Workloads, out: &mut String) {
    out.clear();
    let text = |column| view.text(column, row).filter(|text| !text.is_empty());
    let namespace = text(side.namespace);
    let pod = text(side.pod);
    let own = view.structs(side.workloads, row);
    let known = own.as_ref().and_then(first_name).or_else(|| workloads.of(namespace.unwrap_or_default(), pod?));
    if let Some(name) = known {
        return qualified(namespace, name, out);
    }
    let labels = view.texts(side.labels, row);
    if let Some(app) = labels.as_ref().and_then(|labels| APP_LABELS.iter().find_map(|key| label(labels, key))) {
        return qualified(namespace, app, out);
    }
    if let Some(pod) = pod {
        return qualified(namespace, base_name(pod), out);
    }
    if let Some(service) = text(side.service) {
        return qualified(text(side.service_namespace), service, out);
    }
    if let Some(names) = view.texts(side.names, row)
        && let Some(name) = names.iter().flatten().find(|name| !name.is_empty())
    {
        return out.push_str(name.strip_suffix('.').unwrap_or(name));
    }
    let identity = view.number(side.identity, row).unwrap_or_default();
    if let Some((_, name)) = RESERVED_IDENTITIES.iter().find(|(number, _)| i128::from(*number) == identity) {
        // The same place, whether a cluster tells the two families apart or not.
        return out.push_str(if name.starts_with("world-") { "world" } else { name });
    }
    if identity == 0
        && let Some(name) = labels.as_ref().and_then(reserved)
    {
        return out.push_str(name);
    }
    out.push_str(text(side.ip).unwrap_or_default());
}

fn qualified(namespace: Option<&str>, name: &str, out: &mut String) {
    if let Some(namespace) = namespace {
        out.push_str(namespace);
        out.push('/');
    }
    out.push_str(name);
}

/// The name of the first of a list of workloads.
fn first_workload<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Bad> {
    let mut name = None;
    let mut is_found = false;
    reader.open_list()?;
    let mut first = true;
    while reader.item(first)? {
        first = false;
        if is_found || reader.peek()? != Next::Object {
            reader.skip()?;
            continue;
        }
        is_found = true;
        reader.open_object()?;
        let mut first = true;
        while let Some(key) = reader.key(first)? {
            first = false;
            if &*key == "name" && reader.peek()? == Next::Text {
                name = Some(reader.text()?).filter(|name| !name.is_empty());
            } else {
                reader.skip()?;
            }
        }
    }
    Ok(name)
}

fn first_name(workloads: &StructArray) -> Option<&str> {
    let names: &StringArray = workloads.column_by_name("name")?.as_string_opt()?;
    (!names.is_empty() && names.is_valid(0) && !names.value(0).is_empty()).then(|| names.value(0))
}

/// The value of a label of any source: `k8s:app=web`, `app=web`.
fn label<'a>(labels: &'a StringArray, key: &str) -> Option<&'a str> {
    labels.iter().flatten().find_map(|label| {
        let (name, value) = label.split_once('=')?;
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        (name == key && !value.is_empty()).then_some(value)
    })
}

/// What the first `reserved:` label stands for.
fn reserved(labels: &StringArray) -> Option<&str> {
    let name = labels.iter().flatten().find_map(|label| label.strip_prefix("reserved:"))?;
    Some(if name.starts_with("world") { "world" } else { name })
}

/// A pod's name without what Kubernetes generates.
#[must_use]
pub fn base_name(pod: &str) -> &str {
    let Some((base, suffix)) = pod.rsplit_once('-') else { return pod };
    if base.is_empty() || suffix.is_empty() {
        return pod;
    }
    if suffix.bytes().all(|b| b.is_ascii_digit()) {
        return base;
    }
    if suffix.len() != 5 || !generated(suffix) {
        return pod;
    }
    match base.rsplit_once('-') {
        Some((name, hash)) if !name.is_empty() && (8..=10).contains(&hash.len()) && generated(hash) => name,
        // A job of a cron job: the minute that it is for, since 1970.
        Some((name, minute)) if !name.is_empty() && minute.len() >= 8 && minute.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => base,
    }
}

fn generated(part: &str) -> bool {
    part.bytes().all(|b| GENERATED.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_parts_of_pod_names() {
        for (pod, base) in [
            ("web-7d4b9c6f5d-x2x9z", "web"),
            ("coredns-565d847f94-b9wrd", "coredns"),
            ("cilium-b9wrd", "cilium"),
            ("kafka-0", "kafka"),
            ("backup-28473920-x2x9z", "backup"),
            ("web-1", "web"),
            ("nginx", "nginx"),
            // Vowels are never generated.
            ("my-agent", "my-agent"),
            ("front-admin", "front-admin"),
            ("-0", "-0"),
            ("x-", "x-"),
        ] {
            assert_eq!(base_name(pod), base, "{pod}");
        }
    }
}
