//! Values and conditions: every expression is parsed, its names resolved, its type held against what takes it.

use indexmap::IndexMap;
use std::collections::BTreeMap;

use super::super::ast::{Cel, DoesAst, InterruptAst, Name, NodeAst, Value1, ValueData, WriteAst};
use super::super::expr::infer::{self, Inferred};
use super::super::expr::ty::Ty;
use super::super::lower::{RESERVED, inner};
use super::super::model::{At, End, Interrupt, NodeDef, OnError, Outcome, Reducer, Source, Write};
use super::super::yaml::Span;
use super::super::{Expr, expr};
use super::forks::Joined;
use super::targets::find;
use super::unused::When;
use super::{Check, template};
use crate::types::Type;

/// What is there at one place beside state, inputs and attempts.
#[derive(Clone, Default)]
pub(super) struct Local {
    /// By name; nothing as a type: it is not known.
    names: Vec<(&'static str, Option<Type>)>,
}

impl Local {
    fn with(mut self, name: &'static str, ty: Option<Type>) -> Self {
        self.names.push((name, ty));
        self
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|(known, _)| *known == name)
    }
}

/// The variables at one place: inputs, state, attempts, and what is there locally.
struct Variables<'a, 'y> {
    ast: &'a super::Ast<'y>,
    inputs: &'a Option<Type>,
    local: &'a Local,
}

impl infer::Scope for Variables<'_, '_> {
    fn variable(&self, name: &str) -> Option<Option<Type>> {
        if let Some((_, ty)) = self.local.names.iter().find(|(known, _)| *known == name) {
            return Some(ty.clone());
        }
        match name {
            "inputs" => Some(self.inputs.clone()),
            "attempt" | "max_attempts" => Some(Some(Type::Int)),
            _ => match self.ast.state.get(name) {
                Some(key) => Some(key.value.0.clone()),
                None => {
                    (name == "remaining_steps" && self.ast.limits.steps.is_some()).then_some(Some(Type::Int))
                }
            },
        }
    }

    fn names(&self) -> Vec<String> {
        let reserved = RESERVED.into_iter().filter(|name| *name != "output");
        let local = self.local.names.iter().map(|(name, _)| *name);
        let steps = self.ast.limits.steps.map(|_| "remaining_steps");
        let all = reserved.chain(local).chain(steps).map(str::to_owned);
        self.ast.state.keys().cloned().chain(all).collect()
    }
}

