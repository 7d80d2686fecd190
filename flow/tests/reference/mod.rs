//! A second reading of the rules, as plain as can be: protobuf by `prost-reflect`, JSON by a writer that walks the
//! descriptors. The codecs of the crate are held against it.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::sync::LazyLock;

use lookback_flow::proto::DESCRIPTORS;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};

pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).unwrap());

pub fn envelope() -> MessageDescriptor {
    POOL.get_message_by_name("observer.ExportEvent").unwrap()
}

/// `SplitMix64` (Steele, Lea, Flood 2014): enough to spread choices, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

pub const TEXTS: &[&str] = &[
    "",
    "web",
    "shop",
    "10.0.1.10",
    "a<b>&c",
    "\"quoted\\\"",
    "\u{1b}[31mred",
    "line\nfeed\r\t\u{8}\u{c}\u{1}\u{7f}",
    "\u{2028}\u{2029}",
    "日本語 é 🦀",
    "\u{202e}evil",
    "=1+1",
    "'; DROP TABLE flows; --",
    "206",
    "-1",
    "null",
    "{",
    "}",
    "a, b",
    "\u{0}",
];

/// A random event. `any` may be left out, since JSON cannot carry one of an unknown type.
pub fn event(random: &mut Random, any: bool) -> DynamicMessage {
    let mut message = DynamicMessage::new(envelope());
    let bodies: Vec<_> = envelope().oneofs().next().unwrap().fields().collect();
    // Mostly flows: that is where the fields are.
    let body =
        if random.below(4) > 0 { bodies[0].clone() } else { bodies[usize::try_from(random.below(5)).unwrap()].clone() };
    let Kind::Message(kind) = body.kind() else { unreachable!() };
    message.set_field(&body, Value::Message(filled(&kind, random, any)));
    for field in envelope().fields().filter(|field| field.containing_oneof().is_none()) {
        if random.below(3) > 0 {
            message.set_field(&field, value(&field, random, any));
        }
    }
    message
}

fn filled(kind: &MessageDescriptor, random: &mut Random, any: bool) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    if kind.full_name() == "google.protobuf.Timestamp" {
        message.set_field_by_number(1, Value::I64(i64::try_from(random.below(9_000_000_000)).unwrap()));
        let nanos = [0, 500_000_000, 123_000_000, 400_000, 1, 999_999_999, 123_456_789];
        message.set_field_by_number(2, Value::I32(random.pick(&nanos)));
        return message;
    }
    // Dense or sparse, so that both all and hardly any fields occur.
    let density = random.pick(&[0, 2, 5, 9, 10]);
    let mut chosen = None;
    for field in kind.fields() {
        if !any && is_any(&field) {
            continue;
        }
        if let Some(oneof) = field.containing_oneof() {
            let members: Vec<u32> = oneof.fields().map(|field| field.number()).collect();
            let member = *chosen.get_or_insert_with(|| random.pick(&members));
            if member != field.number() || random.below(10) == 0 {
                continue;
            }
        } else if random.below(10) >= density {
            continue;
        }
        let value = if field.is_list() {
            Value::List((0..random.below(4)).map(|_| value(&field, random, any)).collect())
        } else {
            value(&field, random, any)
        };
        message.set_field(&field, value);
    }
    message
}

fn is_any(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(kind) if kind.full_name() == "google.protobuf.Any")
}

fn value(field: &FieldDescriptor, random: &mut Random, any: bool) -> Value {
    match field.kind() {
        Kind::Bool => Value::Bool(random.below(2) == 1),
        Kind::Int32 => Value::I32(random.pick(&[0, 1, 5, -1, i32::MAX, i32::MIN])),
        Kind::Int64 => Value::I64(random.pick(&[0, 1, -7, i64::MAX, i64::MIN])),
        Kind::Uint32 => Value::U32(random.pick(&[0, 1, 53, 443, 65_535, u32::MAX])),
        Kind::Uint64 => Value::U64(random.pick(&[0, 1, 12_345_678, u64::MAX])),
        Kind::String => Value::String(random.pick(TEXTS).to_owned()),
        Kind::Bytes => Value::Bytes(vec![0, 255, 7].into()),
        Kind::Enum(kind) => {
            let known: Vec<i32> = kind.values().map(|value| value.number()).collect();
            Value::EnumNumber(if random.below(8) == 0 { random.pick(&[9_999, -3]) } else { random.pick(&known) })
        }
        Kind::Message(kind) => Value::Message(filled(&kind, random, any)),
        other => unreachable!("no field of the API is {other:?}"),
    }
}

/// The line that an exporter writes for an event: protojson with proto names, inside Go's `encoding/json`.
pub fn line(message: &DynamicMessage) -> String {
    let kind = message.descriptor();
    match kind.full_name() {
        "google.protobuf.Timestamp" => return timestamp(message),
        "google.protobuf.BoolValue" | "google.protobuf.UInt32Value" | "google.protobuf.Int32Value" => {
            return scalar(&kind.get_field(1).unwrap(), &message.get_field_by_number(1).unwrap());
        }
        _ => {}
    }
    let mut members = Vec::new();
    for declared in &kind.descriptor_proto().field {
        let field = kind.get_field(u32::try_from(declared.number()).unwrap()).unwrap();
        if !message.has_field(&field) {
            continue;
        }
        let value = message.get_field(&field);
        let text = match value.as_list() {
            Some(list) => format!("[{}]", list.iter().map(|item| scalar(&field, item)).collect::<Vec<_>>().join(",")),
            None => scalar(&field, &value),
        };
        members.push(format!("{}:{text}", quoted(field.name())));
    }
    format!("{{{}}}", members.join(","))
}

fn scalar(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::I64(value) => format!("\"{value}\""),
        Value::U64(value) => format!("\"{value}\""),
        Value::String(text) => quoted(text),
        Value::Message(message) => line(message),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(kind) => kind.get_value(*number).map_or(number.to_string(), |value| quoted(value.name())),
            _ => unreachable!(),
        },
        other => unreachable!("{other:?}"),
    }
}

fn timestamp(message: &DynamicMessage) -> String {
    let seconds = message.get_field_by_number(1).unwrap().as_i64().unwrap();
    let nanos = message.get_field_by_number(2).unwrap().as_i32().unwrap();
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%S");
    let mut fraction = format!(".{nanos:09}");
    for zeros in ["000", "000", ".000"] {
        fraction = fraction.strip_suffix(zeros).unwrap_or(&fraction).to_owned();
    }
    format!("\"{time}{fraction}Z\"")
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let escaped = match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            c if c < ' ' || "<>&\u{2028}\u{2029}".contains(c) => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        out.push_str(&escaped);
    }
    format!("\"{out}\"")
}
