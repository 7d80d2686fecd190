//! Every view as text, driven by keys over `testdata/incident`, at two sizes.

use crate::harness::Session;

fn shot(name: &str, keys: &[&str]) {
    for size in [(80, 24), (140, 40)] {
        let mut session = Session::open(&["incident"], size);
        session.state.message.clear();
        session.keys(keys);
        insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), session.screen());
    }
}

#[test]
fn flows() {
    shot("flows", &[]);
}

#[test]
fn flows_at_the_end() {
    shot("flows-end", &["G"]);
}

#[test]
fn filtered_to_drops() {
    shot("filtered", &["f", "\"verdict:dropped not:protocol:dns\"", "Enter", "Down"]);
}

#[test]
fn filter_with_offers() {
    shot("offers", &["f", "\"from-pod:sh\""]);
}

#[test]
fn filter_with_a_mistake() {
    shot("mistake", &["f", "\"verdit:dropped\""]);
}

#[test]
fn detail_tree() {
    shot("detail", &["d", "i"]);
}

#[test]
fn detail_json() {
    shot("json", &["d", "i", "v"]);
}

#[test]
fn detail_labels() {
    shot("labels", &["i", "v", "v"]);
}

#[test]
fn brush() {
    shot("brush", &["b", "Space", "l", "l", "l"]);
}

#[test]
fn story() {
    shot("story", &["e", "o"]);
}

#[test]
fn frequency() {
    shot("frequency", &["Right", "F"]);
}

#[test]
fn columns() {
    shot("columns", &["c", "\"http\"", "Space"]);
}

#[test]
fn map() {
    shot("map", &["2"]);
}

#[test]
fn map_of_another_edge() {
    shot("map-edge", &["2", "Down", "Down", "Down", "Down"]);
}

#[test]
fn stacked_bars() {
    shot("stacked", &["3", "Down", "Down", "Enter"]);
}

#[test]
fn lines_over_time() {
    shot("lines", &["3", "Down", "Down", "Down", "Enter"]);
}

#[test]
fn down_to_a_connection() {
    shot("trail", &["d", "]", "]", "]", "]"]);
}

#[test]
fn hits_on_the_scroll_bar() {
    shot("hits", &["/", "\"search\"", "Enter"]);
}

#[test]
fn questions() {
    shot("questions", &["3"]);
}

#[test]
fn answer() {
    shot("answer", &["3", "Enter"]);
}

#[test]
fn drops() {
    shot("drops", &["4"]);
}

#[test]
fn dns() {
    shot("dns", &["5"]);
}

#[test]
fn http() {
    shot("http", &["6"]);
}

#[test]
fn connections() {
    shot("connections", &["7"]);
}

#[test]
fn coverage() {
    let mut session = Session::open(&["incident"], (140, 40));
    session.keys(&["8"]);
    // Paths of inputs are of this machine.
    assert!(session.screen().contains("node-a"), "{}", session.screen());
    let lines: Vec<String> =
        session.screen().lines().filter(|line| !line.contains("input ")).map(str::to_owned).collect();
    insta::assert_snapshot!("coverage@140x40", lines.join("\n").replace("  ", " ").replace("  ", " "));
}

#[test]
fn help() {
    shot("help", &["?"]);
}

#[test]
fn palette() {
    shot("palette", &[":", "\"drop\""]);
}

#[test]
fn export() {
    shot("export", &["X"]);
}

#[test]
fn nothing_matches() {
    shot("nothing", &["f", "\"from-pod:none/none\"", "Enter"]);
}
