//! Templates: their syntax, every variable they use, and the types of what they read.

mod walk;

use minijinja::machinery::{ast::Stmt, parse};
use minijinja::syntax::SyntaxConfig;

use super::super::Template;
use super::super::ast::TemplateAst;
use super::super::expr::ty::Ty;
use super::Check;
use crate::types::Type;
use walk::Walk;

/// Variables that every template sees.
const ALWAYS: [&str; 2] = ["attempt", "max_attempts"];

/// Checks the template of a node; `given` is what its `with` gives it.
pub(super) fn check(
    check: &mut Check<'_, '_, '_>,
    given: &[(String, Ty)],
    template: &TemplateAst<'_>,
) -> Option<Template> {
    let source = check.report.source;
    let compiled = Template::new(&template.text);
    if let Err(error) = compiled.variables() {
        let span = template.span(source, error.span);
        check.report.error("E035", &span, format!("this is not a template: {}", error.message));
        return None;
    }
    // Jinja compiled it, so it parses.
    let Ok(Stmt::Template(parsed)) = parse(&template.text, "template", SyntaxConfig::default()) else {
        return None;
    };
    let gathered = template.variables.iter().map(|(name, ty)| ((*name).to_owned(), Ty::from(ty)));
    let always = ALWAYS.map(|name| (name.to_owned(), Ty::from(&Type::Int)));
    let roots = given.iter().cloned().chain(gathered).chain(always).collect();
    let problems = Walk::over(&template.text, roots, &parsed.children);
    let good = problems.is_empty();
    for problem in problems {
        let span = template.span(source, problem.at);
        let wrong = problem.names.as_ref().map(|(wrong, _)| wrong.as_str());
        if wrong == Some(super::secrets::NAME) {
            super::secrets::read(check.report, &span);
            continue;
        }
        let state = wrong.filter(|wrong| problem.code == "E024" && check.ast.state.contains_key(*wrong));
        let found = check.report.error(problem.code, &span, problem.message);
        found.label(problem.label);
        if let Some(key) = state {
            found.help(format!("a template sees what `with` gives it: add `{key}: ={key}`"));
        } else if let Some((wrong, known)) = &problem.names {
            found.suggest(wrong, known.iter().map(String::as_str));
        }
        if let Some(help) = problem.help {
            found.help(help);
        }
    }
    good.then_some(compiled)
}
