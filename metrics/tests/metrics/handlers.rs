//! Each handler, over logs that were counted by hand.

use crate::log::{counted, flow, metrics, openmetrics};

const AT: &str = "10:00:01";

#[test]
fn drops_by_reason_and_protocol() {
    let drop = r#""verdict":"DROPPED","drop_reason_desc":"POLICY_DENIED","l4":{"TCP":{"destination_port":80}},"event_type":{"type":1,"sub_type":133}"#;
    let lines = [
        flow("10:00:01", drop),
        flow("10:00:59.999999999", drop),
        // The same packet's verdict counts, too.
        flow("10:02:00", &drop.replace(r#""type":1,"sub_type":133"#, r#""type":5"#)),
        flow("10:02:01", r#""verdict":"DROPPED","l4":{"ICMPv6":{}},"event_type":{"type":1}"#),
        flow("10:02:02", r#""verdict":"FORWARDED","l4":{"TCP":{}},"event_type":{"type":4}"#),
    ];
    assert_eq!(
        openmetrics(&metrics("drop", &lines)),
        r#"# TYPE hubble_drop counter
# HELP hubble_drop Drops by reason.
hubble_drop_total{protocol="ICMPv6",reason="DROP_REASON_UNKNOWN"} 0 1772359320
hubble_drop_total{protocol="ICMPv6",reason="DROP_REASON_UNKNOWN"} 1 1772359380
hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 0 1772359200
hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 2 1772359260
hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 2 1772359320
hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 3 1772359380
# EOF
"#
    );
}

#[test]
fn flows_by_kind_and_verdict() {
    let kinds = [
        r#""verdict":"FORWARDED","event_type":{"type":129},"l7":{"type":"REQUEST","dns":{"query":"a."}}"#,
        r#""verdict":"FORWARDED","event_type":{"type":129},"l7":{"type":"REQUEST","http":{"method":"GET"}}"#,
        r#""verdict":"FORWARDED","event_type":{"type":129},"l7":{"type":"REQUEST"}"#,
        r#""verdict":"DROPPED","event_type":{"type":1,"sub_type":133},"l4":{"UDP":{}}"#,
        r#""verdict":"FORWARDED","event_type":{"type":4,"sub_type":3},"l4":{"TCP":{}}"#,
        r#""verdict":"FORWARDED","event_type":{"type":4,"sub_type":77},"l4":{"SCTP":{}}"#,
        r#""verdict":"FORWARDED","event_type":{"type":4},"l4":{"IGMP":{}}"#,
        r#""verdict":"REDIRECTED","event_type":{"type":5}"#,
        r#""event_type":{"type":3}"#,
        r#""verdict":"TRACED","event_type":{"type":7},"l4":{"TCP":{}}"#,
        r#""verdict":"ERROR""#,
    ];
    let mut lines: Vec<_> = kinds.iter().map(|rest| flow(AT, rest)).collect();
    lines.push(r#"{"agent_event":{"type":"AGENT_STARTED"},"time":"2026-03-01T10:00:01Z"}"#.to_owned());
    assert_eq!(
        counted("flow", &lines),
        [
            r#"hubble_flows_processed_total{protocol="DNS",subtype="DNS",type="L7",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="HTTP",subtype="HTTP",type="L7",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="IGMP",subtype="to-endpoint",type="Trace",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="SCTP",subtype="",type="Trace",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="TCP",subtype="to-stack",type="Trace",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="UDP",subtype="",type="Drop",verdict="DROPPED"} 1"#,
            r#"hubble_flows_processed_total{protocol="Unknown L4",subtype="",type="Capture",verdict="VERDICT_UNKNOWN"} 1"#,
            r#"hubble_flows_processed_total{protocol="Unknown L4",subtype="",type="PolicyVerdict",verdict="REDIRECTED"} 1"#,
            r#"hubble_flows_processed_total{protocol="Unknown L7",subtype="",type="L7",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_processed_total{protocol="Unknown flow",subtype="0",type="Unknown",verdict="ERROR"} 1"#,
            r#"hubble_flows_processed_total{protocol="Unknown flow",subtype="7",type="Unknown",verdict="TRACED"} 1"#,
        ]
    );
}

fn dns_lines() -> Vec<String> {
    let dns = |verdict: &str, reply: &str, rest: &str| {
        flow(
            AT,
            &format!(
                r#""verdict":"{verdict}",{reply}"event_type":{{"type":129}},"l7":{{"type":"REQUEST","dns":{{"query":"a.","qtypes":["A"],{rest}"ttl":1}}}}"#
            ),
        )
    };
    vec![
        dns("FORWARDED", r#""is_reply":false,"#, ""),
        dns("FORWARDED", "", ""),
        dns("DROPPED", r#""is_reply":false,"#, ""),
        dns("FORWARDED", r#""is_reply":true,"#, r#""ips":["10.0.0.1","10.0.0.2"],"rrtypes":["CNAME","A"],"#),
        dns("FORWARDED", r#""is_reply":true,"#, r#""rcode":3,"#),
        dns("FORWARDED", r#""is_reply":true,"#, r#""rcode":12,"#),
        dns("FORWARDED", r#""is_reply":true,"#, r#""rcode":2,"#).replace(r#"["A"]"#, r#"["AAAA"]"#),
        dns("FORWARDED", r#""is_reply":false,"#, "").replace(r#"["A"]"#, r#"["A","AAAA"]"#),
    ]
}

#[test]
fn dns_queries_and_answers() {
    assert_eq!(
        counted("dns", &dns_lines()),
        [
            r#"hubble_dns_queries_total{ips_returned="0",qtypes="A",rcode=""} 2"#,
            r#"hubble_dns_queries_total{ips_returned="0",qtypes="A",rcode="Policy denied"} 1"#,
            r#"hubble_dns_queries_total{ips_returned="0",qtypes="A,AAAA",rcode=""} 1"#,
            r#"hubble_dns_response_types_total{qtypes="A",type="A"} 1"#,
            r#"hubble_dns_response_types_total{qtypes="A",type="CNAME"} 1"#,
            r#"hubble_dns_responses_total{ips_returned="0",qtypes="A",rcode=""} 1"#,
            r#"hubble_dns_responses_total{ips_returned="0",qtypes="A",rcode="Non-Existent Domain"} 1"#,
            r#"hubble_dns_responses_total{ips_returned="0",qtypes="AAAA",rcode="Server Failure"} 1"#,
            r#"hubble_dns_responses_total{ips_returned="2",qtypes="A",rcode="No Error"} 1"#,
        ]
    );
    let with_query = counted("dns:query;ignoreAAAA", &dns_lines());
    assert!(
        with_query
            .contains(&r#"hubble_dns_queries_total{ips_returned="0",qtypes="A",query="a.",rcode=""} 2"#.to_owned())
    );
    assert!(
        with_query.contains(&r#"hubble_dns_response_types_total{qtypes="A",query="a.",type="CNAME"} 1"#.to_owned())
    );
    assert!(!with_query.iter().any(|line| line.contains(r#"qtypes="AAAA""#)), "{with_query:?}");
}

fn http(at: &str, l7: &str, direction: &str) -> String {
    let ends = r#""IP":{"source":"10.0.2.2","destination":"10.0.1.1","ipVersion":"IPv4"},"source":{"namespace":"shop","pod_name":"cart-1"},"destination":{"namespace":"shop","pod_name":"web-1"}"#;
    flow(at, &format!(r#""verdict":"FORWARDED",{ends},"event_type":{{"type":129}},{direction}"l7":{{{l7}}}"#))
}

fn http_lines() -> Vec<String> {
    let answer = r#""type":"RESPONSE","latency_ns":"7000000","http":{"code":200,"method":"GET","protocol":"HTTP/1.1"}"#;
    let egress = r#""traffic_direction":"EGRESS","#;
    vec![
        http("10:00:01", r#""type":"REQUEST","http":{"method":"GET","protocol":"HTTP/1.1"}"#, egress),
        http("10:00:02", answer, &format!(r#"{egress}"trace_context":{{"parent":{{"trace_id":"abc"}}}},"#)),
        http("10:00:03.5", answer, &format!(r#"{egress}"trace_context":{{"parent":{{"trace_id":"def"}}}},"#)),
        // Without a latency, it counts for 0 s.
        http("10:00:04", r#""type":"RESPONSE","http":{"code":503,"method":"GET","protocol":"HTTP/1.1"}"#, egress),
        http(
            "10:00:05",
            r#""type":"RESPONSE","latency_ns":"11000000000","http":{"code":200,"method":"GET","protocol":"HTTP/2"}"#,
            r#""traffic_direction":"INGRESS","#,
        ),
        http("10:00:06", r#""type":"SAMPLE","http":{"method":"GET"}"#, ""),
    ]
}

#[test]
fn http_requests_and_answers() {
    assert_eq!(
        counted("http", &http_lines()),
        [
            r#"hubble_http_request_duration_seconds_count{method="GET",reporter="client"} 3"#,
            r#"hubble_http_request_duration_seconds_sum{method="GET",reporter="client"} 0.014"#,
            r#"hubble_http_request_duration_seconds_count{method="GET",reporter="server"} 1"#,
            r#"hubble_http_request_duration_seconds_sum{method="GET",reporter="server"} 11.0"#,
            r#"hubble_http_requests_total{method="GET",protocol="HTTP/1.1",reporter="client"} 1"#,
            r#"hubble_http_responses_total{method="GET",protocol="HTTP/1.1",reporter="client",status="200"} 2"#,
            r#"hubble_http_responses_total{method="GET",protocol="HTTP/1.1",reporter="client",status="503"} 1"#,
            r#"hubble_http_responses_total{method="GET",protocol="HTTP/2",reporter="server",status="200"} 1"#,
        ]
    );
}

#[test]
fn http_v2_with_buckets_and_exemplars_from_client_to_server() {
    let lines = &http_lines()[..4];
    let text = openmetrics(&metrics("httpV2:exemplars=true;sourceContext=pod;destinationContext=ip", lines));
    let labels = r#"destination="shop/cart-1",method="GET",reporter="client",source="10.0.1.1""#;
    let requests = r#"destination="shop/cart-1",method="GET",protocol="HTTP/1.1",reporter="client",source="10.0.1.1""#;
    let name = "hubble_http_request_duration_seconds";
    let sample = |(time, fast, all, sum): (i64, u64, u64, &str)| {
        let slow = ["0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"];
        let slow = slow.map(|bound| format!("{name}_bucket{{{labels},le=\"{bound}\"}} {all} {time}\n")).concat();
        let exemplar = if all > 0 { " # {traceID=\"def\"} 0.007 1772359203.5" } else { "" };
        format!(
            "{name}_bucket{{{labels},le=\"0.005\"}} {fast} {time}\n\
            {name}_bucket{{{labels},le=\"0.01\"}} {all} {time}{exemplar}\n\
            {slow}\
            {name}_count{{{labels}}} {all} {time}\n\
            {name}_sum{{{labels}}} {sum} {time}\n"
        )
    };
    let samples = [(1_772_359_200, 0, 0, "0.0"), (1_772_359_260, 1, 3, "0.014")].map(sample).concat();
    let expected = format!(
        "# TYPE {name} histogram\n\
        # UNIT {name} seconds\n\
        # HELP {name} Time from HTTP request to response, in seconds.\n\
        {samples}\
        # TYPE hubble_http_requests counter\n\
        # HELP hubble_http_requests HTTP requests.\n\
        hubble_http_requests_total{{{requests},status=\"200\"}} 0 1772359200\n\
        hubble_http_requests_total{{{requests},status=\"200\"}} 2 1772359260 # {{traceID=\"def\"}} 1.0 1772359203.5\n\
        hubble_http_requests_total{{{requests},status=\"503\"}} 0 1772359200\n\
        hubble_http_requests_total{{{requests},status=\"503\"}} 1 1772359260\n\
        # EOF\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn kafka_requests() {
    let l7 = r#""verdict":"FORWARDED","event_type":{"type":129},"traffic_direction":"INGRESS","l7":{"type":"REQUEST","kafka":{"api_key":"fetch","topic":"orders","error_code":3}}"#;
    let lines = [flow(AT, l7), flow(AT, &l7.replace("REQUEST", "RESPONSE"))];
    assert_eq!(
        counted("kafka", &lines),
        [
            r#"hubble_kafka_request_duration_seconds_count{api_key="fetch",reporter="server",topic="orders"} 1"#,
            r#"hubble_kafka_request_duration_seconds_sum{api_key="fetch",reporter="server",topic="orders"} 0.0"#,
            r#"hubble_kafka_requests_total{api_key="fetch",error_code="3",reporter="server",topic="orders"} 1"#,
        ]
    );
}

#[test]
fn icmp_messages() {
    let lines = [
        flow(AT, r#""l4":{"ICMPv4":{"type":8}}"#),
        flow(AT, r#""l4":{"ICMPv4":{"type":3,"code":1}}"#),
        flow(AT, r#""l4":{"ICMPv6":{"type":135}}"#),
        flow(AT, r#""l4":{"TCP":{}}"#),
    ];
    assert_eq!(
        counted("icmp", &lines),
        [
            r#"hubble_icmp_total{family="IPv4",type="DestinationUnreachable(Host)"} 1"#,
            r#"hubble_icmp_total{family="IPv4",type="EchoRequest"} 1"#,
            r#"hubble_icmp_total{family="IPv6",type="NeighborSolicitation"} 1"#,
        ]
    );
}

#[test]
fn policy_verdicts() {
    let verdict = r#""verdict":"DROPPED","event_type":{"type":5},"traffic_direction":"INGRESS","policy_match_type":1"#;
    let lines = [
        flow(AT, &format!(r#"{verdict},"source":{{"identity":1000}}"#)),
        flow(AT, &format!(r#"{verdict},"source":{{"identity":1}}"#)),
        flow(AT, r#""verdict":"AUDIT","event_type":{"type":5}"#),
        flow(
            AT,
            r#""verdict":"FORWARDED","event_type":{"type":129},"traffic_direction":"EGRESS","source":{"identity":1},"l7":{"http":{}}"#,
        ),
        flow(AT, r#""verdict":"FORWARDED","event_type":{"type":129},"l7":{"dns":{}}"#),
        flow(AT, r#""verdict":"FORWARDED","event_type":{"type":129}"#),
        flow(AT, r#""verdict":"FORWARDED","event_type":{"type":4}"#),
    ];
    assert_eq!(
        counted("policy", &lines),
        [
            r#"hubble_policy_verdicts_total{action="audit",direction="traffic_direction_unknown",match="none"} 1"#,
            r#"hubble_policy_verdicts_total{action="dropped",direction="ingress",match="l3-only"} 1"#,
            r#"hubble_policy_verdicts_total{action="forwarded",direction="egress",match="l7/http"} 1"#,
            r#"hubble_policy_verdicts_total{action="forwarded",direction="traffic_direction_unknown",match="l7/"} 1"#,
            r#"hubble_policy_verdicts_total{action="forwarded",direction="traffic_direction_unknown",match="l7/dns"} 1"#,
        ]
    );
}

#[test]
fn ports_of_what_is_known_to_be_no_reply() {
    let lines = [
        flow(AT, r#""verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{"destination_port":80}}"#),
        flow(AT, r#""verdict":"REDIRECTED","is_reply":false,"l4":{"UDP":{"destination_port":53}}"#),
        flow(AT, r#""verdict":"FORWARDED","is_reply":false,"l4":{"ICMPv4":{}}"#),
        flow(AT, r#""verdict":"FORWARDED","is_reply":true,"l4":{"TCP":{"destination_port":4000}}"#),
        flow(AT, r#""verdict":"FORWARDED","l4":{"TCP":{"destination_port":4000}}"#),
        flow(AT, r#""verdict":"DROPPED","is_reply":false,"l4":{"TCP":{"destination_port":80}}"#),
        flow(AT, r#""verdict":"FORWARDED","is_reply":false"#),
    ];
    assert_eq!(
        counted("port-distribution", &lines),
        [
            r#"hubble_port_distribution_total{port="0",protocol="ICMPv4"} 1"#,
            r#"hubble_port_distribution_total{port="53",protocol="UDP"} 1"#,
            r#"hubble_port_distribution_total{port="80",protocol="TCP"} 1"#,
        ]
    );
}

#[test]
fn tcp_flags() {
    let tcp = |verdict: &str, flags: &str| {
        flow(AT, &format!(r#""verdict":"{verdict}","IP":{{"ipVersion":"IPv4"}},"l4":{{"TCP":{{{flags}}}}}"#))
    };
    let lines = [
        tcp("FORWARDED", r#""flags":{"SYN":true}"#),
        tcp("REDIRECTED", r#""flags":{"SYN":true,"ACK":true}"#),
        tcp("FORWARDED", r#""flags":{"FIN":true,"ACK":true,"RST":true}"#),
        tcp("FORWARDED", r#""flags":{"ACK":true}"#),
        tcp("FORWARDED", ""),
        tcp("DROPPED", r#""flags":{"SYN":true}"#),
        flow(AT, r#""verdict":"FORWARDED","l4":{"TCP":{"flags":{"SYN":true}}}"#),
    ];
    assert_eq!(
        counted("tcp", &lines),
        [
            r#"hubble_tcp_flags_total{family="IPv4",flag="FIN"} 1"#,
            r#"hubble_tcp_flags_total{family="IPv4",flag="RST"} 1"#,
            r#"hubble_tcp_flags_total{family="IPv4",flag="SYN"} 1"#,
            r#"hubble_tcp_flags_total{family="IPv4",flag="SYN-ACK"} 1"#,
        ]
    );
}

#[test]
fn sctp_chunks() {
    let sctp = |chunk: &str| {
        flow(AT, &format!(r#""verdict":"FORWARDED","IP":{{"ipVersion":"IPv6"}},"l4":{{"SCTP":{{{chunk}}}}}"#))
    };
    let lines = [
        sctp(r#""chunk_type":"INIT""#),
        sctp(r#""chunk_type":"INIT_ACK""#),
        sctp(r#""chunk_type":"UNSUPPORTED""#),
        sctp(""),
    ];
    assert_eq!(
        counted("sctp", &lines),
        [
            r#"hubble_sctp_chunk_types_total{chunk_type="INIT",family="IPv6"} 1"#,
            r#"hubble_sctp_chunk_types_total{chunk_type="INIT_ACK",family="IPv6"} 1"#,
        ]
    );
}

#[test]
fn flows_that_leave_the_cluster() {
    let world = |rest: &str| {
        flow(
            AT,
            &format!(
                r#""destination":{{"labels":["cidr:1.1.1.1/32","reserved:world-ipv4"]}},"event_type":{{"type":4}},{rest}"#
            ),
        )
    };
    let syn = r#""l4":{"TCP":{"destination_port":443,"flags":{"SYN":true}}}"#;
    let lines = [
        world(&format!(r#""verdict":"FORWARDED",{syn}"#)),
        world(&format!(r#""verdict":"FORWARDED","is_reply":true,{syn}"#)),
        world(r#""verdict":"FORWARDED","l4":{"TCP":{"destination_port":443,"flags":{"ACK":true}}}"#),
        world(&format!(r#""verdict":"DROPPED","drop_reason_desc":"POLICY_DENIED",{syn}"#)),
        world(&format!(r#""verdict":"DROPPED","drop_reason_desc":"STALE_OR_UNROUTABLE_IP","is_reply":true,{syn}"#)),
        world(r#""verdict":"FORWARDED","l4":{"ICMPv4":{"type":8}}"#),
        world(r#""verdict":"FORWARDED""#),
        flow(
            AT,
            &format!(
                r#""verdict":"FORWARDED","destination":{{"labels":["k8s:app=a"]}},"event_type":{{"type":4}},{syn}"#
            ),
        ),
        flow(AT, &format!(r#""verdict":"FORWARDED","destination":{{"labels":["reserved:world"]}},{syn}"#)),
    ];
    assert_eq!(
        counted("flows-to-world", &lines),
        [
            r#"hubble_flows_to_world_total{protocol="ICMPv4",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_to_world_total{protocol="TCP",verdict="DROPPED"} 1"#,
            r#"hubble_flows_to_world_total{protocol="TCP",verdict="FORWARDED"} 2"#,
        ]
    );
    assert_eq!(
        counted("flows-to-world:any-drop;port", &lines),
        [
            r#"hubble_flows_to_world_total{port="",protocol="ICMPv4",verdict="FORWARDED"} 1"#,
            r#"hubble_flows_to_world_total{port="443",protocol="TCP",verdict="DROPPED"} 2"#,
            r#"hubble_flows_to_world_total{port="443",protocol="TCP",verdict="FORWARDED"} 2"#,
        ]
    );
    assert_eq!(
        counted("flows-to-world:any-drop;syn-only", &lines),
        [
            r#"hubble_flows_to_world_total{protocol="TCP",verdict="DROPPED"} 1"#,
            r#"hubble_flows_to_world_total{protocol="TCP",verdict="FORWARDED"} 1"#,
        ]
    );
}

#[test]
fn lost_events_are_always_counted() {
    let lost =
        |lost: &str| format!(r#"{{"lost_events":{{{lost}}},"node_name":"node-a","time":"2026-03-01T10:00:02Z"}}"#);
    let lines = [
        lost(r#""source":"HUBBLE_RING_BUFFER","num_events_lost":"7""#),
        lost(r#""source":"HUBBLE_RING_BUFFER","num_events_lost":"5""#),
        lost(r#""num_events_lost":"1""#),
    ];
    assert_eq!(
        counted("drop", &lines),
        [
            r#"hubble_lost_events_total{source="hubble_ring_buffer"} 12"#,
            r#"hubble_lost_events_total{source="unknown_lost_event_source"} 1"#,
        ]
    );
}
