//! What is suggested denies nothing of what passed, and allows nothing else.

use std::collections::{BTreeMap, BTreeSet};

use lookback_policy::policy::By;
use lookback_policy::suggest::{Options, suggest};
use lookback_policy::{Policies, Report, Seen, Truth};

use crate::flows::{logs, of_log, seen};

fn options(namespace: &str, with_requests: bool) -> Options {
    Options { namespace: namespace.to_owned(), with_requests, ..Options::default() }
}

fn suggested(seen: &Seen, with_requests: bool) -> Policies {
    let accesses = seen.accesses();
    let namespaces: BTreeSet<&str> = accesses
        .iter()
        .flat_map(|access| [access.client, access.server])
        .filter_map(|end| end.namespace.as_deref())
        .collect();
    let mut policies = Policies::default();
    for namespace in namespaces {
        let suggestion = suggest(seen, &options(namespace, with_requests)).unwrap();
        if suggestion.policies > 0 {
            let yaml = suggestion.to_string();
            policies.extend(Policies::parse("suggested.yaml", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")));
        }
    }
    policies
}

#[test]
fn what_is_suggested_denies_nothing_that_passed() {
    let (mut policies, mut allowed, mut not_known) = (0, 0, 0);
    for path in logs() {
        for with_requests in [false, true] {
            let seen = of_log(&path, with_requests);
            let suggested = suggested(&seen, with_requests);
            let report = Report::new(&suggested, &seen);
            let denied: Vec<String> = report
                .newly_denied
                .iter()
                .map(|judged| {
                    format!(
                        "{} > {} {:?}/{:?} {:?}: {}",
                        judged.access.client,
                        judged.access.server,
                        judged.access.protocol,
                        judged.access.port,
                        judged.access.request,
                        report.why(judged)
                    )
                })
                .collect();
            assert_eq!(denied, Vec::<String>::new(), "{} with requests: {with_requests}", path.display());
            policies += suggested.policies.len();
            allowed += report.still_allowed.len();
            not_known += report.not_known.len();
        }
    }
    eprintln!("{policies} policies: {allowed} accesses allowed, {not_known} not known");
    assert!(policies > 50 && allowed > 200 && not_known < allowed / 4, "{policies} {allowed} {not_known}");
}

#[test]
fn a_policy_without_one_rule_denies_just_the_flows_of_that_rule() {
    let mut checked = 0;
    for path in logs() {
        let seen = of_log(&path, true);
        let whole = suggested(&seen, true);
        let report = Report::new(&whole, &seen);
        // Which accesses rest on one rule alone, on the way where it stands.
        let mut expected: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
        let name = |judged: &lookback_policy::report::Judged<'_>| {
            format!(
                "{:?}",
                (
                    judged.access.client,
                    judged.access.server,
                    judged.access.protocol,
                    judged.access.port,
                    judged.access.request
                )
            )
        };
        for judged in &report.still_allowed {
            let way = |by: &By| {
                if let By::Rule(policy, rule) = by { Some(whole.policies[*policy].rules[*rule].way) } else { None }
            };
            for by in &judged.decision.by {
                if let (By::Rule(policy, rule), Some(own)) = (by, way(by))
                    && judged.decision.by.iter().filter(|other| way(other) == Some(own)).count() == 1
                {
                    expected.entry((*policy, *rule)).or_default().insert(name(judged));
                }
            }
        }
        for ((policy, rule), flows) in expected {
            let mut less = whole.clone();
            less.policies[policy].rules.remove(rule);
            let report = Report::new(&less, &seen);
            let denied: BTreeSet<String> = report.newly_denied.iter().map(name).collect();
            assert_eq!(
                denied,
                flows,
                "{} without {} {}",
                path.display(),
                whole.policies[policy].name,
                whole.policies[policy].rules[rule].place
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn what_was_denied_is_not_allowed() {
    let seen = seen(
        &["shop/web > shop/db TCP/5432", "shop/cart > shop/db TCP/5432 denied", "shop/web > shop/db TCP/22 denied"],
        false,
    );
    let policies = suggested(&seen, false);
    let report = Report::new(&policies, &seen);
    assert_eq!((report.still_allowed.len(), report.still_denied.len(), report.newly_allowed.len()), (1, 2, 0));
}

#[test]
fn as_a_person_would_write_it() {
    let seen = seen(
        &[
            "shop/web,pod-template-hash=abc > shop/db TCP/5432",
            "shop/web > kube-system/k8s-app=dns UDP/53 DNS api.example.com",
            "shop/web > world:1.2.3.4/api.example.com TCP/443",
            "world:5.6.7.8 > shop/web TCP/80 GET /a?b=1",
            "shop/web > shop/db ICMPv4/8",
            "host > shop/web TCP/8080",
        ],
        true,
    );
    let suggestion = suggest(&seen, &options("shop", true)).unwrap();
    assert_eq!(suggestion.remarks, Vec::<String>::new());
    let expected = r#"apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: db-seen
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: db
  ingress:
  - fromEndpoints:
    - matchLabels:
        app: web
    toPorts:
    - ports:
      - port: "5432"
        protocol: TCP
  - fromEndpoints:
    - matchLabels:
        app: web
    icmps:
    - fields:
      - family: IPv4
        type: 8
  egress:
  - {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web-seen
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: web
  ingress:
  - fromCIDR:
    - 5.6.7.8/32
    toPorts:
    - ports:
      - port: "80"
        protocol: TCP
      rules:
        http:
        - method: GET
          path: /a(\?.*)?
  egress:
  - toEndpoints:
    - matchLabels:
        app: db
    toPorts:
    - ports:
      - port: "5432"
        protocol: TCP
  - toEndpoints:
    - matchLabels:
        k8s-app: dns
        "k8s:io.kubernetes.pod.namespace": kube-system
    toPorts:
    - ports:
      - port: "53"
        protocol: UDP
      rules:
        dns:
        - matchName: api.example.com
  - toEndpoints:
    - matchLabels:
        app: db
    icmps:
    - fields:
      - family: IPv4
        type: 8
  - toFQDNs:
    - matchName: api.example.com
    toPorts:
    - ports:
      - port: "443"
        protocol: TCP
"#;
    assert_eq!(suggestion.to_string(), expected);
}

#[test]
fn names_without_look_ups_are_remarked() {
    let names = "shop/web > world:1.2.3.4/api.example.com TCP/443";
    let remarks = |flows: &[&str]| suggest(&seen(flows, false), &options("shop", false)).unwrap().remarks;
    assert!(remarks(&[names])[0].starts_with("web-seen: DNS names are allowed, and no look-up was seen"));
    assert!(remarks(&[names, "shop/web > kube-system/dns UDP/53"]).is_empty());
}

#[test]
fn hostile_labels_stay_text() {
    let hostile = "shop/app=x\u{1b}[31m:\u{2028}-{[&*#'\",key=yes > shop/db TCP/1";
    let seen = seen(&[hostile, "shop/app=null > shop/db TCP/1", "shop/app=0x1f > shop/db TCP/1"], false);
    let yaml = suggest(&seen, &options("shop", false)).unwrap().to_string();
    assert!(yaml.chars().all(|c| c == '\n' || !lookback_flow::escape::drives(c)), "{yaml:?}");
    let policies = Policies::parse("hostile.yaml", &yaml).unwrap();
    assert!(Report::new(&policies, &seen).is_clean());
}

#[test]
fn parts_join_in_any_order() {
    let flows = [
        "shop/web > shop/db TCP/1",
        "shop/cart > shop/db TCP/1 denied",
        "host > shop/db TCP/2",
        "shop/web > shop/db TCP/80 GET /a",
    ];
    let whole = seen(&flows, true);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut joined = seen(&[], true);
        order.iter().for_each(|at| joined.merge(seen(&[flows[*at]], true)));
        let told = |seen: &Seen| format!("{:?}", seen.accesses());
        assert_eq!(told(&joined), told(&whole));
        assert_eq!(joined.flows, 4);
    }
}

#[test]
fn nothing_is_kept_beyond_the_limits() {
    let limits = lookback_policy::Limits { endpoints: 100, accesses: 3, requests: 100 };
    let mut limited = Seen::new(limits, false);
    for port in 1..=5 {
        limited.merge(seen(&[&format!("shop/web > shop/db TCP/{port}")], false));
    }
    assert_eq!((limited.accesses().len(), limited.untold.left_out), (3, 2));
}

#[test]
fn truth_is_as_kleene_has_it() {
    let unknown = Truth::Unknown(lookback_policy::Why::Port);
    assert_eq!(Truth::No.and(|| unknown), Truth::No);
    assert_eq!(unknown.and(|| Truth::No), Truth::No);
    assert_eq!(unknown.and(|| Truth::Yes), unknown);
    assert_eq!(unknown.or(|| Truth::Yes), Truth::Yes);
    assert_eq!(unknown.or(|| Truth::No), unknown);
    assert_eq!(unknown.not(), unknown);
}
