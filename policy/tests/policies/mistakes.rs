//! What is no policy is said to be none, with its place.

use lookback_policy::Policies;

fn mistake(yaml: &str) -> String {
    Policies::parse("p.yaml", yaml).map(|policies| format!("{policies:?}")).unwrap_err().to_string()
}

fn of_spec(spec: &str) -> String {
    mistake(&format!("kind: CiliumNetworkPolicy\nmetadata: {{name: x}}\nspec:\n  endpointSelector: {{}}\n  {spec}\n"))
}

#[test]
fn mistakes_have_a_place() {
    for (spec, parts) in [
        ("ingres: []", vec!["p.yaml", "ingres", "line 5"]),
        (
            "ingress: [{fromEntities: [wrold]}]",
            vec!["default/x: spec.ingress[0]", "\"wrold\" is no entity", "world-ipv4"],
        ),
        ("ingress: [{toCIDR: [1.1.1.1/8]}]", vec!["spec.ingress[0].toCIDR", "is no field of a rule for ingress"]),
        ("egress: [{toCIDR: [1.1.1.1/33]}]", vec!["spec.egress[0]", "1.1.1.1/33", "no address range"]),
        ("egress: [{toFQDNs: [{}]}]", vec!["matchName or matchPattern"]),
        (
            "egress: [{toPorts: [{ports: [{port: '80', protocol: TPC}]}]}]",
            vec!["spec.egress[0].toPorts[0].ports[0]", "TPC"],
        ),
        ("egress: [{toPorts: [{ports: [{port: 70000}]}]}]", vec!["port 70000 is over 65535"]),
        (
            "egress: [{toPorts: [{rules: {http: [{path: '('}]}}]}]",
            vec!["toPorts[0].rules.http[0].path", "no regular expression"],
        ),
        ("egress: [{icmps: [{fields: [{type: Ping}]}]}]", vec!["icmps[0]", "\"Ping\" is no ICMP type"]),
        (
            "ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: Is}]}]}]",
            vec!["matchExpressions[0]", "\"Is\" is none of"],
        ),
        ("podSelector: {}", vec!["spec.podSelector", "no field of a CiliumNetworkPolicy"]),
    ] {
        let told = of_spec(spec);
        for part in parts {
            assert!(told.contains(part), "{spec}: {told:?} lacks {part:?}");
        }
    }
    assert!(mistake("").contains("no policy in it"));
    assert!(mistake("kind: Pod\nmetadata: {name: x}\nspec: {}\n").contains("kind \"Pod\" is no policy"));
    assert!(mistake("kind: CiliumNetworkPolicy\nspec: {endpointSelector: {}}\n").contains("metadata.name: is missing"));
    assert!(mistake("a: [").starts_with("p.yaml: "));
}

#[test]
fn deep_and_wide_documents_are_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!mistake(&deep).is_empty());
    let aliases = "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e]\ng: &g [*f, *f, *f, *f, *f, *f, *f, *f]\nkind: [*g, *g, *g]\n";
    assert!(!mistake(aliases).is_empty());
}