/// Checks the node called `name`. Nothing when a part of it cannot be used.
pub(super) fn node(
    check: &mut Check<'_, '_, '_>,
    name: &str,
    node: &NodeAst<'_>,
    forks: &[Joined],
) -> Option<NodeDef> {
    let kind = check.kinds.kinds.get(node.kind.text.as_str()).filter(|_| node.known);
    let at = check.ast.nodes.get_index_of(name)?;
    let (does, fields, output) = super::calls::of(check, at, node, kind);
    // The answer is there where a person was asked, and null where nobody was.
    let answer = node.interrupt.as_ref().map(|asks| {
        let sometimes = asks.when.is_some();
        (asks.at, asks.answer.clone().map(|ty| if sometimes { super::optional(ty) } else { ty }))
    });
    let local = Local::default();
    let before = match &answer {
        Some((At::Before, ty)) => local.clone().with("answer", ty.clone()),
        _ => local.clone(),
    };
    let items = match &node.does {
        DoesAst::Map(_) => {
            let item = super::calls::item(check, at, node);
            before.clone().with("item", item).with("index", Some(Type::Int))
        }
        _ => before,
    };
    let after = local.clone().with("output", output.clone());
    let answered = match answer {
        Some((_, ty)) => after.clone().with("answer", ty),
        None => after.clone(),
    };
    let interrupt = node.interrupt.as_ref().map(|asks| {
        let local = if asks.at == At::After { &after } else { &local };
        interrupt(check, at, name, asks, local)
    });
    let open = kind.is_some_and(|kind| kind.variables);
    let mut given = Vec::new();
    let with =
        with(check, at, name, node, Takes { fields: fields.as_deref(), open, given: &mut given }, &items);
    let writes = writes(check, at, &node.writes, &answered, false);
    let on_error = node.on_error.as_ref().map(|on_error| {
        let error = Local::default().with("error", Some(super::error_type()));
        let writes = self::writes(check, at, &on_error.writes, &error, true)?;
        Some(OnError { to: find(check.ast, &on_error.to.text)?, writes })
    });
    let mut conditions = BTreeMap::new();
    for (key, cel) in &node.conditions {
        if let Some(expr) = condition(check, cel, &items, When::Before(at)) {
            conditions.insert(key.text.clone(), expr);
        }
    }
    if let Some(role) = &node.model {
        check.seen.models.insert(role.text.clone());
        if !check.models.contains_key(&role.text) {
            let known = check.models.keys().map(String::as_str);
            let found =
                check.report.error("E026", &role.span, format!("there is no model role `{}`", role.text));
            found.suggest(&role.text, known);
        }
    }
    let prompt = node.template.as_ref().and_then(|text| template::check(check, &given, text));
    let next = node.next.as_ref().and_then(|next| super::leads::check(check, at, next, forks, &answered));
    Some(NodeDef {
        name: name.to_owned(),
        kind: node.kind.text.clone(),
        description: node.description.clone(),
        does: does?,
        with: with?,
        writes: writes?,
        literals: node.literals.iter().map(|(key, value)| (key.text.clone(), value.clone())).collect(),
        conditions,
        model: node.model.as_ref().map(|role| role.text.clone()),
        returns: node.returns.clone(),
        prompt,
        retry: node.retry,
        timeout_ms: node.timeout_ms,
        on_error: match on_error {
            Some(on_error) => Some(on_error?),
            None => None,
        },
        interrupt: match interrupt {
            Some(interrupt) => Some(interrupt?),
            None => None,
        },
        next: next?,
    })
}

/// A declared interrupt; without a question of its own it names the node.
fn interrupt(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    name: &str,
    asks: &InterruptAst<'_>,
    local: &Local,
) -> Option<Interrupt> {
    let when = match &asks.when {
        Some(cel) => Some(condition(check, cel, local, When::Before(at))?),
        None => None,
    };
    let ask = match &asks.ask {
        Some(value) => source(check, value, Some(&Type::String), local, When::Before(at))?,
        None => Source::Literal(format!("{} `{name}`: go on?", asks.at.word()).into()),
    };
    Some(Interrupt { at: asks.at, when, ask, answer: asks.answer.clone()? })
}

/// What a node is given: the fields of its kind, or the inputs of the graph that it calls.
pub(super) struct Given {
    pub(super) name: String,
    pub(super) ty: Option<Type>,
    pub(super) doc: String,
}

/// What a node may be given.
struct Takes<'a> {
    /// The keys that its kind or graph names.
    fields: Option<&'a [Given]>,
    /// Whether it takes others as well.
    open: bool,
    /// What it is given, for its templates.
    given: &'a mut Vec<(String, Ty)>,
}

fn with(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    name: &str,
    node: &NodeAst<'_>,
    Takes { fields, open, given }: Takes<'_>,
    local: &Local,
) -> Option<IndexMap<String, Source>> {
    let mut with = Some(IndexMap::new());
    let taker = match node.does.graph() {
        Some(graph) => format!("graph `{}`", graph.text),
        None => format!("kind `{}`", node.kind.text),
    };
    for (key, value) in &node.with {
        let field = fields.and_then(|fields| fields.iter().find(|field| field.name == key.text));
        if let (Some(fields), None) = (fields.filter(|_| !open), field) {
            let known = fields.iter().map(|field| field.name.as_str());
            let message = format!("the {taker} takes no `{}`", key.text);
            check.report.error("E029", &key.span, message).suggest(&key.text, known);
        }
        let ty = field.and_then(|field| field.ty.as_ref());
        let source = typed(check, value, ty, local, When::Before(at));
        // A template sees the value, so it knows whether that may be null.
        given.push((key.text.clone(), seen(source.as_ref().map(|(_, ty)| ty), ty)));
        collect(&mut with, key, source.map(|(source, _)| source));
    }
    for field in fields.unwrap_or_default() {
        let given = node.with.iter().any(|(key, _)| key.text == field.name);
        let Some(ty) = field.ty.as_ref().filter(|ty| !given && !matches!(ty, Type::Optional(_))) else {
            continue;
        };
        let span = check.ast.nodes.get(name)?.span.clone();
        let doc = if field.doc.is_empty() { format!("`{}: =…`", field.name) } else { field.doc.clone() };
        check
            .report
            .error("E028", &span, format!("the node `{name}` is not given `{}`", field.name))
            .label(format!("{taker} needs `{}: {ty}`", field.name))
            .help(format!("add it under `with`: {doc}"));
        with = None;
    }
    with
}

