//! Context options: which names of a flow's ends become labels.
//!
//! `…Context` options add the labels `source` and `destination`, each the first of its identifiers that is not empty; one
//! for a direction goes before the one for both. `labelsContext` adds labels by their own names.

use crate::flow::Flow;

/// The columns of one end of a flow.
#[derive(Debug)]
pub(crate) struct End {
    ip: &'static str,
    namespace: &'static str,
    pod: &'static str,
    workloads: &'static str,
    labels: &'static str,
    names: &'static str,
}

static SOURCE: End = End {
    ip: "source_ip",
    namespace: "source_namespace",
    pod: "source_pod",
    workloads: "source_workloads",
    labels: "source_labels",
    names: "source_names",
};

static DESTINATION: End = End {
    ip: "destination_ip",
    namespace: "destination_namespace",
    pod: "destination_pod",
    workloads: "destination_workloads",
    labels: "destination_labels",
    names: "destination_names",
};

/// A way to call an end of a flow.
#[derive(Debug)]
pub(crate) struct Identifier {
    pub name: &'static str,
    columns: fn(&End) -> [Option<&'static str>; 2],
    value: fn(&Flow<'_>, &End) -> String,
}

/// What a `…Context` option may name.
#[rustfmt::skip]
pub(crate) static IDENTIFIERS: &[Identifier] = &[
    Identifier { name: "identity", columns: |end| [Some(end.labels), None], value: |flow, end| flow.texts(end.labels).join(",") },
    Identifier { name: "namespace", columns: |end| [Some(end.namespace), None], value: namespace },
    Identifier { name: "pod", columns: |end| [Some(end.namespace), Some(end.pod)], value: |flow, end| qualified(flow, end, pod(flow, end)) },
    Identifier { name: "pod-name", columns: |end| [Some(end.pod), None], value: pod },
    Identifier { name: "dns", columns: |end| [Some(end.names), None], value: |flow, end| flow.texts(end.names).join(",") },
    Identifier { name: "ip", columns: |end| [Some(end.ip), None], value: ip },
    Identifier { name: "reserved-identity", columns: |end| [Some(end.labels), None], value: reserved_identity },
    Identifier { name: "workload", columns: |end| [Some(end.namespace), Some(end.workloads)], value: qualified_workload },
    Identifier { name: "workload-name", columns: |end| [Some(end.workloads), None], value: workload },
    Identifier { name: "app", columns: |end| [Some(end.labels), None], value: app },
];

/// A label of `labelsContext`.
#[derive(Debug)]
pub(crate) struct Label {
    pub name: &'static str,
    /// Of which end; `None` for the flow itself.
    end: Option<Side>,
    column: fn(&End) -> &'static str,
    value: fn(&Flow<'_>, &End) -> String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }

    fn end(self) -> &'static End {
        match self {
            Self::Source => &SOURCE,
            Self::Destination => &DESTINATION,
        }
    }
}

/// What `labelsContext` may name.
#[rustfmt::skip]
pub(crate) static LABELS: &[Label] = &[
    Label { name: "source_ip", end: Some(Side::Source), column: |end| end.ip, value: ip },
    Label { name: "source_pod", end: Some(Side::Source), column: |end| end.pod, value: pod },
    Label { name: "source_namespace", end: Some(Side::Source), column: |end| end.namespace, value: namespace },
    Label { name: "source_workload", end: Some(Side::Source), column: |end| end.workloads, value: workload },
    Label { name: "source_workload_kind", end: Some(Side::Source), column: |end| end.workloads, value: workload_kind },
    Label { name: "source_app", end: Some(Side::Source), column: |end| end.labels, value: app },
    Label { name: "destination_ip", end: Some(Side::Destination), column: |end| end.ip, value: ip },
    Label { name: "destination_pod", end: Some(Side::Destination), column: |end| end.pod, value: pod },
    Label { name: "destination_namespace", end: Some(Side::Destination), column: |end| end.namespace, value: namespace },
    Label { name: "destination_workload", end: Some(Side::Destination), column: |end| end.workloads, value: workload },
    Label { name: "destination_workload_kind", end: Some(Side::Destination), column: |end| end.workloads, value: workload_kind },
    Label { name: "destination_app", end: Some(Side::Destination), column: |end| end.labels, value: app },
    Label { name: "traffic_direction", end: None, column: |_| DIRECTION, value: |flow, _| direction(flow) },
];

const DIRECTION: &str = "traffic_direction";

/// Which directions a `…Context` option is for.
type List = Vec<&'static Identifier>;

/// The identifiers of one end, by direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Called {
    pub both: List,
    pub egress: List,
    pub ingress: List,
}

impl Called {
    fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn all(&self) -> impl Iterator<Item = &&'static Identifier> {
        self.both.iter().chain(&self.egress).chain(&self.ingress)
    }

