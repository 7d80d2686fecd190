//! `hostile/`: every kind of bad line, and good lines whose text wants to do something to whoever shows it.
//!
//! `lines.tsv` says of each line whether it is good, and of a bad one why. The reasons are the words that the reader
//! counts by; which one a line gets is told here from the line, not from what the reader makes of it.

use std::fmt::Write as _;

use super::Files;
use super::files::put;
use super::observe::{MS, at};
use crate::exporter_line::{
    Dns, Endpoint, EventType, Flow, Http, Ip, L7Type, Layer4, Layer7, Nanos, Policy, Record, summary, write_flow_line,
};

/// A line without its newline, the reason why it is bad (empty: it is good), and what it tries.
struct Line(Vec<u8>, &'static str, &'static str);

pub(crate) fn files(files: &mut Files) {
    let mut lines = Vec::new();
    let mut bad = bad_lines().into_iter().peekable();
    // A good line after every third bad one: a reader that loses its place is found out.
    let mut number = 0;
    while number < TEXTS.len() || bad.peek().is_some() {
        lines.push(good_line(number, TEXTS.get(number).unwrap_or(&PLAIN)));
        lines.extend(bad.by_ref().take(3));
        number += 1;
    }
    lines.extend(odd_but_good());

    let mut log = Vec::new();
    let mut list = String::from("line\tis\treason\twhat it is\n");
    for (number, Line(bytes, reason, what)) in lines.iter().enumerate() {
        log.extend_from_slice(bytes);
        log.push(b'\n');
        let is = if reason.is_empty() { "good" } else { "bad" };
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{}\t{is}\t{reason}\t{what}", number + 1);
    }
    put(files, "hostile/events.log", log);
    put(files, "hostile/lines.tsv", list.into_bytes());
}

/// Text that a log may hold, and where a harmless reader would put it.
struct Text {
    what: &'static str,
    pod: &'static str,
    url: &'static str,
    query: &'static str,
}

const PLAIN: Text = Text { what: "plain", pod: "web-7c9d8b6f5-k2xvq", url: "http://cart:8080/", query: "cart.shop." };

#[rustfmt::skip]
const TEXTS: [Text; 14] = [
    PLAIN,
    Text { what: "terminal: colours, clear screen, title", pod: "\u{1b}[31mred\u{1b}[0m", url: "http://cart/\u{1b}[2J\u{1b}]0;owned\u{7}", query: "\u{1b}[1A.example." },
    Text { what: "terminal: C1 control, link, clipboard", pod: "\u{9b}31mred", url: "\u{1b}]8;;http://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\", query: "\u{1b}]52;c;cm0gLXJm\u{7}.example." },
    Text { what: "line breaks and tabs", pod: "web\nFORWARDED\tall is well", url: "http://cart/\r\nSet-Cookie: a=b", query: "a\u{b}b\u{c}c\u{85}d." },
    Text { what: "bidirectional overrides", pod: "web-\u{202e}gpj.exe", url: "http://cart/\u{2066}a\u{2069}\u{200f}", query: "\u{202d}moc.elgoog\u{202c}." },
    Text { what: "zero width, combining, separators", pod: "we\u{200b}b", url: "http://cart/e\u{301}\u{327}\u{2028}x\u{2029}y", query: "xn--80ak6aa92e.com." },
    Text { what: "HTML", pod: "<script>alert(1)</script>", url: "http://cart/?q=\"><img src=x onerror=alert(1)>", query: "</td></tr></table><h1>x." },
    Text { what: "HTML by entity and template", pod: "&lt;b&gt;&#x3c;b>", url: "javascript:alert(document.cookie)", query: "{{constructor.constructor('x')()}}." },
    Text { what: "spreadsheet formulas", pod: "=HYPERLINK(\"http://evil.example\",\"x\")", url: "@SUM(1+1)*cmd|'/C calc'!A0", query: "+1+1.example." },
    Text { what: "spreadsheet formulas after a blank", pod: "-2+3", url: "\t=1+1", query: "\"=1+1\",\"\"." },
    Text { what: "SQL", pod: "web'; DROP TABLE flows; --", url: "http://cart/?id=1' OR '1'='1", query: "$since.$limit.'--." },
    Text { what: "shell, paths and formats", pod: "../../etc/passwd", url: "http://cart/$(reboot)`id`|tee %s%n%x", query: "-rf.example." },
    Text { what: "Markdown", pod: "| a | b |\\|", url: "[x](javascript:alert(1))", query: "*_`~<!--." },
    Text { what: "DEL, NUL, private use, emoji", pod: "a\u{0}b\u{7f}c", url: "http://cart/\u{e000}\u{1f600}\u{10ffff}", query: "\u{feff}bom." },
];

