//! The seam to whoever answers named questions; nothing here knows how.

use std::fmt::Debug;
use std::sync::atomic::AtomicBool;

/// How an answer is drawn beside its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chart {
    #[default]
    None,
    Bar,
    Line,
    Stacked,
}

/// A question's own parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub help: String,
    /// As it is typed; `None` where one must be given.
    pub default: Option<String>,
}

/// A named question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub name: String,
    pub title: String,
    /// What it answers, in a sentence.
    pub answers: String,
    pub theme: String,
    pub chart: Chart,
    pub parameters: Vec<Parameter>,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub name: String,
    pub parameters: Vec<(String, String)>,
    /// From and to in nanoseconds since 1970, both inclusive; all time without.
    pub window: Option<(i64, i64)>,
    pub namespace: Option<String>,
}

/// A value of an answer: as it is shown, and as a number where it is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    pub text: String,
    pub number: Option<f64>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Names of the columns, with their units.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// What it rests on, a sentence each.
    pub evidence: Vec<String>,
}

/// Whoever answers questions.
pub trait Questions: Debug + Send + Sync {
    fn catalogue(&self) -> Vec<Question>;

    /// Answers, on a thread that may wait. When `cancel` is set the answer is not wanted any more.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence.
    fn answer(&self, asked: &Asked, cancel: &AtomicBool) -> Result<Answer, String>;

    /// The command that gives the same answer.
    fn command(&self, asked: &Asked) -> String;
}

/// No questions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQuestions;

impl Questions for NoQuestions {
    fn catalogue(&self) -> Vec<Question> {
        Vec::new()
    }

    fn answer(&self, asked: &Asked, _: &AtomicBool) -> Result<Answer, String> {
        Err(format!("no question {}", asked.name))
    }

    fn command(&self, _: &Asked) -> String {
        String::new()
    }
}
