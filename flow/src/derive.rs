//! Columns that are computed from stored ones, by the rules of `docs/rules.md`: direction, client, server and a few more.
//!
//! They are made for the columns asked for only, after a batch is decoded, so that every source of batches has them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, StringBuilder, StringDictionaryBuilder, UInt32Array,
};
use arrow::compute::concat;
use arrow::datatypes::{Int32Type, Schema as ArrowSchema, UInt64Type};
use arrow::error::ArrowError;

use crate::columns::{ColumnId, Type};
use crate::dictionary::{Dictionary, hasher, texts, unpacked_column};
use crate::names::{Side, Workloads, best_name};
use crate::schema::arrow_field;
use crate::view::{Numbers, View, WrongType};

/// Columns that settle the direction.
const DIRECTION: &[&str] = &[
    "is_reply",
    "reply",
    "l7_type",
    "l4_protocol",
    "tcp_flags",
    "icmp_type",
    "flow_type",
    "sock_xlate_point",
    "source_port",
    "destination_port",
];

/// Why a column could not be derived.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    #[error(transparent)]
    Type(#[from] WrongType),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Reply,
    Unknown,
}

impl Direction {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reply => "reply",
            Self::Unknown => "unknown",
        }
    }
}

/// The stored columns that a column needs: itself, or what it is derived from.
#[must_use]
pub fn needs(name: &str) -> Vec<String> {
    let Some(id) = ColumnId::of(name) else { return Vec::new() };
    if !id.column().is_derived() {
        return vec![name.to_owned()];
    }
    let mut needs: Vec<String> = Vec::new();
    let mut sides = |columns: &[&str]| {
        for side in ["source", "destination"] {
            needs.extend(columns.iter().map(|column| format!("{side}_{column}")));
        }
    };
    let mut directed = true;
    match name {
        "client" | "server" => sides(&Side::COLUMNS),
        "client_is_outside" | "server_is_outside" => sides(&["identity"]),
        "connection_id" => sides(&["ip", "port"]),
        "direction" => {}
        "time_ns" | "lost_first_ns" | "lost_last_ns" => {
            needs.push(name.trim_end_matches("_ns").to_owned());
            directed = false;
        }
        "request_id" => {
            needs.push("http_headers".to_owned());
            directed = false;
        }
        "dns_qtype" => {
            needs.push("dns_qtypes".to_owned());
            directed = false;
        }
        "dns_has_answer" => {
            needs.extend(["l7_protocol", "dns_ips", "dns_cnames", "dns_rrtypes"].map(str::to_owned));
            directed = false;
        }
        "denied_by" => {
            needs.extend(["egress_denied_by", "ingress_denied_by"].map(str::to_owned));
            directed = false;
        }
        _ => sides(&[name.split_once('_').map_or(name, |(_, column)| column)]),
    }
    if directed {
        needs.extend(DIRECTION.iter().map(|column| (*column).to_owned()));
    }
    needs
}

/// Whether a column needs to know the workloads of the whole input.
#[must_use]
pub fn needs_workloads(name: &str) -> bool {
    matches!(name, "client" | "server")
}

/// The batch with just the wanted columns, stored and derived.
///
/// # Errors
/// When a column has not the type of the schema.
pub fn derive(batch: &RecordBatch, wanted: &[ColumnId], workloads: &Workloads) -> Result<RecordBatch, DeriveError> {
    let view = View::new(batch)?;
    let directions: Vec<Direction> =
        if wanted.iter().any(|id| id.column().is_derived()) { directions(batch, &view) } else { Vec::new() };
    let mut arrays = Vec::with_capacity(wanted.len());
    for id in wanted {
        let column = id.column();
        arrays.push(match batch.column_by_name(column.name) {
            Some(array) if column.kind == Type::U64 && !column.unit.is_empty() => bounded(array),
            Some(array) if !column.is_derived() => unpacked_column(array)?,
            _ if column.is_derived() => derived(column.name, batch, &view, &directions, workloads)?,
            _ => arrow::array::new_null_array(arrow_field(column).data_type(), batch.num_rows()),
        });
    }
    let schema = ArrowSchema::new(wanted.iter().map(|id| arrow_field(id.column())).collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)?)
}

/// The largest amount that is handed to an engine: up to it every engine computes exactly, and no sum of a log's lines
/// overflows by one absurd line. Stored rows keep what the line said.
const MOST: u64 = 1 << 53;

/// An amount, at most [`MOST`].
fn bounded(array: &ArrayRef) -> ArrayRef {
    match array.as_primitive_opt::<UInt64Type>() {
        Some(amounts) => Arc::new(amounts.unary::<_, UInt64Type>(|amount| amount.min(MOST))),
        None => Arc::clone(array),
    }
}

