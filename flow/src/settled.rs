//! The columns that event and envelope share: time and node name stand in both, nearly always the same.

use std::borrow::Cow;
use std::sync::LazyLock;

use arrow::array::Array as _;

use crate::columns::ColumnId;
use crate::rows::Rows;
use crate::schema::{FieldKind, MessageId, SCHEMA, presence_bit};
use crate::view::View;

/// Columns that are settled at the end of a line, from the event and its envelope.
pub(crate) struct Settled {
    pub time: ColumnId,
    pub node_name: ColumnId,
    pub envelope_time: ColumnId,
    pub envelope_node_name: ColumnId,
    pub kind: ColumnId,
    pub messages: ColumnId,
    pub extra: ColumnId,
    pub bits: SettledBits,
}

/// Bits of the four fields that the columns above share.
pub(crate) struct SettledBits {
    pub time: u8,
    pub node_name: u8,
    pub flow_time: u8,
    pub flow_node_name: u8,
}

pub(crate) static SETTLED: LazyLock<Settled> = LazyLock::new(|| {
    let column = ColumnId::known;
    let bit = |path| presence_bit(path).unwrap_or_else(|| unreachable!("{path} is in the list of messages"));
    Settled {
        time: column("time"),
        node_name: column("node_name"),
        envelope_time: column("envelope_time"),
        envelope_node_name: column("envelope_node_name"),
        kind: column("kind"),
        messages: column("messages"),
        extra: column("extra"),
        bits: SettledBits {
            time: bit("time"),
            node_name: bit("node_name"),
            flow_time: bit("flow.time"),
            flow_node_name: bit("flow.node_name"),
        },
    }
});

/// What is known of an event while it is decoded.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub presence: u64,
    pub kind: Option<&'static str>,
    pub time: Option<i64>,
    pub envelope_time: Option<i64>,
    pub node_name: Option<Cow<'a, str>>,
    pub envelope_node_name: Option<Cow<'a, str>>,
    /// The JSON of its ends, where that is to be learnt from.
    pub endpoints: Vec<&'a str>,
}

impl<'a> Event<'a> {
    /// Sets a text column, or keeps it when event and envelope share it.
    pub(crate) fn set_text(&mut self, column: ColumnId, text: Cow<'a, str>, rows: &mut Rows) {
        if column == SETTLED.node_name {
            self.node_name = Some(text);
        } else if column == SETTLED.envelope_node_name {
            self.envelope_node_name = Some(text);
        } else {
            rows.text(column, &text);
        }
    }

    /// Sets a time column, or keeps it when event and envelope share it.
    pub(crate) fn set_time(&mut self, column: ColumnId, nanos: i64, rows: &mut Rows) {
        if column == SETTLED.time {
            self.time = Some(nanos);
        } else if column == SETTLED.envelope_time {
            self.envelope_time = Some(nanos);
        } else {
            rows.number(column, nanos.into());
        }
    }

    /// The kind, as a column has it.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind.unwrap_or("flow")
    }

    /// When it was seen.
    pub(crate) fn time(&self) -> Option<i64> {
        self.time.or(self.envelope_time)
    }

    /// The node that saw it.
    pub(crate) fn node(&self) -> Option<&str> {
        self.node_name.as_deref().or(self.envelope_node_name.as_deref())
    }

    /// The envelope's node, where it is another one.
    pub(crate) fn other_node(&self) -> Option<&str> {
        let outer = self.envelope_node_name.as_deref()?;
        self.node_name.as_deref().is_some_and(|name| name != outer).then_some(outer)
    }

    /// Presence bits, those of the shared columns among them.
    pub(crate) fn messages(&self) -> u64 {
        let bits = &SETTLED.bits;
        let bit = |bit: u8, there: bool| u64::from(there) << bit;
        self.presence
            | bit(bits.time, self.envelope_time.is_some())
            | bit(bits.flow_time, self.time.is_some())
            | bit(bits.node_name, self.envelope_node_name.is_some())
            | bit(bits.flow_node_name, self.node_name.is_some())
    }

    /// Sets the columns that event and envelope share.
    pub(crate) fn settle(&self, rows: &mut Rows) {
        let columns = &*SETTLED;
        if let Some(time) = self.time() {
            rows.number(columns.time, time.into());
        }
        if let (Some(time), Some(outer)) = (self.time, self.envelope_time)
            && time != outer
        {
            rows.number(columns.envelope_time, outer.into());
        }
        if let Some(name) = self.node() {
            rows.text(columns.node_name, name);
        }
        if let Some(outer) = self.other_node() {
            rows.text(columns.envelope_node_name, outer);
        }
        rows.text(columns.kind, self.kind());
        rows.number(columns.messages, self.messages().into());
    }
}

