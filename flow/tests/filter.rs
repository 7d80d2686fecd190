//! Filters decided column by column, held against a plain reading of the same rules, one line at a time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use arrow::array::RecordBatch;
use lookback_flow::filter::{Filters, parse, to_json};
use lookback_flow::json::{Decoder, Wants};
use lookback_flow::lines::Chunk;
use lookback_flow::rows::Projection;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

fn batch(lines: &[Value], packed: bool) -> RecordBatch {
    let mut decoder = Decoder::new(Projection::all());
    for line in lines {
        decoder.line(line.to_string().as_bytes()).unwrap();
    }
    if packed { decoder.finish_packed() } else { decoder.finish() }.unwrap()
}

/// How many rows are kept of those that a decoder gives which is told the filter's needles.
fn kept_of_wanted(lines: &[Value], allow: &str, deny: &str, skims: bool) -> usize {
    let filters = Filters::new(&parse(allow).unwrap(), &parse(deny).unwrap()).unwrap();
    let (columns, needles) = (Projection::all(), filters.needles());
    let mut decoder = Decoder::wanting(Wants { columns, needles, skims, ..Wants::default() });
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let read = decoder.chunk(&Chunk { bytes: text.join("\n").into_bytes() }, |_, bad| panic!("{bad}"));
    assert_eq!(read, lines.len() as u64);
    filters.keep(&decoder.finish_packed().unwrap()).unwrap().count_set_bits()
}

fn kept(lines: &[Value], allow: &str, deny: &str, packed: bool) -> Vec<bool> {
    let filters = Filters::new(&parse(allow).unwrap(), &parse(deny).unwrap()).unwrap();
    filters.keep(&batch(lines, packed)).unwrap().iter().collect()
}

/// Whether a flow matches one value of one field.
fn fits(flow: &Value, field: &str, wanted: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let w = text(wanted);
    let side = |field: &str| if field.starts_with("source") { "source" } else { "destination" };
    let end = &flow[side(field)];
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match field {
        "source_ip" | "destination_ip" => {
            let ip = text(&flow["IP"][side(field)]);
            match w.strip_suffix(".0.0/16") {
                Some(start) => ip.starts_with(&format!("{start}.")),
                None => ip == w,
            }
        }
        "source_pod" | "destination_pod" => {
            let (namespace, pod) = (text(&end["namespace"]), text(&end["pod_name"]));
            let (wanted, prefix) = w.split_once('/').unwrap_or(("default", &w));
            !(namespace.is_empty() && pod.is_empty())
                && (wanted.is_empty() || wanted == namespace)
                && pod.starts_with(prefix)
        }
        "source_identity" | "destination_identity" => {
            end.is_object() && end["identity"].as_u64().unwrap_or(0) == wanted.as_u64().unwrap()
        }
        "source_label" | "destination_label" => {
            let has = |key: &str| {
                items(&end["labels"]).iter().any(|label| text(label).split_once('=').unwrap().0.ends_with(key))
            };
            match w.strip_prefix('!') {
                Some(key) => !has(key),
                None => items(&end["labels"]).iter().any(|label| text(label) == format!("k8s:{w}")),
            }
        }
        "source_workload" | "destination_workload" => items(&end["workloads"])
            .iter()
            .any(|found| ["name", "kind"].iter().all(|part| wanted[part].is_null() || wanted[part] == found[part])),
        "source_port" | "destination_port" => ["TCP", "UDP"].iter().any(|protocol| {
            let layer = &flow["l4"][protocol];
            layer.is_object() && layer[field].as_u64().unwrap_or(0).to_string() == w
        }),
        "verdict" | "traffic_direction" => text(&flow[field]) == w,
        "drop_reason_desc" => flow["verdict"] == "DROPPED" && text(&flow[field]) == w,
        "protocol" => {
            let has = |layer: &str, name: &str| flow[layer][name].is_object();
            match w.as_str() {
                "icmp" => has("l4", "ICMPv4") || has("l4", "ICMPv6"),
                "http" => has("l7", "http"),
                other => has("l4", &other.to_uppercase()),
            }
        }
        "reply" => match flow["is_reply"].as_bool() {
            Some(reply) => Value::Bool(reply) == *wanted,
            None => flow["verdict"] == "DROPPED" && *wanted == Value::Bool(false),
        },
        "encrypted" => Value::Bool(flow["IP"]["encrypted"] == true) == *wanted,
        "tcp_flags" => {
            let flags = &flow["l4"]["TCP"]["flags"];
            wanted.as_object().unwrap().keys().all(|flag| flags[flag] == true)
        }
        "event_type" => {
            let number = |value: &Value, key: &str| value[key].as_i64().unwrap_or(0);
            let found = &flow["event_type"];
            found.is_object()
                && (number(wanted, "type") == 0 || number(wanted, "type") == number(found, "type"))
                && (wanted["match_sub_type"] != true || number(wanted, "sub_type") == number(found, "sub_type"))
        }
        "http_status_code" => {
            let code = flow["l7"]["http"]["code"].as_u64().unwrap_or(0).to_string();
            code != "0" && w.strip_suffix('+').map_or(code == w, |start| code.starts_with(start))
        }
        "http_method" => text(&flow["l7"]["http"]["method"]).eq_ignore_ascii_case(&w) && flow["l7"]["http"].is_object(),
        "node_name" => {
            let name = text(&flow["node_name"]);
            let (cluster, node) = name.split_once('/').unwrap_or(("default", &name));
            !name.is_empty() && w.split_once('/').map_or(node == w, |(c, n)| c == cluster && (n == "*" || n == node))
        }
        other => panic!("no rule for {other}"),
    }
}

