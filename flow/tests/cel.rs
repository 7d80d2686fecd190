//! CEL expressions over flows: what they match, what is refused, and what a hostile one may not do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use lookback_flow::columns::ColumnId;
use lookback_flow::filter::{FilterError, Filters, parse, to_json};
use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn filters(expressions: &[&str]) -> Result<Filters, FilterError> {
    let filter = json!({"experimental": {"cel_expression": expressions}});
    Filters::new(&parse(&filter.to_string()).unwrap(), &[])
}

/// Five rows: a TCP request, its DNS lookup, a dropped flow, an HTTP response, a report of lost events.
fn lines() -> Vec<Value> {
    vec![
        json!({"flow": {
            "time": "2026-03-01T10:00:00.500Z", "uuid": "u-1", "verdict": "FORWARDED", "is_reply": false,
            "ethernet": {"source": "aa"}, "Type": "L3_L4", "node_name": "node-a",
            "IP": {"source": "10.0.1.10", "destination": "10.0.2.20", "ipVersion": "IPv4"},
            "l4": {"TCP": {"source_port": 41000, "destination_port": 8080, "flags": {"SYN": true, "ACK": true}}},
            "source": {"identity": 50001, "namespace": "shop", "pod_name": "web-1",
                "labels": ["k8s:app=web", "k8s:tier=front"], "workloads": [{"name": "web", "kind": "Deployment"}]},
            "destination": {"identity": 50002, "namespace": "shop", "pod_name": "cart-1", "labels": ["k8s:app=cart"]},
            "event_type": {"type": 4, "sub_type": 3}, "traffic_direction": "INGRESS",
            "egress_allowed_by": [{"name": "p", "namespace": "shop", "labels": ["k8s:x=y"], "revision": "7"}],
            "socket_cookie": "18446744073709551615", "source_names": ["a.example.com"]}, "node_name": "node-a",
            "time": "2026-03-01T10:00:00.500Z"}),
        json!({"flow": {
            "verdict": "FORWARDED", "is_reply": true, "IP": {"source": "10.0.0.10", "destination": "10.0.1.10"},
            "l4": {"UDP": {"source_port": 53, "destination_port": 40000}}, "source": {"namespace": "kube-system"},
            "l7": {"type": "RESPONSE", "latency_ns": "1500000", "dns": {"query": "cart.shop.svc.", "rcode": 3}}},
            "node_name": "node-b", "time": "2026-03-01T10:00:01Z"}),
        json!({"flow": {"verdict": "DROPPED", "drop_reason_desc": "POLICY_DENIED", "l4": {"ICMPv4": {"type": 8}},
            "source": {}, "destination": {}, "interface": {"index": 7}}}),
        json!({"flow": {"verdict": "FORWARDED", "l4": {"TCP": {}}, "l7": {"type": "RESPONSE", "http": {"code": 503,
            "method": "GET", "url": "http://cart/v1?x", "headers": [{"key": "X-Request-Id", "value": "r1"}]}},
            "tunnel": {"protocol": "VXLAN", "l4": {"UDP": {"destination_port": 8472}}, "vni": 2}}}),
        json!({"lost_events": {"num_events_lost": "3"}}),
    ]
}

/// The rows that match, by number, however the batch is laid out.
fn matching(lines: &[Value], expressions: &[&str]) -> Vec<usize> {
    let filters = filters(expressions).unwrap_or_else(|error| panic!("{error}"));
    let rows = |projection: Projection, packed: bool| -> Vec<usize> {
        let mut decoder = Decoder::new(projection);
        lines.iter().for_each(|line| decoder.line(line.to_string().as_bytes()).unwrap());
        let batch = if packed { decoder.finish_packed() } else { decoder.finish() }.unwrap();
        filters.keep(&batch).unwrap().set_indices().collect()
    };
    let found = rows(Projection::all(), true);
    assert_eq!(rows(Projection::all(), false), found, "{expressions:?}, not packed");
    // Nothing is looked at but the columns that the condition names.
    let own = Projection::of(filters.columns().into_iter().map(|id| id.column().name));
    assert_eq!(rows(own, true), found, "{expressions:?}, its own columns");
    found
}

