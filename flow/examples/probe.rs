use lookback_flow::{json, rows::Projection};
fn main() {
    let (mut same, mut all, mut bad) = (0, 0, 0);
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        for line in bytes.split(|b| *b == b'\n') {
            if line.is_empty() { continue; }
            all += 1;
            let mut d = json::Decoder::new(Projection::all());
            match d.line(line) {
                Err(e) => { bad += 1; println!("{path}: {e}: {}", String::from_utf8_lossy(&line[..line.len().min(200)])); }
                Ok(()) => {
                    let mut out = String::new();
                    json::encode(&d.finish().unwrap(), &mut out).unwrap();
                    if std::env::var("OUT").is_ok() { print!("{out}"); }
                    if out.trim_end().as_bytes() == line { same += 1 } else if std::env::var("V").is_ok() { println!("IN  {}\nOUT {out}", String::from_utf8_lossy(line)); }
                    let o = d.oddities(); if !o.is_empty() { println!("{o:?}"); }
                }
            }
        }
    }
    println!("all {all} same {same} bad {bad}");
}
