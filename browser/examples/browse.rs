//! The browser without questions, for tests and measurements: `browse INPUT…`.

use std::sync::Arc;

use lookback_browser::questions::NoQuestions;
use lookback_browser::{Options, run};

fn main() -> std::io::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let found = lookback_flow::inputs::find(&names).map_err(std::io::Error::other)?;
    run(found, Arc::new(NoQuestions), &Options { names, forgets: true, ..Options::default() })
}
