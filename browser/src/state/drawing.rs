//! The service map as a drawing of characters, as long as it is small enough to be read as one.

use lookback_map::{Edge, Layout, Map, Metrics, Service};

use crate::data::summary::Table;

/// Beyond so many the table says more.
const MOST_SERVICES: usize = 30;
const MOST_EDGES: usize = 80;

/// In cells of a terminal.
const CELLS: Metrics = Metrics {
    character: 1.0,
    name: 18,
    small_character: 0.0,
    ports: 0,
    beside_name: 4.0,
    box_height: 3.0,
    gap: 1.0,
    lane: 1.0,
    channel: 5.0,
    wide_channel: 6.0,
    padding: 2.0,
    header: 0.0,
    aside: 0.0,
};

/// The drawing of the map view. It is laid out once, when all is counted.
#[derive(Clone, Debug)]
pub struct Drawing {
    pub layout: Layout,
}

impl Drawing {
    /// From the lines of the map's table; nothing where there are no edges, or too many.
    #[must_use]
    pub fn of(table: &Table) -> Option<Self> {
        let map = Map::new(table.lines.iter().filter_map(|line| edge(&line.cells)));
        let is_small = (1..=MOST_SERVICES).contains(&map.services().len()) && map.edges().len() <= MOST_EDGES;
        let layout = is_small.then(|| map.layout_with(&CELLS))?;
        layout.left_out.text().is_none().then_some(Self { layout })
    }

    /// Lines that it takes up.
    #[must_use]
    pub fn height(&self) -> usize {
        cell(self.layout.height)
    }

    /// The place of the edge of a line of the table among the drawn ones.
    #[must_use]
    pub fn edge_of(&self, cells: &[String]) -> Option<usize> {
        let wanted = edge(cells)?;
        self.layout.edges.iter().position(|drawn| {
            let own = self.layout.map.edges().get(drawn.edge);
            own.is_some_and(|own| own.source == wanted.source && own.destination == wanted.destination)
        })
    }
}

/// From a line of the table: client, server, port, flows, forwarded, dropped, errors.
fn edge(cells: &[String]) -> Option<Edge> {
    let [client, server, _, flows, _, dropped, errors, ..] = cells else { return None };
    let count = |cell: &String| cell.replace(' ', "").parse::<u64>().unwrap_or_default();
    let service = |name: &str| Service::named(if name == "-" { "" } else { name });
    let connections = count(flows);
    Some(Edge {
        connections,
        dropped: count(dropped),
        judged: connections,
        errors: count(errors),
        ..Edge::new(service(client), service(server))
    })
}

/// A place of the layout in cells.
#[must_use]
pub fn cell(place: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a drawing is small, and begins at 0")]
    let cell = place.clamp(0.0, 100_000.0) as usize;
    cell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::summary::Line;

    fn table(services: usize) -> Table {
        let line = |number: usize| Line {
            cells: ["a/x", &format!("b/{number}"), "1/TCP", "1 000", "1 000", "0", "20"].map(str::to_owned).to_vec(),
            ..Line::default()
        };
        Table { columns: Vec::new(), lines: (1..services).map(line).collect() }
    }

    #[test]
    fn what_is_small_is_drawn() {
        let drawing = Drawing::of(&table(30)).unwrap();
        assert_eq!(drawing.layout.services.len(), 30);
        assert!(Drawing::of(&table(31)).is_none() && Drawing::of(&Table::default()).is_none());
        // Counts are read as they are shown.
        let edge = &drawing.layout.map.edges()[0];
        assert_eq!((edge.connections, edge.errors), (1000, 20));
        assert_eq!(drawing.edge_of(&table(3).lines[1].cells).map(|place| drawing.layout.edges[place].edge), Some(11));
    }

    #[test]
    fn boxes_stand_on_whole_cells_and_apart() {
        let layout = Drawing::of(&table(20)).unwrap().layout;
        for (at, one) in layout.services.iter().enumerate() {
            assert!(one.shape.x.fract() == 0.0 && one.shape.y.fract() == 0.0, "{one:?}");
            for other in &layout.services[at + 1..] {
                let (a, b) = (one.shape, other.shape);
                assert!(a.x + a.width <= b.x || b.x + b.width <= a.x || (a.y - b.y).abs() >= 4.0, "{a:?} {b:?}");
            }
        }
    }
}