fn derived(
    name: &str,
    batch: &RecordBatch,
    view: &View<'_>,
    directions: &[Direction],
    workloads: &Workloads,
) -> Result<ArrayRef, DeriveError> {
    let rows = 0..batch.num_rows();
    Ok(match name {
        "time_ns" | "lost_first_ns" | "lost_last_ns" => {
            let time = ColumnId::of(name.trim_end_matches("_ns"));
            let nanos = rows.map(|row| view.number(time?, row).and_then(|nanos| i64::try_from(nanos).ok()));
            Arc::new(nanos.collect::<Int64Array>())
        }
        "direction" => {
            let mut names = StringDictionaryBuilder::<Int32Type>::new();
            directions.iter().for_each(|direction| names.append_value(direction.name()));
            Arc::new(names.finish())
        }
        "client" => endpoint_names(view, directions, workloads, true)?,
        "server" => endpoint_names(view, directions, workloads, false)?,
        "client_is_outside" => Arc::new(outside(view, directions, true)),
        "server_is_outside" => Arc::new(outside(view, directions, false)),
        "connection_id" => Arc::new(connection_ids(view, directions)),
        "request_id" => Arc::new(request_ids(view, batch.num_rows())),
        "dns_qtype" => first_texts(view, "dns_qtypes", batch.num_rows()),
        "dns_has_answer" => Arc::new(has_answer(view, batch.num_rows())),
        "denied_by" => Arc::new(denied_by(view, batch.num_rows())),
        _ => directed(name, batch, view, directions)?,
    })
}

/// Settles the direction of each row.
fn directions(batch: &RecordBatch, view: &View<'_>) -> Vec<Direction> {
    let columns: Vec<Option<ColumnId>> = DIRECTION.iter().map(|name| ColumnId::of(name)).collect();
    let [
        Some(is_reply),
        Some(reply_flag),
        Some(l7_type),
        Some(l4),
        Some(flags),
        Some(icmp),
        Some(kind),
        Some(point),
        Some(from),
        Some(to),
    ] = columns.as_slice()
    else {
        return vec![Direction::Unknown; batch.num_rows()];
    };
    let forward_if = |forward| if forward { Direction::Forward } else { Direction::Reply };
    (0..batch.num_rows())
        .map(|row| {
            if let Some(reply) = view.number(*is_reply, row) {
                return forward_if(reply == 0);
            }
            // Older than `is_reply`, and written only when true.
            if view.number(*reply_flag, row) == Some(1) {
                return Direction::Reply;
            }
            match view.text(*l7_type, row) {
                Some("REQUEST") => return Direction::Forward,
                Some("RESPONSE") => return Direction::Reply,
                _ => {}
            }
            if let Some(flags) = view.text(*flags, row)
                && flags.split(", ").any(|flag| flag == "SYN")
            {
                return forward_if(!flags.split(", ").any(|flag| flag == "ACK"));
            }
            match (view.text(*l4, row), view.number(*icmp, row)) {
                (Some("ICMPv4"), Some(8)) | (Some("ICMPv6"), Some(128)) => return Direction::Forward,
                (Some("ICMPv4"), Some(0)) | (Some("ICMPv6"), Some(129)) => return Direction::Reply,
                _ => {}
            }
            if view.text(*kind, row) == Some("SOCK") {
                match view.text(*point, row) {
                    Some(point) if point.ends_with("_FWD") => return Direction::Forward,
                    Some(point) if point.ends_with("_REV") => return Direction::Reply,
                    _ => {}
                }
            }
            match (view.number(*from, row).unwrap_or(0), view.number(*to, row).unwrap_or(0)) {
                (0, _) | (_, 0) => Direction::Unknown,
                (from, to) if from >= FIRST_EPHEMERAL && to < FIRST_EPHEMERAL => Direction::Forward,
                (from, to) if from < FIRST_EPHEMERAL && to >= FIRST_EPHEMERAL => Direction::Reply,
                _ => Direction::Unknown,
            }
        })
        .collect()
}

/// Where Linux begins to choose ports for clients (`net.ipv4.ip_local_port_range`).
const FIRST_EPHEMERAL: i128 = 32_768;

/// Whether the source is the end that was asked for.
fn is_source(direction: Direction, client: bool) -> bool {
    (direction == Direction::Reply) != client
}

