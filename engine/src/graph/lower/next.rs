//! `next`: where a node leads.

use super::super::ast::{ArmAst, Name, NextAst, StepAst};
use super::super::diagnostic::Report;
use super::super::yaml::{Data, Key, Node};
use super::node::condition;
use super::take::{name_of, whole};

/// Keys of an arm.
const KEYS: [&str; 6] = ["when", "to", "else", "retry", "max_attempts", "exhausted"];

/// Lowers `next`: a name, or a list of arms.
pub(super) fn lower<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<NextAst<'y>> {
    match &node.data {
        Data::Scalar(..) => name_of(node, "a node or an end", report).map(NextAst::To),
        Data::Map(entries) if entries.iter().any(|(key, _)| key.name == "switch" || key.name == "cases") => {
            report
                .error("E009", &node.span, "`switch` is not supported yet")
                .help("write a list of `{when: …, to: …}` with an `{else: …}` at its end");
            None
        }
        Data::Map(_) => {
            report
                .error("E007", &node.span, "`next` is a name or a list of arms, this is a map")
                .help("put a `-` before it");
            None
        }
        Data::List(items) if items.is_empty() => {
            report.error("E007", &node.span, "`next` leads nowhere").help("name a node or an end");
            None
        }
        Data::List(items) if items.iter().any(|item| item.text().is_some()) => {
            report.error("E009", &node.span, "a fan-out to several nodes is not supported yet");
            None
        }
        Data::List(items) => {
            let arms: Vec<_> = items.iter().map(|item| arm(item, report)).collect();
            let arms: Option<Vec<_>> = arms.into_iter().collect();
            arms.map(NextAst::Choose)
        }
    }
}

fn arm<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<ArmAst<'y>> {
    let Data::Map(entries) = &node.data else {
        report.error("E007", &node.span, format!("an arm is a map, this is {}", node.shape()));
        return None;
    };
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    for (key, _) in entries {
        if !KEYS.contains(&key.name.as_str()) {
            report
                .error("E006", &key.span, format!("an arm has no key `{}`", key.name))
                .suggest(&key.name, KEYS);
            return None;
        }
    }
    let clash = |a: &str, b: &str| get(a).is_some().then(|| get(b)).flatten();
    for (a, b) in [("when", "else"), ("to", "else"), ("to", "retry"), ("else", "retry")] {
        if let Some((key, _)) = clash(a, b) {
            report.error("E007", &key.span, format!("an arm has `{a}` or `{b}`, not both"));
            return None;
        }
    }
    let when = match get("when") {
        Some((_, value)) => Some(condition(value, report)?),
        None => None,
    };
    let step = match (get("to"), get("else"), get("retry")) {
        (_, _, Some((_, value))) => {
            let head = name_of(value, "a node", report);
            let (max_attempts, exhausted) = bound(entries, node, report)?;
            StepAst::Retry { head: head?, max_attempts, exhausted }
        }
        (Some((_, value)), ..) | (_, Some((_, value)), _) => {
            if let Some((key, _)) = get("max_attempts").or_else(|| get("exhausted")) {
                report.error("E006", &key.span, format!("`{}` belongs to a `retry`", key.name));
                return None;
            }
            StepAst::To(name_of(value, "a node or an end", report)?)
        }
        (None, None, None) => {
            report.error("E005", &node.span, "the arm leads nowhere").help("give it `to`, `else` or `retry`");
            return None;
        }
    };
    if when.is_none()
        && let Some((key, _)) = get("to")
    {
        report
            .error("E005", &key.span, "the arm has a `to` and no `when`")
            .help("write `{when: …, to: …}` or `{else: …}`");
        return None;
    }
    Some(ArmAst { span: node.span.clone(), when, step })
}

/// `max_attempts` and `exhausted` of a retry: both are required.
fn bound(entries: &[(Key, Node)], node: &Node, report: &mut Report<'_>) -> Option<(u32, Name)> {
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
    let (most, exhausted) = (get("max_attempts"), get("exhausted"));
    let missing = match (most, exhausted) {
        (None, None) => "`max_attempts` and no `exhausted`",
        (None, _) => "`max_attempts`",
        (_, None) => "`exhausted`",
        (Some(most), Some(exhausted)) => {
            let most = whole(most, 1, "`max_attempts`", report).and_then(|n| u32::try_from(n).ok());
            let exhausted = name_of(exhausted, "a node or an end", report);
            return Some((most?, exhausted?));
        }
    };
    report
        .error("E046", &node.span, format!("the retry has no {missing}"))
        .help("write `{retry: HEAD, max_attempts: 3, exhausted: TARGET}`");
    None
}
