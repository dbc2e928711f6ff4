//! Ways to keep a failing expression from being evaluated when a condition does not hold.
//!
//! Which way fits depends on where the expression stands. The contract decides the order: the domain's own error,
//! then a default, then a guard that skips.

use tree_sitter::Node;

use super::case::{Case, Drafts, bound_inside, words};
use super::contract::{defaults, is_generator, raises};
use super::edit::{Edit, before, under};
use super::source::{Module, all, ancestors, children, field, function, simple, statement, walk};

/// A condition that must hold for an expression to make sense.
pub(crate) struct Guard<'g> {
    /// The template it serves.
    pub(crate) template: &'static str,
    /// Python for "it is fine".
    pub(crate) ok: String,
    /// Python for "it is not".
    pub(crate) bad: String,
    /// What the error says, for a raised message: `x must not be empty`.
    pub(crate) complaint: &'g str,
    /// How much the guard is believed.
    pub(crate) score: f64,
}

/// Operators bind looser than `and`: such an operand needs parentheses.
fn loose(node: Node, module: &Module) -> bool {
    matches!(node.kind(), "conditional_expression" | "lambda" | "named_expression")
        || (node.kind() == "boolean_operator"
            && field(node, "operator").is_some_and(|o| module.of(o) == "or"))
}

/// `a and b`, with parentheses where they are needed.
fn and(module: &Module, ok: &str, node: Node) -> String {
    if loose(node, module) {
        format!("{ok} and ({})", module.of(node))
    } else {
        format!("{ok} and {}", module.of(node))
    }
}

/// The comprehension around `node` that binds a name of `condition`, if any.
fn comprehension<'t>(module: &Module, node: Node<'t>, condition: &str) -> Option<Node<'t>> {
    let names = words(condition);
    let kinds =
        ["list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"];
    let found = ancestors(node).take_while(|a| !matches!(a.kind(), "block" | "module")).find(|a| {
        kinds.contains(&a.kind())
            && children(*a).into_iter().filter(|c| c.kind() == "for_in_clause").any(|c| {
                field(c, "left")
                    .is_some_and(|l| all(l, "identifier").iter().any(|n| names.contains(&module.of(*n))))
            })
    })?;
    // In the iterable the variable does not exist yet.
    let clause = ancestors(node).take_while(|a| a.id() != found.id()).find(|a| a.kind() == "for_in_clause");
    clause.is_none().then_some(found)
}

/// Adds a condition to a comprehension.
pub(crate) fn filter(module: &Module, comprehension: Node, ok: &str) -> Option<Edit> {
    let clauses: Vec<Node> = children(comprehension)
        .into_iter()
        .filter(|c| matches!(c.kind(), "for_in_clause" | "if_clause"))
        .collect();
    let last = *clauses.last()?;
    if last.kind() == "if_clause" {
        let condition = children(last).into_iter().next()?;
        return Some(Edit::replace(condition, and(module, ok, condition)));
    }
    let text = match module.indent(last) {
        Some(indent) => format!("\n{indent}if {ok}"),
        None => format!(" if {ok}"),
    };
    Some(Edit::insert(last.end_byte(), text))
}

/// The operand of a boolean context that `node` is part of: what `ok and …` can be put before.
fn operand<'t>(node: Node<'t>) -> Option<Node<'t>> {
    let mut at = node;
    loop {
        let parent = at.parent()?;
        let role = |name: &str| field(parent, name).is_some_and(|n| n.id() == at.id());
        let stop = match parent.kind() {
            "boolean_operator" => true,
            "if_statement" | "elif_clause" | "while_statement" => role("condition"),
            "if_clause" => true,
            "assert_statement" => return None,
            "conditional_expression" => children(parent).get(1).is_some_and(|c| c.id() == at.id()),
            "block" | "module" | "lambda" => return None,
            _ => false,
        };
        if stop {
            return Some(at);
        }
        at = parent;
    }
}

