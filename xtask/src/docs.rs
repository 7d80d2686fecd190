//! `cargo xtask docs`: the pages that are made from the column table and from the questions' headers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lookback_flow::columns::{COLUMNS, Column, Fill, Personal};
use lookback_flow::schema::arrow_type;
use lookback_question::catalogue::{Catalogue, Question};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write nothing; fail and name the pages that differ
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages: [(PathBuf, String); 2] =
        [(docs.join("columns.md"), columns()), (docs.join("questions.md"), questions(&Catalogue::load(&[])?))];
    let mut stale = Vec::new();
    for (path, text) in pages {
        if args.check {
            if fs::read_to_string(&path).unwrap_or_default() != text {
                stale.push(path.display().to_string());
            }
        } else {
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
    }
    if !stale.is_empty() {
        bail!("not as `cargo xtask docs` would write them: {}", stale.join(", "));
    }
    let broken = broken_links(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    if !broken.is_empty() {
        bail!("links to nothing: {}", broken.join(", "));
    }
    Ok(())
}

/// Relative links of the Markdown pages that lead to no file.
fn broken_links(root: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for folder in [root.to_owned(), root.join("docs"), root.join("queries"), root.join("testdata")] {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path)?;
                let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
                let relative = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
                let missing =
                    relative.filter(|target| !folder.join(target.split('#').next().unwrap_or(target)).exists());
                broken.extend(missing.map(|target| format!("{} -> {target}", path.display())));
            }
        }
    }
    Ok(broken)
}

fn columns() -> String {
    let mut page = String::from(
        "# Columns\n\nMade by `cargo xtask docs` from `flow/src/columns.rs`; how to add one: [add-a-column.md](add-a-column.md).\n\n\
         An absent value is NULL. *or 0* marks numbers that are 0 as soon as their message is there, since protobuf cannot tell\n\
         absent from zero and the zero means something. *Personal* is what a value may tell about people, for redaction.\n\n\
         ## Stored\n\n| column | type | from | personal | |\n|---|---|---|---|---|\n",
    );
    for column in COLUMNS.iter().filter(|column| !column.is_derived()) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            column.name,
            kind(column),
            if column.path.is_empty() { String::new() } else { format!("`{}`", column.path.replace('|', "\\|")) },
            personal(column),
            doc(column)
        );
    }
    page.push_str("\n## Made while reading\n\nBy the rules of [rules.md](rules.md), when a question asks for them.\n\n| column | type | personal | |\n|---|---|---|---|\n");
    for column in COLUMNS.iter().filter(|column| column.is_derived()) {
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", column.name, kind(column), personal(column), doc(column));
    }
    page
}

fn kind(column: &Column) -> String {
    let kind = arrow_type(column.kind).to_string();
    let name = match kind.as_str() {
        "Dictionary(Int32, Utf8)" | "Utf8" => "text",
        kind if kind.starts_with("Timestamp") => "time, ns",
        kind if kind.starts_with("List") => match kind.split_once("Struct(") {
            Some((_, members)) => return format!("list of {{{}}}", member_names(members)),
            None => "list of text",
        },
        kind => return kind.to_owned() + if column.fill == Fill::Zero { ", or 0" } else { "" },
    };
    name.to_owned()
}

/// `name, kind` of `"name": Utf8, "kind": Utf8))`.
fn member_names(members: &str) -> String {
    let names: Vec<&str> = members.split('"').skip(1).step_by(2).filter(|name| *name != "item").collect();
    names.join(", ")
}

fn personal(column: &Column) -> &'static str {
    match column.personal {
        Personal::Plain => "",
        Personal::Address => "address",
        Personal::Pod => "pod",
        Personal::Label => "label",
        Personal::Host => "host",
        Personal::Body => "body",
        Personal::Identity => "identity",
    }
}

fn doc(column: &Column) -> String {
    let unit = if column.unit.is_empty() { String::new() } else { format!(" Unit: {}.", column.unit) };
    format!("{}{unit}", column.doc.replace('|', "\\|"))
}

fn questions(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Questions\n\nMade by `cargo xtask docs` from the headers of `queries/*.sql`; how to add one: [add-a-question.md](add-a-question.md).\n\
         What is counted, and why, follows [rules.md](rules.md). Every question takes `--last`, `--since`, `--until`, `--namespace`, `--filter`,\n\
         `--service` and `--limit`; spans count back from the end of the data.\n",
    );
    for theme in catalogue.themes() {
        let _ = write!(page, "\n## {theme}\n");
        for question in catalogue.questions().filter(|question| question.header.theme == theme) {
            describe(question, &mut page);
            for by in catalogue.variants(&question.name) {
                if let Some(variant) = catalogue.question(&question.name, Some(by)) {
                    describe(variant, &mut page);
                }
            }
        }
    }
    page
}

fn describe(question: &Question, page: &mut String) {
    let header = &question.header;
    let by = question.by.as_ref().map(|by| format!(" --by {by}")).unwrap_or_default();
    let mut name = question.name.clone();
    for (argument, _) in question.positional() {
        name = name + " " + &argument.to_uppercase();
    }
    let _ = write!(page, "\n### `{name}{by}`\n\n{} {}\n", header.answers, header.notes);
    let defaults = [
        header.defaults.last.as_ref().map(|last| format!("`--last {last}`")),
        header.defaults.limit.map(|n| format!("`--limit {n}`")),
    ];
    let defaults: Vec<String> = defaults.into_iter().flatten().collect();
    if !defaults.is_empty() {
        let _ = write!(page, "\nBy default {}.\n", defaults.join(", "));
    }
    for (name, parameter) in &header.parameters.0 {
        let flag = if parameter.positional { name.to_uppercase() } else { format!("--{}", name.replace('_', "-")) };
        let default = parameter.default_text().map(|default| format!(" Default: {default}.")).unwrap_or_default();
        let _ = write!(page, "\n- `{flag}`: {}{default}", parameter.help);
    }
    if !header.parameters.0.is_empty() {
        page.push('\n');
    }
    page.push_str("\n| column | unit | |\n|---|---|---|\n");
    for column in &header.columns {
        let _ = writeln!(page, "| `{}` | {} | {} |", column.name, column.unit.name(), column.help.replace('|', "\\|"));
    }
}
