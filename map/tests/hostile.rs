//! Names from a log are hostile: in every field, in every format.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use lookback_map::{Edge, Format, Kind, Map, Port, Service};

const NASTY: [&str; 12] = [
    "\"><script>alert(1)</script>",
    "</svg></style></title><img src=x onerror=alert(1)>",
    "--> <!-- ]]> <![CDATA[",
    "a\"]; evil [label=\"x\\\"",
    "end\n  click n0 \"javascript:alert(1)\"",
    "`**bold**` #quot; #59; %%{init: {}}%%",
    "\u{1b}]0;title\u{7}\u{9b}31m\0\u{b}",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}",
    "\\N\\G\\l &amp; &#60; \\",
    "\u{ffff}\u{fdd0}\u{fffe}",
    "---\ntitle: x\n---",
    "日本語 العربية 👩‍👩‍👧",
];

fn hostile() -> Map {
    let long = "x\"<&\u{202e}".repeat(2000);
    let names: Vec<String> = NASTY.iter().map(|name| (*name).to_owned()).chain([long]).collect();
    Map::new(names.iter().zip(names.iter().cycle().skip(1)).enumerate().map(|(number, (name, other))| {
        let kind = [Kind::Workload, Kind::Outside, Kind::Cluster][number % 3];
        let service = |name: &str| Service { namespace: name.to_owned(), name: name.to_owned(), kind };
        Edge {
            ports: BTreeSet::from([Port { number: Some(80), protocol: name.clone(), l7: Some(name.clone()) }]),
            connections: 3,
            dropped: u64::try_from(number % 2).unwrap(),
            ..Edge::new(service(name), Service::workload(other.as_str(), other.as_str()))
        }
    }))
}

/// Characters that nothing that is written may hold.
fn drives(c: char) -> bool {
    c != '\n' && lookback_flow::escape::drives(c) || u32::from(c) & 0xfffe == 0xfffe
}

#[test]
fn nothing_in_any_format_drives_a_terminal() {
    for title in NASTY {
        for format in [Format::Svg, Format::Html, Format::Dot, Format::Json, Format::Mermaid] {
            let written = hostile().write(format, title);
            let bad: Vec<char> =
                written.chars().filter(|c| drives(*c) && (format != Format::Json || *c < '\u{fdd0}')).collect();
            assert!(bad.is_empty(), "{format}: {bad:?}");
        }
    }
}

#[test]
fn no_name_becomes_markup() {
    for title in NASTY {
        for format in [Format::Svg, Format::Html] {
            let written = hostile().write(format, title);
            for tag in ["<script", "<img", "<!--", "]]>", "href", "javascript:alert(1)\""] {
                assert!(!written.contains(tag), "{format}: {tag}");
            }
            assert_eq!(written.matches("</svg>").count(), 1);
            assert!(written.len() < 200_000, "{}", written.len());
        }
    }
}

#[test]
fn lines_of_dot_and_mermaid_are_what_they_are_meant_to_be() {
    let dot = hostile().write(Format::Dot, NASTY[3]);
    for line in dot.lines() {
        // Quotes that are not escaped come in pairs.
        let mut quotes = 0;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => assert!(matches!(chars.next(), Some('\\' | '"')), "{line}"),
                '"' => quotes += 1,
                _ => {}
            }
        }
        assert_eq!(quotes % 2, 0, "{line}");
    }
    let mermaid = hostile().write(Format::Mermaid, NASTY[4]);
    for line in mermaid.lines().map(str::trim_start) {
        let known = ["---", "title: \"", "flowchart LR", "subgraph g", "end", "n", "linkStyle "];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        assert!(!line.starts_with("end") || line == "end", "{line}");
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
    }
}

#[test]
fn json_keeps_names_as_they_are() {
    let map = hostile();
    let document: serde_json::Value = serde_json::from_str(&map.write(Format::Json, NASTY[6])).unwrap();
    assert_eq!(document["title"], NASTY[6]);
    let names: Vec<&str> =
        document["services"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, map.services().iter().map(|service| service.name.as_str()).collect::<Vec<_>>());
    let edge = &document["edges"][0];
    assert_eq!(names[usize::try_from(edge["source"].as_u64().unwrap()).unwrap()], map.edges()[0].source.name);
}

/// Where Graphviz is installed.
#[test]
fn graphviz_takes_the_file() {
    let Ok(mut dot) =
        Command::new("dot").args(["-Tsvg", "-o", "/dev/null"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        return;
    };
    dot.stdin.take().unwrap().write_all(hostile().write(Format::Dot, NASTY[0]).as_bytes()).unwrap();
    let output = dot.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("rror") && !told.contains("entity"), "{told}");
}
