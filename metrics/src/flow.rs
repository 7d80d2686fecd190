//! One flow, as the handlers and contexts read it.

use arrow::array::AsArray;
use lookback_flow::columns::ColumnId;
use lookback_flow::view::View;

/// A row of a batch. Only the columns that were announced may be read: what is counted is remembered by them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<'a> {
    pub view: &'a View<'a>,
    pub row: usize,
    pub announced: &'a [ColumnId],
}

impl<'a> Flow<'a> {
    /// A text; empty where there is none, as protobuf has it.
    pub(crate) fn text(&self, column: &str) -> &'a str {
        self.view.text(self.id(column), self.row).unwrap_or_default()
    }

    /// A text; what an enum's zero is called where there is none.
    pub(crate) fn text_or(&self, column: &str, zero: &'a str) -> &'a str {
        self.view.text(self.id(column), self.row).unwrap_or(zero)
    }

    pub(crate) fn number(&self, column: &str) -> Option<i128> {
        self.view.number(self.id(column), self.row)
    }

    /// The items of a list of texts.
    pub(crate) fn texts(&self, column: &str) -> Vec<String> {
        let items = self.view.texts(self.id(column), self.row);
        items.iter().flatten().map(|item| item.unwrap_or_default().to_owned()).collect()
    }

    /// A member of the first of a list of structs.
    pub(crate) fn first(&self, column: &str, member: &str) -> String {
        let items = self.view.structs(self.id(column), self.row);
        let texts = items.as_ref().and_then(|items| items.column_by_name(member)?.as_string_opt::<i32>());
        texts.and_then(|texts| texts.iter().next().flatten()).unwrap_or_default().to_owned()
    }

    fn id(&self, column: &str) -> ColumnId {
        let id = ColumnId::known(column);
        debug_assert!(self.announced.contains(&id), "column {column} was not announced");
        id
    }

    pub(crate) fn verdict(&self) -> &'a str {
        self.text_or("verdict", "VERDICT_UNKNOWN")
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.verdict() == "DROPPED"
    }

    pub(crate) fn is_forwarded(&self) -> bool {
        matches!(self.verdict(), "FORWARDED" | "REDIRECTED")
    }

    /// Whether it is known that the packet goes back to the client, or that it does not.
    pub(crate) fn is_reply(&self) -> Option<bool> {
        self.number("is_reply").map(|flag| flag != 0)
    }

    /// `None` without an IP header; the column is filled with it.
    pub(crate) fn family(&self) -> Option<&'a str> {
        let has_header = self.number("ip_encrypted").is_some() || !self.text("ip_version").is_empty();
        has_header.then(|| self.text_or("ip_version", "IP_NOT_USED"))
    }

    /// Who reports: the proxy on the client's node or on the server's.
    pub(crate) fn reporter(&self) -> &'static str {
        match self.text("traffic_direction") {
            "EGRESS" => "client",
            "INGRESS" => "server",
            _ => "unknown",
        }
    }
}