/// Expressions, and the rows that they match, by number.
const MATCHES: &[(&str, &[usize])] = &[
    // Literals, and what is no flow.
    ("true", &[0, 1, 2, 3]),
    ("false", &[]),
    // Enums are numbers, looked for in the container first.
    ("_flow.verdict == Verdict.DROPPED", &[2]),
    ("_flow.verdict == flow.Verdict.DROPPED", &[2]),
    ("_flow.verdict == .flow.Verdict.DROPPED", &[2]),
    ("_flow.verdict == 2", &[2]),
    ("_flow.verdict in [Verdict.DROPPED, Verdict.ERROR]", &[2]),
    ("_flow.drop_reason_desc == DropReason.POLICY_DENIED", &[2]),
    ("_flow.drop_reason_desc == 133", &[2]),
    ("_flow.drop_reason_desc == 0", &[0, 1, 3]),
    ("_flow.tunnel.protocol == Tunnel.Protocol.VXLAN", &[3]),
    ("_flow.traffic_direction == TrafficDirection.INGRESS && _flow.Type == FlowType.L3_L4", &[0]),
    // Fields; what is absent is of its default.
    ("_flow.IP.source == '10.0.1.10'", &[0]),
    ("_flow.IP.ipVersion == IPVersion.IPv4", &[0]),
    ("_flow.IP.source == ''", &[2, 3]),
    ("_flow.IP.source.startsWith('10.0.')", &[0, 1]),
    ("_flow.source.namespace + '/' + _flow.source.pod_name == 'shop/web-1'", &[0]),
    ("_flow.source.identity >= 50000u", &[0]),
    ("_flow.source.identity == 0u", &[1, 2, 3]),
    ("_flow.event_type.type == 4 && _flow.event_type.sub_type == 3", &[0]),
    ("_flow.socket_cookie == 18446744073709551615u", &[0]),
    ("_flow.trace_context.parent.trace_id == ''", &[0, 1, 2, 3]),
    ("_flow.interface.index == 7u", &[2]),
    // Columns that several paths share.
    ("_flow.l4.TCP.destination_port == 8080u", &[0]),
    ("_flow.l4.TCP.destination_port == 0u", &[1, 2, 3]),
    ("_flow.l4.UDP.source_port == 53u", &[1]),
    ("_flow.l4.UDP.destination_port == 8080u", &[]),
    ("_flow.tunnel.l4.UDP.destination_port == 8472u", &[3]),
    ("_flow.l4.UDP.destination_port == 8472u", &[]),
    ("_flow.l4.ICMPv4.type == 8u", &[2]),
    ("_flow.l4.ICMPv6.type == 8u", &[]),
    ("_flow.l4.TCP.flags.SYN && !_flow.l4.TCP.flags.FIN", &[0]),
    ("_flow.l7.http.code >= 500u", &[3]),
    ("_flow.l7.dns.rcode == 3u", &[1]),
    ("_flow.l7.latency_ns > 1000000u", &[1]),
    ("_flow.l7.type == L7FlowType.RESPONSE", &[1, 3]),
    // Presence.
    ("has(_flow.l4)", &[0, 1, 2, 3]),
    ("has(_flow.IP)", &[0, 1]),
    ("has(_flow.source)", &[0, 1, 2]),
    ("has(_flow.l4.TCP)", &[0, 3]),
    ("has(_flow.l4.TCP.flags)", &[0]),
    ("has(_flow.l4.TCP.flags.SYN)", &[0]),
    ("has(_flow.l4.TCP.destination_port)", &[0]),
    ("has(_flow.tunnel.l4.UDP)", &[3]),
    ("has(_flow.l7) && !has(_flow.l7.http)", &[1]),
    ("has(_flow.source.labels)", &[0]),
    ("has(_flow.drop_reason_desc)", &[2]),
    ("has(_flow.is_reply)", &[0, 1]),
    ("has(_flow.extensions)", &[]),
    ("has(_flow.aggregate)", &[]),
    // The envelope's time and node are not the flow's.
    ("has(_flow.time)", &[0]),
    ("_flow.node_name == 'node-b'", &[]),
    ("_flow.node_name == 'node-a'", &[0]),
    // What may be null.
    ("_flow.is_reply == true", &[1]),
    ("_flow.is_reply == false", &[0]),
    ("_flow.is_reply == null", &[2, 3]),
    ("_flow.is_reply != true", &[0, 2, 3]),
    ("!_flow.is_reply", &[0]),
    ("_flow.is_reply || _flow.verdict == Verdict.DROPPED", &[1, 2]),
    ("_flow.l4 == null", &[]),
    // Times.
    ("_flow.time > timestamp('2026-03-01T10:00:00Z')", &[0]),
    ("_flow.time == timestamp('2026-03-01T12:30:00.5+02:30')", &[0]),
    ("_flow.time == timestamp(0)", &[1, 2, 3]),
    ("_flow.time - timestamp('2026-03-01T09:00:00Z') > duration('1h')", &[0]),
    ("_flow.time + duration('-500ms') == timestamp('2026-03-01T10:00:00Z')", &[0]),
    ("_flow.time.getHours() == 10 && _flow.time.getDayOfWeek() == 0 && _flow.time.getMonth() == 2", &[0]),
    ("_flow.time.getHours('+05:30') == 15 && _flow.time.getMinutes('+05:30') == 30", &[0]),
    ("string(_flow.time) == '2026-03-01T10:00:00.5Z'", &[0]),
    // Macros and lists.
    ("_flow.source.labels.exists(l, l == 'k8s:app=web')", &[0]),
    ("'k8s:app=web' in _flow.source.labels", &[0]),
    ("_flow.source.labels.all(l, l.startsWith('k8s:'))", &[0, 1, 2, 3]),
    ("_flow.source.labels.exists_one(l, l.contains('app='))", &[0]),
    ("_flow.source.labels.filter(l, l.endsWith('front')).size() == 1", &[0]),
    ("_flow.source.labels.map(l, size(l)) == [11, 14]", &[0]),
    ("_flow.source.labels.map(l, l.contains('tier'), l) == ['k8s:tier=front']", &[0]),
    ("_flow.source.labels[1] == 'k8s:tier=front'", &[0]),
    ("size(_flow.source_names) > 0 && _flow.source_names[0].matches('^a[.]')", &[0]),
    ("_flow.source.workloads.exists(w, w.kind == 'Deployment' && w.name == 'web')", &[0]),
    ("_flow.l7.http.headers.exists(h, h.key == 'X-Request-Id' && h.value == 'r1')", &[3]),
    ("_flow.egress_allowed_by.exists(p, p.revision == 7u && 'k8s:x=y' in p.labels && !has(p.kind))", &[0]),
    ("[_flow.source, _flow.destination].exists(e, e.pod_name.startsWith('cart'))", &[0]),
    ("(_flow.verdict == Verdict.DROPPED ? _flow.source : _flow.destination).pod_name == 'cart-1'", &[0]),
    ("{'web-1': true}[_flow.source.pod_name]", &[0]),
    ("_flow.source.pod_name in {'web-1': 1}", &[0]),
    ("{'a': 1}.a == 1 && has({'a': 1}.a) && !has({'a': 1}.b)", &[0, 1, 2, 3]),
    ("_flow.source.labels.exists(l, _flow.destination.labels.exists(m, l != m))", &[0]),
    // A variable hides what is outside.
    ("[1].exists(_flow, _flow == 1)", &[0, 1, 2, 3]),
    // Messages are equal if the same is there.
    ("_flow.source == _flow.destination", &[2, 3]),
    ("_flow.egress_allowed_by == _flow.ingress_allowed_by", &[1, 2, 3]),
    // Strings.
    ("_flow.l7.dns.query.matches('svc[.]?$')", &[1]),
    ("matches(_flow.l7.http.url, '^http://[a-z]+/')", &[3]),
    ("_flow.source.pod_name.matches(_flow.source.pod_name) && _flow.source.pod_name != ''", &[0]),
    (r"'\u00e9'.size() == 1 && size(b'\xff\x00') == 2 && r'\d' == '\\d'", &[0, 1, 2, 3]),
    ("string(_flow.l4.TCP.destination_port) == '8080'", &[0]),
    ("int(_flow.l4.TCP.destination_port) == 8080 && double(1) < 1.5 && uint('7') == 7u", &[0]),
    ("dyn(_flow.l4.TCP.destination_port) == 8080", &[0]),
    ("dyn(_flow.l4.TCP.destination_port) > 8079.5", &[0]),
    // No value is no match, unless the other side decides.
    ("1 / int(_flow.l4.TCP.destination_port) == 0", &[0]),
    ("_flow.source.labels[0] == 'k8s:app=web'", &[0]),
    ("_flow.source.labels[0] == 'no' || true", &[0, 1, 2, 3]),
    ("true || _flow.source.labels[0] == 'no'", &[0, 1, 2, 3]),
    ("_flow.source.labels[5] == 'no' && true", &[]),
    ("!(_flow.source.labels[5] == 'no' && false)", &[0, 1, 2, 3]),
    ("[0, 1].exists(x, 1 / x == 1)", &[0, 1, 2, 3]),
    ("[0, 1].all(x, 1 / x == 1)", &[]),
    ("9223372036854775807 + 1 > 0", &[]),
    ("-(-9223372036854775807 - 1) > 0 || 0u - 1u > 0u", &[]),
    ("timestamp('yesterday') == _flow.time || duration('1x') == duration('1s')", &[]),
    ("int('x') == 1 || bool('x') || uint(-1) == 1u || 1 % 0 == 0", &[]),
];