fn writes(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    entries: &[WriteAst<'_>],
    local: &Local,
    error: bool,
) -> Option<IndexMap<String, Write>> {
    let mut writes = Some(IndexMap::new());
    for WriteAst { key, value, overwrite } in entries {
        let declared = check.ast.state.get(&key.text);
        if declared.is_none() {
            let known = check.ast.state.keys().map(String::as_str);
            let found =
                check.report.error("E022", &key.span, format!("there is no state key `{}`", key.text));
            found.suggest(&key.text, known);
        }
        if let (Some(span), Some(key)) = (overwrite, declared)
            && key.value.1 == Reducer::Last
        {
            check
                .report
                .error("E007", span, "a plain key is replaced by every write")
                .help("write the value without `overwrite`");
        }
        let ty = declared.and_then(|key| key.value.0.as_ref());
        let source = source(check, value, ty, local, When::Before(at));
        check.seen.write(at, &key.text, key.span.clone(), overwrite.is_some(), error);
        match (writes.as_mut(), source) {
            (Some(map), Some(value)) => {
                map.insert(key.text.clone(), Write { value, overwrite: overwrite.is_some() });
            }
            _ => writes = None,
        }
    }
    writes
}

fn collect(all: &mut Option<IndexMap<String, Source>>, key: &Name, source: Option<Source>) {
    match (all.as_mut(), source) {
        (Some(map), Some(source)) => {
            map.insert(key.text.clone(), source);
        }
        _ => *all = None,
    }
}

/// The ends; the output of one is evaluated over the final state.
pub(super) fn ends(check: &mut Check<'_, '_, '_>) -> IndexMap<String, End> {
    let ast = check.ast;
    let mut ends = IndexMap::new();
    for (i, (name, end)) in ast.ends.iter().enumerate() {
        let (outcome, output) = &end.value;
        let returns = ast.returns.as_ref().map(|decl| (&decl.span, decl.value.as_ref()));
        if let (Some((span, _)), None, Outcome::Success) = (&returns, output, outcome) {
            check
                .report
                .error("E057", &end.span, format!("the end `{name}` gives nothing"))
                .label("the graph says what it `returns`")
                .help("write `{outcome: success, output: VALUE}`");
            let _ = span;
        }
        let ty = returns.and_then(|(_, ty)| ty);
        let local = Local::default();
        let output = output.as_ref().and_then(|value| source(check, value, ty, &local, When::End(i)));
        ends.insert(name.clone(), End { outcome: *outcome, output });
    }
    ends
}

/// A condition: a bool.
pub(super) fn condition(
    check: &mut Check<'_, '_, '_>,
    cel: &Cel<'_>,
    local: &Local,
    when: When,
) -> Option<Expr> {
    let rust = cel.text.trim().strip_suffix("()").and_then(|name| check.kinds.conditions.get(name));
    if let Some(condition) = rust {
        return Some(Expr::of_rust(condition.clone()));
    }
    let (expr, ty) = expression(check, cel, local, when)?;
    if ty.is_bool() {
        return Some(expr);
    }
    let span = cel.span(check.report.source, 0..cel.text.len());
    let found = check.report.error("E031", &span, "a condition is true or false");
    found.label(format!("this is {ty}"));
    if matches!(&ty, Ty::Optional(inner) if inner.is_bool()) {
        found.help(format!("say what null means: `{0} != null && {0}`", cel.text.trim()));
    }
    None
}

/// The type of a value of type `ty`, where `declared` is what the kind takes.
fn seen(ty: Option<&Ty>, declared: Option<&Type>) -> Ty {
    let null = matches!(ty, Some(Ty::Optional(_) | Ty::Null));
    match (declared, ty) {
        (Some(declared), Some(_)) if !null => Ty::from(bare(declared)),
        (Some(declared), _) => Ty::from(declared),
        (None, Some(ty)) => ty.clone(),
        (None, None) => Ty::Any,
    }
}

/// [`source`], with its type as far as that is known.
fn typed(
    check: &mut Check<'_, '_, '_>,
    value: &Value1<'_>,
    to: Option<&Type>,
    local: &Local,
    when: When,
) -> Option<(Source, Ty)> {
    if let ValueData::Cel(cel) = &value.data {
        let (expr, ty) = expression(check, cel, local, when)?;
        let span = cel.span(check.report.source, 0..cel.text.len());
        fits(check, &ty, to, &span, cel.text.trim())?;
        return Some((Source::Expr(expr), ty));
    }
    let null = matches!(&value.data, ValueData::Literal(literal) if literal.is_null());
    Some((source(check, value, to, local, when)?, if null { Ty::Null } else { Ty::Any }))
}

/// A literal or an expression that `to` takes.
fn source(
    check: &mut Check<'_, '_, '_>,
    value: &Value1<'_>,
    to: Option<&Type>,
    local: &Local,
    when: When,
) -> Option<Source> {
    match &value.data {
        ValueData::Literal(literal) => {
            if let Some(to) = to
                && let Err(mismatch) = to.check(literal)
            {
                let place = inner(value.node, &mismatch.path);
                let found = check.report.error("E030", &place.span, mismatch.to_string());
                found.label(format!("{to} is expected"));
                let text = literal.as_str().unwrap_or_default();
                if check.ast.state.contains_key(text)
                    || text.starts_with("inputs.")
                    || text.starts_with("output")
                {
                    found.help(format!("an expression starts with `=`: `={text}`"));
                }
                return None;
            }
            Some(Source::Literal(literal.clone()))
        }
        ValueData::Cel(_) => typed(check, value, to, local, when).map(|(source, _)| source),
        ValueData::List(items) => {
            let item = match to.map(bare) {
                Some(Type::List(item)) => Some(item.as_ref()),
                Some(other) => {
                    let message = format!("expected {other}, found a list");
                    check.report.error("E030", &value.node.span, message);
                    None
                }
                None => None,
            };
            let items: Vec<_> = items.iter().map(|value| source(check, value, item, local, when)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Source::List)
        }
        ValueData::Map(entries) => map(check, value, entries, to, local, when),
    }
}

fn map(
    check: &mut Check<'_, '_, '_>,
    value: &Value1<'_>,
    entries: &[(String, Value1<'_>)],
    to: Option<&Type>,
    local: &Local,
    when: When,
) -> Option<Source> {
    let to = to.map(bare);
    match to {
        None | Some(Type::Map(_)) => {}
        Some(Type::Record(record)) => {
            for (key, part) in entries {
                if !record.fields.contains_key(key) {
                    let known = record.fields.keys().map(String::as_str);
                    let message = format!("{} has no field `{key}`", Type::Record(record.clone()));
                    check.report.error("E025", &part.node.span, message).suggest(key, known);
                }
            }
            for (name, field) in &record.fields {
                let given = entries.iter().any(|(key, _)| key == name);
                if !given && !matches!(field.ty, Type::Optional(_)) {
                    check.report.error(
                        "E030",
                        &value.node.span,
                        format!("`{name}`: is missing, expected {}", field.ty),
                    );
                }
            }
        }
        Some(other) => {
            check.report.error("E030", &value.node.span, format!("expected {other}, found a map"));
        }
    }
    let mut all = Some(IndexMap::new());
    for (key, part) in entries {
        let ty = match to {
            Some(Type::Map(item)) => Some(item.as_ref()),
            Some(Type::Record(record)) => record.fields.get(key).map(|field| &field.ty),
            _ => None,
        };
        let part = source(check, part, ty, local, when);
        collect(&mut all, &Name { text: key.clone(), span: 0..0 }, part);
    }
    all.map(Source::Map)
}

fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => bare(inner),
        ty => ty,
    }
}

fn fits(check: &mut Check<'_, '_, '_>, ty: &Ty, to: Option<&Type>, span: &Span, text: &str) -> Option<()> {
    let Some(to) = to else { return Some(()) };
    if ty.fits(to) {
        return Some(());
    }
    if let Ty::Optional(inner) = ty
        && inner.fits(to)
    {
        check
            .report
            .error("E032", span, format!("this may be null, and {to} is expected"))
            .help(format!("say what null means: `={text} == null ? … : {text}`"));
        return None;
    }
    let found = check.report.error("E030", span, format!("expected {to}, found {ty}"));
    // Two records may share a name: one of the file, one that the kind knows.
    if let (Type::Record(record), Ty::Record(_)) = (bare(to), ty) {
        let fields: Vec<String> =
            record.fields.iter().map(|(name, field)| format!("{name}: {}", field.ty)).collect();
        found.help(format!("the fields must be the same: {}", fields.join(", ")));
    }
    None
}

/// Parses, infers and compiles one expression, and notes what it reads.
pub(super) fn expression(
    check: &mut Check<'_, '_, '_>,
    cel: &Cel<'_>,
    local: &Local,
    when: When,
) -> Option<(Expr, Ty)> {
    let source = check.report.source;
    let parsed = match expr::parse(&cel.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = error.at.min(cel.text.len());
            let span = cel.span(source, at..at + 1);
            check.report.error("E034", &span, format!("this is not CEL: {}", error.message));
            return None;
        }
    };
    let has_output = local.has("output");
    let scope = Variables { ast: check.ast, inputs: &check.inputs, local };
    let Inferred { ty, problems, reads, inputs, all_inputs, types, present } =
        infer::infer(&parsed, &cel.text, &scope);
    for (name, at) in reads {
        if check.ast.state.contains_key(&name) && !RESERVED.contains(&name.as_str()) && !local.has(&name) {
            check.seen.read(when, &name, cel.span(source, at));
        }
    }
    check.seen.inputs.extend(inputs);
    check.seen.all_inputs |= all_inputs;
    let failed = !problems.is_empty();
    for problem in problems {
        let span = cel.span(source, problem.at);
        if let Some((wrong, _)) = &problem.names
            && wrong == super::secrets::NAME
        {
            super::secrets::read(check.report, &span);
            continue;
        }
        let found = check.report.error(problem.code, &span, problem.message);
        found.label(problem.label);
        if let Some((wrong, known)) = problem.names {
            if wrong == "remaining_steps" {
                found.help("the graph must say how many there are: `limits: {steps: 60, exhausted: END}`");
            } else if wrong == "output" && !has_output {
                found.help("`output` is there in `writes` and `when`, after the node ran");
            } else {
                found.suggest(&wrong, known.iter().map(String::as_str));
            }
        }
        if let Some(help) = problem.help {
            found.help(help);
        }
    }
    if failed {
        return None;
    }
    Some((Expr::build(cel.text.trim(), parsed.tree, types, &present), ty))
}

/// The type of the items of the list that `over` gives, where it can be told without reporting anything.
pub(super) fn item_type(check: &Check<'_, '_, '_>, _at: usize, over: &Cel<'_>) -> Option<Type> {
    match quiet_type(check, over) {
        Ty::List(item) => item.to_type(),
        _ => None,
    }
}

/// The type of an expression before its node runs, without reporting anything.
pub(super) fn quiet_type(check: &Check<'_, '_, '_>, cel: &Cel<'_>) -> Ty {
    let Ok(parsed) = expr::parse(&cel.text) else { return Ty::Any };
    let local = Local::default();
    let scope = Variables { ast: check.ast, inputs: &check.inputs, local: &local };
    infer::infer(&parsed, &cel.text, &scope).ty
}