fn good_line(number: usize, text: &Text) -> Line {
    let time = at(13, 0, 0) + u64::try_from(number).unwrap_or(0) * 1000 * MS;
    let headers = [("X-Request-Id", text.query), (text.pod, text.url)];
    let record = if number.is_multiple_of(2) {
        let (method, url, protocol) = ("GET", text.url, "HTTP/1.1");
        Record::Http(Http { method, url, protocol, headers: &headers, ..Http::default() })
    } else {
        Record::Dns(Dns { query: text.query, observation_source: "proxy", qtypes: &["A"], ..Dns::default() })
    };
    Line(flow_line(time, text, record), "", text.what)
}

fn flow_line(time: Nanos, text: &Text, record: Record<'_>) -> Vec<u8> {
    let labels = [text.url, "k8s:app=web"];
    let by = [Policy { name: text.pod, namespace: text.query, ..Policy::default() }];
    let mut flow = Flow {
        time,
        uuid: "4f0b8b43-9c3b-4d53-9c59-6e5f0d1c2b3a",
        verdict: "FORWARDED",
        ip: Some(Ip { source: "10.0.1.10", destination: "10.0.2.20", version: "IPv4", ..Ip::default() }),
        l4: Some(Layer4::Tcp { source: 41_000, destination: 8080, flags: None }),
        source: Some(Endpoint {
            identity: 50_001,
            namespace: text.query,
            labels: &labels,
            pod_name: text.pod,
            workload: Some((text.pod, "Deployment")),
            ..Endpoint::default()
        }),
        destination: Some(Endpoint { identity: 50_002, namespace: "shop", pod_name: "cart-0", ..Endpoint::default() }),
        kind: "L7",
        node_name: "node-a",
        destination_names: &[text.query],
        l7: Some(Layer7 { kind: L7Type::Request, latency_ns: 0, record }),
        event_type: Some(EventType { kind: 129, sub_type: 0 }),
        traffic_direction: "INGRESS",
        is_reply: Some(false),
        ingress_allowed_by: &by,
        policy_log: &[text.url],
        ..Flow::default()
    };
    let mut text = String::new();
    summary(&mut text, &flow);
    flow.summary = &text;
    let mut line = Vec::new();
    write_flow_line(&mut line, &flow);
    line.truncate(line.len().saturating_sub(1));
    line
}

