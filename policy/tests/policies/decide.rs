//! What policies decide of flows, by hand.

use lookback_policy::{Policies, Report, Why};

use crate::flows::{line, of_lines, seen};

fn policies(specs: &[(&str, &str)]) -> Policies {
    let mut all = Policies::default();
    for (name, spec) in specs {
        let spec = format!("  {}", spec.trim_end().replace('\n', "\n  "));
        let yaml = format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n{spec}\n"
        );
        all.extend(Policies::parse("test.yaml", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")));
    }
    all
}

/// `client > server protocol/port request: what is decided` of each access, in one order.
fn told(policies: &Policies, flows: &[&str]) -> Vec<String> {
    let seen = seen(flows, policies.has_layer_seven());
    let report = Report::new(policies, &seen);
    let mut lines = Vec::new();
    for (what, judged) in [
        ("newly denied", &report.newly_denied),
        ("newly allowed", &report.newly_allowed),
        ("still denied", &report.still_denied),
        ("allowed", &report.still_allowed),
    ] {
        for judged in judged {
            let access = &judged.access;
            let request = access.request.map(|request| format!(" {request}")).unwrap_or_default();
            let port = access.port.map_or("?".to_owned(), |port| port.to_string());
            lines.push(format!(
                "{what}: {} > {} {port}{request}: {}",
                access.client,
                access.server,
                report.why(judged)
            ));
        }
    }
    for (judged, why) in &report.not_known {
        lines.push(format!("not known: {} > {}: {why:?}", judged.access.client, judged.access.server));
    }
    lines
}

const DB: &str = "endpointSelector: {matchLabels: {app: db}}\ningress:\n- fromEndpoints: [{matchLabels: {app: web}}]\n  toPorts: [{ports: [{port: '5432', protocol: TCP}]}]\n";

#[test]
fn a_label_without_a_source_fits_every_source() {
    let flows = [
        "shop/web > shop/db TCP/5432",
        "shop/cart > shop/db TCP/5432",
        "shop/web > shop/db TCP/22",
        "shop/web > shop/other TCP/22",
    ];
    let expected = [
        "newly denied: shop/cart > shop/db 5432: no rule of shop/db allows it on ingress",
        "newly denied: shop/web > shop/db 22: no rule of shop/db allows it on ingress",
        "allowed: shop/web > shop/db 5432: no policy on egress; shop/db spec.ingress[0]",
        "allowed: shop/web > shop/other 22: no policy on egress; no policy on ingress",
    ];
    for source in ["", "k8s:", "any:"] {
        let spec =
            DB.replace("app: db", &format!("'{source}app': db")).replace("app: web", &format!("'{source}app': web"));
        assert_eq!(told(&policies(&[("db", &spec)]), &flows), expected, "{source}");
    }
    let other = DB.replace("app: db", "'reserved:app': db");
    assert!(told(&policies(&[("db", &other)]), &flows).iter().all(|line| line.starts_with("allowed")));
}

#[test]
fn a_selector_stays_in_its_namespace_unless_it_names_another() {
    let flows = ["other/web > shop/db TCP/5432", "shop/web > other/db TCP/5432"];
    assert_eq!(
        told(&policies(&[("db", DB)]), &flows),
        [
            "newly denied: other/web > shop/db 5432: no rule of shop/db allows it on ingress",
            "allowed: shop/web > other/db 5432: no policy on egress; no policy on ingress",
        ]
    );
    let named = DB.replace("{app: web}", "{app: web, 'k8s:io.kubernetes.pod.namespace': other}");
    assert!(told(&policies(&[("db", &named)]), &flows)[0].starts_with("allowed: other/web > shop/db"));
}

#[test]
fn expressions() {
    let spec = |expression: &str| {
        format!("endpointSelector: {{}}\ningress:\n- fromEndpoints:\n  - matchExpressions:\n    - {expression}\n")
    };
    let flows = ["shop/web > shop/db TCP/1", "shop/cart,tier=front > shop/db TCP/1", "host > shop/db TCP/1"];
    let allowed = |expression: &str| {
        let lines = told(&policies(&[("p", &spec(expression))]), &flows);
        lines
            .iter()
            .filter(|line| line.starts_with("allowed"))
            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(allowed("{key: app, operator: In, values: [web, x]}"), ["host", "shop/web"]);
    assert_eq!(allowed("{key: app, operator: NotIn, values: [web]}"), ["host", "shop/cart"]);
    assert_eq!(allowed("{key: tier, operator: Exists}"), ["host", "shop/cart"]);
    assert_eq!(allowed("{key: tier, operator: DoesNotExist}"), ["host", "shop/web"]);
}

#[test]
fn a_deny_rule_wins_and_closes() {
    let spec = "endpointSelector: {matchLabels: {app: db}}\ningressDeny:\n- fromEndpoints: [{matchLabels: {app: cart}}]\ningress:\n- fromEndpoints: [{}]\n";
    assert_eq!(
        told(
            &policies(&[("db", spec)]),
            &["shop/web > shop/db TCP/1", "shop/cart > shop/db TCP/1", "other/web > shop/db TCP/1"]
        ),
        [
            "newly denied: other/web > shop/db 1: no rule of shop/db allows it on ingress",
            "newly denied: shop/cart > shop/db 1: shop/db spec.ingressDeny[0]",
            "allowed: shop/web > shop/db 1: no policy on egress; shop/db spec.ingress[0]",
        ]
    );
    // A rule that says nothing closes the way; a policy that is told not to close does not.
    let closed = "endpointSelector: {}\negress: [{}]\n";
    assert!(told(&policies(&[("p", closed)]), &["shop/web > host TCP/1"])[0].starts_with("newly denied"));
    let open = format!("{closed}enableDefaultDeny: {{egress: false}}\n");
    assert!(told(&policies(&[("p", &open)]), &["shop/web > host TCP/1"])[0].starts_with("allowed"));
}

#[test]
fn what_was_denied_and_what_passes_only_half_the_way() {
    let lines = told(
        &policies(&[("db", DB)]),
        &[
            "shop/web > shop/db TCP/5432 egress",
            "shop/web > shop/db TCP/5432 denied",
            "shop/cart > shop/db TCP/5432 egress",
            "shop/cart > shop/db TCP/5432 denied",
        ],
    );
    assert_eq!(
        lines,
        [
            "newly allowed: shop/web > shop/db 5432: no policy on egress; shop/db spec.ingress[0]",
            "still denied: shop/cart > shop/db 5432: no rule of shop/db allows it on ingress",
        ]
    );
}

#[test]
fn outside() {
    let spec = "endpointSelector: {}\negress:\n- toFQDNs: [{matchName: api.example.com}, {matchPattern: '*.cdn.net'}]\n- toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.9.0.0/16]}]\n- toEntities: [kube-apiserver]\n";
    let lines = told(
        &policies(&[("p", spec)]),
        &[
            "shop/web > world:1.1.1.1/api.example.com TCP/443",
            "shop/web > world:1.1.1.2/a.cdn.net TCP/443",
            "shop/web > world:1.1.1.3/a.b.cdn.net TCP/443",
            "shop/web > world:10.1.0.1/x TCP/443",
            "shop/web > world:10.9.0.1/x TCP/443",
            "shop/web > world:8.8.8.8 TCP/443",
            "shop/web > kube-apiserver TCP/443",
            "shop/web > shop/db TCP/443",
        ],
    );
    let begins = |text: &str| lines.iter().any(|line| line.starts_with(text));
    assert!(begins("allowed: shop/web > api.example.com (1.1.1.1)"), "{lines:#?}");
    assert!(begins("allowed: shop/web > a.cdn.net"));
    assert!(begins("newly denied: shop/web > a.b.cdn.net"));
    assert!(begins("allowed: shop/web > x (10.1.0.1)"));
    assert!(begins("newly denied: shop/web > x (10.9.0.1)"));
    assert!(begins("not known: shop/web > 8.8.8.8: Names"));
    assert!(begins("allowed: shop/web > kube-apiserver"));
    assert!(begins("newly denied: shop/web > shop/db"), "an address range is of what is outside");
}

#[test]
fn requests_are_looked_into() {
    let spec = "endpointSelector: {matchLabels: {app: db}}\ningress:\n- fromEndpoints: [{matchLabels: {app: web}}]\n  toPorts:\n  - ports: [{port: '80', protocol: TCP}]\n    rules:\n      http: [{method: GET, path: '/public/.*'}]\n";
    let flows = [
        "shop/web > shop/db TCP/80",
        "shop/web > shop/db TCP/80 GET /public/a?x=1",
        "shop/web > shop/db TCP/80 POST /public/a",
        "shop/web > shop/db TCP/80 GET /private denied",
        "shop/web,tier=front > shop/db TCP/80",
    ];
    let lines = told(&policies(&[("db", spec)]), &flows);
    let way = "no policy on egress; shop/db spec.ingress[0]";
    assert_eq!(
        lines,
        [
            "newly denied: shop/web > shop/db 80 POST /public/a: no rule of shop/db allows it on ingress".to_owned(),
            "still denied: shop/web > shop/db 80 GET /private: no rule of shop/db allows it on ingress".to_owned(),
            format!("allowed: shop/web > shop/db 80: {way}"),
            format!("allowed: shop/web > shop/db 80 GET /public/a?x=1: {way}"),
            "not known: shop/web > shop/db: Requests".to_owned(),
        ]
    );
    // A rule beside it that does not look lets everything through.
    let plain = "endpointSelector: {matchLabels: {app: db}}\ningress:\n- fromEndpoints: [{matchLabels: {app: web}}]\n  toPorts: [{ports: [{port: '80', protocol: TCP}]}]\n";
    let lines = told(&policies(&[("db", spec), ("plain", plain)]), &flows);
    assert!(lines.iter().all(|line| line.starts_with("allowed") || line.starts_with("newly allowed")), "{lines:#?}");
}

#[test]
fn icmp_by_number_and_by_name() {
    let spec = |kind: &str| {
        format!("endpointSelector: {{}}\ningress:\n- icmps: [{{fields: [{{family: IPv4, type: {kind}}}]}}]\n")
    };
    let flows = ["shop/web > shop/db ICMPv4/8", "shop/web > shop/db ICMPv4/13", "shop/web > shop/db ICMPv4/3"];
    for kind in ["8", "'8'", "EchoRequest"] {
        let lines = told(&policies(&[("p", &spec(kind))]), &flows);
        assert_eq!(lines.len(), 2, "an error belongs to its connection: {lines:?}");
        assert!(
            lines[0].starts_with("newly denied: shop/web > shop/db 13")
                && lines[1].starts_with("allowed: shop/web > shop/db 8"),
            "{lines:?}"
        );
    }
}

#[test]
fn the_node_reaches_its_pods() {
    let closed = "endpointSelector: {}\ningress: [{}]\n";
    let lines = told(&policies(&[("p", closed)]), &["host > shop/db TCP/1", "remote-node > shop/db TCP/1"]);
    assert_eq!(
        lines,
        [
            "newly denied: remote-node > shop/db 1: no rule of shop/p allows it on ingress",
            "allowed: host > shop/db 1: no policy on egress; the node itself"
        ]
    );
}

#[test]
fn what_a_log_does_not_tell_is_not_known() {
    let told = |flow| told(&policies(&[("db", DB)]), &[flow]);
    assert_eq!(told("masked:shop > shop/db TCP/5432"), ["not known: shop/? > shop/db: Labels"]);
    assert_eq!(told("shop/web > masked:shop TCP/22"), ["not known: shop/web > shop/?: Labels"]);
    assert_eq!(told("shop/web > shop/db none/0"), ["not known: shop/web > shop/db: Port"]);
    assert!(told("masked:other > shop/db TCP/5432")[0].starts_with("newly denied"), "whatever its labels are");
    assert!(told("masked:shop > shop/db TCP/22")[0].starts_with("newly denied"));
    let no_endpoint = line("shop/web > shop/db TCP/5432")
        .replace("\"labels\"", "\"label\"")
        .replace("\"namespace\"", "\"ns\"")
        .replace("\"identity\"", "\"id\"");
    let seen = of_lines(&[&no_endpoint], false);
    let db = policies(&[("db", DB)]);
    let report = Report::new(&db, &seen);
    assert_eq!(report.unknowns().keys().collect::<Vec<_>>(), [&Why::Endpoint]);
}

#[test]
fn lines_before_a_decision_and_other_drops_say_nothing() {
    let early = line("shop/web > shop/db TCP/22").replace("TO_ENDPOINT", "FROM_ENDPOINT");
    let other = line("shop/web > shop/db TCP/22 denied").replace("POLICY_DENIED", "CT_MAP_INSERTION_FAILED");
    let seen = of_lines(&[&early, &other], false);
    assert_eq!((seen.flows, seen.untold.early, seen.untold.other_drops), (0, 1, 1));
    let reply = early.replace("\"is_reply\":false", "\"is_reply\":true");
    assert_eq!(of_lines(&[&reply], false).accesses()[0].tally.passed(), 1, "a reply tells that its connection passed");
}

#[test]
fn policies_of_kubernetes() {
    let yaml = r"
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: db, namespace: shop, uid: x, managedFields: [{a: 1}]}
  spec:
    podSelector: {matchLabels: {app: db}}
    policyTypes: [Ingress, Egress]
    ingress:
    - from:
      - podSelector: {matchLabels: {app: web}}
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}
        podSelector: {matchLabels: {app: cart}}
      - ipBlock: {cidr: 1.0.0.0/8, except: [1.1.0.0/16]}
      ports: [{port: 5432}, {port: 8000, endPort: 8010, protocol: TCP}]
  status: {}
";
    let policies = Policies::parse("k.yaml", yaml).unwrap();
    let lines = told(
        &policies,
        &[
            "shop/web > shop/db TCP/5432",
            "other/cart > shop/db TCP/8005",
            "shop/cart > shop/db TCP/5432",
            "shop/web > shop/db UDP/5432",
            "world:1.2.3.4 > shop/db TCP/5432",
            "world:1.1.3.4 > shop/db TCP/5432",
            "shop/db > shop/web TCP/80",
            "shop/web > shop/cart TCP/80",
        ],
    );
    let allowed: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("allowed: ")?.split_once(':')).map(|(flow, _)| flow).collect();
    assert_eq!(
        allowed,
        ["1.2.3.4 > shop/db 5432", "other/cart > shop/db 8005", "shop/web > shop/cart 80", "shop/web > shop/db 5432"],
        "{lines:#?}"
    );
    assert!(lines.contains(&"newly denied: shop/db > shop/web 80: no rule of shop/db allows it on egress".to_owned()));
}

