//! Colours. What a verdict is, is told by words and marks, too, so that nothing is told by colour alone.

use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Serialize};

use crate::data::class::Class;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theme {
    #[default]
    Dark,
    Light,
    /// No colours: bold, dim, underlined and reversed text alone.
    Mono,
}

impl Theme {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Mono => "mono",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Dark, Self::Light, Self::Mono].into_iter().find(|theme| theme.name() == name)
    }

    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Mono,
            Self::Mono => Self::Dark,
        }
    }

    fn either(self, dark: Color, light: Color) -> Style {
        match self {
            Self::Dark => Style::new().fg(dark),
            Self::Light => Style::new().fg(light),
            Self::Mono => Style::new(),
        }
    }

    #[must_use]
    pub fn class(self, class: Class) -> Style {
        match class {
            Class::Forwarded => self.either(Color::Green, Color::Rgb(0, 110, 40)),
            Class::Dropped => self.either(Color::LightRed, Color::Rgb(180, 0, 0)).add_modifier(Modifier::BOLD),
            Class::Warned => self.either(Color::Yellow, Color::Rgb(150, 90, 0)).add_modifier(Modifier::BOLD),
            Class::Other => self.either(Color::Gray, Color::DarkGray),
            Class::Lost => self.either(Color::Magenta, Color::Rgb(130, 0, 130)).add_modifier(Modifier::BOLD),
        }
    }

    #[must_use]
    pub fn heading(self) -> Style {
        self.either(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }

    #[must_use]
    pub fn accent(self) -> Style {
        self.either(Color::Cyan, Color::Blue)
    }

    #[must_use]
    pub fn dim(self) -> Style {
        match self {
            Self::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.either(Color::DarkGray, Color::Gray),
        }
    }

    #[must_use]
    pub fn bad(self) -> Style {
        self.either(Color::LightRed, Color::Rgb(180, 0, 0)).add_modifier(Modifier::BOLD)
    }

    /// The line under the cursor.
    #[must_use]
    pub fn cursor(self) -> Style {
        match self {
            Self::Dark => Style::new().bg(Color::Rgb(40, 44, 60)),
            Self::Light => Style::new().bg(Color::Rgb(215, 225, 245)),
            Self::Mono => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// The cell under the cursor, and what is chosen.
    #[must_use]
    pub fn chosen(self) -> Style {
        match self {
            Self::Mono => Style::new().add_modifier(Modifier::REVERSED | Modifier::UNDERLINED),
            _ => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    #[must_use]
    pub fn hit(self) -> Style {
        match self {
            Self::Mono => Style::new().add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
            _ => Style::new().fg(Color::Black).bg(Color::Yellow),
        }
    }
}
