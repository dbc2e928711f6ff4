//! Everything of a graph file but its nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::ast::{Ast, Decl, Decls, Value1};
use super::super::diagnostic::Report;
use super::super::keys;
use super::super::model::{ModelRole, Outcome, Reducer};
use super::super::yaml::{Data, Key, Node, Span};
use super::node::value;
use super::take::{checked, entries, identifier, name_of, text, whole};
use crate::Kinds;
use crate::types::{FieldMap, Record, RecordField, Type, duration_ms};

/// The version of the graph language.
const FORMAT: u64 = crate::format::GRAPH as u64;
/// Names of types that need no declaration.
const BASIC: [&str; 11] =
    ["string", "text", "diff", "int", "float", "bool", "path", "duration", "list", "map", "enum"];

type Entry<'y> = Option<(&'y Key, &'y Node)>;

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

/// The records of `types:`, resolved on demand, and the built-in ones.
pub(super) struct Types<'k> {
    kinds: &'k Kinds,
    declared: Decls<Arc<Record>>,
    /// Names that are declared and could not be read: what mentions them stays silent.
    broken: Vec<String>,
    used: Vec<String>,
}

impl Types<'_> {
    /// The declared records and the names of those that something mentions.
    pub(super) fn finish(self) -> (Decls<Arc<Record>>, Vec<String>) {
        (self.declared, self.used)
    }

    /// The type that a node of the tree writes: a type expression, or a map of fields.
    pub(super) fn ty(&mut self, node: &Node, report: &mut Report<'_>) -> Option<Type> {
        match &node.data {
            Data::Map(fields) => {
                let fields = self.fields(fields, report)?;
                Some(Type::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields })))
            }
            Data::List(_) => {
                report
                    .error("E011", &node.span, "a type is expected here, this is a list")
                    .help("a list is written `list<T>`");
                None
            }
            Data::Scalar(text, _) => self.expression(text, node, report),
        }
    }

    fn expression(&mut self, text: &str, node: &Node, report: &mut Report<'_>) -> Option<Type> {
        let (kinds, declared, used) = (self.kinds, &self.declared, &mut self.used);
        let parsed = Type::parse(text, &mut |name| {
            if let Some(record) = declared.get(name) {
                if !used.iter().any(|known| known == name) {
                    used.push(name.to_owned());
                }
                return Some(Type::Record(Arc::clone(&record.value)));
            }
            kinds.records.get(name).map(|record| Type::Record(Arc::clone(record)))
        });
        let error = match parsed {
            Ok(ty) => return Some(ty),
            Err(error) => error,
        };
        let start = node.locate(report.source, error.span.start);
        let end = node.locate(report.source, error.span.end).max(start + 1);
        match error.unknown {
            Some(name) if self.broken.contains(&name) => {
                if !self.used.contains(&name) {
                    self.used.push(name);
                }
            }
            Some(name) => {
                let known = BASIC.into_iter().chain(self.declared.keys().map(String::as_str));
                let known = known.chain(self.kinds.records.keys().map(String::as_str));
                report.error("E010", &(start..end), error.message).suggest(&name, known);
            }
            None => {
                report.error("E011", &(start..end), error.message);
            }
        }
        None
    }

    fn fields(&mut self, fields: &[(Key, Node)], report: &mut Report<'_>) -> Option<FieldMap> {
        let mut all = true;
        let mut map = FieldMap::new();
        for (key, value) in fields {
            let name = identifier(key, "a field", report);
            let ty = self.ty(value, report);
            match (name, ty) {
                (Some(name), Some(ty)) => {
                    map.insert(name.text, RecordField { ty, doc: String::new() });
                }
                _ => all = false,
            }
        }
        all.then_some(map)
    }
}

/// Reads `types:`. Records may mention each other in any order, and none may contain itself.
pub(super) fn types<'k>(entry: Entry<'_>, kinds: &'k Kinds, report: &mut Report<'_>) -> Types<'k> {
    let mut types = Types { kinds, declared: IndexMap::new(), broken: Vec::new(), used: Vec::new() };
    let Some((_, node)) = entry else { return types };
    let entries = entries(node, "`types`", report);
    let mut all: IndexMap<&str, (&Key, &Node)> = IndexMap::new();
    for (key, value) in entries {
        if BASIC.contains(&key.name.as_str()) || kinds.records.contains_key(&key.name) {
            report.error("E013", &key.span, format!("`{}` is a built-in type", key.name));
            continue;
        }
        if identifier(key, "a type", report).is_some() {
            all.insert(&key.name, (key, value));
        } else {
            types.broken.push(key.name.clone());
        }
    }
    // A name is resolved when all that it mentions is: at most as many rounds as there are types.
    let mut waiting: Vec<&str> = all.keys().copied().collect();
    let mentions: BTreeMap<&str, Vec<&str>> =
        all.iter().map(|(name, (_, value))| (*name, mentioned(value, &all))).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|name| {
            let ready = mentions[name]
                .iter()
                .all(|other| types.declared.contains_key(*other) || types.broken.iter().any(|b| b == other));
            if ready {
                let (key, value) = all[name];
                match declare(key, value, &mut types, report) {
                    Some(record) => {
                        types
                            .declared
                            .insert(key.name.clone(), Decl { span: key.span.clone(), value: record });
                    }
                    None => types.broken.push(key.name.clone()),
                }
            }
            !ready
        });
        if waiting.len() == before {
            break;
        }
    }
    // One error for a ring of records, at the first of them that is in it.
    for name in waiting {
        let (key, _) = all[name];
        if types.broken.iter().all(|broken| broken != name)
            && reaches(name, name, &mentions)
            && !mentions[name].iter().any(|other| types.broken.iter().any(|b| b == other))
        {
            report.error("E012", &key.span, format!("the record `{name}` contains itself"));
        }
        types.broken.push(name.to_owned());
    }
    // In the file's order, whatever the order of resolution.
    let order: Vec<String> = all.keys().map(|name| (*name).to_owned()).collect();
    types.declared.sort_by_key(|name, _| order.iter().position(|known| known == name));
    types
}

fn declare(key: &Key, value: &Node, types: &mut Types<'_>, report: &mut Report<'_>) -> Option<Arc<Record>> {
    let Data::Map(fields) = &value.data else {
        report
            .error("E007", &value.span, format!("a type is a map of fields, this is {}", value.shape()))
            .help("`types:` declares records: `Name: {field: type, …}`");
        return None;
    };
    let fields = types.fields(fields, report)?;
    Some(Arc::new(Record { name: key.name.clone(), doc: String::new(), fields }))
}

/// The declared names that a type mentions.
fn mentioned<'y>(node: &Node, all: &IndexMap<&'y str, (&Key, &Node)>) -> Vec<&'y str> {
    match &node.data {
        Data::Map(fields) => fields.iter().flat_map(|(_, value)| mentioned(value, all)).collect(),
        Data::List(_) => Vec::new(),
        Data::Scalar(text, _) => text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter_map(|word| all.get_key_value(word).map(|(name, _)| *name))
            .collect(),
    }
}

fn reaches(from: &str, to: &str, mentions: &BTreeMap<&str, Vec<&str>>) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = mentions.get(from).cloned().unwrap_or_default();
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if !seen.contains(&name) {
            seen.push(name);
            open.extend(mentions.get(name).into_iter().flatten());
        }
    }
    false
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