#[test]
fn policies_for_the_whole_cluster() {
    let yaml = "kind: CiliumClusterwideNetworkPolicy\nmetadata: {name: all}\nspec:\n  endpointSelector: {}\n  ingress:\n  - fromEndpoints: [{}]\n  - fromEntities: [health]\n";
    let policies = Policies::parse("c.yaml", yaml).unwrap();
    let lines =
        told(&policies, &["a/x > b/y TCP/1", "remote-node > b/y TCP/1", "health > b/y TCP/1", "a/x > host TCP/1"]);
    assert_eq!(lines.iter().filter(|line| line.starts_with("newly denied: remote-node > b/y")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.starts_with("allowed")).count(), 3, "{lines:#?}");
}

#[test]
fn a_label_that_is_not_there_is_one_of_a_pod() {
    for yaml in [
        "kind: CiliumClusterwideNetworkPolicy\nmetadata: {name: all}\nspec:\n  endpointSelector: {}\n  ingress:\n  - fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [evil]}]}]\n",
        "kind: NetworkPolicy\nmetadata: {name: n, namespace: b}\nspec:\n  podSelector: {}\n  ingress:\n  - from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: quarantined, operator: DoesNotExist}]}}]\n",
        "kind: NetworkPolicy\nmetadata: {name: n, namespace: b}\nspec:\n  podSelector: {}\n  ingress:\n  - from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [dev]}]}}]\n",
    ] {
        let lines = told(&Policies::parse("c.yaml", yaml).unwrap(), &["a/x > b/y TCP/1", "remote-node > b/y TCP/1"]);
        assert!(lines.iter().any(|line| line.starts_with("newly denied: remote-node")), "{yaml}\n{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("allowed: a/x")), "{yaml}\n{lines:#?}");
    }
}

#[test]
fn a_policy_is_for_pods_of_its_own_namespace() {
    let yaml = "kind: CiliumNetworkPolicy\nmetadata: {name: n, namespace: dev}\nspec:\n  endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': b}}\n  ingress: [{}]\n";
    let lines = told(&Policies::parse("c.yaml", yaml).unwrap(), &["a/x > b/y TCP/1"]);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("allowed")), "{lines:#?}");
    // Nothing is listed, so nothing is closed, whatever is asked for.
    let yaml = "kind: CiliumNetworkPolicy\nmetadata: {name: n, namespace: b}\nspec:\n  endpointSelector: {}\n  enableDefaultDeny: {ingress: true}\n  ingress: []\n  egress: [{}]\n";
    let lines = told(&Policies::parse("c.yaml", yaml).unwrap(), &["a/x > b/y TCP/1"]);
    assert!(lines.iter().all(|line| line.starts_with("allowed")), "{lines:#?}");
}

#[test]
fn what_cilium_refuses_is_refused() {
    for (rule, told) in [
        ("fromEndpoints: [{}]\n    fromEntities: [world]", "one rule"),
        ("toPorts: [{ports: [{port: '1'}]}]\n    icmps: [{fields: [{type: 8}]}]", "toPorts and icmps"),
        ("toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]", "egress alone"),
    ] {
        let yaml = format!(
            "kind: CiliumNetworkPolicy\nmetadata: {{name: n, namespace: dev}}\nspec:\n  endpointSelector: {{}}\n  ingress:\n  - {rule}\n"
        );
        let error = Policies::parse("c.yaml", &yaml).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