/// Whether what comes after the statement, up to the function's end, does something besides computing a result.
pub(crate) fn work_follows(stmt: Node) -> bool {
    match function(stmt) {
        Some(func) => work_left(stmt, func),
        None => true,
    }
}

/// The same up to the end of `scope`, a loop or a function around the statement.
fn work_left(stmt: Node, scope: Node) -> bool {
    let mut at = stmt;
    let effect = |n: &Node| match n.kind() {
        "expression_statement" => {
            children(*n).first().is_some_and(|c| matches!(c.kind(), "call" | "await" | "yield"))
        }
        "assignment" | "augmented_assignment" => {
            field(*n, "left").is_some_and(|l| matches!(l.kind(), "attribute" | "subscript"))
        }
        "delete_statement" | "raise_statement" | "yield" | "await" | "with_statement" => true,
        _ => false,
    };
    loop {
        let mut next = at.next_named_sibling();
        while let Some(n) = next {
            if !matches!(n.kind(), "elif_clause" | "else_clause" | "except_clause")
                && walk(n).iter().any(effect)
            {
                return true;
            }
            next = n.next_named_sibling();
        }
        match at.parent() {
            Some(p) if p.id() == scope.id() => return false,
            Some(p) => at = p,
            None => return true,
        }
    }
}

/// Whether the condition can be asked just before the statement: it is evaluated at that moment and only there.
fn can_precede(stmt: Node, node: Node) -> bool {
    match stmt.kind() {
        "while_statement" => false,
        "if_statement" => {
            field(stmt, "condition").is_some_and(|c| c.byte_range().contains(&node.start_byte()))
        }
        "for_statement" => field(stmt, "right").is_some_and(|c| c.byte_range().contains(&node.start_byte())),
        "try_statement"
        | "function_definition"
        | "class_definition"
        | "decorated_definition"
        | "match_statement" => false,
        _ => true,
    }
}

/// Proposes every fitting way to guard `node`.
pub(crate) fn guard(case: &Case, module: &Module, node: Node, g: &Guard, out: &mut Drafts) {
    let ok = &g.ok;
    if let Some(c) = comprehension(module, node, ok) {
        out.add(
            g.template,
            module,
            node,
            g.score * 0.95,
            [filter(module, c, ok)],
            format!("skip items unless `{ok}`"),
        );
    }
    if let Some(o) = operand(node) {
        let inverted = ancestors(node).take_while(|a| a.id() != o.id()).any(|a| a.kind() == "not_operator")
            || o.kind() == "not_operator";
        let what = format!("ask `{ok}` first");
        out.add(
            g.template,
            module,
            node,
            g.score * if inverted { 0.7 } else { 0.95 },
            [Some(Edit::replace(o, and(module, ok, o)))],
            what,
        );
        let negative = o.kind() == "comparison_operator" && module.of(o).contains("!=") || inverted;
        let either = if o.parent().is_some_and(|p| p.kind() == "boolean_operator") {
            format!("({} or {})", g.bad, module.of(o))
        } else {
            format!("{} or {}", g.bad, module.of(o))
        };
        let score = g.score * if negative { 0.8 } else { 0.5 };
        out.add(
            g.template,
            module,
            node,
            score,
            [Some(Edit::replace(o, either))],
            format!("`{}` counts too", g.bad),
        );
    }
    let bound = bound_inside(module, node);
    if words(ok).iter().any(|w| bound.contains(w)) {
        return;
    }
    let Some(stmt) = statement(node) else { return };
    let in_condition = operand(node).is_some();
    statement_guards(case, module, stmt, node, g, in_condition, out);
}