#[test]
fn expressions_match_as_worked_out_by_hand() {
    let lines = lines();
    for (expression, expected) in MATCHES {
        assert_eq!(matching(&lines, &[expression]), *expected, "{expression}");
    }
}

#[test]
fn any_true_expression_will_do() {
    let lines = lines();
    assert_eq!(matching(&lines, &["_flow.verdict == Verdict.DROPPED", "has(_flow.l7.http)"]), [2, 3]);
    assert_eq!(matching(&lines, &["1 / 0 == 1", "_flow.is_reply == true"]), [1]);
    // With other fields, both must hold.
    let filter = r#"{"verdict":["FORWARDED"],"experimental":{"cel_expression":["has(_flow.l4.TCP)"]}}"#;
    let filters = Filters::for_files(&parse(filter).unwrap(), &[]).unwrap();
    let mut decoder = Decoder::new(Projection::all());
    lines.iter().for_each(|line| decoder.line(line.to_string().as_bytes()).unwrap());
    let kept: Vec<usize> = filters.keep(&decoder.finish_packed().unwrap()).unwrap().set_indices().collect();
    assert_eq!(kept, [0, 3]);
}

#[test]
fn what_is_not_understood_is_refused_with_its_reason() {
    for (expression, reason) in [
        ("nope", "there is no variable nope; the flow is _flow"),
        ("flow.verdict == 1", "there is no variable flow; the flow is _flow"),
        ("_flow.nope == 1", "flow.Flow has no field nope"),
        ("_flow.IP.ip_version == 1", "flow.IP has no field ip_version"),
        ("_flow.nodeName == ''", "flow.Flow has no field nodeName"),
        ("has(_flow.source.nope)", "flow.Endpoint has no field nope"),
        ("_flow.source.workloads.exists(w, w.nope == '')", "flow.Workload has no field nope"),
        ("_flow.l4.TCP.flags.XYZ", "flow.TCPFlags has no field XYZ"),
        ("_flow.uuid.nope == ''", "string has no field nope"),
        ("_flow.verdict == Verdict.NOPE", "flow.Verdict has no value NOPE"),
        ("_flow.verdict == NOPE", "there is no variable NOPE; the flow is _flow"),
        ("_flow.verdict == Nope.DROPPED", "there is no variable Nope; the flow is _flow"),
        ("_flow.verdict == 'DROPPED'", "== does not take (int, string)"),
        ("_flow.IP.source == 1", "== does not take (string, int)"),
        (
            "_flow.l4.TCP.destination_port == 80",
            "== does not take (uint, int); whole numbers without a sign are written 80u",
        ),
        ("_flow.l7.http.code > 499", "> does not take (uint, int); whole numbers without a sign are written 80u"),
        (
            "_flow.l7.http.code in [500, 503]",
            "in does not take (uint, list(int)); whole numbers without a sign are written 80u",
        ),
        ("_flow.source.labels == 'a'", "== does not take (list(string), string)"),
        ("_flow.source == _flow.l4", "== does not take (flow.Endpoint, flow.Layer4)"),
        ("1 == null", "== does not take (int, null)"),
        ("_flow.uuid", "its result is string, not bool"),
        ("_flow", "its result is flow.Flow, not bool"),
        ("dyn(true)", "its result is dyn, not bool"),
        ("[true, 1][0]", "its result is dyn, not bool"),
        ("_flow.is_reply", "its result may be null, not only a bool: compare it, as in _flow.is_reply == true"),
        ("_flow.verdict && true", "&& takes bool, not int"),
        ("true || _flow.uuid", "|| takes bool, not string"),
        ("!_flow.verdict", "! does not take (int)"),
        ("1 ? true : false", "?: takes bool, not int"),
        ("true ? 1 : 'a'", "?: does not take (int, string)"),
        ("nope(_flow)", "there is no function nope"),
        ("_flow.uuid.nope()", "there is no function nope"),
        ("_flow.uuid.contains(1)", "contains does not take (string, int)"),
        ("contains(_flow.uuid, 'a')", "contains is called as x.contains()"),
        ("'1'.int() == 1", "int is called as int(x)"),
        ("size(1) == 1", "size does not take (int)"),
        ("_flow.uuid.matches('(')", "\"(\" is no regular expression, or too large a one"),
        ("_flow.uuid.matches('(a{1000}){1000}')", "\"(a{1000}){1000}\" is no regular expression, or too large a one"),
        ("_flow.uuid.exists(x, true)", "string is neither a list nor a map, so there is no item x"),
        ("[1].exists(x, x)", "a macro takes bool, not int"),
        ("[1].exists(1, true)", "the first argument of a macro is the name of a variable: list.exists(x, x == 1)"),
        ("[1].exists(x, true) && x == 1", "there is no variable x; the flow is _flow"),
        ("has(_flow)", "has() asks about a field: has(_flow.l4)"),
        ("TCPFlags{SYN: true} == _flow.l4.TCP.flags", "a message such as TCPFlags cannot be made here"),
        ("_flow.extensions == null", "extensions can only be asked about by has()"),
    ] {
        let error = filters(&[expression]).unwrap_err();
        let FilterError::Field { field, why } = error else { panic!("{error}") };
        assert_eq!((field, why.as_str()), ("experimental.cel_expression", &*format!("{expression:?}: {reason}")));
    }
    for bad in
        ["", " ", "1 +", "_flow.", "_flow..l4", "'a", "a b", "true)", "(true", "[1", "{1}", "&&", "_flow.?l4", "\0"]
    {
        assert!(matches!(filters(&[bad]), Err(FilterError::Field { .. })), "{bad:?}");
    }
    assert_eq!(
        filters(&["true &&"]).unwrap_err().to_string().split(": ").take(3).collect::<Vec<_>>(),
        ["filter field experimental.cel_expression", "\"true &&\"", "line 1, column 8"]
    );
}