fn bad_lines() -> Vec<Line> {
    let plain = flow_line(at(13, 0, 59), &PLAIN, Record::Http(Http { method: "GET", ..Http::default() }));
    let cut = plain.get(..plain.len() / 2).unwrap_or_default().to_vec();
    let text = |text: &str, reason, what| Line(text.as_bytes().to_vec(), reason, what);
    let mut lines = vec![
        text("", "empty", "empty line"),
        text("   \t ", "empty", "blanks only"),
        text("\r", "empty", "carriage return only"),
        text("hello, world", "not-json", "garbage"),
        text("level=info msg=\"Starting Cilium\" subsys=daemon", "not-json", "a line of the agent's own log"),
        Line(b"\0".to_vec(), "not-json", "one NUL"),
        Line(vec![0; 512], "not-json", "512 NULs, as a crashed file system leaves them"),
        Line(b"\xef\xbb\xbf{\"flow\":{}}".to_vec(), "not-json", "byte order mark before the object"),
        text("[]", "not-an-object", "array"),
        text("[{\"flow\":{}}]", "not-an-object", "array of a good line"),
        text("null", "not-an-object", "null"),
        text("\"flow\"", "not-an-object", "string"),
        text("12", "not-an-object", "number"),
        text("{}", "no-event", "empty object"),
        text("{\"flow\":null}", "no-event", "null for a flow"),
        text("{\"flow\":null,\"lost_events\":null,\"node_name\":\"node-a\"}", "no-event", "null for every event"),
        text("{\"node_name\":\"node-a\",\"time\":\"2026-03-01T13:00:00Z\"}", "no-event", "envelope without event"),
        text("{\"hello\":{\"flow\":{}}}", "no-event", "no key that is known"),
        text("{\"flow\":7}", "body-not-an-object", "number for a flow"),
        text("{\"flow\":[]}", "body-not-an-object", "array for a flow"),
        text("{\"lost_events\":\"many\"}", "body-not-an-object", "string for lost_events"),
        text("{\"flow\":{\"verdict\":\"FORWARDED\",}}", "syntax", "comma before a closing brace"),
        text("{\"flow\":{\"source_names\":[\"a\",]}}", "syntax", "comma before a closing bracket"),
        text("{\"flow\":{\"verdict\" \"FORWARDED\"}}", "syntax", "no colon"),
        text("{\"flow\":{verdict:\"FORWARDED\"}}", "syntax", "key without quotes"),
        text("{'flow':{}}", "syntax", "single quotes"),
        text("{\"flow\":{}} {\"flow\":{}}", "syntax", "two objects in one line"),
        text("{\"flow\":{}},", "syntax", "comma after the object"),
        text("{\"flow\":{/* no */}}", "syntax", "comment"),
        text("{\"flow\":{\"drop_reason\":0133}}", "syntax", "number with a leading zero"),
        text("{\"flow\":{\"drop_reason\":+133}}", "syntax", "number with a plus"),
        text("{\"flow\":{\"drop_reason\":.5}}", "syntax", "number without a first digit"),
        text("{\"flow\":{\"drop_reason\":1.}}", "syntax", "number without a last digit"),
        text("{\"flow\":{\"drop_reason\":0x85}}", "syntax", "hexadecimal number"),
        text("{\"flow\":{\"drop_reason\":NaN}}", "syntax", "NaN"),
        text("{\"flow\":{\"is_reply\":True}}", "syntax", "True"),
        text("{\"flow\":{\"Summary\":\"a\tb\"}}", "syntax", "raw tab in a string"),
        Line(b"{\"flow\":{\"Summary\":\"a\0b\"}}".to_vec(), "syntax", "raw NUL in a string"),
        text("{\"flow\":{\"Summary\":\"\\x41\"}}", "syntax", "escape that JSON does not have"),
        text("{\"flow\":{\"Summary\":\"\\u00g0\"}}", "syntax", "escape with a wrong digit"),
        text("{\"flow\":{\"Summary\":\"\\ud800\"}}", "syntax", "lone high surrogate"),
        text("{\"flow\":{\"Summary\":\"\\udc00\"}}", "syntax", "lone low surrogate"),
        text("{\"flow\":{\"Summary\":\"\\ud800\\u0041\"}}", "syntax", "high surrogate before something else"),
        text("{\"flow\":{\"\\udfff\":1}}", "syntax", "lone surrogate in a key"),
        Line(b"{\"flow\":{\"Summary\":\"\xff\"}}".to_vec(), "not-utf8", "byte that UTF-8 does not have"),
        Line(b"{\"flow\":{\"Summary\":\"\xc0\xaf\"}}".to_vec(), "not-utf8", "overlong encoding"),
        Line(b"{\"flow\":{\"Summary\":\"\xed\xa0\x80\"}}".to_vec(), "not-utf8", "surrogate as UTF-8"),
        Line(b"{\"flow\":{\"Summary\":\"\xe2\x82\"}}".to_vec(), "not-utf8", "cut character"),
        Line(b"{\"flow\":{\"\xfe\":1}}".to_vec(), "not-utf8", "bad byte in a key that nobody reads"),
        Line(cut, "truncated", "first half of a good line"),
        text("{\"flow\":{\"verdict\":\"FORW", "truncated", "ends in a string"),
        text("{\"flow\":{\"verdict\":\"FORWARDED\"}", "truncated", "one brace missing"),
        text("{\"flow\":{\"is_reply\":tr", "truncated", "ends in a word"),
        text("{", "truncated", "one brace"),
    ];
    lines.extend(doubles());
    lines.push(nested(99, "too-deep", "101 levels"));
    lines.push(nested(5_000, "too-deep", "5002 levels"));
    lines
}

