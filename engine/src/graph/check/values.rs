//! Values and conditions: every expression is parsed, its names resolved, its type held against what takes it.

use indexmap::IndexMap;
use std::collections::BTreeMap;

use super::super::ast::{ArmAst, Cel, Name, NextAst, NodeAst, StepAst, Value1, ValueData};
use super::super::expr::infer::{self, Inferred};
use super::super::expr::ty::Ty;
use super::super::lower::{RESERVED, inner};
use super::super::model::{Arm, Does, End, Guard, Next, NodeDef, Source, Step, Target, Write};
use super::super::yaml::Span;
use super::super::{Expr, expr};
use super::targets::{Targets, find};
use super::unused::When;
use super::{Check, template};
use crate::types::Type;
use crate::{Kind, Output};

/// The variables at one place: inputs, state, attempts, and `output` after the node ran.
struct Variables<'a, 'y> {
    ast: &'a super::Ast<'y>,
    inputs: &'a Option<Type>,
    /// Nothing: there is no `output` here. `Some(None)`: its type is not known.
    output: Option<Option<Type>>,
}

impl infer::Scope for Variables<'_, '_> {
    fn variable(&self, name: &str) -> Option<Option<Type>> {
        match name {
            "inputs" => Some(self.inputs.clone()),
            "output" => self.output.clone(),
            "attempt" | "max_attempts" => Some(Some(Type::Int)),
            _ => self.ast.state.get(name).map(|key| key.value.0.clone()),
        }
    }

    fn names(&self) -> Vec<String> {
        let reserved = RESERVED.into_iter().filter(|name| *name != "output" || self.output.is_some());
        self.ast.state.keys().cloned().chain(reserved.map(str::to_owned)).collect()
    }
}

/// Checks the node called `name`. Nothing when a part of it cannot be used.
pub(super) fn node(
    check: &mut Check<'_, '_, '_>,
    name: &str,
    node: &NodeAst<'_>,
    _targets: &Targets,
) -> Option<NodeDef> {
    let kind = check.kinds.kinds.get(node.kind.text.as_str()).filter(|_| node.known);
    let at = check.ast.nodes.get_index_of(name)?;
    let output = match kind.map(|kind| &kind.output) {
        Some(Output::Fixed(ty)) => Some(ty.clone()),
        Some(Output::Returns) => node.returns.clone(),
        None => None,
    };
    let with = with(check, at, name, node, kind);
    let writes = writes(check, at, node, &output);
    let mut conditions = BTreeMap::new();
    for (key, cel) in &node.conditions {
        if let Some(expr) = condition(check, cel, None, When::Before(at)) {
            conditions.insert(key.text.clone(), expr);
        }
    }
    if let Some(role) = &node.model {
        check.seen.models.insert(role.text.clone());
        if !check.ast.models.contains_key(&role.text) {
            let known = check.ast.models.keys().map(String::as_str);
            let found =
                check.report.error("E026", &role.span, format!("there is no model role `{}`", role.text));
            found.suggest(&role.text, known);
        }
    }
    let prompt = node.template.as_ref().and_then(|text| template::check(check, node, kind, text));
    let next = node.next.as_ref().and_then(|next| leads(check, at, next, &output));
    Some(NodeDef {
        name: name.to_owned(),
        kind: node.kind.text.clone(),
        does: Does::Run,
        with: with?,
        writes: writes?.into_iter().map(|(key, value)| (key, Write { value, overwrite: false })).collect(),
        literals: node.literals.iter().map(|(key, value)| (key.text.clone(), value.clone())).collect(),
        conditions,
        model: node.model.as_ref().map(|role| role.text.clone()),
        returns: node.returns.clone(),
        prompt,
        retry: node.retry,
        timeout_ms: None,
        on_error: None,
        interrupt: None,
        next: next?,
    })
}

fn with(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    name: &str,
    node: &NodeAst<'_>,
    kind: Option<&Kind>,
) -> Option<IndexMap<String, Source>> {
    let mut with = Some(IndexMap::new());
    for (key, value) in &node.with {
        let field = kind.and_then(|kind| kind.with.iter().find(|field| field.name == key.text));
        if let (Some(kind), None) = (kind, field) {
            let known = kind.with.iter().map(|field| field.name);
            let message = format!("the kind `{}` takes no `{}`", kind.name, key.text);
            check.report.error("E029", &key.span, message).suggest(&key.text, known);
        }
        let source = source(check, value, field.map(|field| &field.ty), None, When::Before(at));
        collect(&mut with, key, source);
    }
    for field in kind.map_or(&[][..], |kind| &kind.with) {
        let given = node.with.iter().any(|(key, _)| key.text == field.name);
        if !given && !matches!(field.ty, Type::Optional(_)) {
            let span = check.ast.nodes.get(name)?.span.clone();
            check
                .report
                .error("E028", &span, format!("the node `{name}` is not given `{}`", field.name))
                .label(format!("kind `{}` needs `{}: {}`", node.kind.text, field.name, field.ty))
                .help(format!("add it under `with`: {}", field.doc));
            with = None;
        }
    }
    with
}

