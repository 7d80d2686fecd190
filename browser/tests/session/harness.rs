//! A session without a terminal and without threads that draw: keys in, the screen as text out.

use std::sync::atomic::AtomicBool;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lookback_browser::data::worker::{Data, Reply};
use lookback_browser::message::{Effect, Message};
use lookback_browser::questions::{Answer, Asked, Chart, Parameter, Question, Questions, Value};
use lookback_browser::session;
use lookback_browser::state::State;
use lookback_browser::theme::Theme;
use lookback_browser::update::update;
use lookback_browser::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

pub(crate) struct Session {
    pub state: State,
    pub data: Data,
    pub copied: Vec<String>,
    pub is_over: bool,
}

pub(crate) fn testdata(path: &str) -> String {
    format!("{}/../testdata/{path}", env!("CARGO_MANIFEST_DIR"))
}

impl Session {
    /// A session on inputs, once all of them are read.
    pub(crate) fn open(inputs: &[&str], size: (u16, u16)) -> Self {
        let names: Vec<String> = inputs.iter().map(|input| testdata(input)).collect();
        let found = lookback_flow::inputs::find(&names).unwrap();
        let shown = inputs.iter().map(|input| (*input).to_owned()).collect();
        let state = State::new(shown, Fake.catalogue(), Theme::Dark, size);
        let mut session = Self { state, data: Data::new(found.inputs), copied: Vec::new(), is_over: false };
        let begun = session::begin(&mut session.state, None, None);
        session.run(begun);
        session
    }

    /// Presses keys by their names in the key table, or types a text in quotes.
    pub(crate) fn keys(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            match key.strip_prefix('"') {
                Some(text) => {
                    text.trim_end_matches('"').chars().for_each(|c| self.key(KeyCode::Char(c), KeyModifiers::NONE));
                }
                None => self.named(key),
            }
        }
        self
    }

    fn named(&mut self, name: &str) {
        let (modifiers, name) = match name.strip_prefix("ctrl-") {
            Some(rest) => (KeyModifiers::CONTROL, rest),
            None => (KeyModifiers::NONE, name),
        };
        let code = match name {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "Space" => KeyCode::Char(' '),
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "PageDown" => KeyCode::PageDown,
            "PageUp" => KeyCode::PageUp,
            "Backspace" => KeyCode::Backspace,
            one => KeyCode::Char(one.chars().next().unwrap()),
        };
        self.key(code, modifiers);
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.message(Message::Key(KeyEvent::new(code, modifiers)));
    }

    pub(crate) fn message(&mut self, message: Message) {
        let effects = update(&mut self.state, message);
        self.run(effects);
    }

    /// Does effects, and whatever follows from them, until nothing is left to do.
    fn run(&mut self, effects: Vec<Effect>) {
        let mut effects = effects;
        loop {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Ask(request) => self.data.request(request),
                    Effect::Copy(text) => self.copied.push(text),
                    Effect::Quit => self.is_over = true,
                    Effect::CopyQuestion(asked) => self.copied.push(Fake.command(&asked)),
                    Effect::CancelQuestion => {}
                    Effect::Question { generation, asked } => {
                        let answer = Fake.answer(&asked, &AtomicBool::new(false));
                        effects.extend(update(&mut self.state, Message::Answer { generation, answer }));
                    }
                }
            }
            let mut replies: Vec<Reply> = self.data.replies(false);
            if replies.is_empty() && effects.is_empty() {
                while self.data.step() || self.data.is_loading() {}
                replies = self.data.replies(true);
                if replies.is_empty() {
                    return;
                }
            }
            for reply in replies {
                effects.extend(update(&mut self.state, Message::Reply(reply)));
            }
        }
    }

    pub(crate) fn screen(&self) -> String {
        let (width, height) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view::draw(&self.state, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content.chunks(usize::from(width)).map(|line| {
            let text: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Two questions with fixed answers.
#[derive(Debug)]
pub(crate) struct Fake;

impl Questions for Fake {
    fn catalogue(&self) -> Vec<Question> {
        let question = |name: &str, title: &str, chart| Question {
            name: name.to_owned(),
            title: title.to_owned(),
            answers: format!("What {title} there are."),
            theme: "Drops".to_owned(),
            chart,
            parameters: Vec::new(),
        };
        let service = Parameter { name: "service".to_owned(), help: "Whose".to_owned(), default: None };
        let story = Question { parameters: vec![service], ..question("story-of", "a service's story", Chart::None) };
        vec![
            question("top-drop-reasons", "drop reasons", Chart::Bar),
            story,
            question("drop-timeline", "drops over time", Chart::Stacked),
            question("rate", "flows over time", Chart::Line),
        ]
    }

    fn answer(&self, asked: &Asked, _: &AtomicBool) -> Result<Answer, String> {
        let value = |text: &str, number| Value { text: text.to_owned(), number };
        if asked.name == "story-of" {
            return Err(format!("no service {:?}", asked.parameters.first().map(|(_, value)| value)));
        }
        if asked.name == "drop-timeline" || asked.name == "rate" {
            let rows = (0..40_u32).flat_map(|minute| {
                let count = |all: u32| f64::from((minute * all) % 37);
                let row = move |reason: &str, count: f64| {
                    let time = format!("12:{minute:02}");
                    vec![value(&time, None), value(reason, None), value(&count.to_string(), Some(count))]
                };
                [row("POLICY_DENIED", count(5)), row("STALE_OR_UNROUTABLE_IP", count(3))]
            });
            return Ok(Answer {
                columns: ["time", "reason", "drops"].map(str::to_owned).to_vec(),
                rows: rows.collect(),
                evidence: Vec::new(),
            });
        }
        let row = |reason: &str, count: f64| vec![value(reason, None), value(&count.to_string(), Some(count))];
        Ok(Answer {
            columns: vec!["reason".to_owned(), "drops".to_owned()],
            rows: vec![row("POLICY_DENIED", 35.0), row("STALE_OR_UNROUTABLE_IP", 1.0)],
            evidence: vec!["over 182 events from 2 nodes".to_owned()],
        })
    }

    fn command(&self, asked: &Asked) -> String {
        format!("lookback ask {}", asked.name)
    }
}
