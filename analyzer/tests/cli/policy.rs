//! Policies from flows, and flows judged by policies.

use std::fs;

use serde_json::Value;

use crate::{Folder, lookback, testdata};

/// The decisions of a test, as JSON.
fn decisions(arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let run = lookback(&[&["policy", "test", "-o", "json"], arguments].concat());
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err));
    let rows = answer["rows"].as_array().unwrap().clone();
    (run.code, rows, answer["notes"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_is_suggested_passes_its_own_test() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    lookback(&["import", &testdata("shop"), "-o", &archive]).answer();
    let policy = folder.path().join("shop.yaml").display().to_string();
    let run = lookback(&["policy", "suggest", &testdata("shop"), "-n", "shop", "-o", &policy]);
    assert_eq!(run.out, "");
    assert!(run.err.contains("4 policies of 159 flows") && run.err.contains("node-a was silent"), "{}", run.err);
    let of_archive = lookback(&["policy", "suggest", &archive, "-n", "shop", "-q"]);
    assert_eq!((of_archive.out, of_archive.err), (fs::read_to_string(&policy).unwrap(), String::new()));
    for input in [&testdata("shop"), &archive] {
        let (code, rows, notes) = decisions(&[&policy, input]);
        assert_eq!((code, rows.len()), (Some(0), 0), "{rows:?}");
        assert!(notes.contains("14 pass and 0 are denied as before"), "{notes}");
    }
    // Without the rule for the database's client it is denied, and the exit code tells.
    let text = fs::read_to_string(&policy).unwrap();
    let less = text.replacen("\n        app: cart\n", "\n        app: nobody\n", 1);
    assert_ne!(less, text);
    let less = folder.file("less.yaml", less);
    let (code, rows, _) = decisions(&[&less, &testdata("shop")]);
    assert_eq!(code, Some(1));
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["decision"] == "newly denied" && row["client"] == "shop/cart"),
        "{rows:?}"
    );
    let unused = lookback(&["policy", "test", &less, &testdata("shop"), "--rules", "-q", "-o", "csv"]);
    assert!(unused.out.contains("spec.ingress[0],0,0"), "{}", unused.out);
}

#[test]
fn what_policies_denied_is_told_apart() {
    let folder = Folder::new();
    let policy = folder.path().join("data.yaml").display().to_string();
    lookback(&["policy", "suggest", &testdata("incident"), "-n", "data", "-q", "-o", &policy]).answer();
    let (_, rows, _) = decisions(&[&policy, &testdata("incident"), "--all"]);
    let flows = |decision: &str| -> Vec<(String, i64)> {
        let of = rows.iter().filter(|row| row["decision"] == decision && row["server"] == "data/redis");
        of.map(|row| (row["client"].as_str().unwrap().to_owned(), row["flows"].as_i64().unwrap())).collect()
    };
    assert_eq!(flows("newly allowed"), [("shop/cart".to_owned(), 25)]);
    assert_eq!(flows("allowed"), [("shop/cart".to_owned(), 14)]);
    assert!(flows("newly denied").is_empty());
}

#[test]
fn a_window_is_the_same_of_logs_and_of_archives() {
    let folder = Folder::new();
    let archive = folder.path().join("archive").display().to_string();
    lookback(&["import", &testdata("incident"), "-o", &archive]).answer();
    let suggest = |input: &str, window: &[&str]| {
        lookback(&[&["policy", "suggest", input, "-n", "shop", "-q"], window].concat()).answer()
    };
    let policies = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    for window in [vec!["--last", "10m"], vec!["--since", "2026-03-01T12:10:00Z", "--until", "2026-03-01T12:20:00Z"]] {
        assert_eq!(
            policies(&suggest(&archive, &window)),
            policies(&suggest(&testdata("incident"), &window)),
            "{window:?}"
        );
        assert_ne!(policies(&suggest(&archive, &window)), policies(&suggest(&archive, &[])));
    }
}

#[test]
fn mistakes_say_what_to_do() {
    let folder = Folder::new();
    let shop = testdata("shop");
    let told = |arguments: &[&str]| lookback(arguments).error();
    assert!(told(&["policy", "suggest", &shop, "-n", "nope"]).contains("there are data, kube-system, pay, shop"));
    let empty = folder.path().display().to_string();
    assert!(told(&["policy", "test", &empty, &shop]).contains("no .yaml, .yml or .json file in it"));
    let bad = folder.file("bad.yaml", "kind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec: {endpointSelector: {}, ingress: [{fromEntities: [wrold]}]}\n");
    let error = told(&["policy", "test", &bad, &shop]);
    assert!(error.contains("bad.yaml: default/x: spec.ingress[0]: \"wrold\" is no entity"), "{error}");
    assert!(told(&["policy", "suggest", &shop, "-n", "shop", "--last", "yesterday"]).contains("yesterday"));
    let log = folder.file("a.log", crate::flow(1, "shop"));
    assert!(told(&["policy", "suggest", &log, "-n", "shop", "-o", &log]).contains("would be written over it"));
    assert!(
        told(&["policy", "suggest", &log, "-n", "shop"])
            .contains("no flow that passed has a pod of namespace \"shop\" with labels")
    );
}
