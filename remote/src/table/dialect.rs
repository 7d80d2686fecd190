//! What engines call the same things.

use arrow::datatypes::{DataType, Field};

use super::STORED;

/// An engine's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    DataFusion,
    /// `DataFusion`, but for what Ballista 55 cannot do: its executors know no function of lists but those that take a lambda.
    Ballista,
    DuckDb,
    ClickHouse,
    Spark,
    Trino,
}

use Dialect::{Ballista, ClickHouse, DataFusion, DuckDb, Spark, Trino};

/// Stands between texts that are joined, and in none of them.
pub(super) const SEPARATOR: char = '\u{1f}';

/// Most headers that are looked at, and most policies of a direction, where there are no functions over items.
const MOST_HEADERS: usize = 64;
const MOST_POLICIES: usize = 16;

/// The policies that denied something, joined, where that is prepared.
const DENIED: &str = "denied_by_text";

impl Dialect {
    pub const ALL: [Self; 6] = [DataFusion, Ballista, DuckDb, ClickHouse, Spark, Trino];

    /// A text as a literal.
    pub(super) fn literal(self, text: &str) -> String {
        let text = match self {
            Spark => text.replace('\\', "\\\\").replace('\'', "\\'"),
            ClickHouse => text.replace('\\', "\\\\").replace('\'', "''"),
            _ => text.replace('\'', "''"),
        };
        // What is no plain character is named, as it gets lost on many ways.
        format!("'{}'", text.replace(SEPARATOR, &format!("' || {} || '", self.separator())))
    }

