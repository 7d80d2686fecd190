//! Reports: right in every number, whole, harmless, and the same when they are made again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Folder, flow, lookback, testdata};

/// A report in a folder, made with these flags.
#[track_caller]
fn report(folder: &Folder, name: &str, arguments: &[&str]) -> PathBuf {
    let place = folder.path().join(name);
    let run = lookback(&[&["report", "-o", place.to_str().unwrap()], arguments].concat());
    assert_eq!((run.code, &*run.out), (Some(0), ""), "{}", run.err);
    place
}

fn read(place: &Path, name: &str) -> String {
    fs::read_to_string(place.join(name)).unwrap()
}

fn manifest(place: &Path) -> Value {
    serde_json::from_str(&read(place, "manifest.json")).unwrap()
}

/// Every file of a folder.
fn files(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let listed = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = listed(place.to_owned()).chain(listed(place.join("data"))).filter(|path| path.is_file());
    all.map(|path| (path.strip_prefix(place).unwrap().display().to_string(), fs::read(&path).unwrap())).collect()
}

/// The sections of a report's Markdown: question's command and the rest.
fn commands(place: &Path) -> Vec<Vec<String>> {
    let page = read(place, "report.md");
    let asked = page.lines().filter(|line| line.starts_with("lookback ask "));
    asked.map(|line| line.split(' ').skip(1).map(|word| word.trim_matches('\'').to_owned()).collect()).collect()
}

#[test]
fn every_number_is_what_the_question_answers() {
    let folder = Folder::new();
    let mut logs = vec![testdata("incident"), testdata("shop")];
    match std::env::var("LOOKBACK_REAL_DATA") {
        Ok(real) => logs.push(real),
        Err(_) => eprintln!("LOOKBACK_REAL_DATA is not set: no real flows to report of"),
    }
    for (place, log) in logs.iter().enumerate() {
        for pack in ["incident", "compliance"] {
            let report = report(&folder, &format!("{pack}-{place}"), &[log, "--pack", pack]);
            let page = read(&report, "report.html");
            let asked = commands(&report);
            assert!(asked.len() > 4, "{asked:?}");
            for mut words in asked {
                words.extend(["-q", "-o", "csv"].map(str::to_owned));
                let answer = lookback(&words).answer();
                let by = words.iter().position(|word| word == "--by").map(|at| words[at + 1].clone());
                let name = by.map_or_else(|| words[1].clone(), |by| format!("{}.by-{by}", words[1]));
                assert_eq!(answer, read(&report, &format!("data/{name}.csv")), "{name} of {log}");
                assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
            }
        }
    }
}

#[test]
fn made_again_it_is_the_same_to_the_byte() {
    let folder = Folder::new();
    let key = folder.file("tokens.key", [7; 32]);
    let incident = testdata("incident");
    for (name, flags) in [
        ("plain", vec!["--last", "10m", "--timezone", "Europe/Berlin", "--title", "A title, with 'quotes'"]),
        ("tokens", vec!["--redact", "all", "--redact-key", &key, "--namespace", "shop"]),
    ] {
        let first = report(&folder, name, &[&[&*incident], &*flags].concat());
        let manifest = first.join("manifest.json").display().to_string();
        let from = ["--from", &manifest, "--redact-key", &key];
        let again = report(&folder, &format!("{name} again"), &from);
        assert_eq!(files(&first), files(&again));
    }
    let other = folder.file("other.log", flow(1, "shop"));
    let manifest = folder.path().join("plain/manifest.json").display().to_string();
    let place = folder.path().join("other").display().to_string();
    let error = lookback(&["report", "--from", &manifest, &other, "-o", &place]).error();
    assert!(error.contains("are not those of the report") && error.contains("other.log was not there"), "{error}");
    assert!(!Path::new(&place).exists(), "nothing half made is left");
}

#[test]
fn a_changed_file_is_named() {
    let folder = Folder::new();
    let place = report(&folder, "report", &[&testdata("incident")]);
    let name = place.display().to_string();
    assert!(lookback(&["verify", &name, "--inputs"]).answer().contains("as they were made"));
    for file in files(&place).keys().filter(|file| *file != "manifest.json") {
        let whole = fs::read(place.join(file)).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(place.join(file), bytes).unwrap();
        let run = lookback(&["verify", &name]);
        assert_eq!(run.code, Some(1));
        assert!(run.out.contains(&format!("{file}: is not as it was")), "{}", run.out);
        fs::write(place.join(file), whole).unwrap();
    }
    assert_eq!(lookback(&["verify", &name]).code, Some(0));
}

