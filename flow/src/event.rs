//! One row of a batch, as it is printed.

pub mod words;

use std::sync::LazyLock;

use crate::columns::ColumnId;
use crate::escape::terminal;
use crate::schema::presence_bit;
use crate::view::View;

/// Columns that every event is asked for, found once.
macro_rules! columns {
    ($($name:ident),* $(,)?) => {
        /// Columns that every event is asked for.
        #[derive(Debug)]
        pub struct Columns {
            $(pub $name: ColumnId,)*
            pub ends: [EndColumns; 2],
        }

        pub static COLUMNS: LazyLock<Columns> = LazyLock::new(|| Columns {
            $($name: ColumnId::known(stringify!($name)),)*
            ends: [EndColumns::new("source"), EndColumns::new("destination")],
        });
    };
}

columns![
    auth_type,
    debug_capture_point,
    dns_observation_source,
    event_sub_type,
    event_type,
    ip_trace_id,
    is_reply,
    kind,
    l7_protocol,
    l7_type,
    lost_count,
    lost_cpu,
    lost_first,
    lost_last,
    lost_source,
    messages,
    node_name,
    policy_match_type,
    sock_xlate_point,
    summary,
    time,
    traffic_direction,
    verdict,
];

/// Columns of one end of a flow.
#[derive(Debug)]
pub struct EndColumns {
    pub ethernet: ColumnId,
    pub identity: ColumnId,
    pub ip: ColumnId,
    pub names: ColumnId,
    pub namespace: ColumnId,
    pub pod: ColumnId,
    pub port: ColumnId,
    pub service_name: ColumnId,
    pub service_namespace: ColumnId,
}

impl EndColumns {
    fn new(end: &str) -> Self {
        let of = |name: &str| ColumnId::known(&format!("{end}_{name}"));
        Self {
            ethernet: ColumnId::known(&format!("ethernet_{end}")),
            identity: of("identity"),
            ip: of("ip"),
            names: of("names"),
            namespace: of("namespace"),
            pod: of("pod"),
            port: of("port"),
            service_name: of("service_name"),
            service_namespace: of("service_namespace"),
        }
    }
}

/// A bit of the column `messages`.
type Presence = LazyLock<i128>;

pub static ETHERNET: Presence = LazyLock::new(|| presence("flow.ethernet"));
pub static NODE_NAME: Presence = LazyLock::new(|| presence("flow.node_name"));
pub static TIME: Presence = LazyLock::new(|| presence("flow.time"));
pub static DEBUG_SOURCE: Presence = LazyLock::new(|| presence("debug_event.source"));

fn presence(path: &str) -> i128 {
    presence_bit(path).map_or(0, |bit| 1 << bit)
}

/// A row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub view: &'a View<'a>,
    pub row: usize,
}

impl<'a> Event<'a> {
    /// A text; an empty one is none.
    #[must_use]
    pub fn text(&self, column: ColumnId) -> Option<&'a str> {
        self.view.text(column, self.row).filter(|text| !text.is_empty())
    }

    /// A text that harms no terminal.
    #[must_use]
    pub fn clean(&self, column: ColumnId) -> Option<String> {
        self.text(column).map(clean)
    }

    #[must_use]
    pub fn number(&self, column: ColumnId) -> Option<i128> {
        self.view.number(column, self.row)
    }

    #[must_use]
    pub fn nanos(&self, column: ColumnId) -> Option<i64> {
        i64::try_from(self.number(column)?).ok()
    }

    /// The texts of a list, with commas between, harmless.
    #[must_use]
    pub fn joined(&self, column: ColumnId) -> Option<String> {
        let texts = self.view.texts(column, self.row)?;
        let texts: Vec<&str> = texts.iter().flatten().collect();
        (!texts.is_empty()).then(|| clean(&texts.join(",")))
    }

    /// Whether a message or field was there.
    #[must_use]
    pub fn has(&self, presence: &Presence) -> bool {
        self.number(COLUMNS.messages).is_none_or(|present| present & **presence != 0)
    }

    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.text(COLUMNS.kind).unwrap_or("flow")
    }

    #[must_use]
    pub fn time(&self) -> Option<i64> {
        self.nanos(COLUMNS.time)
    }
}

#[must_use]
pub fn clean(text: &str) -> String {
    terminal(text).into_owned()
}
