//! The service map: who talks to whom, laid out and written as SVG, HTML, DOT, Mermaid or JSON.
//!
//! What it promises:
//! 1. The same edges, in whatever order, give the same bytes.
//! 2. It is over soon, whatever the edges are: what is too much to draw is left out, the lightest first, and the map says so.
//! 3. Names are hostile: none leaves its place in any of the formats.
//!
//! ```
//! use lookback_map::{Edge, Format, Map, Service};
//! let edge = Edge { connections: 12, ..Edge::new(Service::named("shop/web"), Service::named("shop/cart")) };
//! let svg = Map::new([edge]).write(Format::Svg, "Service map");
//! assert!(svg.starts_with("<svg"));
//! ```

mod dot;
mod edge;
mod format;
mod graph;
mod groups;
mod json;
mod layered;
mod layout;
mod mermaid;
mod page;
mod ranks;
mod svg;
mod text;

pub use edge::{Edge, Health, Kind, Port, Service};
pub use format::{Format, UnknownFormat};
pub use graph::{Folded, Map};
pub use groups::GroupKind;
pub use layout::{Drawn, Frame, Layout, Metrics, Placed, Point, Shape};
