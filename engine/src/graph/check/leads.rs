//! `next`: every way on, and that there is always one.

use indexmap::IndexMap;

use super::super::Expr;
use super::super::ast::{ArmAst, Cel, NextAst, StepAst, SwitchAst};
use super::super::expr::ty::Ty;
use super::super::model::{Arm, Fork, Guard, Next, Step, Switch, Target};
use super::Check;
use super::forks::Joined;
use super::targets::find;
use super::unused::When;
use super::values::{Local, condition, expression};

/// Checks where the node at `at` leads. Nothing when a part of it cannot be used.
pub(super) fn check(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    next: &NextAst<'_>,
    forks: &[Joined],
    local: &Local,
) -> Option<Next> {
    match next {
        NextAst::Go(step) => lower(check, at, step, forks).map(Next::Go),
        NextAst::Choose(arms) => choose(check, at, arms, forks, local),
        NextAst::Switch(switch) => self::switch(check, at, switch, forks, local),
        NextAst::Goto { name, among } => {
            let (expr, ty) = expression(check, name, local, When::After(at))?;
            let targets: Option<Vec<Target>> = among.iter().map(|name| find(check.ast, &name.text)).collect();
            match &ty {
                Ty::Any | Ty::String => {}
                Ty::Enum(words) | Ty::Words(words) => {
                    if let Some(lost) = words.iter().find(|word| among.iter().all(|name| name.text != **word))
                    {
                        let span = name.span(check.report.source, 0..name.text.len());
                        check
                            .report
                            .error(
                                "E040",
                                &span,
                                format!("this may be `{lost}`, which is not among the targets"),
                            )
                            .help(format!("add `{lost}` to `among`, or lead on by a `switch`"));
                        return None;
                    }
                    let never = among.iter().filter(|name| !words.contains(&name.text));
                    for name in never {
                        let message = format!("the expression never names `{}`", name.text);
                        check.report.warning("W011", &name.span, message).help("take it out of `among`");
                    }
                }
                other => {
                    let span = name.span(check.report.source, 0..name.text.len());
                    check.report.error("E030", &span, format!("a name is expected here, found {other}"));
                    return None;
                }
            }
            Some(Next::Goto { name: expr, among: targets? })
        }
    }
}

fn choose(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    arms: &[ArmAst<'_>],
    forks: &[Joined],
    local: &Local,
) -> Option<Next> {
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
    let mut asked = Vec::new();
    let arms: Vec<Option<Arm>> = arms
        .iter()
        .map(|arm| {
            let guard = match &arm.when {
                None => Guard::Else,
                Some(cel) => {
                    let expr = condition(check, cel, local, When::After(at))?;
                    dull(check, cel, &expr, &mut asked);
                    Guard::When(expr)
                }
            };
            Some(Arm { guard, step: lower(check, at, &arm.step, forks)? })
        })
        .collect();
    arms.into_iter().collect::<Option<Vec<Arm>>>().map(Next::Choose)
}

/// Warns of a condition that decides nothing; `asked` are those of the arms before it.
fn dull(check: &mut Check<'_, '_, '_>, cel: &Cel<'_>, expr: &Expr, asked: &mut Vec<String>) {
    let span = cel.span(check.report.source, 0..cel.text.len());
    if let Some(always) = expr.constant() {
        let found = check.report.warning("W008", &span, format!("this is always {always}"));
        found.help(if always {
            "the arms after it are never taken: write an `else`"
        } else {
            "this arm is never taken: remove it"
        });
        return;
    }
    if asked.contains(&expr.source) {
        check
            .report
            .warning("W009", &span, "an arm before it asks the same")
            .label("this arm is never taken");
    }
    asked.push(expr.source.clone());
}

fn switch(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    switch: &SwitchAst<'_>,
    forks: &[Joined],
    local: &Local,
) -> Option<Next> {
    let on = expression(check, &switch.on, local, When::After(at));
    let mut cases = IndexMap::new();
    for (word, step) in &switch.cases {
        cases.insert(word.text.clone(), lower(check, at, step, forks)?);
    }
    let otherwise = match &switch.otherwise {
        Some((_, step)) => Some(lower(check, at, step, forks)?),
        None => None,
    };
    let (on, ty) = on?;
    let span = switch.on.span(check.report.source, 0..switch.on.text.len());
    let words = match ty {
        Ty::Enum(words) | Ty::Words(words) => words,
        Ty::Any => return Some(Next::Switch(Switch { on, cases, otherwise })),
        other => {
            check
                .report
                .error("E030", &span, format!("a switch needs one of a few words, found {other}"))
                .help("give it a value of an `enum<…>` type, or write a list of `when` arms");
            return None;
        }
    };
    for (word, _) in switch.cases.iter().filter(|(word, _)| !words.contains(&word.text)) {
        let message = format!("`{}` is never `{}`", on.source, word.text);
        let known = words.iter().map(String::as_str);
        check.report.error("E049", &word.span, message).suggest(&word.text, known);
    }
    let open: Vec<&str> =
        words.iter().filter(|word| !cases.contains_key(*word)).map(String::as_str).collect();
    match (&switch.otherwise, open.as_slice()) {
        (None, [_, ..]) => {
            let missing = open.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            check
                .report
                .error("E040", &span, format!("no case says what happens on {missing}"))
                .help("add the cases, or an `else`");
        }
        (Some((span, _)), []) => {
            check
                .report
                .error("E041", span, "this `else` is never taken")
                .help("the cases are complete: remove it");
        }
        _ => {}
    }
    Some(Next::Switch(Switch { on, cases, otherwise }))
}

fn lower(check: &Check<'_, '_, '_>, at: usize, step: &StepAst, forks: &[Joined]) -> Option<Step> {
    match step {
        StepAst::To(name) => Some(Step::To(find(check.ast, &name.text)?)),
        StepAst::Fork(names) => {
            let heads: Vec<usize> =
                names.iter().map(|name| check.ast.nodes.get_index_of(&name.text)).collect::<Option<_>>()?;
            let joined = forks.iter().find(|fork| fork.from == at && fork.heads == heads)?;
            let join = check.ast.nodes.get_index(joined.join)?.0.clone();
            Some(Step::Fork(Fork { branches: names.iter().map(|name| name.text.clone()).collect(), join }))
        }
        StepAst::Retry { head, max_attempts, exhausted } => match find(check.ast, &head.text)? {
            Target::End(_) => None,
            Target::Node(head) => Some(Step::Retry {
                head,
                max_attempts: *max_attempts,
                exhausted: find(check.ast, &exhausted.text)?,
            }),
        },
    }
}