fn endpoint_names(
    view: &View<'_>,
    directions: &[Direction],
    workloads: &Workloads,
    client: bool,
) -> Result<ArrayRef, ArrowError> {
    let mut names = Dictionary::default();
    let (Some(source), Some(destination)) = (Side::of("source"), Side::of("destination")) else {
        names.append_nulls(directions.len());
        return texts(&mut names);
    };
    let sides = [&source, &destination].map(|side| (side, NumberedSide::of(view, side)));
    // Of ends that are all numbered the name is looked for once, as the same ones come again and again.
    let mut known: HashMap<(bool, EndKey), Option<i32>, ahash::RandomState> = HashMap::with_hasher(hasher());
    let mut name = String::new();
    for (row, direction) in directions.iter().enumerate() {
        let is_source = is_source(*direction, client);
        let [of_source, of_destination] = &sides;
        let (side, numbered) = if is_source { of_source } else { of_destination };
        let mut find = || {
            best_name(view, side, row, workloads, &mut name);
            (!name.is_empty()).then(|| names.number(name.as_bytes()))
        };
        let number = match numbered {
            Some(numbered) => *known.entry((is_source, numbered.key(row))).or_insert_with(find),
            None => find(),
        };
        match number {
            Some(number) => names.push(number),
            None => names.append_nulls(1),
        }
    }
    texts(&mut names)
}

/// The columns of an end that its name comes from, where all are numbered or numbers.
struct NumberedSide<'a> {
    numbered: [Option<&'a Int32Array>; 8],
    identity: Option<&'a UInt32Array>,
}

/// What tells an end from others within a batch.
type EndKey = ([i32; 8], Option<u32>);

impl<'a> NumberedSide<'a> {
    fn of(view: &View<'a>, side: &Side) -> Option<Self> {
        let Side { namespace, pod, workloads, labels, service, service_namespace, names, identity, ip } = *side;
        let columns = [namespace, pod, workloads, labels, service, service_namespace, names, ip];
        let identity = match view.numbers(identity) {
            Some(Numbers::U32(identity)) => Some(identity),
            None => None,
            Some(_) => return None,
        };
        let keys = |column| Some(view.numbered(column)?.keys());
        columns.iter().all(|column| view.is_numbered(*column)).then(|| Self { numbered: columns.map(keys), identity })
    }

    fn key(&self, row: usize) -> EndKey {
        let number = |keys: &Int32Array| if keys.is_valid(row) { keys.value(row) } else { -1 };
        let identity = self.identity.filter(|identity| identity.is_valid(row)).map(|identity| identity.value(row));
        (self.numbered.map(|keys| keys.map_or(-1, number)), identity)
    }
}

/// `client_x` or `server_x` from `source_x` and `destination_x`.
fn directed(
    name: &str,
    batch: &RecordBatch,
    view: &View<'_>,
    directions: &[Direction],
) -> Result<ArrayRef, DeriveError> {
    let (end, column) = name.split_once('_').unwrap_or((name, ""));
    let client = end == "client";
    let (source, destination) = (format!("source_{column}"), format!("destination_{column}"));
    if let (Some(from), Some(to)) = (dictionary(batch, &source), dictionary(batch, &destination)) {
        // One dictionary of both; the keys of the second are moved behind the first.
        let values = concat(&[from.values().as_ref(), to.values().as_ref()])?;
        let shift = i32::try_from(from.values().len()).unwrap_or(i32::MAX);
        let keys = directions.iter().enumerate().map(|(row, direction)| {
            let (array, shift) = if is_source(*direction, client) { (from, 0) } else { (to, shift) };
            array.keys().is_valid(row).then(|| array.keys().value(row) + shift)
        });
        return Ok(Arc::new(DictionaryArray::try_new(keys.collect::<Int32Array>(), values)?));
    }
    let (source, destination) = (ColumnId::of(&source), ColumnId::of(&destination));
    let numeric = source.is_some_and(|id| id.column().kind == Type::U32);
    let picked = directions.iter().enumerate().map(|(row, direction)| {
        let id = if is_source(*direction, client) { source } else { destination };
        view.number(id?, row).and_then(|value| u32::try_from(value).ok())
    });
    if numeric {
        return Ok(Arc::new(picked.collect::<UInt32Array>()));
    }
    let kind = ColumnId::of(name).map(|id| arrow_field(id.column()).data_type().clone());
    Ok(arrow::array::new_null_array(&kind.unwrap_or(arrow::datatypes::DataType::Null), batch.num_rows()))
}

fn dictionary<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a DictionaryArray<Int32Type>> {
    batch.column_by_name(name)?.as_dictionary_opt()
}

/// Identities of the world, and of address ranges outside the cluster (scope bit 24 of Cilium's local identities).
#[must_use]
pub fn is_outside(identity: u32) -> bool {
    matches!(identity, 2 | 9 | 10 | 13) || (1 << 24..1 << 25).contains(&identity)
}