fn statement_guards(
    case: &Case,
    module: &Module,
    stmt: Node,
    node: Node,
    g: &Guard,
    in_condition: bool,
    out: &mut Drafts,
) {
    let (ok, bad) = (&g.ok, &g.bad);
    let func = function(stmt);
    let inner = children(stmt).into_iter().next();
    let target = inner.and_then(|i| field(i, "left"));
    let local = target.is_some_and(|t| !matches!(t.kind(), "attribute" | "subscript"));
    let skip = |out: &mut Drafts, score: f64| {
        let edit = under(module, node, &format!("if {ok}:"), &[]);
        out.add(g.template, module, node, score, [edit], format!("only if `{ok}`"));
    };
    match (stmt.kind(), inner.map(|i| i.kind())) {
        ("expression_statement", Some("call" | "augmented_assignment" | "await")) => skip(out, g.score * 0.8),
        ("expression_statement", Some("assignment")) if !local => skip(out, g.score * 0.7),
        ("delete_statement", _) => skip(out, g.score * 0.85),
        ("for_statement", _) if can_precede(stmt, node) => skip(out, g.score * 0.6),
        _ => {}
    }
    if !can_precede(stmt, node) {
        return;
    }
    for raise in raises(case, module, stmt) {
        let call = if raise.message {
            format!("{}('{}')", raise.class, g.complaint)
        } else {
            format!("{}()", raise.class)
        };
        let lines = [format!("if {bad}:"), format!("{}raise {call}", module.unit)];
        let what = format!("raise {} if `{bad}`", raise.class);
        out.add(g.template, module, node, g.score * raise.fit * 0.9, [before(module, stmt, &lines)], what);
    }
    let Some(func) = func else { return };
    let values = if is_generator(func) { vec![String::new()] } else { defaults(module, func) };
    let returning = stmt.kind() == "return_statement";
    if !work_follows(stmt) || returning {
        for (i, value) in values.iter().enumerate() {
            let line = format!("{}return {value}", module.unit);
            let lines = [format!("if {bad}:"), line.trim_end().to_owned()];
            let base = if returning {
                0.85
            } else if in_condition {
                0.55
            } else {
                0.65
            };
            let score = g.score * base * 0.85_f64.powi(i as i32);
            out.add(
                g.template,
                module,
                node,
                score,
                [before(module, stmt, &lines)],
                format!("return {value} if `{bad}`"),
            );
        }
    }
    if let (Some(inner), true) = (inner, local)
        && inner.kind() == "assignment"
        && let Some(right) = field(inner, "right")
        && right.byte_range().contains(&node.start_byte())
    {
        for (i, value) in ["None", "0", "''", "[]"].iter().enumerate() {
            let text = format!("{} if {ok} else {value}", module.of(right));
            let score = g.score * 0.6 * 0.8_f64.powi(i as i32);
            out.add(
                g.template,
                module,
                node,
                score,
                [Some(Edit::replace(right, text))],
                format!("{value} unless `{ok}`"),
            );
        }
    }
    let in_for = ancestors(stmt)
        .take_while(|a| a.kind() != "function_definition")
        .find(|a| matches!(a.kind(), "for_statement" | "while_statement"));
    // What comes after in the loop's body would be dropped for this item.
    let drops = in_for.is_some_and(|l| work_left(stmt, l));
    let score = g.score * if drops { 0.2 } else { 0.5 };
    if in_for.is_some_and(|l| l.kind() == "for_statement") {
        let lines = [format!("if {bad}:"), format!("{}continue", module.unit)];
        out.add(
            g.template,
            module,
            node,
            score,
            [before(module, stmt, &lines)],
            format!("go on with the next if `{bad}`"),
        );
    } else if in_for.is_some() {
        let lines = [format!("if {bad}:"), format!("{}break", module.unit)];
        out.add(
            g.template,
            module,
            node,
            score,
            [before(module, stmt, &lines)],
            format!("leave the loop if `{bad}`"),
        );
    }
}

/// Whether a guard may repeat the expression.
pub(crate) fn repeatable(module: &Module, node: Node) -> bool {
    simple(module, node) && !module.of(node).contains('\n') && node.end_byte() - node.start_byte() < 120
}
