//! The pictures of `docs/browse.md`: screens over `testdata/incident`, as SVG. Run it again after a view has changed:
//!
//! ```sh
//! cargo run -p lookback-browser --example pictures
//! ```

#![expect(clippy::unwrap_used, reason = "of the tests that it shares a session with")]

#[path = "../tests/session/harness.rs"]
#[expect(dead_code, reason = "tests look at more than pictures need")]
mod harness;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use harness::Session;
use lookback_browser::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

const SIZE: (u16, u16) = (120, 32);

/// Width and height of a character.
const CELL: (f64, f64) = (8.4, 17.0);

const PICTURES: &[(&str, &[&str])] = &[
    ("flows", &["d", "d"]),
    ("filter", &["f", "\"verdict:dropped from-pod:\"", "Down"]),
    ("detail", &["f", "\"http-status:5+\"", "Enter", "i", "p", "Down", "Down"]),
    ("story", &["f", "\"http-status:5+\"", "Enter", "o"]),
    ("brush", &["b", "End", "Space", "PageUp", "PageUp"]),
    ("frequency", &["Right", "Right", "F"]),
    ("map", &["2"]),
    ("way", &["d", "]", "]", "]"]),
    ("drops", &["4"]),
    ("http", &["6"]),
    ("palette", &[":", "\"export\""]),
];

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/browse");
    fs::create_dir_all(&folder)?;
    for (name, keys) in PICTURES {
        let mut session = Session::open(&["incident"], SIZE);
        session.state.message.clear();
        session.keys(keys);
        let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).map_err(io::Error::other)?;
        terminal.draw(|frame| view::draw(&session.state, frame)).map_err(io::Error::other)?;
        fs::write(folder.join(format!("{name}.svg")), svg(terminal.backend().buffer()))?;
    }
    Ok(())
}

fn svg(buffer: &Buffer) -> String {
    let (width, height) = (f64::from(SIZE.0) * CELL.0 + 16.0, f64::from(SIZE.1) * CELL.1 + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n"
    );
    for (y, line) in (0u16..).zip(buffer.content.chunks(usize::from(SIZE.0))) {
        let mut from = 0;
        while let Some(first) = line.get(from) {
            let same = line.iter().skip(from).take_while(|cell| look(cell) == look(first)).count();
            let run = line.get(from..from + same).unwrap_or_default();
            piece(&mut out, from, y, run);
            from += same;
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Colours of text and background, and whether it is bold and underlined.
fn look(cell: &Cell) -> (&'static str, Option<&'static str>, bool, bool) {
    let (text, ground) = (colour(cell.fg).unwrap_or("#d8dce4"), colour(cell.bg));
    let (text, ground) = if cell.modifier.contains(Modifier::REVERSED) {
        (ground.unwrap_or("#16181d"), Some(text))
    } else {
        (text, ground)
    };
    (text, ground, cell.modifier.contains(Modifier::BOLD), cell.modifier.contains(Modifier::UNDERLINED))
}

fn colour(colour: Color) -> Option<&'static str> {
    Some(match colour {
        Color::Green => "#6cbf6c",
        Color::LightRed => "#ff6b6b",
        Color::Yellow => "#e5c07b",
        Color::Magenta => "#c678dd",
        Color::Cyan => "#56b6c2",
        Color::Gray => "#abb2bf",
        Color::DarkGray => "#7a8190",
        Color::Black => "#16181d",
        Color::Rgb(..) => "#282c3c",
        _ => return None,
    })
}

fn piece(out: &mut String, x: usize, y: u16, run: &[Cell]) {
    let Some(first) = run.first() else { return };
    let (text_colour, ground, bold, underlined) = look(first);
    #[expect(clippy::cast_precision_loss, reason = "columns of a screen")]
    let (left, width) = (8.0 + x as f64 * CELL.0, run.len() as f64 * CELL.0);
    let top = 8.0 + f64::from(y) * CELL.1;
    if let Some(ground) = ground {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{ground}\"/>",
            CELL.1
        );
    }
    let text: String = run.iter().map(Cell::symbol).collect();
    if text.trim().is_empty() {
        return;
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    let line = if underlined { " text-decoration=\"underline\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{text_colour}\"{weight}{line} textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">{escaped}</text>",
        top + 13.0
    );
}
