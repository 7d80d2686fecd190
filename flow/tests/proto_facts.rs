//! The compiled protobuf descriptors against the facts about Hubble's API.
//!
//! With `LOOKBACK_FACTS` set to the directory of facts, every row of `hubble/proto-facts.tsv` that the newest Hubble
//! still has is compared, in order of declaration. Without it the hand-written numbers below are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::{env, fs};

use lookback_flow::proto::{self, DESCRIPTORS};
use prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueOptions, FieldDescriptorProto, FieldOptions,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, ServiceDescriptorProto,
};

const FILES: [&str; 4] = ["flow/flow.proto", "observer/observer.proto", "peer/peer.proto", "relay/relay.proto"];

#[test]
fn descriptors_match_the_facts() {
    let Some(facts) = env::var_os("LOOKBACK_FACTS") else {
        eprintln!("LOOKBACK_FACTS is not set: only the hand-written numbers are checked");
        return;
    };
    let tsv = Path::new(&facts).join("hubble/proto-facts.tsv");
    let text = fs::read_to_string(&tsv).unwrap_or_else(|error| panic!("{}: {error}", tsv.display()));
    let facts = Facts::parse(&text);
    let files = hubble_files();

    for name in FILES {
        let expected = facts.rows_of(name);
        let actual = Rows::of_file(files.iter().find(|file| file.name() == name).expect(name));
        assert!(!expected.is_empty(), "{name}: no facts");
        for (index, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
            assert_eq!(actual, expected, "{name}: fact {index} (left: ours, right: the fact)");
        }
        assert_eq!(actual.len(), expected.len(), "{name}: number of rows");
    }
}

#[test]
fn the_four_packages_are_there_without_source_info() {
    let files = hubble_files();
    let mut names: Vec<&str> = files.iter().map(FileDescriptorProto::name).collect();
    names.sort_unstable();
    assert_eq!(names, FILES);
    assert!(files.iter().all(|file| file.syntax() == "proto3" && file.source_code_info.is_none()));
}

#[test]
fn known_numbers() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    for (message, field, number) in [
        ("flow.Flow", "uuid", 34),
        ("flow.Flow", "Summary", 100_000),
        ("flow.Flow", "extensions", 150_000),
        ("flow.Flow", "egress_denied_by", 21004),
        ("flow.Layer4", "VRRP", 6),
        ("flow.Layer7", "kafka", 102),
        ("flow.IP", "ipVersion", 3),
        ("flow.FlowFilter", "experimental", 999),
        ("flow.FlowFilter.Experimental", "cel_expression", 1),
        ("flow.LostEvent", "last", 5),
        ("observer.GetFlowsRequest", "field_mask", 10),
        ("observer.ExportEvent", "debug_event", 5),
        ("observer.ExportEvent", "time", 1001),
        ("relay.NodeStatusEvent", "message", 3),
        ("peer.ChangeNotification", "tls", 4),
    ] {
        assert_eq!(field_number(&message_named(&pool, message), field), Some(number), "{message}.{field}");
    }

    assert_eq!(proto::flow::DropReason::PolicyDenied as i32, 133);
    assert_eq!(proto::flow::DropReason::DropFragNotFoundWorld as i32, 207);
    assert_eq!(proto::flow::TraceObservationPoint::ToEndpoint as i32, 101);
    assert_eq!(proto::flow::EventType::EventSample as i32, 9);
    assert_eq!(proto::flow::Verdict::Translated.as_str_name(), "TRANSLATED");
    assert_eq!(proto::relay::NodeState::NodeError as i32, 4);
}

#[test]
fn fields_come_in_order_of_declaration_not_of_number() {
    let files = hubble_files();
    let flow = message_type(&files, "flow/flow.proto", "Flow");
    let fields: Vec<&str> = flow.field.iter().map(FieldDescriptorProto::name).collect();
    assert_eq!(fields.get(..5), Some(["time", "uuid", "emitter", "verdict", "drop_reason"].as_slice()));
    assert_eq!(fields.last(), Some(&"aggregate"));

    let line = message_type(&files, "observer/observer.proto", "ExportEvent");
    let fields: Vec<&str> = line.field.iter().map(FieldDescriptorProto::name).collect();
    assert_eq!(fields, ["flow", "node_status", "lost_events", "agent_event", "debug_event", "node_name", "time"]);
}

#[test]
fn generated_types_and_descriptors_agree() {
    let line = proto::observer::ExportEvent {
        node_name: "node-a".into(),
        time: Some(prost_types::Timestamp { seconds: 1, nanos: 2 }),
        response_types: Some(proto::observer::export_event::ResponseTypes::Flow(proto::flow::Flow {
            is_reply: Some(false),
            egress_denied_by: vec![proto::flow::Policy { name: "deny".into(), ..Default::default() }],
            ..Default::default()
        })),
    };
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let mut dynamic = prost_reflect::DynamicMessage::new(message_named(&pool, "observer.ExportEvent"));
    dynamic.transcode_from(&line).unwrap();
    assert_eq!(dynamic.transcode_to::<proto::observer::ExportEvent>().unwrap(), line);
    assert_eq!(dynamic.unknown_fields().count(), 0);
}