/// Whether a flow matches a filter.
fn matches(flow: &Value, filter: &Value) -> bool {
    let field =
        |(name, values): (&String, &Value)| values.as_array().unwrap().iter().any(|wanted| fits(flow, name, wanted));
    filter.as_object().unwrap().iter().all(field)
}

/// An object of some of these members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let count = members.len();
    subsequence(members, 0..=count)
        .prop_flat_map(|some| {
            let (names, values): (Vec<&str>, Vec<BoxedStrategy<Value>>) = some.into_iter().unzip();
            values.prop_map(move |values| {
                names.iter().map(|name| (*name).to_owned()).zip(values).collect::<serde_json::Map<_, _>>().into()
            })
        })
        .boxed()
}

fn one(values: Value) -> BoxedStrategy<Value> {
    match values {
        Value::Array(values) => select(values).boxed(),
        other => panic!("{other} is no list"),
    }
}

fn flow() -> BoxedStrategy<Value> {
    let endpoint = || {
        object(vec![
            ("identity", one(json!([0, 2, 77]))),
            ("namespace", one(json!(["shop", "default"]))),
            ("pod_name", one(json!(["web-1", "db"]))),
            ("labels", one(json!([["k8s:app=web"], ["k8s:app=db", "k8s:tier=x"]]))),
            (
                "workloads",
                one(json!([[{"name": "web", "kind": "Deployment"}], [{"name": "db", "kind": "StatefulSet"}]])),
            ),
        ])
    };
    let ports = || object(vec![("source_port", one(json!([1, 80]))), ("destination_port", one(json!([53, 80])))]);
    let tcp = (ports(), object(vec![("SYN", one(json!([true]))), ("ACK", one(json!([true])))])).prop_map(
        |(mut tcp, flags)| {
            tcp["flags"] = flags;
            json!({ "TCP": tcp })
        },
    );
    let udp = ports().prop_map(|udp| json!({ "UDP": udp }));
    let http = object(vec![("code", one(json!([200, 404, 503]))), ("method", one(json!(["GET", "POST"])))]);
    object(vec![
        ("verdict", one(json!(["FORWARDED", "DROPPED"]))),
        (
            "IP",
            object(vec![
                ("source", one(json!(["10.0.0.1", "10.1.0.1"]))),
                ("destination", one(json!(["10.0.0.1"]))),
                ("encrypted", one(json!([true]))),
            ]),
        ),
        ("l4", prop_oneof![tcp, udp, Just(json!({"ICMPv4": {}}))].boxed()),
        ("source", endpoint()),
        ("destination", endpoint()),
        ("node_name", one(json!(["a", "prod/a", "prod/b"]))),
        ("l7", http.prop_map(|http| json!({ "http": http })).boxed()),
        ("event_type", object(vec![("type", one(json!([1, 4, 129]))), ("sub_type", one(json!([3])))])),
        ("traffic_direction", one(json!(["INGRESS", "EGRESS"]))),
        ("drop_reason_desc", one(json!(["POLICY_DENIED", "INVALID_SOURCE_IP"]))),
        ("is_reply", one(json!([true, false]))),
    ])
}

