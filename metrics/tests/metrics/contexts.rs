//! Labels of the ends of flows.

use crate::log::{counted, flow};

const SOURCE: &str = r#""source":{"identity":1000,"namespace":"shop","pod_name":"web-1","labels":["k8s:app=","k8s:app=shop-web","k8s:k8s-app=other"],"workloads":[{"name":"web","kind":"Deployment"},{"name":"x","kind":"y"}]}"#;
const DESTINATION: &str = r#""destination":{"identity":16777217,"labels":["reserved:world","cidr:1.1.1.1/32","reserved:kube-apiserver"]},"destination_names":["a.example.","b.example."]"#;

fn line(direction: &str) -> String {
    let ip = r#""IP":{"source":"10.0.1.1","destination":"1.1.1.1","ipVersion":"IPv4"}"#;
    flow("10:00:01", &format!(r#""verdict":"DROPPED",{ip},{SOURCE},{DESTINATION}{direction}"#))
}

/// The labels beside the metric's own.
fn labels(options: &str, line: String) -> String {
    let found = counted(&format!("drop:{options}"), &[line]);
    assert_eq!(found.len(), 1, "{found:?}");
    let own = [r#"protocol="Unknown flow""#, r#"reason="DROP_REASON_UNKNOWN""#];
    let (labels, _) = found[0].strip_prefix("hubble_drop_total{").unwrap().rsplit_once('}').unwrap();
    let labels = labels.strip_suffix('"').unwrap().split("\",").map(|label| format!("{label}\""));
    labels.filter(|label| !own.contains(&label.as_str())).collect::<Vec<_>>().join(" ")
}

#[test]
fn identifiers() {
    for (identifier, source, destination) in [
        (
            "identity",
            "k8s:app=,k8s:app=shop-web,k8s:k8s-app=other",
            "reserved:world,cidr:1.1.1.1/32,reserved:kube-apiserver",
        ),
        ("namespace", "shop", ""),
        ("pod", "shop/web-1", ""),
        ("pod-name", "web-1", ""),
        ("dns", "", "a.example.,b.example."),
        ("ip", "10.0.1.1", "1.1.1.1"),
        ("reserved-identity", "", "reserved:kube-apiserver"),
        ("workload", "shop/web", ""),
        ("workload-name", "web", ""),
        ("app", "shop-web", ""),
        ("dns|pod|ip", "shop/web-1", "a.example.,b.example."),
    ] {
        let options = format!("sourceContext={identifier};destinationContext={identifier}");
        assert_eq!(
            labels(&options, line("")),
            format!(r#"destination="{destination}" source="{source}""#),
            "{identifier}"
        );
    }
}

#[test]
fn directions_go_before_both() {
    let options =
        "sourceContext=namespace;sourceEgressContext=pod;sourceIngressContext=ip;destinationEgressContext=dns";
    for (direction, expected) in [
        ("", r#"destination="" source="shop""#),
        (r#","traffic_direction":"EGRESS""#, r#"destination="a.example.,b.example." source="shop/web-1""#),
        (r#","traffic_direction":"INGRESS""#, r#"destination="" source="10.0.1.1""#),
    ] {
        assert_eq!(labels(options, line(direction)), expected);
    }
}

#[test]
fn labels_by_name() {
    let all = "labelsContext=traffic_direction,source_ip,source_pod,source_namespace,source_workload,source_workload_kind,source_app,destination_ip,destination_app";
    assert_eq!(
        labels(all, line(r#","traffic_direction":"EGRESS""#)),
        r#"destination_app="" destination_ip="1.1.1.1" source_app="shop-web" source_ip="10.0.1.1" source_namespace="shop" source_pod="web-1" source_workload="web" source_workload_kind="Deployment" traffic_direction="egress""#
    );
    assert_eq!(labels("labelsContext=traffic_direction", line("")), r#"traffic_direction="unknown""#);
}

#[test]
fn answers_are_told_from_the_client() {
    let line = line(
        r#","event_type":{"type":129},"traffic_direction":"INGRESS","l7":{"type":"RESPONSE","http":{"code":200,"method":"GET"}}"#,
    );
    let found = counted("httpV2:labelsContext=source_ip,destination_workload,traffic_direction", &[line]);
    assert_eq!(
        found[2],
        r#"hubble_http_requests_total{destination_workload="web",method="GET",protocol="",reporter="server",source_ip="1.1.1.1",status="200",traffic_direction="ingress"} 1"#
    );
}