    const fn separator(self) -> &'static str {
        match self {
            DataFusion | Ballista | DuckDb | Trino => "chr(31)",
            ClickHouse | Spark => "char(31)",
        }
    }

    /// The statement that makes files a table.
    pub(super) fn stored(self, files: &str, columns: &[(&str, String)]) -> String {
        let listed = |separator: &str| {
            let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
            columns.join(separator)
        };
        let all = format!("{files}**/*.parquet");
        match self {
            // Columns are named, as files of an older version have not all of them.
            DataFusion | Ballista => format!(
                "CREATE OR REPLACE EXTERNAL TABLE {STORED} (\n{},\ndate VARCHAR, hour VARCHAR\n) STORED AS PARQUET \
                 PARTITIONED BY (date, hour) LOCATION {}",
                listed(",\n"),
                self.literal(files)
            ),
            DuckDb => {
                // Of a type that older ones do not have, and in files of every version.
                let added = columns.iter().filter(|(_, kind)| kind != self.time());
                let nulls: Vec<String> = added.map(|(name, kind)| format!("CAST(NULL AS {kind}) AS {name}")).collect();
                format!(
                    "CREATE OR REPLACE VIEW {STORED} AS\nSELECT * FROM read_parquet({}, union_by_name = true, \
                     hive_partitioning = true)\nUNION ALL BY NAME SELECT {} WHERE false",
                    self.literal(&all),
                    nulls.join(", ")
                )
            }
            ClickHouse => format!(
                "CREATE OR REPLACE VIEW {STORED} AS\nSELECT * FROM file({}, Parquet, {})",
                self.literal(&all),
                self.literal(&listed(", "))
            ),
            Spark => format!(
                "CREATE OR REPLACE TEMPORARY VIEW {STORED} (\n{},\ndate DATE, hour INT\n) USING parquet OPTIONS (path {})",
                listed(",\n"),
                self.literal(files)
            ),
            Trino => format!(
                "CREATE TABLE {STORED} (\n{},\ndate VARCHAR, hour VARCHAR\n) WITH (format = 'PARQUET', \
                 external_location = {}, partitioned_by = ARRAY['date', 'hour'])",
                listed(",\n"),
                self.literal(files)
            ),
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            DataFusion | Ballista | DuckDb | Trino => "VARCHAR",
            ClickHouse => "Nullable(String)",
            Spark => "STRING",
        }
    }

    pub(super) const fn bytes(self) -> &'static str {
        match self {
            DataFusion | Ballista => "BYTEA",
            DuckDb => "BLOB",
            ClickHouse => "Nullable(FixedString(16))",
            Spark => "BINARY",
            Trino => "VARBINARY",
        }
    }

    /// Nanoseconds, UTC.
    pub(super) const fn time(self) -> &'static str {
        match self {
            DataFusion | Ballista => "TIMESTAMP WITH TIME ZONE",
            DuckDb => "TIMESTAMP_NS",
            ClickHouse => "Nullable(DateTime64(9, 'UTC'))",
            Spark => "BIGINT",
            Trino => "TIMESTAMP(9)",
        }
    }

    const fn unsigned_64(self) -> &'static str {
        match self {
            DataFusion | Ballista => "BIGINT UNSIGNED",
            DuckDb => "UBIGINT",
            ClickHouse => "Nullable(UInt64)",
            Spark | Trino => "DECIMAL(20, 0)",
        }
    }

    /// The type of the values of an array.
    pub(super) fn of_arrow(self, kind: &DataType) -> String {
        let by = |[fusion, duck, house, spark, trino]: [&str; 5]| match self {
            DataFusion | Ballista => fusion.to_owned(),
            DuckDb => duck.to_owned(),
            ClickHouse => format!("Nullable({house})"),
            Spark => spark.to_owned(),
            Trino => trino.to_owned(),
        };
        match kind {
            DataType::Dictionary(_, values) => self.of_arrow(values),
            DataType::Boolean => by(["BOOLEAN", "BOOLEAN", "Bool", "BOOLEAN", "BOOLEAN"]),
            DataType::Int32 => by(["INT", "INTEGER", "Int32", "INT", "INTEGER"]),
            DataType::UInt32 => by(["INT UNSIGNED", "UINTEGER", "UInt32", "BIGINT", "BIGINT"]),
            DataType::Int64 => by(["BIGINT", "BIGINT", "Int64", "BIGINT", "BIGINT"]),
            DataType::UInt64 => self.unsigned_64().to_owned(),
            DataType::List(item) => {
                let item = self.of_arrow(item.data_type());
                match self {
                    DataFusion | Ballista | DuckDb => format!("{item}[]"),
                    ClickHouse => format!("Array({item})"),
                    Spark => format!("ARRAY<{item}>"),
                    Trino => format!("ARRAY({item})"),
                }
            }
            DataType::Struct(fields) => {
                let of = |field: &Field| match self {
                    Spark => format!("{}: {}", field.name(), self.of_arrow(field.data_type())),
                    _ => format!("{} {}", field.name(), self.of_arrow(field.data_type())),
                };
                let fields: Vec<String> = fields.iter().map(|field| of(field)).collect();
                let fields = fields.join(", ");
                match self {
                    DataFusion | Ballista | Spark => format!("STRUCT<{fields}>"),
                    DuckDb => format!("STRUCT({fields})"),
                    ClickHouse => format!("Tuple({fields})"),
                    Trino => format!("ROW({fields})"),
                }
            }
            _ => self.text().to_owned(),
        }
    }

    /// A time as nanoseconds since 1970.
    pub(super) fn nanoseconds(self, time: &str) -> String {
        match self {
            DataFusion | Ballista => format!("CAST({time} AS BIGINT)"),
            DuckDb => format!("epoch_ns({time})"),
            ClickHouse => format!("toUnixTimestamp64Nano({time})"),
            Spark => time.to_owned(),
            Trino => format!(
                "CAST(to_unixtime(date_trunc('second', {time})) AS BIGINT) * 1000000000 \
                 + CAST(substr(CAST({time} AS VARCHAR), 21, 9) AS BIGINT)"
            ),
        }
    }

    /// Sixteen bytes as 32 digits.
    pub(super) fn digits(self, bytes: &str) -> String {
        match self {
            DataFusion | Ballista => format!("encode({bytes}, 'hex')"),
            DuckDb | ClickHouse | Spark => format!("lower(hex({bytes}))"),
            Trino => format!("lower(to_hex({bytes}))"),
        }
    }

    /// An amount, not more than every engine computes exactly.
    pub(super) fn bounded(self, column: &str) -> String {
        let most = format!("CAST({} AS {})", 1_u64 << 53, self.unsigned_64());
        format!("CASE WHEN {column} > {most} THEN {most} ELSE {column} END")
    }

    /// A condition as a value.
    pub(super) fn boolean(self, condition: &str) -> String {
        match self {
            // A number to it, otherwise.
            ClickHouse => format!("CAST({condition} AS Nullable(Bool))"),
            _ => condition.to_owned(),
        }
    }

    /// The first text of a list, or NULL.
    pub(super) fn first(self, list: &str) -> String {
        match self {
            DataFusion | DuckDb | ClickHouse => format!("{list}[1]"),
            Ballista => format!("CASE WHEN {} THEN {} END", self.is_filled(list), self.item(&self.joined(list), 1)),
            Spark => format!("try_element_at({list}, 1)"),
            Trino => format!("element_at({list}, 1)"),
        }
    }

    /// The name of the first of a list of workloads, or NULL.
    pub(super) fn first_name(self, list: &str) -> String {
        match self {
            DataFusion => format!("{list}[1]['name']"),
            Ballista => self.item(&self.joined(list), 1),
            ClickHouse => format!("tupleElement({list}[1], 'name')"),
            _ => format!("{}.name", self.first(list)),
        }
    }

    /// Whether a list has items.
    pub(super) fn is_filled(self, list: &str) -> String {
        match self {
            DataFusion => format!("coalesce(array_length({list}), 0) > 0"),
            Ballista => format!("coalesce(CAST(array_transform({list}, x -> 1) AS VARCHAR), '[]') <> '[]'"),
            DuckDb => format!("coalesce(len({list}), 0) > 0"),
            ClickHouse => format!("length({list}) > 0"),
            Spark => format!("size({list}) > 0"),
            Trino => format!("coalesce(cardinality({list}), 0) > 0"),
        }
    }

    /// One of the texts that were joined; the first is 1, and there is none behind the last: it is empty.
    fn item(self, joined: &str, at: usize) -> String {
        format!("split_part({joined}, {}, {at})", self.separator())
    }

    /// What is computed of the files' columns before all else, as columns of other names. Where an expression stands many times it
    /// takes seconds to plan, while the scheduler hears nothing of its executors.
    pub(super) fn prepared(self) -> Vec<(String, String)> {
        if self != Ballista {
            return Vec::new();
        }
        // As bytes they are written in digits, so that what is between them is no part of them: [6162, 63].
        let text = |list: &str| {
            format!(
                "CAST(decode(replace(btrim(CAST(CAST({list} AS BYTEA[]) AS VARCHAR), '[]'), ', ', '1f'), 'hex') AS VARCHAR)"
            )
        };
        let of_texts = ["source_labels", "destination_labels", "source_names", "destination_names", "dns_qtypes"];
        let mut prepared: Vec<(String, String)> = of_texts.map(|list| (text(list), format!("{list}_text"))).into();
        for list in ["source_workloads", "destination_workloads"] {
            let names = format!("array_transform({list}, w -> get_field(w, 'name'))");
            prepared.push((text(&names), format!("{list}_text")));
        }
        let found = "array_filter(http_headers, h -> lower(get_field(h, 'key')) = 'x-request-id')";
        let values = format!("array_transform({found}, h -> get_field(h, 'value'))");
        prepared.push((text(&values), "http_headers_text".to_owned()));
        let [egress, ingress] = ["egress_denied_by", "ingress_denied_by"].map(|list| {
            let name = "coalesce(get_field(p, 'namespace') || '/', '') || get_field(p, 'name')";
            text(&format!("array_transform({list}, p -> {name})"))
        });
        prepared.push((format!("concat({egress}, {}, {ingress})", self.separator()), DENIED.to_owned()));
        prepared
    }

    /// The texts of a list as one, with separators.
    pub(super) fn joined(self, list: &str) -> String {
        let separator = self.separator();
        match self {
            DataFusion | DuckDb => format!("array_to_string({list}, {separator})"),
            Ballista => format!("{list}_text"),
            ClickHouse => format!("arrayStringConcat({list}, {separator})"),
            Spark | Trino => format!("array_join({list}, {separator})"),
        }
    }

    /// What a group of a regular expression matches; NULL when nothing.
    pub(super) fn extract(self, text: &str, pattern: &str, group: u8) -> String {
        let whole = self.literal(&format!("(?s)^.*?(?:{pattern}).*$"));
        let pattern = self.literal(pattern);
        let matched = match self {
            Ballista => {
                format!(
                    "CASE WHEN regexp_like({text}, {pattern}) THEN regexp_replace({text}, {whole}, '${{{group}}}') END"
                )
            }
            DataFusion => format!("regexp_match({text}, {pattern})[{group}]"),
            ClickHouse => format!("regexpExtract({text}, {pattern}, {group})"),
            DuckDb | Spark | Trino => format!("regexp_extract({text}, {pattern}, {group})"),
        };
        format!("nullif({matched}, '')")
    }

    /// The value of the header X-Request-Id.
    pub(super) fn request_id(self, headers: &str) -> String {
        let is_it = "lower(h.key) = 'x-request-id'";
        let value = match self {
            DataFusion => {
                let cases: Vec<String> = (1..=MOST_HEADERS)
                    .map(|at| {
                        format!("WHEN lower({headers}[{at}]['key']) = 'x-request-id' THEN {headers}[{at}]['value']")
                    })
                    .collect();
                format!("CASE {} END", cases.join(" "))
            }
            Ballista => self.item(&self.joined(headers), 1),
            DuckDb => format!("list_filter({headers}, lambda h: {is_it})[1].value"),
            ClickHouse => format!("tupleElement(arrayFirst(h -> {is_it}, {headers}), 'value')"),
            Spark => format!("try_element_at(filter({headers}, h -> {is_it}), 1).value"),
            Trino => format!("element_at(filter({headers}, h -> {is_it}), 1).value"),
        };
        format!("nullif({value}, '')")
    }

    /// Names of the policies of two lists, each once, in their order.
    pub(super) fn policies(self, lists: [&str; 2]) -> String {
        let [egress, ingress] = lists;
        let name = "coalesce(p.namespace || '/', '') || p.name";
        let names = match self {
            DataFusion => {
                let names: Vec<String> = lists
                    .into_iter()
                    .flat_map(|list| (1..=MOST_POLICIES).map(move |at| format!("{list}[{at}]")))
                    .map(|p| format!("coalesce({p}['namespace'] || '/', '') || {p}['name']"))
                    .collect();
                format!("array_to_string(array_distinct(make_array({})), ', ')", names.join(", "))
            }
            Ballista => {
                let separator = self.separator();
                // Each that is not among those before it.
                let names = (1..=MOST_POLICIES).map(|at| {
                    let (item, before) =
                        (self.item(DENIED, at), format!("substr_index({DENIED}, {separator}, {})", at - 1));
                    let within = |text: &str| format!("concat({separator}, {text}, {separator})");
                    format!(
                        "CASE WHEN {item} <> '' AND strpos({}, {}) = 0 THEN concat(', ', {item}) ELSE '' END",
                        within(&before),
                        within(&item)
                    )
                });
                format!("substr(concat({}), 3)", names.collect::<Vec<_>>().join(", "))
            }
            DuckDb => {
                let names = format!(
                    "list_transform(list_filter(list_concat({egress}, {ingress}), lambda p: p.name IS NOT NULL), \
                     lambda p: {name})"
                );
                format!("array_to_string(list_filter({names}, lambda n, i: list_position({names}, n) = i), ', ')")
            }
            ClickHouse => format!(
                "arrayStringConcat(arrayDistinct(arrayMap(p -> {name}, arrayFilter(p -> isNotNull(p.name), \
                 arrayConcat({egress}, {ingress})))), ', ')"
            ),
            Spark => format!(
                "array_join(array_distinct(transform(filter(concat(coalesce({egress}, array()), \
                 coalesce({ingress}, array())), p -> p.name IS NOT NULL), p -> {name})), ', ')"
            ),
            Trino => format!(
                "array_join(array_distinct(transform(filter(coalesce({egress}, ARRAY[]) || \
                 coalesce({ingress}, ARRAY[]), p -> p.name IS NOT NULL), p -> {name})), ', ')"
            ),
        };
        format!("nullif({names}, '')")
    }
}