#[test]
fn whoever_signed_it_is_known() {
    // Test vector 1 of RFC 8032, and the public half as OpenSSL writes it.
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let folder = Folder::new();
    let key = folder.file("key.pem", private);
    let place = report(&folder, "report", &[&testdata("incident"), "--sign", &key]);
    let name = place.display().to_string();
    let public = place.join("manifest.pub").display().to_string();
    assert!(lookback(&["verify", &name, "--key", &public]).answer().contains("of the key that was given"));
    let error = lookback(&["verify", &name, "--key", &key]).error();
    assert!(error.contains("no public Ed25519 key"), "{error}");
    let changed = read(&place, "manifest.json").replace("Incident report", "Incidental report");
    fs::write(place.join("manifest.json"), changed).unwrap();
    let run = lookback(&["verify", &name, "--key", &public]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("SIGNATURE"), "{}", run.out);
    let next = report(&folder, "next", &[&testdata("incident"), "--previous", &name]);
    assert!(manifest(&next)["previous"].as_str().is_some_and(|hash| hash.len() == 64));
}

#[test]
fn no_redacted_name_is_left() {
    let folder = Folder::new();
    let key = folder.file("tokens.key", [7; 32]);
    let place = report(
        &folder,
        "report",
        &[&testdata("incident"), "--redact", "all", "--redact-key", &key, "--namespace", "shop", "--pack", "all"],
    );
    // A protocol is called redis, too; no policy is.
    let secrets =
        ["shop", "billing", "cut-redis", "data/redis", "coredns", "node-a", "10.0.", "203.0.113", "payments", "exfil"];
    for (name, bytes) in files(&place) {
        let text = String::from_utf8_lossy(&bytes);
        for secret in secrets {
            assert!(!text.contains(secret), "{name} tells {secret}");
        }
    }
    // Tokens tie the same things together: a join of two answers by them still works.
    let map = read(&place, "data/service-map.csv");
    let talkers = read(&place, "data/top-talkers.csv");
    let client = map.lines().nth(1).unwrap().split(',').next().unwrap();
    assert!(client.starts_with("pod-") && talkers.contains(client), "{client} in {talkers}");
}

#[test]
fn what_cannot_be_answered_is_said_and_the_rest_is_there() {
    let folder = Folder::new();
    // No layer 7, no drops, one node, and a field mask that left out most.
    let log: String = (0..20).map(|second| flow(36_000 + second, "shop")).collect();
    let log = folder.file("events.log", log);
    let place = report(&folder, "report", &[&log]);
    let page = read(&place, "report.md");
    assert!(page.contains("no layer 7 DNS records"), "{page}");
    assert!(page.contains("the period begins with the data"), "{page}");
    assert!(page.contains("may have masked fields"), "{page}");
    assert!(page.contains("## Verdicts"), "{page}");
    // A window without a flow.
    let empty = report(&folder, "empty", &[&log, "--since", "2027-01-01", "--until", "2027-01-02"]);
    assert!(read(&empty, "report.html").contains("No question found anything."));
    let error = lookback(&[
        "report",
        &log,
        "-o",
        &folder.path().join("x").display().to_string(),
        "--redact",
        "pods",
        "--redact-key",
        "/nonexistent/key",
    ])
    .error();
    assert!(error.contains("/nonexistent/key"), "{error}");
    let error = lookback(&["report", &log, "-o", &place.display().to_string()]).error();
    assert!(error.contains("is there already"), "{error}");
}

#[test]
fn the_page_runs_nothing_and_fetches_nothing() {
    let folder = Folder::new();
    let logs = [testdata("hostile"), testdata("incident"), testdata("compat")];
    let place = report(
        &folder,
        "report",
        &[&logs[0], &logs[1], &logs[2], "--pack", "all", "--title", "<script>alert(1)</script>"],
    );
    let page = read(&place, "report.html");
    assert!(page.contains("default-src 'none'"));
    let lower = page.to_lowercase();
    for tag in ["<script", "<iframe", "<img", "<object", "<embed", "<link", "<form", "@import"] {
        assert!(!lower.contains(tag), "{tag}");
    }
    assert!(
        lower.match_indices("url(").all(|(at, _)| lower[at..].starts_with("url(#")),
        "drawings refer to themselves"
    );
    let links = page.match_indices("href=\"").map(|(at, _)| &page[at + 6..=at + 6]);
    assert!(links.into_iter().all(|first| first == "#"), "links lead within the page");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'), "text is not turned around");
    let Some(told) = in_a_browser(&folder, &place.join("report.html")) else {
        eprintln!("no chromium: the page was not opened in a browser");
        return;
    };
    for width in ["390", "1280"] {
        assert!(told.contains(&format!("width {width}: fits, 0 scripts, 0 handlers, 0 requests")), "{told}");
    }
}

