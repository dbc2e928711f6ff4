//! What `prunella explain` says of a name: from the definitions that the checker goes by.

use super::codes;
use super::diagnostic::nearest;
use super::keys::{self, Key, Place, Takes};
use super::lower::BASIC;
use super::model::Reducer;
use crate::types::{Record, Type};
use crate::{Kind, Kinds, Output, Part, SettingType};

/// What a name means, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What is explained: `code`, `kind`, `type`, `reducer` or `key`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// What there is to know, several lines.
    pub text: String,
}

/// Explains the code of a finding, a kind, a type, a reducer or a key of graph files.
///
/// # Errors
/// When there is no such thing: the nearest name that there is.
pub fn explain(name: &str, kinds: &Kinds) -> Result<Explained, Option<String>> {
    let of = |what, name: &str, text| Ok(Explained { what, name: name.to_owned(), text });
    if let Some(code) = codes::explain(name) {
        return of(
            "code",
            code.code,
            format!("{}: {}\n\n{}\n", code.code, code.title, wrapped(code.explanation, "")),
        );
    }
    if let Some(kind) = kinds.kinds.get(name) {
        return of("kind", name, of_kind(kind));
    }
    if let Some(call) = keys::CALLS.into_iter().find(|call| call.name == name) {
        return of("kind", name, of_call(call));
    }
    if let Some(record) = kinds.records.get(name) {
        return of("type", name, of_record(record));
    }
    if let Some((_, doc)) = BASIC.into_iter().find(|(known, _)| *known == name) {
        return of("type", name, format!("{name}: a type\n\n{}\n", wrapped(doc, "")));
    }
    if let Some(reducer) = Reducer::ALL.into_iter().find(|reducer| reducer.word() == name) {
        let text = format!("{name}: a reducer of a state key\n\n{}\n", wrapped(reducer.doc(), ""));
        return of("reducer", name, text);
    }
    let found: Vec<(&Place, &Key)> = PLACES
        .iter()
        .flat_map(|place| place.keys.iter().map(move |key| (*place, key)))
        .filter(|(_, key)| key.name == name)
        .collect();
    if !found.is_empty() {
        return of(
            "key",
            name,
            found.iter().map(|(place, key)| of_key(place, key)).collect::<Vec<_>>().join("\n"),
        );
    }
    Err(nearest(name, &names(kinds)).map(str::to_owned))
}

/// The places whose keys are explained by name.
static PLACES: [&Place; 6] =
    [&keys::GRAPH, &keys::NODE, &keys::SUBGRAPH, &keys::MAP, &keys::ARM, &keys::SWITCH];

/// Everything that can be explained.
fn names(kinds: &Kinds) -> Vec<&str> {
    let mut names: Vec<&str> = codes::CODES.iter().map(|code| code.code).collect();
    names.extend(kinds.kinds.keys().copied());
    names.extend(keys::CALLS.map(|call| call.name));
    names.extend(kinds.records.keys().map(String::as_str));
    names.extend(BASIC.map(|(name, _)| name));
    names.extend(Reducer::ALL.map(Reducer::word));
    names.extend(PLACES.iter().flat_map(|place| place.keys.iter().map(|key| key.name)));
    names
}

fn of_kind(kind: &Kind) -> String {
    let mut out = format!("{}: a kind of node, version {}\n", kind.name, kind.version);
    if !kind.doc.is_empty() {
        out.push_str(&format!("\n{}\n", wrapped(kind.doc, "")));
    }
    let with =
        kind.with.iter().map(|field| (field.name.to_owned(), field.ty.to_string(), field.doc.to_owned()));
    section(&mut out, "with", with.collect());
    if !kind.one_of.is_empty() {
        let all = kind.one_of.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        out.push_str(&format!("  one of {all}, and no more\n"));
    }
    match &kind.output {
        Output::Fixed(ty) => {
            out.push_str(&format!("\noutput: {ty}\n"));
            if let Type::Record(record) = ty {
                rows(&mut out, fields(record));
            }
        }
        Output::Returns => out.push_str("\noutput: what `returns` of the node says\n"),
        Output::Made(part, make) => {
            let ty = make(Type::String);
            let from = match part {
                Part::Returns => "what `returns` of the node says, a string where it says nothing".to_owned(),
                Part::Item(field) => format!("the type of the items of `{field}`"),
            };
            out.push_str(&format!("\noutput: {ty}, in the place of a string of it: {from}\n"));
            if let Type::Record(record) = &ty {
                rows(&mut out, fields(record));
            }
        }
    }
    let settings = kind.settings.iter().map(|setting| {
        let takes = match &setting.ty {
            SettingType::Model => "a role of `models`".to_owned(),
            SettingType::Template(variables) => {
                let mut text = "a template".to_owned();
                for (name, ty) in *variables {
                    text.push_str(&format!(", `{name}`: {ty}"));
                }
                text
            }
            SettingType::Returns => "a type".to_owned(),
            SettingType::Condition => "a condition in CEL".to_owned(),
            SettingType::Literal(ty) => ty.to_string(),
            SettingType::Secret => "the name of a secret".to_owned(),
        };
        (setting.name.to_owned(), takes, setting.doc.to_owned())
    });
    section(&mut out, "settings", settings.collect());
    common(&mut out);
    match kind.effects {
        [] => out.push_str("\neffects: none\n"),
        effects => out.push_str(&format!("\neffects: {}\n", effects.join(", "))),
    }
    out
}