/// What the TSV says, one text per row: the columns that both sides know.
struct Facts<'a> {
    /// File and row.
    rows: Vec<(&'a str, String)>,
}

impl<'a> Facts<'a> {
    /// Keeps the rows whose last version is the newest one: what was removed since is not in our files.
    fn parse(text: &'a str) -> Self {
        let table: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
        assert!(table.iter().all(|columns| columns.len() == 12), "every row has twelve columns");
        let newest = table.iter().find(|columns| columns[2] == "Flow" && columns[3] == "message").unwrap()[11];
        let rows = table
            .iter()
            .filter(|columns| columns[11] == newest)
            .map(|columns| (columns[0], columns[1..10].join("\t")))
            .collect();
        Self { rows }
    }

    fn rows_of(&self, file: &str) -> Vec<&str> {
        self.rows.iter().filter(|(of, _)| *of == file).map(|(_, row)| row.as_str()).collect()
    }
}

/// Descriptors written as rows of the TSV: package, owner, kind, name, JSON name, number, type, label, deprecated.
struct Rows<'a> {
    package: &'a str,
    rows: Vec<String>,
}

impl<'a> Rows<'a> {
    fn of_file(file: &'a FileDescriptorProto) -> Vec<String> {
        let mut rows = Self { package: file.package(), rows: Vec::new() };
        for message in &file.message_type {
            rows.message("", message);
        }
        for values in &file.enum_type {
            rows.enumeration("", values);
        }
        for service in &file.service {
            rows.service(service);
        }
        rows.rows
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let owner = format!("{scope}{}", message.name());
        let is_deprecated = message.options.as_ref().is_some_and(MessageOptions::deprecated);
        self.push([&owner, "message", "", "", "", "", "", deprecated(is_deprecated)]);
        for field in &message.field {
            let is_deprecated = field.options.as_ref().is_some_and(FieldOptions::deprecated);
            let number = field.number().to_string();
            let (kind, label) = (type_name(field), label(message, field));
            let last = deprecated(is_deprecated);
            self.push([&owner, "field", field.name(), field.json_name(), &number, &kind, &label, last]);
        }
        for range in &message.reserved_range {
            // Exclusive in messages, inclusive in enums.
            let range = format!("{}-{}", range.start(), range.end() - 1);
            self.push([&owner, "reserved-range", "", "", &range, "", "", ""]);
        }
        let scope = format!("{owner}.");
        for nested in &message.nested_type {
            self.message(&scope, nested);
        }
        for nested in &message.enum_type {
            self.enumeration(&scope, nested);
        }
    }

    fn enumeration(&mut self, scope: &str, values: &EnumDescriptorProto) {
        let owner = format!("{scope}{}", values.name());
        let is_deprecated = values.options.as_ref().is_some_and(EnumOptions::deprecated);
        self.push([&owner, "enum", "", "", "", "", "", deprecated(is_deprecated)]);
        for value in &values.value {
            let is_deprecated = value.options.as_ref().is_some_and(EnumValueOptions::deprecated);
            let number = value.number().to_string();
            self.push([&owner, "enum-value", value.name(), "", &number, "", "", deprecated(is_deprecated)]);
        }
        for range in &values.reserved_range {
            let range = format!("{}-{}", range.start(), range.end());
            self.push([&owner, "reserved-range", "", "", &range, "", "", ""]);
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto) {
        let owner = service.name();
        self.push([owner, "service", "", "", "", "", "", ""]);
        for method in &service.method {
            let side = |streaming: bool, of: &str| {
                format!("{}{}", if streaming { "stream " } else { "" }, of.trim_start_matches('.'))
            };
            let call = format!(
                "{} -> {}",
                side(method.client_streaming(), method.input_type()),
                side(method.server_streaming(), method.output_type())
            );
            self.push([owner, "rpc", method.name(), "", "", &call, "", ""]);
        }
    }

    fn push(&mut self, columns: [&str; 8]) {
        self.rows.push(format!("{}\t{}", self.package, columns.join("\t")));
    }
}

fn deprecated(is_deprecated: bool) -> &'static str {
    if is_deprecated { "deprecated" } else { "" }
}

fn label(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    match field.oneof_index {
        Some(index) => format!("oneof {}", message.oneof_decl[usize::try_from(index).unwrap()].name()),
        None if field.label() == Label::Repeated => "repeated".into(),
        None => "singular".into(),
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').into(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

/// The described files without the well-known types that they import.
fn hubble_files() -> Vec<FileDescriptorProto> {
    let mut set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    set.file.retain(|file| !file.package().starts_with("google."));
    set.file
}

fn message_type<'a>(files: &'a [FileDescriptorProto], file: &str, message: &str) -> &'a DescriptorProto {
    let file = files.iter().find(|candidate| candidate.name() == file).unwrap();
    file.message_type.iter().find(|candidate| candidate.name() == message).unwrap()
}

fn message_named(pool: &DescriptorPool, name: &str) -> MessageDescriptor {
    pool.get_message_by_name(name).unwrap_or_else(|| panic!("no message {name}"))
}

fn field_number(message: &MessageDescriptor, field: &str) -> Option<u32> {
    message.get_field_by_name(field).map(|field| field.number())
}
