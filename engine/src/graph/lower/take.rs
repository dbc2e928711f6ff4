//! Taking values of an expected shape out of the tree.

use super::super::ast::Name;
use super::super::diagnostic::Report;
use super::super::expr::CEL_WORDS;
use super::super::yaml::{Data, Key, Node, Span};

/// Longest name.
const MAX_NAME: usize = 64;
/// The entries of a map; `what` names it for messages. An absent value (`state:`) is an empty map.
pub(super) fn entries<'y>(node: &'y Node, what: &str, report: &mut Report<'_>) -> &'y [(Key, Node)] {
    match &node.data {
        Data::Map(entries) => entries,
        Data::Scalar(..) if node.json().is_null() => &[],
        _ => {
            report.error("E007", &node.span, format!("{what} is a map, this is {}", node.shape()));
            &[]
        }
    }
}

/// Any scalar's text.
pub(super) fn text(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = node.text().map(str::to_owned);
    if text.is_none() {
        report.error("E007", &node.span, format!("a text is expected here, this is {}", node.shape()));
    }
    text
}

/// The name that a scalar holds.
pub(super) fn name_of(node: &Node, what: &str, report: &mut Report<'_>) -> Option<Name> {
    let Some(text) = node.text() else {
        report.error("E007", &node.span, format!("{what} is expected here, this is {}", node.shape()));
        return None;
    };
    checked(text, &node.span, what, report)
}

/// A name of letters, digits, `_` and `-`, as lanes and files need it.
pub(super) fn checked(text: &str, span: &Span, what: &str, report: &mut Report<'_>) -> Option<Name> {
    let good = text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if good {
        return Some(Name { text: text.to_owned(), span: span.clone() });
    }
    report
        .error(
            "E007",
            span,
            format!("{what} cannot be `{}`", text.chars().take(MAX_NAME).collect::<String>()),
        )
        .help(format!("a name has up to {MAX_NAME} letters, digits, `_` and `-`, and starts with a letter"));
    None
}

/// A name that expressions can use.
pub(super) fn identifier(key: &Key, what: &str, report: &mut Report<'_>) -> Option<Name> {
    let good = key.name.len() <= MAX_NAME
        && key.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !CEL_WORDS.contains(&key.name.as_str());
    if good {
        return Some(Name { text: key.name.clone(), span: key.span.clone() });
    }
    report
        .error(
            "E007",
            &key.span,
            format!("{what} cannot be called `{}`", key.name.chars().take(MAX_NAME).collect::<String>()),
        )
        .help("expressions use the name: letters, digits and `_`, no word of CEL such as `in`");
    None
}

/// A whole number of at least `least`.
pub(super) fn whole(node: &Node, least: u64, what: &str, report: &mut Report<'_>) -> Option<u64> {
    let number = node.json().as_u64().filter(|n| *n >= least);
    if number.is_none() {
        report.error("E007", &node.span, format!("{what} is a whole number of at least {least}"));
    }
    number
}
