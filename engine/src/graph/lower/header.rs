//! Everything of a graph file but its nodes.

use indexmap::IndexMap;

use super::super::ast::{Ast, Decl, Decls, Value1};
use super::super::diagnostic::Report;
use super::super::keys;
use super::super::model::{ModelRole, Outcome, Reducer};
use super::super::yaml::{Data, Key, Node, Span};
use super::node::value;
use super::take::{checked, entries, identifier, name_of, text, whole};
use super::types::Types;
use crate::types::{Type, duration_ms};

/// The version of the graph language.
const FORMAT: u64 = crate::format::GRAPH as u64;
pub(super) type Entry<'y> = Option<(&'y Key, &'y Node)>;

/// Checks `format`. True when the file cannot be read any further.
pub(super) fn format(entry: Entry<'_>, root: &Node, report: &mut Report<'_>) -> bool {
    let Some((_, value)) = entry else {
        report
            .error("E005", &(root.span.start..root.span.start), "the graph has no `format`")
            .help("write `format: 1` at its top");
        return false;
    };
    if value.json().as_u64() == Some(FORMAT) {
        return false;
    }
    let newer = value.json().as_u64().is_some_and(|version| version > FORMAT);
    let found = report.error("E008", &value.span, format!("this program reads format {FORMAT}"));
    found.help(if newer { "a newer version of this program wrote it" } else { "write `format: 1`" });
    true
}

/// Reads `inputs:`.
pub(super) fn inputs(
    entry: Entry<'_>,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) -> Decls<Option<Type>> {
    let mut inputs = IndexMap::new();
    let Some((_, node)) = entry else { return inputs };
    for (key, value) in entries(node, "`inputs`", report) {
        if let Some(name) = identifier(key, "an input", report) {
            let value = types.ty(value, report);
            inputs.insert(name.text, Decl { span: name.span, value });
        }
    }
    inputs
}

/// Reads `models:`.
pub(super) fn models(entry: Entry<'_>, report: &mut Report<'_>) -> Decls<ModelRole> {
    let mut models = IndexMap::new();
    let Some((_, node)) = entry else { return models };
    for (key, value) in entries(node, "`models`", report) {
        let Some(name) = checked(&key.name, &key.span, "a model role", report) else { continue };
        let mut role = ModelRole::default();
        for (key, value) in entries(value, "a model role", report) {
            match key.name.as_str() {
                "use" => role.uses = text(value, report),
                "provider" => role.provider = text(value, report),
                "name" => role.name = text(value, report),
                "max_tokens" => {
                    if let Some(number) = whole(value, 1, "`max_tokens`", report) {
                        role.params.insert(key.name.clone(), number.into());
                    }
                }
                "temperature" | "top_p" => {
                    let number = value.json();
                    if number.as_f64().is_some_and(|n| (0.0..=2.0).contains(&n)) {
                        role.params.insert(key.name.clone(), number);
                    } else {
                        report.error("E007", &value.span, format!("`{}` is a number from 0 to 2", key.name));
                    }
                }
                other => {
                    report
                        .error("E006", &key.span, format!("a model role has no key `{other}`"))
                        .suggest(other, keys::MODEL.names());
                }
            }
        }
        let pinned = role.provider.is_some() || role.name.is_some();
        if role.uses.is_some() == pinned || role.provider.is_some() != role.name.is_some() {
            report
                .error("E005", &key.span, format!("the model role `{}` does not say which model", key.name))
                .help("write `{use: default}`, or both `provider` and `name`");
        }
        models.insert(name.text, Decl { span: name.span, value: role });
    }
    models
}

/// Reads `state:`, in its short form (a type) and its long one (`{type: T, reduce: R}`).
pub(super) fn state(
    entry: Entry<'_>,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) -> Decls<(Option<Type>, Reducer)> {
    let mut state = IndexMap::new();
    let Some((_, node)) = entry else { return state };
    for (key, value) in entries(node, "`state`", report) {
        let Some(name) = identifier(key, "a state key", report) else { continue };
        let long = matches!(&value.data, Data::Map(fields) if fields.iter().any(|(k, _)| k.name == "type" || k.name == "reduce"));
        let declared = if long {
            long_form(key, value, types, report)
        } else {
            (types.ty(value, report), Reducer::Last)
        };
        state.insert(name.text, Decl { span: name.span, value: declared });
    }
    state
}