fn writes(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    node: &NodeAst<'_>,
    output: &Option<Type>,
) -> Option<IndexMap<String, Source>> {
    let mut writes = Some(IndexMap::new());
    for (key, value) in &node.writes {
        let declared = check.ast.state.get(&key.text);
        if declared.is_none() {
            let known = check.ast.state.keys().map(String::as_str);
            let found =
                check.report.error("E022", &key.span, format!("there is no state key `{}`", key.text));
            found.suggest(&key.text, known);
        }
        let ty = declared.and_then(|key| key.value.0.as_ref());
        let source = source(check, value, ty, Some(output.clone()), When::Before(at));
        check.seen.write(at, &key.text);
        collect(&mut writes, key, source);
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

fn leads(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    next: &NextAst<'_>,
    output: &Option<Type>,
) -> Option<Next> {
    let arms = match next {
        NextAst::To(name) => return find(check.ast, &name.text).map(|to| Next::Go(Step::To(to))),
        NextAst::Choose(arms) => arms,
    };
    if let Some(open) = arms.iter().position(|arm| arm.when.is_none()) {
        if let Some(dead) = arms.get(open + 1) {
            check
                .report
                .error("E041", &dead.span, "this arm is never taken")
                .help("the arm before it always matches: move it to the end");
        }
    } else if let Some(last) = arms.last() {
        check
            .report
            .error("E040", &last.span, "no arm is left when this one does not match")
            .help("end the list with `{else: TARGET}` or a `retry`");
    }
    let arms: Vec<Option<Arm>> = arms.iter().map(|arm| lower_arm(check, at, arm, output)).collect();
    arms.into_iter().collect::<Option<Vec<Arm>>>().map(Next::Choose)
}

fn lower_arm(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    arm: &ArmAst<'_>,
    output: &Option<Type>,
) -> Option<Arm> {
    let guard = match &arm.when {
        None => Guard::Else,
        Some(cel) => Guard::When(condition(check, cel, Some(output.clone()), When::After(at))?),
    };
    let step = match &arm.step {
        StepAst::To(name) => Step::To(find(check.ast, &name.text)?),
        StepAst::Retry { head, max_attempts, exhausted } => match find(check.ast, &head.text)? {
            Target::End(_) => return None,
            Target::Node(head) => Step::Retry {
                head,
                max_attempts: *max_attempts,
                exhausted: find(check.ast, &exhausted.text)?,
            },
        },
    };
    Some(Arm { guard, step })
}

/// The ends; the output of one is evaluated over the final state.
pub(super) fn ends(check: &mut Check<'_, '_, '_>) -> IndexMap<String, End> {
    let ast = check.ast;
    let mut ends = IndexMap::new();
    for (i, (name, end)) in ast.ends.iter().enumerate() {
        let (outcome, output) = &end.value;
        let output = output.as_ref().and_then(|value| source(check, value, None, None, When::End(i)));
        ends.insert(name.clone(), End { outcome: *outcome, output });
    }
    ends
}

/// A condition: a bool.
fn condition(
    check: &mut Check<'_, '_, '_>,
    cel: &Cel<'_>,
    output: Option<Option<Type>>,
    when: When,
) -> Option<Expr> {
    let rust = cel.text.trim().strip_suffix("()").and_then(|name| check.kinds.conditions.get(name));
    if let Some(condition) = rust {
        return Some(Expr::of_rust(condition.clone()));
    }
    let (expr, ty) = expression(check, cel, output, when)?;
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

/// A literal or an expression that `to` takes.
fn source(
    check: &mut Check<'_, '_, '_>,
    value: &Value1<'_>,
    to: Option<&Type>,
    output: Option<Option<Type>>,
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
        ValueData::Cel(cel) => {
            let (expr, ty) = expression(check, cel, output, when)?;
            let span = cel.span(check.report.source, 0..cel.text.len());
            fits(check, &ty, to, &span, cel.text.trim())?;
            Some(Source::Expr(expr))
        }
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
            let items: Vec<_> =
                items.iter().map(|value| source(check, value, item, output.clone(), when)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Source::List)
        }
        ValueData::Map(entries) => map(check, value, entries, to, output, when),
    }
}

fn map(
    check: &mut Check<'_, '_, '_>,
    value: &Value1<'_>,
    entries: &[(String, Value1<'_>)],
    to: Option<&Type>,
    output: Option<Option<Type>>,
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
        let part = source(check, part, ty, output.clone(), when);
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
fn expression(
    check: &mut Check<'_, '_, '_>,
    cel: &Cel<'_>,
    output: Option<Option<Type>>,
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
    let has_output = output.is_some();
    let scope = Variables { ast: check.ast, inputs: &check.inputs, output };
    let Inferred { ty, problems, reads, inputs, all_inputs, types, present } =
        infer::infer(&parsed, &cel.text, &scope);
    for (name, at) in reads {
        if check.ast.state.contains_key(&name) && !RESERVED.contains(&name.as_str()) {
            check.seen.read(when, &name, cel.span(source, at));
        }
    }
    check.seen.inputs.extend(inputs);
    check.seen.all_inputs |= all_inputs;
    let failed = !problems.is_empty();
    for problem in problems {
        let span = cel.span(source, problem.at);
        let found = check.report.error(problem.code, &span, problem.message);
        found.label(problem.label);
        if let Some((wrong, known)) = problem.names {
            if wrong == "output" && !has_output {
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
