//! Prometheus's own tool reads what is written.

use std::process::Command;

use crate::log::{flow, metrics, openmetrics};

/// What promtool prints; `None` without it.
fn promtool(arguments: &[&str]) -> Option<String> {
    let output = match Command::new("promtool").args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tested: promtool is not on the PATH (Debian package prometheus)");
            return None;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    Some(text(&output.stdout))
}

#[test]
fn promtool_makes_blocks_of_it() {
    let drop = r#""verdict":"DROPPED","source":{"pod_name":"a\"\\\n\u0000é"}"#;
    let answer = r#""l7":{"type":"RESPONSE","latency_ns":"7000000","http":{"code":200,"method":"GET"}},"trace_context":{"parent":{"trace_id":"abc"}}"#;
    let lines = [
        flow("10:00:01", drop),
        flow("10:00:02", answer),
        flow("10:00:03", drop),
        flow("10:09:01", drop),
        // In another block of two hours.
        flow("12:00:01", answer),
        r#"{"flow":{"verdict":"DROPPED"}}"#.to_owned(),
    ];
    let text = openmetrics(&metrics("drop:sourceContext=pod httpV2:exemplars=true", &lines));
    let folder = tempfile::tempdir().unwrap();
    let (file, blocks) = (folder.path().join("metrics.txt"), folder.path().join("blocks"));
    std::fs::write(&file, &text).unwrap();
    let (file, blocks) = (file.to_str().unwrap(), blocks.to_str().unwrap());
    if promtool(&["tsdb", "create-blocks-from", "openmetrics", file, blocks]).is_none() {
        return;
    }
    // What promtool makes has no log of recent writes, without which it dumps nothing.
    std::fs::create_dir(format!("{blocks}/wal")).unwrap();
    let dump = promtool(&["tsdb", "dump", blocks]).unwrap();
    let samples = |name: &str, label: &str| -> Vec<(u64, u64)> {
        let lines = dump.lines().filter(|line| line.contains(&format!("__name__=\"{name}\"")) && line.contains(label));
        let mut samples: Vec<_> = lines
            .map(|line| line.rsplit_once('}').unwrap().1.trim().split_once(' ').unwrap())
            .map(|(value, time)| (time.parse::<u64>().unwrap() / 1000 - 1_772_359_200, value.parse().unwrap()))
            .collect();
        samples.sort_unstable();
        samples
    };
    let drops = samples("hubble_drop_total", "source=");
    assert_eq!(drops[..5], [(0, 0), (60, 2), (300, 2), (540, 2), (600, 3)], "{dump}");
    // Until the end of the data, no pause is long enough to be forgotten.
    assert!(drops.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 240));
    assert_eq!(drops.last(), Some(&(7260, 3)));
    let fast = samples("hubble_http_request_duration_seconds_bucket", "le=\"0.01\"");
    assert_eq!((fast.first(), fast.last()), (Some(&(0, 0)), Some(&(7260, 2))));
    assert_eq!(samples("hubble_http_requests_total", "status=\"200\"").last(), Some(&(7260, 2)));
    assert_eq!(samples("lookback_left_out_total", "no time"), [(7260, 1)]);
    // All lines but those that begin with `#` are samples, and all are there.
    assert_eq!(dump.lines().count(), text.lines().filter(|line| !line.starts_with('#')).count());
}
