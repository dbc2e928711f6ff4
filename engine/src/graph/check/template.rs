//! Templates: their syntax, and every variable they use.

use super::super::Template;
use super::super::ast::{NodeAst, TemplateAst};
use super::Check;
use crate::Kind;
use crate::types::Type;

/// Variables that every template sees.
const ALWAYS: [&str; 2] = ["attempt", "max_attempts"];

/// Checks the template of `node`.
pub(super) fn check(
    check: &mut Check<'_, '_, '_>,
    node: &NodeAst<'_>,
    kind: Option<&Kind>,
    template: &TemplateAst<'_>,
) -> Option<Template> {
    let place = |at: std::ops::Range<usize>, source: &str| {
        let start = template.node.locate(source, at.start);
        start..template.node.locate(source, at.end).max(start + 1)
    };
    let source = check.report.source;
    let compiled = Template::new(&template.text);
    let names = match compiled.variables() {
        Ok(names) => names,
        Err(error) => {
            let span = place(error.span, source);
            check.report.error("E035", &span, format!("this is not a template: {}", error.message));
            return None;
        }
    };
    let with = |name: &str| {
        node.with.iter().any(|(key, _)| key.text == name).then(|| {
            kind.and_then(|kind| kind.with.iter().find(|field| field.name == name))
                .map(|field| field.ty.clone())
        })
    };
    let gathered = |name: &str| {
        template.variables.iter().find(|(known, _)| *known == name).map(|(_, ty)| Some(ty.clone()))
    };
    let mut good = true;
    for path in &names {
        let mut parts = path.split('.');
        let root = parts.next().unwrap_or_default();
        let always = || ALWAYS.contains(&root).then_some(Some(Type::Int));
        let Some(ty) = with(root).or_else(|| gathered(root)).or_else(always) else {
            let span = place(find(&template.text, root), source);
            let found = check.report.error("E024", &span, format!("the template has no variable `{root}`"));
            if check.ast.state.contains_key(root) {
                found.help(format!("a template sees what `with` gives it: add `{root}: ={root}`"));
            } else {
                let given = node.with.iter().map(|(key, _)| key.text.as_str());
                found.suggest(
                    root,
                    given.chain(template.variables.iter().map(|(name, _)| *name)).chain(ALWAYS),
                );
            }
            good = false;
            continue;
        };
        good &= fields(check, template, path, parts, ty, &place);
    }
    good.then_some(compiled)
}

/// Whether each field of `path` is there, as far as types are known.
fn fields<'p>(
    check: &mut Check<'_, '_, '_>,
    template: &TemplateAst<'_>,
    path: &str,
    parts: impl Iterator<Item = &'p str>,
    mut ty: Option<Type>,
    place: &dyn Fn(std::ops::Range<usize>, &str) -> std::ops::Range<usize>,
) -> bool {
    for part in parts {
        while let Some(Type::Optional(inner)) = ty {
            ty = Some(*inner);
        }
        let Some(Type::Record(record)) = &ty else { return true };
        let Some(field) = record.fields.get(part) else {
            let start = find(&template.text, path);
            let at = start.end.saturating_sub(part.len())..start.end;
            let span = place(at, check.report.source);
            let message = format!("{} has no field `{part}`", Type::Record(record.clone()));
            let known: Vec<String> = record.fields.keys().cloned().collect();
            let found = check.report.error("E025", &span, message);
            found.suggest(part, known.iter().map(String::as_str));
            return false;
        };
        ty = Some(field.ty.clone());
    }
    true
}

/// Where `name` first stands in `text` as a whole word inside a tag.
fn find(text: &str, name: &str) -> std::ops::Range<usize> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(name)).map(|at| from + at) {
        let end = at + name.len();
        let before = text.get(..at).unwrap_or_default();
        let inside = |open: &str, close: &str| match (before.rfind(open), before.rfind(close)) {
            (Some(open), Some(close)) => open > close,
            (open, _) => open.is_some(),
        };
        let free = !before.ends_with(|c| word(c) || c == '.')
            && !text.get(end..).unwrap_or_default().starts_with(word);
        if free && (inside("{{", "}}") || inside("{%", "%}")) {
            return at..end;
        }
        from = end;
    }
    0..0
}
