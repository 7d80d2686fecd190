//! What the map is written as.

use std::fmt;
use std::str::FromStr;

use crate::graph::Map;
use crate::{dot, json, mermaid, page, svg};

/// How the map is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Svg,
    Html,
    Dot,
    Json,
    Mermaid,
}

/// A name that is none of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a map is written as svg, html, dot, json or mermaid, not as {0:?}: give one of these names, or a file that ends in .svg, .html, .dot, .json or .mmd"
)]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    /// From its name, or from the ending of a file's name, without the dot.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name.to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "html" | "htm" => Ok(Self::Html),
            "dot" | "gv" => Ok(Self::Dot),
            "json" => Ok(Self::Json),
            "mermaid" | "mmd" => Ok(Self::Mermaid),
            _ => Err(UnknownFormat(name.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Svg => "svg",
            Self::Html => "html",
            Self::Dot => "dot",
            Self::Json => "json",
            Self::Mermaid => "mermaid",
        })
    }
}

impl Map {
    /// The whole file. The title stands above the drawing, and is the title of the page.
    #[must_use]
    pub fn write(&self, format: Format, title: &str) -> String {
        match format {
            Format::Svg => svg::write(&self.layout(), title),
            Format::Html => page::write(self, title),
            Format::Dot => dot::write(self, title),
            Format::Json => json::write(self, title),
            Format::Mermaid => mermaid::write(self, title),
        }
    }
}