fn filter() -> BoxedStrategy<Value> {
    let many = |values: Value| {
        let all = values.as_array().unwrap().clone();
        subsequence(all, 1..=2).prop_map(Value::Array).boxed()
    };
    let of_ends =
        |name: &'static str, other: &'static str, values: Value| [(name, many(values.clone())), (other, many(values))];
    let mut fields = vec![
        ("verdict", many(json!(["FORWARDED", "DROPPED", "AUDIT"]))),
        ("drop_reason_desc", many(json!(["POLICY_DENIED", "INVALID_SOURCE_IP"]))),
        ("traffic_direction", many(json!(["INGRESS", "EGRESS"]))),
        ("protocol", many(json!(["tcp", "udp", "icmp", "http"]))),
        ("reply", many(json!([true, false]))),
        ("encrypted", many(json!([true, false]))),
        ("tcp_flags", many(json!([{"SYN": true}, {"ACK": true, "SYN": true}]))),
        (
            "event_type",
            many(
                json!([{"type": 4}, {"type": 4, "match_sub_type": true}, {"type": 129}, {"type": 0, "match_sub_type": true, "sub_type": 3}]),
            ),
        ),
        ("http_method", many(json!(["get", "PUT"]))),
        ("http_status_code", many(json!(["404", "5+", "20+"]))),
        ("node_name", many(json!(["a", "prod/*", "default/a"]))),
    ];
    fields.extend(of_ends("source_ip", "destination_ip", json!(["10.0.0.1", "10.1.0.0/16"])));
    fields.extend(of_ends("source_pod", "destination_pod", json!(["shop/", "/web", "db", "shop/web", "/"])));
    fields.extend(of_ends("source_label", "destination_label", json!(["app=web", "!tier", "tier=x"])));
    fields.extend(of_ends("source_identity", "destination_identity", json!([0, 2])));
    fields.extend(of_ends(
        "source_workload",
        "destination_workload",
        json!([{"name": "web"}, {"kind": "StatefulSet"}, {"name": "db", "kind": "Deployment"}]),
    ));
    fields.extend(of_ends("source_port", "destination_port", json!(["0", "80", "53"])));
    let fields = subsequence(fields, 0..=3);
    let filter = fields.prop_flat_map(|some| {
        let (names, values): (Vec<&str>, Vec<BoxedStrategy<Value>>) = some.into_iter().unzip();
        values.prop_map(move |values| {
            names.iter().map(|name| (*name).to_owned()).zip(values).collect::<serde_json::Map<_, _>>().into()
        })
    });
    // Records of layer 7 are asked for together with their event type, or with none.
    filter
        .prop_filter("asks for HTTP of another event type", |filter: &Value| {
            let of_l7 = |kind: &Value| kind["type"] == 129;
            let asks = filter.as_object().unwrap().keys().any(|name| name.starts_with("http"));
            !asks || filter["event_type"].as_array().is_none_or(|kinds| kinds.iter().any(of_l7))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn columns_and_lines_agree(
        flows in proptest::collection::vec(flow(), 1..12),
        allow in proptest::collection::vec(filter(), 0..3),
        deny in proptest::collection::vec(filter(), 0..2),
    ) {
        let lines: Vec<Value> = flows.iter().map(|flow| json!({ "flow": flow, "node_name": "envelope" })).collect();
        let expected: Vec<bool> = flows
            .iter()
            .map(|flow| {
                let any = |filters: &[Value]| filters.iter().any(|filter| matches(flow, filter));
                (allow.is_empty() || any(&allow)) && !any(&deny)
            })
            .collect();
        let text = |filters: &[Value]| filters.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(&kept(&lines, &text(&allow), &text(&deny), true), &expected);
        prop_assert_eq!(&kept(&lines, &text(&allow), &text(&deny), false), &expected);
        let count = expected.iter().filter(|is_kept| **is_kept).count();
        for skims in [false, true] {
            prop_assert_eq!(kept_of_wanted(&lines, &text(&allow), &text(&deny), skims), count);
        }
    }
}

/// Fields of filters, and what they are in CEL.
const SAID_TWICE: &[(&str, &str)] = &[
    (r#"{"verdict":["DROPPED","AUDIT"]}"#, "_flow.verdict in [Verdict.DROPPED, Verdict.AUDIT]"),
    (
        r#"{"drop_reason_desc":["POLICY_DENIED"]}"#,
        "_flow.verdict == Verdict.DROPPED && _flow.drop_reason_desc == DropReason.POLICY_DENIED",
    ),
    (r#"{"traffic_direction":["INGRESS"]}"#, "_flow.traffic_direction == TrafficDirection.INGRESS"),
    (r#"{"source_ip":["10.0.0.1"]}"#, "_flow.IP.source == '10.0.0.1'"),
    (r#"{"encrypted":[true]}"#, "_flow.IP.encrypted"),
    (r#"{"protocol":["tcp"]}"#, "has(_flow.l4.TCP)"),
    (r#"{"protocol":["icmp"]}"#, "has(_flow.l4.ICMPv4) || has(_flow.l4.ICMPv6)"),
    (r#"{"protocol":["http"]}"#, "has(_flow.l7.http)"),
    (r#"{"destination_port":["80"]}"#, "80u in [_flow.l4.TCP.destination_port, _flow.l4.UDP.destination_port]"),
    (r#"{"tcp_flags":[{"SYN":true}]}"#, "_flow.l4.TCP.flags.SYN"),
    (r#"{"source_identity":[0]}"#, "has(_flow.source) && _flow.source.identity == 0u"),
    (r#"{"source_pod":["shop/web"]}"#, "_flow.source.namespace == 'shop' && _flow.source.pod_name.startsWith('web')"),
    (r#"{"destination_label":["app=web"]}"#, "'k8s:app=web' in _flow.destination.labels"),
    (r#"{"destination_label":["!tier"]}"#, "!_flow.destination.labels.exists(l, l.startsWith('k8s:tier='))"),
    (r#"{"source_workload":[{"kind":"StatefulSet"}]}"#, "_flow.source.workloads.exists(w, w.kind == 'StatefulSet')"),
    (r#"{"reply":[true]}"#, "_flow.is_reply == true"),
    (r#"{"reply":[false]}"#, "_flow.is_reply == false || _flow.is_reply == null && _flow.verdict == Verdict.DROPPED"),
    (r#"{"event_type":[{"type":4}]}"#, "_flow.event_type.type == 4"),
    (r#"{"http_status_code":["5+"]}"#, "string(_flow.l7.http.code).matches('^5')"),
    (r#"{"node_name":["prod/*"]}"#, "_flow.node_name.startsWith('prod/')"),
];

proptest! {
    // Parsing costs more than asking.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cel_says_the_same_as_fields(flows in proptest::collection::vec(flow(), 1..12)) {
        let lines: Vec<Value> = flows.iter().map(|flow| json!({ "flow": flow, "node_name": "prod/z" })).collect();
        for (fields, expression) in SAID_TWICE {
            let cel = json!({ "experimental": { "cel_expression": [expression] } }).to_string();
            for packed in [true, false] {
                prop_assert_eq!(kept(&lines, &cel, "", packed), kept(&lines, fields, "", packed), "{}", expression);
            }
        }
    }
}

#[test]
fn json_is_read_strictly_and_written_as_hubble_does() {
    let filters = parse(r#"{"sourcePod":["a/"],"verdict":["DROPPED",1]} {"ip_trace_id":["7"]}"#).unwrap();
    let texts: Vec<String> = filters.iter().map(to_json).collect();
    assert_eq!(texts, [r#"{"source_pod":["a/"],"verdict":["DROPPED","FORWARDED"]}"#, r#"{"ip_trace_id":["7"]}"#]);
    for bad in ["{\"nope\":[]}", "{},{}", "[]", "{\"verdict\":[\"NOPE\"]}", "{\"source_pod\":\"a\"}"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_flow_is_asked_by_its_type_alone() {
    let lines = [
        json!({"lost_events": {"num_events_lost": 3}}),
        json!({"agent_event": {"type": "AGENT_STARTED"}}),
        json!({"flow": {"event_type": {"type": 4}}}),
        json!({"flow": {}}),
    ];
    let keep = |filter: &str| kept(&lines, filter, "", true);
    assert_eq!(keep(r#"{"event_type":[{"type":4}]}"#), [true, false, true, false]);
    assert_eq!(keep(r#"{"event_type":[{"type":130}]}"#), [true, true, false, false]);
    assert_eq!(keep(r#"{"source_label":["!app"]}"#), [true, true, true, true]);
    assert_eq!(keep(r#"{"encrypted":[false]}"#), [false, false, true, true]);
    assert_eq!(keep("{}"), [true; 4]);
    assert_eq!(kept(&lines, "", "{}", true), [false; 4]);
}
