//! One node of the file.

pub(super) use super::super::ast::NodeAst;

use super::super::ast::{Cel, Name, TemplateAst, Value1, ValueData};
use super::super::diagnostic::Report;
use super::super::model::RetryPolicy;
use super::super::yaml::{Data, Key, Node};
use super::header::Types;
use super::take::{entries, name_of, text, whole};
use super::{named, next};
use crate::types::duration_ms;
use crate::{Kind, Kinds, Output, SettingType};

/// Keys that every node may have.
const KEYS: [&str; 6] = ["kind", "with", "writes", "retry", "timeout", "next"];
/// Kinds that the language has and a later version of this program will run.
const LATER: [&str; 10] =
    ["agent", "model", "command", "wasm", "approve", "wait", "notify", "map", "select", "subgraph"];

/// Lowers the node called `name`.
pub(super) fn lower<'y>(
    name: &Name,
    node: &'y Node,
    kinds: &Kinds,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) -> Option<NodeAst<'y>> {
    if !matches!(node.data, Data::Map(_)) {
        report.error("E007", &node.span, format!("a node is a map, this is {}", node.shape()));
        return None;
    }
    let entries = entries(node, "a node", report);
    let kind_name = entries.iter().find(|(key, _)| key.name == "kind");
    let kind_name = match kind_name {
        Some((_, value)) => name_of(value, "a kind", report)?,
        None => name.clone(),
    };
    let kind = find(&kind_name, kinds, report);
    let mut lowered = NodeAst {
        kind: kind_name,
        known: kind.is_some(),
        with: Vec::new(),
        writes: Vec::new(),
        literals: Vec::new(),
        conditions: Vec::new(),
        model: None,
        returns: None,
        template: None,
        retry: RetryPolicy::default(),
        next: None,
    };
    let mut has_next = false;
    for (key, value) in entries {
        match key.name.as_str() {
            "kind" => {}
            "with" => lowered.with = values(value, "`with`", report),
            "writes" => lowered.writes = values(value, "`writes`", report),
            "retry" => lowered.retry = retry(value, report),
            "timeout" => {
                report
                    .error("E009", &key.span, "`timeout` on a node is not supported yet")
                    .help("`limits.wall` bounds the whole run");
            }
            "next" => {
                has_next = true;
                lowered.next = next::lower(value, report);
            }
            _ => setting(key, value, kind, &mut lowered, types, report),
        }
    }
    if !has_next {
        report
            .error("E005", &name.span, format!("the node {} has no `next`", named(name)))
            .help("name the node or end that follows");
    }
    if let Some(kind) = kind
        && matches!(kind.output, Output::Returns)
        && !entries.iter().any(|(key, _)| key.name == "returns")
    {
        report
            .error("E005", &name.span, format!("the node {} has no `returns`", named(name)))
            .help(format!("`{}` gives what `returns` names: a type", kind.name));
    }
    Some(lowered)
}

fn find<'k>(name: &Name, kinds: &'k Kinds, report: &mut Report<'_>) -> Option<&'k Kind> {
    let kind = kinds.kinds.get(name.text.as_str());
    if kind.is_none() && LATER.contains(&name.text.as_str()) {
        report.error("E009", &name.span, format!("the kind `{}` is not supported yet", name.text));
    } else if kind.is_none() {
        report
            .error("E020", &name.span, format!("there is no kind `{}`", name.text))
            .suggest(&name.text, kinds.kinds.keys().copied());
    }
    kind
}

/// A key that the kind declares.
fn setting<'y>(
    key: &Key,
    value: &'y Node,
    kind: Option<&Kind>,
    node: &mut NodeAst<'y>,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) {
    // What an unknown kind takes is unknown too; one error is enough.
    let Some(kind) = kind else { return };
    let Some(setting) = kind.settings.iter().find(|setting| setting.name == key.name) else {
        let known: Vec<&str> = KEYS.into_iter().chain(kind.settings.iter().map(|s| s.name)).collect();
        report
            .error("E006", &key.span, format!("a node of kind `{}` has no key `{}`", kind.name, key.name))
            .suggest(&key.name, known);
        return;
    };
    let name = Name { text: key.name.clone(), span: key.span.clone() };
    match &setting.ty {
        SettingType::Model => node.model = name_of(value, "a model role", report),
        SettingType::Returns => node.returns = types.ty(value, report),
        SettingType::Template(variables) => {
            node.template = text(value, report).map(|text| TemplateAst { node: value, text, variables });
        }
        SettingType::Condition => {
            if let Some(cel) = condition(value, report) {
                node.conditions.push((name, cel));
            }
        }
        SettingType::Literal(ty) => {
            let literal = value.json();
            match ty.check(&literal) {
                Ok(()) => node.literals.push((name, literal)),
                Err(mismatch) => {
                    let place = inner(value, &mismatch.path);
                    report
                        .error("E030", &place.span, format!("`{}`: {}", key.name, mismatch.message))
                        .label(format!("{ty} is expected"));
                }
            }
        }
    }
}