fn of_call(call: &Place) -> String {
    let about = if call.name == keys::MAP.name {
        "Calls a graph for every item of a list. Its output is `{values, failed}`: what the graphs return, in the order of the list, and how many failed."
    } else {
        "Calls a graph. Its output is `{end, outcome, value}`: the end it came to, what that means, and what the graph returns."
    };
    let mut out = format!("{}: a kind of node\n\n{}\n", call.name, wrapped(about, ""));
    out.push_str("\nwith: the inputs of the graph\n");
    let settings = call.keys.iter().map(|key| (key.name.to_owned(), takes(&key.takes), key.doc.to_owned()));
    section(&mut out, "settings", settings.collect());
    common(&mut out);
    out.push_str("\neffects: those of the graph's nodes\n");
    out
}

/// What every node may have.
fn common(out: &mut String) {
    let names: Vec<&str> = keys::NODE.names().collect();
    out.push_str(&format!("\nlike every node also: {}\n", names.join(", ")));
}

fn of_record(record: &Record) -> String {
    let mut out = format!("{}: a type\n", record.name);
    if !record.doc.is_empty() {
        out.push_str(&format!("\n{}\n", wrapped(&record.doc, "")));
    }
    section(&mut out, "fields", fields(record));
    out
}

fn of_key(place: &Place, key: &Key) -> String {
    let of = match place.name {
        "graph" => "a graph file",
        "node" => "a node",
        "arm" => "an arm of `next`",
        other => other,
    };
    let mut out = format!("{}: a key of {of}\n\n{}\n", key.name, wrapped(key.doc, ""));
    out.push_str(&format!("\ntakes: {}\n", takes(&key.takes)));
    let mut inner = &key.takes;
    while let Takes::Each(deeper) | Takes::Or(_, deeper) = inner {
        inner = deeper;
    }
    if let Takes::Map(place) = inner {
        let keys = place.keys.iter().map(|key| (key.name.to_owned(), takes(&key.takes), key.doc.to_owned()));
        section(&mut out, "keys", keys.collect());
    }
    out
}

fn takes(takes: &Takes) -> String {
    match takes {
        Takes::Format => "the number of the format".to_owned(),
        Takes::Name => "a name".to_owned(),
        Takes::Names => "a list of names".to_owned(),
        Takes::Graph => "a graph's name, or a file".to_owned(),
        Takes::Text => "a text".to_owned(),
        Takes::Whole(least) => format!("a whole number of at least {least}"),
        Takes::Number(least, most) => format!("a number from {least} to {most}"),
        Takes::Duration => "a duration".to_owned(),
        Takes::Type => "a type".to_owned(),
        Takes::Cel => "CEL".to_owned(),
        Takes::Value => "a literal, or CEL after `=`".to_owned(),
        Takes::Words(words) => words.join(" | "),
        Takes::Step => "a name, or names for a fan-out".to_owned(),
        Takes::Case => "a name, names for a fan-out, or a retry".to_owned(),
        Takes::Next => "a name, names for a fan-out, arms, a switch or a goto".to_owned(),
        Takes::Node => "a node".to_owned(),
        Takes::Default => "by kind: keys of its nodes".to_owned(),
        Takes::Map(place) => format!("{{{}}}", place.names().collect::<Vec<_>>().join(", ")),
        Takes::Each(one) => format!("by name: {}", self::takes(one)),
        Takes::Or(one, other) => format!("{}, or {}", self::takes(one), self::takes(other)),
    }
}

type Row = (String, String, String);

fn fields(record: &Record) -> Vec<Row> {
    let fields = record.fields.iter();
    fields.map(|(name, field)| (name.clone(), field.ty.to_string(), field.doc.clone())).collect()
}

fn section(out: &mut String, title: &str, all: Vec<Row>) {
    if !all.is_empty() {
        out.push_str(&format!("\n{title}:\n"));
        rows(out, all);
    }
}

/// Rows of name, type and what it is for; long types push the text to a line of its own.
fn rows(out: &mut String, all: Vec<Row>) {
    const MOST: usize = 28;
    let width = |of: &dyn Fn(&Row) -> usize| all.iter().map(of).max().unwrap_or_default();
    let name = width(&|row| row.0.chars().count());
    let ty = width(&|row| row.1.chars().count()).min(MOST);
    let indent = " ".repeat(name + ty + 6);
    for (n, t, doc) in &all {
        let doc = wrapped(doc, &indent);
        if t.chars().count() > ty {
            out.push_str(format!("  {n:name$}  {t}\n{indent}{doc}\n").trim_end_matches(' '));
        } else {
            out.push_str(format!("  {n:name$}  {t:ty$}  {doc}").trim_end());
            out.push('\n');
        }
    }
}

/// `text` in lines of at most 100 characters; all but the first begin with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 100;
    let mut out = String::new();
    let mut width = indent.chars().count();
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if out.is_empty() {
            width += more;
        } else if width + 1 + more > WIDTH {
            out.push('\n');
            out.push_str(indent);
            width = indent.chars().count() + more;
        } else {
            out.push(' ');
            width += 1 + more;
        }
        out.push_str(word);
    }
    out
}