/// One row of a batch as an event: the counterpart of [`Event`] for encoders.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub view: &'a View<'a>,
    pub at: usize,
    presence: Option<u64>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(view: &'a View<'a>, row: usize) -> Self {
        let presence = view.numbers(SETTLED.messages).and_then(|bits| bits.get(row));
        Self { view, at: row, presence }
    }

    fn has_bit(&self, bit: u8) -> bool {
        self.presence.is_none_or(|presence| presence & (1 << bit) != 0)
    }

    /// Likewise, where the bit of the message is known.
    pub(crate) fn is_present(&self, id: MessageId, bit: Option<u8>) -> bool {
        match (bit, self.presence) {
            (Some(bit), Some(presence)) => presence & (1 << bit) != 0,
            _ => self.present(id),
        }
    }

    /// Whether a message is to be written. Batches made elsewhere may lack the column `messages`; there the columns of
    /// the message tell, and of a oneof's members the one that is named.
    pub(crate) fn present(&self, id: MessageId) -> bool {
        let message = SCHEMA.message(id);
        match (message.bit, self.presence) {
            (None, _) => self.view.text(SETTLED.kind, self.at).unwrap_or("flow") == &*message.name,
            (Some(bit), Some(presence)) => presence & (1 << bit) != 0,
            (Some(_), None) => match SCHEMA.message(message.parent).case {
                Some(case) => self.view.text(case, self.at) == Some(&*message.name),
                None => self.has_value(id),
            },
        }
    }

    fn has_value(&self, id: MessageId) -> bool {
        let (view, row) = (self.view, self.at);
        SCHEMA.message(id).fields.iter().any(|field| match &field.kind {
            FieldKind::Message(child) => self.present(*child),
            FieldKind::Scalar { column, .. } => {
                view.number(*column, row).is_some() || view.text(*column, row).is_some()
            }
            FieldKind::Flags { column, .. } | FieldKind::Any(column) => view.text(*column, row).is_some(),
            FieldKind::Texts(column) => view.texts(*column, row).is_some(),
            FieldKind::Structs { column, .. } => view.structs(*column, row).is_some(),
        })
    }

    /// The text of a field; node names are shared by event and envelope.
    pub(crate) fn text(&self, column: ColumnId) -> Option<&'a str> {
        let bits = &SETTLED.bits;
        let value = |column| self.view.text(column, self.at).filter(|text| !text.is_empty());
        if column == SETTLED.node_name {
            value(column).filter(|_| self.has_bit(bits.flow_node_name))
        } else if column == SETTLED.envelope_node_name {
            value(column).or_else(|| value(SETTLED.node_name)).filter(|_| self.has_bit(bits.node_name))
        } else {
            value(column)
        }
    }

    /// The number of a field that is to be written: not zero, unless it is wrapped.
    pub(crate) fn number(&self, column: ColumnId, wrapped: bool) -> Option<i128> {
        self.view.number(column, self.at).filter(|value| wrapped || *value != 0)
    }

    /// The time of a field, in nanoseconds; the event's and the envelope's are shared.
    pub(crate) fn time(&self, column: ColumnId) -> Option<i64> {
        let bits = &SETTLED.bits;
        let times = |column| self.view.times(column).filter(|times| times.is_valid(self.at));
        let value = |column| times(column).map(|times| times.value(self.at));
        if column == SETTLED.time {
            value(column).filter(|_| self.has_bit(bits.flow_time))
        } else if column == SETTLED.envelope_time {
            value(column).or_else(|| value(SETTLED.time)).filter(|_| self.has_bit(bits.time))
        } else {
            value(column)
        }
    }
}
