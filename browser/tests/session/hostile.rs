//! Text of flows cannot drive the terminal, wherever it is shown.

use crate::harness::Session;

#[test]
fn nothing_on_the_screen_drives_a_terminal() {
    let mut session = Session::open(&["hostile"], (140, 40));
    assert!(session.state.progress.shown > 0);
    let drives = |text: &str| text.chars().find(|c| *c != '\n' && lookback_flow::escape::drives(*c));
    let views: &[&[&str]] = &[
        &[],
        &["i"],
        &["v"],
        &["v"],
        &["F"],
        &["Esc", "o"],
        &["Esc", "2"],
        &["4"],
        &["5"],
        &["6"],
        &["7"],
        &["8"],
        &["1"],
    ];
    for keys in views {
        session.keys(keys);
        for _ in 0..session.state.progress.shown.min(60) {
            assert_eq!(drives(&session.screen()), None, "{keys:?}");
            session.keys(&["Down"]);
        }
        session.keys(&["g"]);
    }
}

#[test]
fn words_made_from_hostile_text_are_filters_or_told() {
    let mut session = Session::open(&["hostile"], (140, 40));
    for column in 0..session.state.columns.len() {
        session.state.column = column;
        session.keys(&["+"]);
        assert!(session.screen().lines().count() == 40);
        session.keys(&["x"]);
    }
}
