//! How fast flows are counted: `cargo run --release -p lookback-metrics --example speed -- METRICS FILE…`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "for developers")]

use std::time::Instant;

use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use lookback_metrics::Metrics;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut metrics = Metrics::parse(&arguments.next().unwrap(), 60_000_000_000).unwrap();
    let text: String = arguments.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut decoder = Decoder::new(Projection::of(metrics.columns()));
    let (mut seed, mut rows, mut spent) = (1_u64, 0, 0.0);
    for batch in 0..64 {
        for n in 0..16_384 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let line = lines[usize::try_from(seed >> 33).unwrap() % lines.len()];
            // Another time and other ports.
            let time = format!("\"time\":\"2026-03-01T1{}:{:02}:{:02}", batch / 30 % 10, batch % 60, n * 60 / 16_384);
            let at = line.find("\"time\":\"").unwrap();
            let line = format!("{}{time}{}", &line[..at], &line[at + 27..]);
            let line = line.replace("_port\":4", &format!("_port\":{}", seed >> 40 & 7));
            let _ = decoder.line(line.as_bytes());
        }
        let batch = decoder.finish_packed().unwrap();
        rows += batch.num_rows();
        let start = Instant::now();
        metrics.add(&batch).unwrap();
        spent += start.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    let mut out = Vec::new();
    let written = metrics.write_openmetrics(&mut out).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a measure")]
    let each = spent / rows as f64 * 1e6;
    println!("{rows} rows: {each:.3} s for a million; {written:?}, {} bytes in {:?}", out.len(), start.elapsed());
}