/// Keys that come twice, and choices of which two are there.
fn doubles() -> Vec<Line> {
    let text = |text: &str, reason, what| Line(text.as_bytes().to_vec(), reason, what);
    let (twice, choice) = ("duplicate-key", "two-of-one-choice");
    vec![
        text("{\"flow\":{},\"flow\":{}}", twice, "flow twice"),
        text(
            "{\"flow\":{},\"time\":\"2026-03-01T13:00:00Z\",\"time\":\"2026-03-01T13:00:00Z\"}",
            twice,
            "time twice in the envelope",
        ),
        text("{\"flow\":{\"verdict\":\"FORWARDED\",\"verdict\":\"DROPPED\"}}", twice, "verdict twice"),
        text("{\"flow\":{\"verdict\":\"DROPPED\",\"verdict\":null}}", twice, "verdict twice, once null"),
        text("{\"flow\":{\"node_name\":\"a\",\"nodeName\":\"b\"}}", twice, "node_name in both spellings"),
        text(
            "{\"flow\":{\"ver\\u0064ict\":\"DROPPED\",\"verdict\":\"DROPPED\"}}",
            twice,
            "verdict twice, once escaped",
        ),
        text("{\"flow\":{\"source\":{\"pod_name\":\"a\",\"pod_name\":\"b\"}}}", twice, "pod_name twice"),
        text(
            "{\"flow\":{\"l4\":{\"TCP\":{\"flags\":{\"SYN\":true,\"SYN\":true}}}}}",
            twice,
            "SYN twice, four levels down",
        ),
        text(
            "{\"flow\":{\"source\":{\"workloads\":[{\"name\":\"a\",\"name\":\"b\"}]}}}",
            twice,
            "name twice in a list",
        ),
        text("{\"flow\":{\"new_field\":{\"x\":[{\"a\":1,\"a\":1}]}}}", twice, "twice in a field that nobody knows"),
        text("{\"flow\":{\"new_field\":1,\"new_field\":2}}", twice, "a field that nobody knows, twice"),
        text("{\"flow\":{},\"lost_events\":{}}", choice, "flow and lost_events"),
        text("{\"flow\":{},\"agentEvent\":{}}", choice, "flow and agent_event, the latter in camel case"),
        text("{\"flow\":{\"l4\":{\"TCP\":{},\"UDP\":{}}}}", choice, "TCP and UDP"),
        text("{\"flow\":{\"l7\":{\"dns\":{},\"http\":{}}}}", choice, "dns and http"),
        text("{\"flow\":{\"tunnel\":{\"l4\":{\"UDP\":{},\"SCTP\":{}}}}}", choice, "UDP and SCTP in a tunnel"),
        text("{\"agent_event\":{\"agent_start\":{},\"service_delete\":{}}}", choice, "two notifications"),
    ]
}

/// An unknown field of so many arrays, two levels down.
fn nested(arrays: usize, reason: &'static str, what: &'static str) -> Line {
    let mut line = b"{\"flow\":{\"deep\":".to_vec();
    line.resize(line.len() + arrays, b'[');
    line.resize(line.len() + arrays, b']');
    line.extend_from_slice(b"}}");
    Line(line, reason, what)
}

/// Lines that look wrong and are not: what does not fit is kept as it is, and the rest of the line is read.
fn odd_but_good() -> Vec<Line> {
    let flow = |members: &str, what| {
        let line = format!(
            "{{\"flow\":{{\"time\":\"2026-03-01T13:01:00Z\",{members}}},\"node_name\":\"node-a\",\"time\":\"2026-03-01T13:01:00Z\"}}"
        );
        Line(line.into_bytes(), "", what)
    };
    vec![
        flow("\"drop_reason\":4294967295", "largest number of 32 bits"),
        flow("\"drop_reason\":4294967296", "number too large for its field"),
        flow("\"drop_reason\":-1", "negative number where there is none"),
        flow("\"drop_reason\":1.5", "fraction where there is none"),
        flow("\"drop_reason\":1e999999999", "huge exponent"),
        flow("\"drop_reason\":-0.0e-999999999", "huge negative exponent"),
        flow("\"socket_cookie\":\"18446744073709551615\"", "largest number of 64 bits"),
        flow("\"socket_cookie\":\"18446744073709551616\"", "number too large for 64 bits"),
        flow("\"drop_reason\":123456789012345678901234567890123456789012345678901234567890", "number of 60 digits"),
        flow("\"event_type\":{\"type\":-2147483648,\"sub_type\":2147483648}", "just in and just out of range"),
        flow("\"source\":\"web\",\"destination\":[1],\"l4\":7", "messages that are no objects"),
        flow("\"verdict\":{\"name\":\"DROPPED\"},\"is_reply\":\"yes\",\"Summary\":false", "values of another type"),
        flow("\"source_names\":[1,null,{}],\"source\":{\"labels\":\"k8s:app=web\"}", "lists of another type"),
        flow("\"uuid\":\"\",\"source\":{},\"l7\":{}", "empty text and empty messages"),
        flow("\"l4\":{\"TCP\":null,\"UDP\":{\"source_port\":53}}", "a null beside the chosen member"),
        flow("\"\":1,\"\\u0000\":2,\"__proto__\":{\"x\":1}", "odd names of unknown fields"),
        flow("\"Summary\":\"\\ud83d\\ude00 \\u0000 \\/\"", "surrogate pair, escaped NUL, escaped slash"),
        flow("\"verdict\":\"FORWARDED\"}  ,  \"x\" : { \"y\" : 1", "blanks wherever JSON allows them"),
        Line(
            b"  {\"flow\":{\"verdict\":\"FORWARDED\"}}\r".to_vec(),
            "",
            "blanks before, carriage return behind, no time",
        ),
        Line(b"{\"flow\":{}}".to_vec(), "", "empty flow"),
        nested(98, "", "100 levels"),
    ]
}
