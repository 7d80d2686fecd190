//! One flow in full: its line, and the line as a tree.

use lookback_flow::columns::{COLUMNS, ColumnId};
use lookback_flow::escape::terminal;
use lookback_flow::json;
use lookback_flow::rows::Projection;
use serde_json::Value;

use super::DataError;
use super::cell::word_of_value;
use super::part::RowRef;
use super::store::Store;

/// A flow in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub place: Option<RowRef>,
    /// The line, made harmless, with blanks and line breaks.
    pub json: Vec<String>,
    pub tree: Vec<Branch>,
    /// Labels of source, destination and node.
    pub labels: Vec<(String, Vec<String>)>,
}

/// A value of the tree, or what holds some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub name: String,
    pub value: Option<String>,
    /// The word of the filter line that keeps flows with this value.
    pub word: Option<String>,
    pub branches: Vec<Self>,
}

/// The lines of rows that stand in one part, by ascending number.
///
/// # Errors
/// When the part cannot be read.
pub fn lines(store: &Store, part: usize, rows: &[usize]) -> Result<Vec<String>, DataError> {
    let Some(part) = store.parts.get(part) else { return Ok(Vec::new()) };
    let mut all = Vec::with_capacity(rows.len());
    for batch in part.pick(&Projection::all(), rows)? {
        let mut text = String::new();
        let ends = json::encode_lines(&batch, &mut text)?;
        let mut start = 0;
        for end in ends {
            all.push(text.get(start..end).unwrap_or_default().trim_end_matches('\n').to_owned());
            start = end;
        }
    }
    Ok(all)
}

/// Reads a flow.
///
/// # Errors
/// When its part cannot be read.
pub fn read(store: &Store, place: RowRef) -> Result<Detail, DataError> {
    let line = lines(store, place.part(), &[place.row()])?.pop().unwrap_or_default();
    let value: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
    let namespaces = ["source", "destination"].map(|end| text_at(&value, &["flow", end, "namespace"]));
    let mut tree = branches(&value, "", &namespaces);
    // The flow itself is what one looks for: it stands without the envelope around it.
    if let [only, ..] = tree.as_slice()
        && only.name == "flow"
    {
        let envelope = tree.split_off(1);
        tree = tree.into_iter().flat_map(|flow| flow.branches).collect();
        tree.push(Branch { name: "envelope".to_owned(), value: None, word: None, branches: envelope });
    }
    let label = |path: &[&str]| {
        let list = at(&value, path).and_then(Value::as_array)?;
        let texts: Vec<String> =
            list.iter().filter_map(Value::as_str).map(|text| terminal(text).into_owned()).collect();
        Some(texts)
    };
    let labels = [
        ("source", label(&["flow", "source", "labels"])),
        ("destination", label(&["flow", "destination", "labels"])),
        ("node", label(&["flow", "node_labels"])),
    ];
    Ok(Detail {
        place: Some(place),
        json: pretty(&line),
        tree,
        labels: labels.into_iter().filter_map(|(name, texts)| Some((name.to_owned(), texts?))).collect(),
    })
}

/// A line with line breaks and blanks, its members in their order.
fn pretty(line: &str) -> Vec<String> {
    let (mut lines, mut own) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let mut end = |own: &mut String, depth: usize| {
        lines.push(terminal(own).into_owned());
        *own = "  ".repeat(depth.min(32));
    };
    for c in line.chars() {
        if quoted {
            own.push(c);
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                own.push(c);
                depth += 1;
                end(&mut own, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end(&mut own, depth);
                own.push(c);
            }
            ',' => {
                own.push(c);
                end(&mut own, depth);
            }
            ':' => own.push_str(": "),
            c => {
                quoted = c == '"';
                own.push(c);
            }
        }
    }
    end(&mut own, 0);
    lines.retain(|line| !line.trim().is_empty());
    lines
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    Some(at(value, path)?.as_str()?.to_owned())
}

fn branches(value: &Value, path: &str, namespaces: &[Option<String>; 2]) -> Vec<Branch> {
    let below = |name: &str, value: &Value, path: String| {
        let leaf = match value {
            Value::Object(_) | Value::Array(_) => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let word = leaf.as_ref().and_then(|text| word(&path, text, namespaces));
        Branch {
            name: terminal(name).into_owned(),
            value: leaf.map(|text| terminal(&text).into_owned()),
            word: word.map(|word| terminal(&word).into_owned()),
            branches: branches(value, &path, namespaces),
        }
    };
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                below(name, value, path)
            })
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| below(&format!("{}", at + 1), value, path.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// The word that keeps flows with a value at a path of the JSON.
fn word(path: &str, value: &str, namespaces: &[Option<String>; 2]) -> Option<String> {
    let id = (0u16..).map(ColumnId).zip(COLUMNS).find(|(_, column)| fits(column.path, path)).map(|(id, _)| id)?;
    let [source, destination] = namespaces;
    let namespace = if path.starts_with("flow.destination") { destination } else { source };
    word_of_value(id, value, namespace.as_deref())
}

/// Whether a path of the column table, with its choices, is this one.
fn fits(pattern: &str, path: &str) -> bool {
    let mut own = path.split('.');
    // Points in braces do not come.
    let all = pattern.split('.').all(|step| {
        own.next().is_some_and(|name| match step.strip_prefix('{').and_then(|step| step.strip_suffix('}')) {
            Some(choices) => choices.split(',').any(|choice| choice == name),
            None => step == name,
        })
    });
    all && own.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_laid_out_in_its_own_order() {
        let text = pretty(r#"{"z":{"b":"a,\"{:"},"a":[1,2]}"#).join("\n");
        assert_eq!(text, "{\n  \"z\": {\n    \"b\": \"a,\\\"{:\"\n  },\n  \"a\": [\n    1,\n    2\n  ]\n}");
    }

    #[test]
    fn a_value_knows_its_word() {
        let namespaces = [Some("shop".to_owned()), None];
        assert_eq!(word("flow.source.pod_name", "web-1", &namespaces).unwrap(), "from-pod:shop/web-1");
        assert_eq!(word("flow.l4.TCP.destination_port", "80", &namespaces).unwrap(), "to-port:80");
        assert_eq!(word("flow.verdict", "DROPPED", &namespaces).unwrap(), "verdict:DROPPED");
        assert_eq!(word("flow.source.labels", "k8s:app=web", &namespaces).unwrap(), "from-label:k8s:app=web");
        assert_eq!(word("flow.no_such", "x", &namespaces), None);
    }
}
