//! What is known not to be null where a test was made.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr, UnaryOpKind};

/// Paths that are not null: `frame`, `incident.frames[0].path`.
pub(super) type Facts = BTreeSet<String>;

/// `facts`, and what else is known where `test` came out as `yes`.
pub(super) fn when(test: &Expr<'_>, yes: bool, facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    add(test, yes, &mut facts);
    facts
}

fn add(test: &Expr<'_>, yes: bool, facts: &mut Facts) {
    match test {
        Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) if yes => facts.extend(path(test)),
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => add(&op.expr, !yes, facts),
        Expr::BinOp(op) => match op.op {
            BinOpKind::ScAnd if yes => {
                add(&op.left, true, facts);
                add(&op.right, true, facts);
            }
            BinOpKind::ScOr if !yes => {
                add(&op.left, false, facts);
                add(&op.right, false, facts);
            }
            BinOpKind::Eq => equal(&op.left, &op.right, yes, facts),
            BinOpKind::Ne => equal(&op.left, &op.right, !yes, facts),
            _ => {}
        },
        Expr::Compare(compare) => {
            if let [one] = compare.ops.as_slice() {
                match one.op {
                    CompareOpKind::Eq => equal(&compare.expr, &one.expr, yes, facts),
                    CompareOpKind::Ne => equal(&compare.expr, &one.expr, !yes, facts),
                    _ => {}
                }
            }
        }
        Expr::Test(test) => match test.name {
            "none" if !yes => facts.extend(path(&test.expr)),
            // What has a field that is there is there itself.
            "defined" if yes => facts.extend(above(&test.expr)),
            "undefined" if !yes => facts.extend(above(&test.expr)),
            _ => {}
        },
        _ => {}
    }
}

/// What follows where the two are equal, or where they are not.
fn equal(one: &Expr<'_>, other: &Expr<'_>, equal: bool, facts: &mut Facts) {
    for (side, value) in [(one, other), (other, one)] {
        let Expr::Const(value) = value else { continue };
        if value.value.is_none() != equal {
            facts.extend(path(side));
        }
    }
}

fn above(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::GetAttr(get) => path(&get.expr),
        _ => None,
    }
}

/// The path that an expression is, where it is one.
pub(super) fn path(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(name) => Some(name.id.to_owned()),
        Expr::GetAttr(get) => Some(format!("{}.{}", path(&get.expr)?, get.name)),
        Expr::GetItem(get) => match &get.subscript_expr {
            Expr::Const(key) => Some(format!("{}[{}]", path(&get.expr)?, key.value)),
            _ => None,
        },
        _ => None,
    }
}
