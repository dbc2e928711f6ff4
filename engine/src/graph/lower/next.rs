//! `next`: where a node leads.

use super::super::ast::{ArmAst, Name, NextAst, StepAst, SwitchAst};
use super::super::diagnostic::Report;
use super::super::keys;
use super::super::yaml::{Data, Key, Node};
use super::node::condition;
use super::take::{name_of, whole};

/// Lowers `next`: a name, a list of names, a list of arms, a switch or a goto.
pub(super) fn lower<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<NextAst<'y>> {
    match &node.data {
        Data::Scalar(..) => step(node, report).map(NextAst::Go),
        Data::Map(entries) if entries.iter().any(|(key, _)| key.name == "switch" || key.name == "cases") => {
            switch(entries, node, report)
        }
        Data::Map(entries) if entries.iter().any(|(key, _)| key.name == "goto") => {
            goto(entries, node, report)
        }
        Data::Map(_) => {
            report
                .error(
                    "E007",
                    &node.span,
                    "`next` is a name, a list, a `switch` or a `goto`; this is another map",
                )
                .help("an arm stands in a list: put a `-` before it");
            None
        }
        Data::List(items) if items.is_empty() => {
            report.error("E007", &node.span, "`next` leads nowhere").help("name a node or an end");
            None
        }
        Data::List(items) if items.iter().any(|item| item.text().is_some()) => {
            step(node, report).map(NextAst::Go)
        }
        Data::List(items) => {
            let arms: Vec<_> = items.iter().map(|item| arm(item, report)).collect();
            let arms: Option<Vec<_>> = arms.into_iter().collect();
            arms.map(NextAst::Choose)
        }
    }
}

/// A name, a list of names for a fan-out, or a retry.
fn step(node: &Node, report: &mut Report<'_>) -> Option<StepAst> {
    match &node.data {
        Data::Scalar(..) => name_of(node, "a node or an end", report).map(StepAst::To),
        Data::List(items) => {
            let names: Vec<_> = items.iter().map(|item| name_of(item, "a node", report)).collect();
            let names: Vec<Name> = names.into_iter().collect::<Option<_>>()?;
            if names.len() < 2 {
                report
                    .error("E007", &node.span, "a fan-out has at least two branches")
                    .help("write the name alone, without the list");
                return None;
            }
            for (i, name) in names.iter().enumerate() {
                if names.iter().take(i).any(|other| other.text == name.text) {
                    let message = format!("the branch `{}` stands here twice", name.text);
                    report.error("E004", &name.span, message);
                    return None;
                }
            }
            Some(StepAst::Fork(names))
        }
        Data::Map(entries) => {
            if let Some((key, _)) = entries.iter().find(|(key, _)| !keys::BACK.has(&key.name)) {
                report
                    .error("E006", &key.span, format!("there is no `{}` here", key.name))
                    .suggest(&key.name, keys::BACK.names());
                return None;
            }
            let Some((_, head)) = entries.iter().find(|(key, _)| key.name == "retry") else {
                report.error("E005", &node.span, "this leads nowhere").help("name a node or an end");
                return None;
            };
            let head = name_of(head, "a node", report);
            let (max_attempts, exhausted) = bound(entries, node, report)?;
            Some(StepAst::Retry { head: head?, max_attempts, exhausted })
        }
    }
}

/// `{switch: CEL, cases: {word: STEP, …}, else: STEP}`.
fn switch<'y>(entries: &'y [(Key, Node)], node: &'y Node, report: &mut Report<'_>) -> Option<NextAst<'y>> {
    for (key, _) in entries {
        if !keys::SWITCH.has(&key.name) {
            let message = format!("a switch has no key `{}`", key.name);
            report.error("E006", &key.span, message).suggest(&key.name, keys::SWITCH.names());
            return None;
        }
    }
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    let (Some((_, on)), Some((_, cases))) = (get("switch"), get("cases")) else {
        report
            .error("E005", &node.span, "a switch needs `switch` and `cases`")
            .help("write `{switch: output.status, cases: {known: TARGET, …}}`");
        return None;
    };
    let on = condition(on, report);
    let Data::Map(cases) = &cases.data else {
        report.error("E007", &cases.span, format!("`cases` is a map, this is {}", cases.shape()));
        return None;
    };
    let lowered: Vec<_> = cases
        .iter()
        .map(|(key, value)| {
            let word = Name { text: key.name.clone(), span: key.span.clone() };
            Some((word, step(value, report)?))
        })
        .collect();
    let cases = lowered.into_iter().collect::<Option<Vec<_>>>();
    let otherwise = match get("else") {
        Some((key, value)) => Some((key.span.clone(), step(value, report)?)),
        None => None,
    };
    Some(NextAst::Switch(SwitchAst { on: on?, cases: cases?, otherwise }))
}

/// `{goto: CEL, among: [names]}`.
fn goto<'y>(entries: &'y [(Key, Node)], node: &'y Node, report: &mut Report<'_>) -> Option<NextAst<'y>> {
    for (key, _) in entries {
        if !keys::GOTO.has(&key.name) {
            let message = format!("a goto has no key `{}`", key.name);
            report.error("E006", &key.span, message).suggest(&key.name, keys::GOTO.names());
            return None;
        }
    }
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
    let (Some(name), Some(Node { data: Data::List(items), .. })) = (get("goto"), get("among")) else {
        report
            .error(
                "E005",
                &node.span,
                "a goto needs the list `among` of all nodes and ends that it may lead to",
            )
            .help("write `{goto: output.next, among: [a, b]}`");
        return None;
    };
    let name = condition(name, report);
    let among: Vec<_> = items.iter().map(|item| name_of(item, "a node or an end", report)).collect();
    Some(NextAst::Goto { name: name?, among: among.into_iter().collect::<Option<_>>()? })
}

fn arm<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<ArmAst<'y>> {
    let Data::Map(entries) = &node.data else {
        report.error("E007", &node.span, format!("an arm is a map, this is {}", node.shape()));
        return None;
    };
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name);
    for (key, _) in entries {
        if !keys::ARM.has(&key.name) {
            report
                .error("E006", &key.span, format!("an arm has no key `{}`", key.name))
                .suggest(&key.name, keys::ARM.names());
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
            if matches!(value.data, Data::Map(_)) {
                report.error(
                    "E007",
                    &value.span,
                    "a name or a list of names is expected here, this is a map",
                );
                return None;
            }
            self::step(value, report)?
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