/// What a browser makes of a page: the page stands in frames of two widths, and the page around them looks into them.
fn in_a_browser(folder: &Folder, page: &Path) -> Option<String> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))?;
    let harness = r#"<!doctype html><title>harness</title><pre id="told"></pre><script>
      function look(width) {
        const frame = document.createElement('iframe');
        frame.style.width = width + 'px'; frame.style.height = '900px'; frame.style.border = '0';
        frame.src = 'PAGE';
        frame.onload = () => {
          const own = frame.contentDocument, root = own.documentElement;
          const all = [...own.querySelectorAll('*')];
          const handlers = all.filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length;
          const requests = frame.contentWindow.performance.getEntriesByType('resource').length;
          const fits = root.scrollWidth <= root.clientWidth ? 'fits' : 'is ' + root.scrollWidth + ' wide';
          document.getElementById('told').textContent += `width ${width}: ${fits}, ${own.scripts.length} scripts, ${handlers} handlers, ${requests} requests\n`;
        };
        document.body.appendChild(frame);
      }
      look(390); look(1280);
    </script>"#;
    let harness = folder.file("harness.html", harness.replace("PAGE", &format!("file://{}", page.display())));
    let profile = folder.path().join("profile");
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            "--disable-background-networking",
        ])
        .args(["--disable-component-update", "--no-first-run", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{harness}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_diff_tells_what_changed_and_keeps_small_numbers_quiet() {
    let incident = testdata("incident");
    let spans = ["--before", "30m..15m", "--after", "15m..0s", "-q", "-o", "csv"];
    let sure = lookback(&[&["diff", &*incident], &spans[..]].concat()).answer();
    assert_eq!(sure.lines().count(), 2, "{sure}");
    assert!(sure.contains("new,drops,POLICY_DENY → shop/cart → data/redis,0,13"), "{sure}");
    let all = lookback(&[&["diff", &*incident, "--all"], &spans[..]].concat()).answer();
    assert!(all.contains("new,name,exfil.example,0,1"), "{all}");
    // The same span twice, and the same input against itself: nothing changed.
    for same in [vec!["--before", "15m..0s", "--after", "15m..0s"], vec!["--against", &incident]] {
        let none = lookback(&[&["diff", &*incident, "--all", "-q", "-o", "csv"], &*same].concat()).answer();
        assert_eq!(none.lines().count(), 1, "{none}");
    }
    let against = lookback(&["diff", &incident, "--against", &testdata("shop"), "-q", "-o", "csv"]).answer();
    assert!(against.contains("shop/cart → data/redis"), "{against}");
    assert!(lookback(&["diff", &incident]).error().contains("--before and --after"));
    assert!(lookback(&["diff", &incident, "--before", "1h", "--after", "1h..0s"]).error().contains("FROM..TO"));
}

#[test]
fn what_an_exporter_may_have_left_out_is_on_the_first_page() {
    let folder = Folder::new();
    let lines: String = (0..120).map(|second| flow(second, "shop")).collect();
    let log = folder.file("events.log", lines);
    let plain = report(&folder, "plain", &[&log]);
    let banner = "every flow has an end in namespace shop: an allow list of the exporter may have left out the rest";
    assert!(read(&plain, "report.html").contains(banner) && read(&plain, "report.md").contains(banner));
    assert_eq!(manifest(&plain)["is_whole"], false);
    let key = folder.file("key", [7; 32]);
    let hidden = report(&folder, "hidden", &[&log, "--redact", "pods", "--redact-key", &key]);
    let page = read(&hidden, "report.md");
    assert!(page.contains("every flow has an end in namespace") && !page.contains("shop"), "{page}");
    // Of a window, that window's flows alone count.
    let short = report(&folder, "short", &[&log, "--last", "30s"]);
    assert!(!read(&short, "report.md").contains(banner), "too few flows to tell");
}