fn long_form(
    key: &Key,
    value: &Node,
    types: &mut Types<'_>,
    report: &mut Report<'_>,
) -> (Option<Type>, Reducer) {
    let (mut ty, mut reducer, mut at) = (None, Reducer::Last, None);
    let mut typed = false;
    for (key, value) in entries(value, "a state key", report) {
        match key.name.as_str() {
            "type" => (ty, typed) = (types.ty(value, report), true),
            "reduce" => {
                at = Some(&value.span);
                let word = value.text().unwrap_or(value.shape());
                match Reducer::ALL.into_iter().find(|known| known.word() == word) {
                    Some(known) => reducer = known,
                    None => {
                        report
                            .error("E007", &value.span, format!("there is no reducer `{word}`"))
                            .suggest(word, keys::REDUCERS);
                    }
                }
            }
            other => {
                report
                    .error("E006", &key.span, format!("a state key has no `{other}`"))
                    .suggest(other, keys::STATE_KEY.names());
            }
        }
    }
    if !typed {
        report.error("E005", &key.span, format!("the state key `{}` has no `type`", key.name));
    }
    if let (Some(ty), Some(span)) = (&ty, at) {
        let (fits, takes) = match reducer {
            Reducer::Last => (true, ""),
            Reducer::Append | Reducer::Union => (matches!(ty, Type::List(_)), "adds to a list"),
            Reducer::Merge => (matches!(ty, Type::Map(_)), "sets keys of a map"),
            Reducer::Sum | Reducer::Max | Reducer::Min => {
                (matches!(ty, Type::Int | Type::Float), "works on `int` and `float`")
            }
        };
        if !fits {
            report.error("E030", span, format!("`{}` {takes}, `{}` is {ty}", reducer.word(), key.name));
        }
    }
    (ty, reducer)
}

/// Reads `limits:`.
pub(super) fn limits(entry: Entry<'_>, ast: &mut Ast<'_>, report: &mut Report<'_>) {
    let Some((key, node)) = entry else { return };
    for (key, value) in entries(node, "`limits`", report) {
        match key.name.as_str() {
            "steps" => ast.limits.steps = whole(value, 1, "`steps`", report),
            "wall" => {
                ast.limits.wall_ms = value.text().and_then(duration_ms).filter(|ms| *ms > 0);
                if ast.limits.wall_ms.is_none() {
                    report
                        .error("E007", &value.span, "`wall` is a duration")
                        .help("such as `90s`, `30m` or `1h30m`");
                }
            }
            "cost_usd" => ast.limits.cost_microusd = cost(value, report),
            "exhausted" => ast.limits_exhausted = name_of(value, "an end", report),
            other => {
                report
                    .error("E006", &key.span, format!("there is no limit `{other}`"))
                    .suggest(other, keys::LIMITS.names());
            }
        }
    }
    let has = entries(node, "`limits`", report).iter().any(|(key, _)| key.name == "exhausted");
    if !has {
        report
            .error("E005", &key.span, "`limits` has no `exhausted`")
            .help("name the end that a run takes when a limit is reached");
    }
}

fn cost(value: &Node, report: &mut Report<'_>) -> Option<u64> {
    let dollars = value.json().as_f64().filter(|n| (0.0..=1e9).contains(n));
    if dollars.is_none() {
        report.error("E007", &value.span, "`cost_usd` is a number of US dollars, 0 or more");
    }
    // At most 1e15: exact in a float, and far from the bounds of u64.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    dollars.map(|dollars| (dollars * 1e6).round() as u64)
}

/// Reads `ends:`, in its short form (an outcome) and its long one (`{outcome: O, output: V}`).
pub(super) fn ends<'y>(entry: Entry<'y>, report: &mut Report<'_>) -> Decls<(Outcome, Option<Value1<'y>>)> {
    let mut ends = IndexMap::new();
    let Some((_, node)) = entry else { return ends };
    for (key, node) in entries(node, "`ends`", report) {
        let Some(name) = checked(&key.name, &key.span, "an end's name", report) else { continue };
        let (mut word, mut output) = (Some(node), None);
        if let Data::Map(fields) = &node.data {
            word = None;
            for (key, node) in fields {
                match key.name.as_str() {
                    "outcome" => word = Some(node),
                    "output" => output = Some(value(node)),
                    other => {
                        report
                            .error("E006", &key.span, format!("an end has no key `{other}`"))
                            .suggest(other, keys::END.names());
                    }
                }
            }
            if word.is_none() {
                report.error("E005", &key.span, format!("the end `{}` has no `outcome`", key.name));
            }
        }
        // An end whose outcome is wrong is still an end: its name is known.
        let outcome = word.and_then(|node| outcome(node, &node.span, report)).unwrap_or(Outcome::Failure);
        ends.insert(name.text, Decl { span: name.span, value: (outcome, output) });
    }
    ends
}

fn outcome(node: &Node, span: &Span, report: &mut Report<'_>) -> Option<Outcome> {
    let word = node.text().unwrap_or_default();
    Some(match word {
        "success" => Outcome::Success,
        "nothing" => Outcome::Nothing,
        "failure" => Outcome::Failure,
        "declined" => Outcome::Declined,
        _ => {
            report
                .error(
                    "E007",
                    span,
                    format!("an end means `success`, `nothing`, `failure` or `declined`, not `{word}`"),
                )
                .suggest(word, keys::OUTCOMES);
            return None;
        }
    })
}