/// The part of `node` that a path such as `files[2].line` names, as far as it is there.
pub(crate) fn inner<'y>(node: &'y Node, path: &str) -> &'y Node {
    let mut node = node;
    for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty())
    {
        let deeper = match &node.data {
            Data::List(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
            Data::Map(entries) => entries.iter().find(|(key, _)| key.name == step).map(|(_, value)| value),
            Data::Scalar(..) => None,
        };
        let Some(deeper) = deeper else { break };
        node = deeper;
    }
    node
}

/// A condition: CEL without a leading `=`.
pub(super) fn condition<'y>(node: &'y Node, report: &mut Report<'_>) -> Option<Cel<'y>> {
    let Some(text) = node.text() else {
        report.error("E007", &node.span, format!("a condition is expected here, this is {}", node.shape()));
        return None;
    };
    if text.starts_with('=') {
        report.error("E034", &node.span, "a condition is CEL as it stands").help("drop the leading `=`");
        return None;
    }
    Some(Cel { text: text.to_owned(), node, offset: 0 })
}

fn values<'y>(node: &'y Node, what: &str, report: &mut Report<'_>) -> Vec<(Name, Value1<'y>)> {
    let entries = entries(node, what, report).iter();
    entries
        .map(|(key, node)| (Name { text: key.name.clone(), span: key.span.clone() }, value(node)))
        .collect()
}

/// A literal, or CEL where a text starts with `=`; also inside lists and maps.
pub(super) fn value(node: &Node) -> Value1<'_> {
    let literal = || ValueData::Literal(node.json());
    let data = match &node.data {
        Data::Scalar(text, _) => match text.strip_prefix('=') {
            Some(text) => ValueData::Cel(Cel { text: text.to_owned(), node, offset: 1 }),
            None => literal(),
        },
        Data::List(items) => {
            let items: Vec<_> = items.iter().map(value).collect();
            if items.iter().all(is_literal) { literal() } else { ValueData::List(items) }
        }
        Data::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, node)| (key.name.clone(), value(node))).collect();
            if entries.iter().all(|(_, v)| is_literal(v)) { literal() } else { ValueData::Map(entries) }
        }
    };
    Value1 { node, data }
}

fn is_literal(value: &Value1<'_>) -> bool {
    matches!(value.data, ValueData::Literal(_))
}

/// `retry: {tries: 3, backoff: 500ms}`: how a failing effect is repeated.
fn retry(node: &Node, report: &mut Report<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for (key, value) in entries(node, "`retry` of a node", report) {
        match key.name.as_str() {
            "tries" => {
                let tries = whole(value, 1, "`tries`", report).and_then(|n| u32::try_from(n).ok());
                policy.tries = tries.unwrap_or(policy.tries);
            }
            "backoff" => match value.text().and_then(duration_ms) {
                Some(ms) => policy.backoff_ms = ms,
                None => {
                    report
                        .error("E007", &value.span, "`backoff` is a duration")
                        .help("such as `500ms` or `2s`");
                }
            },
            "max_attempts" | "exhausted" => {
                report
                    .error("E006", &key.span, format!("`{}` belongs to a retry edge", key.name))
                    .help("a retry edge is an arm of `next`; `retry` on a node repeats one failing effect: `{tries: 3, backoff: 500ms}`");
            }
            other => {
                report
                    .error("E006", &key.span, format!("`retry` of a node has no key `{other}`"))
                    .suggest(other, ["tries", "backoff"]);
            }
        }
    }
    policy
}