    fn value(&self, flow: &Flow<'_>, end: &End) -> String {
        let list = match self.needs_direction().then(|| flow.text(DIRECTION)) {
            Some("INGRESS") if !self.ingress.is_empty() => &self.ingress,
            Some("EGRESS") if !self.egress.is_empty() => &self.egress,
            _ => &self.both,
        };
        list.iter().map(|identifier| (identifier.value)(flow, end)).find(|value| !value.is_empty()).unwrap_or_default()
    }

    fn needs_direction(&self) -> bool {
        !self.egress.is_empty() || !self.ingress.is_empty()
    }
}

/// The context options of one metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts {
    pub source: Called,
    pub destination: Called,
    pub labels: Vec<&'static Label>,
}

impl Contexts {
    /// Names of the labels that they add, in the order of [`Self::values`].
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let ends = [("source", &self.source), ("destination", &self.destination)];
        let ends = ends.into_iter().filter(|(_, called)| !called.is_empty()).map(|(name, _)| name);
        self.labels.iter().map(|label| label.name).chain(ends).collect()
    }

    /// Columns that they need.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let mut columns = Vec::new();
        for (called, end) in [(&self.source, &SOURCE), (&self.destination, &DESTINATION)] {
            columns.extend(called.all().flat_map(|identifier| (identifier.columns)(end)).flatten());
            columns.extend(called.needs_direction().then_some(DIRECTION));
        }
        for label in &self.labels {
            // Both ends: a metric that swaps them reads the other one.
            columns.extend([&SOURCE, &DESTINATION].map(|end| (label.column)(end)));
        }
        columns
    }

    /// Values of the labels. Where the ends are swapped, each is called by the identifiers of its own option, and the two
    /// names are swapped afterwards, as Hubble does.
    pub(crate) fn values(&self, flow: &Flow<'_>, swaps: bool) -> Vec<String> {
        let of_label = |label: &&'static Label| {
            let side = label.end.unwrap_or(Side::Source);
            (label.value)(flow, if swaps { side.other() } else { side }.end())
        };
        let mut values: Vec<String> = self.labels.iter().map(of_label).collect();
        let mut ends = [self.source.value(flow, &SOURCE), self.destination.value(flow, &DESTINATION)];
        if swaps {
            ends.reverse();
        }
        let [source, destination] = ends;
        values.extend((!self.source.is_empty()).then_some(source));
        values.extend((!self.destination.is_empty()).then_some(destination));
        values
    }
}

fn ip(flow: &Flow<'_>, end: &End) -> String {
    flow.text(end.ip).to_owned()
}

fn namespace(flow: &Flow<'_>, end: &End) -> String {
    flow.text(end.namespace).to_owned()
}

fn pod(flow: &Flow<'_>, end: &End) -> String {
    flow.text(end.pod).to_owned()
}

fn workload(flow: &Flow<'_>, end: &End) -> String {
    flow.first(end.workloads, "name")
}

fn workload_kind(flow: &Flow<'_>, end: &End) -> String {
    flow.first(end.workloads, "kind")
}

fn qualified_workload(flow: &Flow<'_>, end: &End) -> String {
    let name = workload(flow, end);
    if name.is_empty() { name } else { qualified(flow, end, name) }
}

fn qualified(flow: &Flow<'_>, end: &End, name: String) -> String {
    match flow.text(end.namespace) {
        "" => name,
        namespace => format!("{namespace}/{name}"),
    }
}

fn reserved_identity(flow: &Flow<'_>, end: &End) -> String {
    let labels = flow.texts(end.labels);
    let known = labels.iter().find(|label| *label == "reserved:kube-apiserver");
    known.or_else(|| labels.iter().find(|label| label.starts_with("reserved:"))).cloned().unwrap_or_default()
}

/// The value of the first label that names an application.
fn app(flow: &Flow<'_>, end: &End) -> String {
    let labels = flow.texts(end.labels);
    let app = labels
        .iter()
        .filter_map(|label| label.strip_prefix("k8s:")?.split_once('='))
        .find(|(key, value)| matches!(*key, "app.kubernetes.io/name" | "k8s-app" | "app") && !value.is_empty());
    app.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn direction(flow: &Flow<'_>) -> String {
    flow.text_or(DIRECTION, "unknown").to_lowercase()
}