#[test]
fn exactly_the_columns_that_are_asked_about_are_named() {
    let names = |expression: &str| -> Vec<&str> {
        filters(&[expression]).unwrap().columns().into_iter().map(|id: ColumnId| id.column().name).collect()
    };
    assert_eq!(names("_flow.verdict == Verdict.DROPPED"), ["kind", "verdict"]);
    assert_eq!(names("_flow.l4.TCP.destination_port == 80u"), ["kind", "l4_protocol", "destination_port"]);
    assert_eq!(names("has(_flow.source)"), ["kind", "messages"]);
    assert_eq!(names("has(_flow.l7.http)"), ["kind", "l7_protocol"]);
    assert_eq!(names("_flow.time > timestamp(0)"), ["time", "kind", "messages"]);
    assert_eq!(names("_flow.source.labels.exists(l, l == 'a')"), ["kind", "source_labels"]);
    assert_eq!(names("_flow.interface == _flow.interface"), ["kind", "messages", "interface_index", "interface_name"]);
    assert_eq!(names("[_flow.file].exists(f, f.line == 1u)"), ["kind", "messages", "file_name", "file_line"]);
}

#[test]
fn a_filter_in_json_is_strict_and_comes_out_as_hubble_prints_it() {
    let text = r#"{"experimental":{"cel_expression":["_flow.verdict==Verdict.DROPPED"]}}"#;
    assert_eq!(to_json(&parse(text).unwrap()[0]), text);
    assert_eq!(to_json(&parse(r#"{"experimental":{"celExpression":["true"]}}"#).unwrap()[0]).len(), 44);
    for bad in [
        r#"{"experimental":{"cel":["true"]}}"#,
        r#"{"experimental":{"cel_expression":"true"}}"#,
        r#"{"experimental":{"cel_expression":[1]}}"#,
        r#"{"experimental":["true"]}"#,
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn hostile_expressions_end() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let chain = |part: &str, count: usize| format!("true{}", part.repeat(count));
    let texts = [
        nested("(", "true", ")", 100_000),
        nested("(", "true", ")", 8_000),
        nested("(", "true", ")", 65),
        nested("[", "", "]", 8_000),
        nested("!(", "true", ")", 5_000),
        nested("{1:", "1", "}", 4_000),
        nested("size(", "1", ")", 2_000),
        nested("a{a:", "1", "}", 2_000),
        nested("true?", "true", ":true", 1_800),
        "(".repeat(16_000),
        "[(".repeat(8_000),
        "'".repeat(16_000),
        "\"\"\"".repeat(5_000),
        "((((((((('".repeat(1_000),
        chain("==true", 2_500),
        chain(".a", 8_000),
        chain("[0]", 5_000),
        chain(".a()", 4_000),
        chain("?true:true", 1_500),
        chain(" +1", 5_000),
        "1,".repeat(8_000),
        "\u{202e}".repeat(5_000),
        "x".repeat(1 << 20),
    ];
    for text in &texts {
        let error = filters(&[text.as_str()]).unwrap_err().to_string();
        assert!(error.len() < 2_000, "{error}");
    }
    // Long and flat is no harm.
    for text in [
        nested("(", "true", ")", 60),
        chain(" && true", 2_000),
        "!".repeat(16_000) + "true",
        format!("_flow.uuid in [{}'a']", "'10.0.0.1',".repeat(1_400)),
    ] {
        filters(&[&text]).unwrap();
    }
}

/// Pieces of expressions, of which many make no sense together.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "_flow", ".source", ".labels", ".l4.TCP", ".destination_port", ".flags.SYN", ".is_reply", ".time", ".IP.source",
    ".exists(x, ", ".map(x, ", ".all(x, ", ".size()", ".matches('a')", "has(", "x", "(", ")", "[", "]", "{", "}", ",",
    ":", "?", "&&", "||", "!", "-", "+", "*", "/", "%", "==", "!=", "<", ">=", " in ", "1", "2u", "0.5", "'a'",
    "b'\\xff'", "true", "null", "Verdict.DROPPED", "string(", "int(", "dyn(", "timestamp(", "duration('1h')", "[0]",
    ".", "'", "\"", "\\", "é", "\u{0}", "0x", "1e", "//", "`a`", "..", "r'", "\"\"\"", "if", "for",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_expression_breaks_the_parser_or_the_evaluation(pieces in proptest::collection::vec(select(PIECES), 1..14)) {
        let text = pieces.concat();
        for text in [text.clone(), format!("dyn({text}) == 1"), format!("has(_flow.l4) || {text}")] {
            match filters(&[&text]) {
                Ok(_) => drop(matching(&lines(), &[&text])),
                // What is said of a parser that panicked.
                Err(error) => prop_assert!(!error.to_string().ends_with("it cannot be parsed"), "{}", text),
            }
        }
    }
}

#[test]
fn an_expression_that_wants_to_do_too_much_has_no_value() {
    let lines = lines();
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    // Ten to the power of twelve steps.
    let loops = (0..12).fold("true".to_owned(), |inner, at| format!("{ten}.all(v{at}, {inner})"));
    assert_eq!(matching(&lines, &[&loops]), [0usize; 0]);
    assert_eq!(matching(&lines, &[&format!("{loops} || true")]), [0usize; 0]);
    // Text of two to the power of sixty, lists that share what they hold.
    let text = format!("['aaaaaaaa']{}[0] == ''", ".map(x, x + x)".repeat(60));
    assert_eq!(matching(&lines, &[&text]), [0usize; 0]);
    let shared = format!("[[1]]{}", ".map(x, [x, x])".repeat(60));
    assert_eq!(matching(&lines, &[&format!("{shared} == {shared}")]), [0usize; 0]);
    let deep = format!("{}1{} != {}2{}", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60));
    assert_eq!(matching(&lines, &[&deep]), [0, 1, 2, 3]);
    // As deep as it may be.
    let all: Vec<usize> = (0..4).collect();
    assert_eq!(matching(&lines, &[&format!("{}true{}", "[1].all(x, ".repeat(60), ")".repeat(60))]), all);
    assert_eq!(matching(&lines, &[&format!("1{} == 95", " + 1".repeat(94))]), all);
    // A regular expression is linear.
    let slow = format!("'{}'.matches('^(a+)+$')", "a".repeat(5_000) + "b");
    assert_eq!(matching(&lines, &[&slow]), [0usize; 0]);
    // What a real filter does is far below.
    let mut line = json!({"flow": {"source": {"labels": (0..300).map(|n| format!("k8s:l{n}=v")).collect::<Vec<_>>()}}});
    line["flow"]["destination"] = line["flow"]["source"].clone();
    assert_eq!(matching(&[line], &["_flow.source.labels.all(l, l in _flow.destination.labels)"]), [0]);
}