fn outside(view: &View<'_>, directions: &[Direction], client: bool) -> BooleanArray {
    let (source, destination) = (ColumnId::of("source_identity"), ColumnId::of("destination_identity"));
    directions
        .iter()
        .enumerate()
        .map(|(row, direction)| {
            let id = if is_source(*direction, client) { source } else { destination };
            let identity = view.number(id?, row).and_then(|identity| u32::try_from(identity).ok())?;
            (identity != 0).then(|| is_outside(identity))
        })
        .collect()
}

fn connection_ids(view: &View<'_>, directions: &[Direction]) -> StringArray {
    use std::fmt::Write as _;
    let end = |side: &str| Some((ColumnId::of(&format!("{side}_ip"))?, ColumnId::of(&format!("{side}_port"))?));
    let (l4, source, destination) = (ColumnId::of("l4_protocol"), end("source"), end("destination"));
    let mut ids = StringBuilder::new();
    let mut id = String::new();
    for (row, direction) in directions.iter().enumerate() {
        id.clear();
        let whole = (|| {
            id.push_str(view.text(l4?, row)?);
            for client in [true, false] {
                let (ip, port) = if is_source(*direction, client) { source? } else { destination? };
                let ip = view.text(ip, row)?;
                let is_v6 = ip.contains(':');
                id.push_str(if is_v6 { " [" } else { " " });
                id.push_str(ip);
                id.push_str(if is_v6 { "]" } else { "" });
                if let Some(port) = view.number(port, row) {
                    // Its column is of 32 bits, whose digits are found four times as fast. Writing to a String cannot fail.
                    let _ = match u32::try_from(port) {
                        Ok(port) => write!(id, ":{port}"),
                        Err(_) => write!(id, ":{port}"),
                    };
                }
            }
            Some(())
        })();
        ids.append_option(whole.map(|()| id.as_str()));
    }
    ids.finish()
}

fn request_ids(view: &View<'_>, rows: usize) -> StringArray {
    let headers = ColumnId::of("http_headers");
    let id = |row| {
        let (items, mut range) = view.items(headers?, row)?;
        let items = items.as_struct_opt()?;
        let keys = items.column_by_name("key")?.as_string_opt::<i32>()?;
        let values = items.column_by_name("value")?.as_string_opt::<i32>()?;
        let at = range.find(|at| keys.is_valid(*at) && keys.value(*at).eq_ignore_ascii_case("x-request-id"))?;
        (values.is_valid(at) && !values.value(at).is_empty()).then(|| values.value(at))
    };
    (0..rows).map(id).collect()
}

fn first_texts(view: &View<'_>, column: &str, rows: usize) -> ArrayRef {
    let id = ColumnId::of(column);
    let mut firsts = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..rows {
        let items = id.and_then(|id| view.items(id, row));
        let texts = items.and_then(|(items, range)| Some((items.as_string_opt::<i32>()?, range)));
        firsts.append_option(
            texts.and_then(|(texts, mut range)| range.find(|at| texts.is_valid(*at)).map(|at| texts.value(at))),
        );
    }
    Arc::new(firsts.finish())
}

fn has_answer(view: &View<'_>, rows: usize) -> BooleanArray {
    let protocol = ColumnId::of("l7_protocol");
    let lists = ["dns_ips", "dns_cnames", "dns_rrtypes"].map(ColumnId::of);
    (0..rows)
        .map(|row| {
            let dns = protocol.and_then(|id| view.text(id, row)) == Some("dns");
            dns.then(|| {
                lists.iter().flatten().any(|id| view.items(*id, row).is_some_and(|(_, items)| !items.is_empty()))
            })
        })
        .collect()
}

fn denied_by(view: &View<'_>, rows: usize) -> StringArray {
    let lists = ["egress_denied_by", "ingress_denied_by"].map(ColumnId::of);
    (0..rows)
        .map(|row| {
            let mut names: Vec<String> = Vec::new();
            for policies in lists.iter().flatten().filter_map(|id| view.structs(*id, row)) {
                let texts = |name| policies.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
                let (Some(policy), Some(namespace)) = (texts("name"), texts("namespace")) else { continue };
                for item in (0..policies.len()).filter(|item| policy.is_valid(*item)) {
                    let name = if namespace.is_valid(item) {
                        format!("{}/{}", namespace.value(item), policy.value(item))
                    } else {
                        policy.value(item).to_owned()
                    };
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            (!names.is_empty()).then(|| names.join(", "))
        })
        .collect()
}
