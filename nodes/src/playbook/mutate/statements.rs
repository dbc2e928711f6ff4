//! Statements that are missing, in the wrong place or under the wrong header.

use tree_sitter::Node;

use super::super::case::Drafts;
use super::super::edit::{Edit, after, before};
use super::super::source::{all, ancestors, arguments, children, field, function, walk};
use super::Spot;

const MISSING: &str = "missing-statement";
const PLACE: &str = "misplaced-statement";

/// Proposes statements that are missing and other places for those that are there.
pub(super) fn propose(spot: &Spot, out: &mut Drafts) {
    let Some(body) = field(spot.func, "body") else { return };
    returns(spot, body, out);
    visited(spot, out);
    leftovers(spot, out);
    links(spot, out);
    advance(spot, out);
    for n in spot.nodes() {
        match n.kind() {
            "for_statement" | "while_statement" | "if_statement" | "elif_clause" | "else_clause" => {
                outdent(spot, n, out)
            }
            "block" => neighbours(spot, n, out),
            "break_statement" => replace(spot, n, "continue", 0.35, out),
            "continue_statement" => replace(spot, n, "break", 0.3, out),
            _ => {}
        }
    }
}

fn replace(spot: &Spot, n: Node, new: &str, prior: f64, out: &mut Drafts) {
    out.add(PLACE, spot.module, n, spot.score(n, prior), [Some(Edit::replace(n, new))], format!("`{new}`"));
}

/// A function that computes something and never returns it.
fn returns(spot: &Spot, body: Node, out: &mut Drafts) {
    let own: Vec<Node> =
        all(body, "return_statement").into_iter().filter(|r| function(*r) == Some(spot.func)).collect();
    let gives = own.iter().any(|r| !children(*r).is_empty());
    let Some(last) = children(body).into_iter().next_back() else { return };
    let yields = all(body, "yield").into_iter().any(|y| function(y) == Some(spot.func));
    if yields {
        return;
    }
    if last.kind() == "expression_statement"
        && let Some(e) = children(last)
            .into_iter()
            .next()
            .filter(|e| !matches!(e.kind(), "assignment" | "augmented_assignment" | "string"))
    {
        let prior = if gives { 0.6 } else { 0.9 };
        out.add(
            MISSING,
            spot.module,
            last,
            spot.score(last, prior),
            [Some(Edit::insert(e.start_byte(), "return "))],
            format!("return `{}`", spot.of(e)),
        );
    }
    if last.kind() == "return_statement" {
        return;
    }
    let mut names = spot.locals();
    let parameters = spot.parameters();
    names.retain(|n| !parameters.contains(n) || !gives);
    names.reverse();
    for (i, name) in names.into_iter().take(6).enumerate() {
        let line = [format!("return {name}")];
        let score = spot.score(last, if gives { 0.45 } else { 0.85 } * 0.9_f64.powi(i as i32));
        out.add(
            MISSING,
            spot.module,
            last,
            score,
            [after(spot.module, last, &line)],
            format!("return `{name}`"),
        );
    }
    // Expressions in branches whose value is lost: calls of the function itself.
    for s in all(body, "expression_statement").into_iter().filter(|s| s.id() != last.id()) {
        if let Some(call) = children(s).into_iter().next().filter(|c| c.kind() == "call")
            && field(call, "function")
                .is_some_and(|f| spot.of(f).rsplit('.').next() == Some(spot.module.name(spot.func)))
        {
            out.add(
                MISSING,
                spot.module,
                s,
                spot.score(s, 0.75),
                [Some(Edit::insert(call.start_byte(), "return "))],
                format!("return `{}`", spot.of(call)),
            );
        }
    }
}

/// A set that is asked and never told: `if x in seen`.
fn visited(spot: &Spot, out: &mut Drafts) {
    for n in spot.nodes().into_iter().filter(|n| n.kind() == "comparison_operator") {
        let text = spot.of(n);
        if !text.contains(" in ") {
            continue;
        }
        let parts = children(n);
        let [item, set] = parts.as_slice() else { continue };
        let (item, set) = (spot.of(*item), spot.of(*set));
        let told = ["add", "append", "update", "extend", "setdefault"]
            .iter()
            .any(|m| spot.of(spot.func).contains(&format!("{set}.{m}(")))
            || spot.of(spot.func).contains(&format!("{set}["));
        let simple = |t: &str| t.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if !simple(set) || !simple(item) {
            continue;
        }
        let scale = if told { 0.35 } else { 1.0 };
        // The set may be a parameter of an outer function: methods tell which kind it is.
        for line in [format!("{set}.add({item})"), format!("{set}.append({item})")] {
            let Some(owner) = ancestors(n).find(|a| {
                matches!(a.kind(), "if_statement" | "elif_clause" | "while_statement" | "for_statement")
            }) else {
                continue;
            };
            let Some(stmt) = super::super::source::statement(owner) else { continue };
            let mut places: Vec<Option<Edit>> = vec![after(spot.module, stmt, std::slice::from_ref(&line))];
            for block in walk(stmt).into_iter().filter(|b| b.kind() == "block").take(6) {
                let inner = children(block);
                if let Some(first) = inner.first() {
                    places.push(before(spot.module, *first, std::slice::from_ref(&line)));
                }
                if let Some(last) = inner.last().filter(|l| {
                    !matches!(
                        l.kind(),
                        "return_statement" | "continue_statement" | "break_statement" | "raise_statement"
                    )
                }) {
                    places.push(after(spot.module, *last, std::slice::from_ref(&line)));
                }
            }
            for (i, place) in places.into_iter().enumerate() {
                let score = spot.score(
                    n,
                    0.7 * scale * 0.96_f64.powi(i as i32) * if line.contains(".append") { 0.8 } else { 1.0 },
                );
                out.add(MISSING, spot.module, n, score, [place], format!("`{line}`"));
            }
        }
    }
}

/// What a loop collects piece by piece and the last piece of which is left behind: `parts.append(part)` after it.
fn leftovers(spot: &Spot, out: &mut Drafts) {
    let locals = spot.locals();
    for l in spot.nodes().into_iter().filter(|n| matches!(n.kind(), "for_statement" | "while_statement")) {
        for call in all(l, "call") {
            let f = field(call, "function").map_or("", |f| spot.of(f));
            let Some((list, method)) = f.rsplit_once('.') else { continue };
            if !matches!(method, "append" | "add") || list.contains('(') {
                continue;
            }
            let given = arguments(call);
            let Some(argument) = given.first() else { continue };
            let mut values = vec![spot.of(*argument)];
            values.extend(locals.iter().copied().filter(|n| *n != list));
            values.dedup();
            for (i, value) in values.into_iter().take(7).enumerate() {
                let line = format!("{list}.{method}({value})");
                let base = spot.score(l, 0.5 * 0.93_f64.powi(i as i32));
                out.add(
                    MISSING,
                    spot.module,
                    l,
                    base,
                    [after(spot.module, l, std::slice::from_ref(&line))],
                    format!("`{line}` after the loop"),
                );
                let guarded = [format!("if {value}:"), format!("{}{line}", spot.module.unit)];
                out.add(
                    MISSING,
                    spot.module,
                    l,
                    base * 0.97,
                    [after(spot.module, l, &guarded)],
                    format!("`{line}` after the loop, if there is any"),
                );
                if let Some(last) = field(l, "body").map(children).unwrap_or_default().last().filter(|s| {
                    !matches!(s.kind(), "break_statement" | "continue_statement" | "return_statement")
                }) {
                    out.add(
                        MISSING,
                        spot.module,
                        *last,
                        base * 0.7,
                        [after(spot.module, *last, std::slice::from_ref(&line))],
                        format!("`{line}` in each turn"),
                    );
                    // Under the last branch of the turn.
                    if let Some(block) = all(*last, "block").last()
                        && let Some(end) = children(*block).last().filter(|s| {
                            !matches!(s.kind(), "break_statement" | "continue_statement" | "return_statement")
                        })
                    {
                        out.add(
                            MISSING,
                            spot.module,
                            *end,
                            base * 0.75,
                            [after(spot.module, *end, std::slice::from_ref(&line))],
                            format!("`{line}` in the last branch"),
                        );
                    }
                }
            }
        }
    }
}

/// In a loop over linked things a name that is never moved on: `previous = node`.
fn links(spot: &Spot, out: &mut Drafts) {
    let locals = spot.locals();
    for l in spot.nodes().into_iter().filter(|n| matches!(n.kind(), "while_statement" | "for_statement")) {
        let body = field(l, "body").map(children).unwrap_or_default();
        let set_inside = |name: &str| {
            all(l, "assignment").iter().chain(&all(l, "augmented_assignment")).any(|a| {
                field(*a, "left").is_some_and(|x| {
                    all(x, "identifier").iter().any(|i| spot.of(*i) == name) || spot.of(x) == name
                })
            })
        };
        let used = |name: &str| all(l, "identifier").iter().any(|i| spot.of(*i) == name);
        for name in locals.iter().filter(|n| used(n) && !set_inside(n)).take(4) {
            // It must have been given a value before the loop, else it is an input.
            let given = all(spot.func, "assignment").into_iter().any(|a| {
                a.end_byte() <= l.start_byte() && field(a, "left").is_some_and(|x| spot.of(x) == *name)
            });
            if !given {
                continue;
            }
            for other in locals.iter().filter(|o| *o != name && used(o)).take(5) {
                for s in &body {
                    let line = [format!("{name} = {other}")];
                    out.add(
                        MISSING,
                        spot.module,
                        *s,
                        spot.score(*s, 0.45),
                        [before(spot.module, *s, &line)],
                        format!("`{name} = {other}` in each turn"),
                    );
                }
                if let Some(s) = body.last() {
                    let line = [format!("{name} = {other}")];
                    out.add(
                        MISSING,
                        spot.module,
                        *s,
                        spot.score(*s, 0.47),
                        [after(spot.module, *s, &line)],
                        format!("`{name} = {other}` in each turn"),
                    );
                }
            }
        }
    }
}

/// A counter in a `while` condition that a branch or the loop forgets to move.
fn advance(spot: &Spot, out: &mut Drafts) {
    for l in spot.nodes().into_iter().filter(|n| n.kind() == "while_statement") {
        let Some(c) = field(l, "condition") else { continue };
        let mut names: Vec<&str> = all(c, "identifier").into_iter().map(|i| spot.of(i)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|n| !matches!(*n, "len" | "self" | "True")) {
            let whole = spot.of(l);
            let moved = ["+=", "-=", "="].iter().any(|op| whole.contains(&format!("{name} {op} ")));
            let scale = if moved { 0.5 } else { 1.0 };
            for (line, prior) in [(format!("{name} += 1"), 0.55), (format!("{name} -= 1"), 0.35)] {
                for block in walk(l).into_iter().filter(|b| b.kind() == "block").take(6) {
                    if let Some(last) = children(block).last().filter(|s| {
                        !matches!(
                            s.kind(),
                            "break_statement" | "continue_statement" | "return_statement" | "raise_statement"
                        )
                    }) {
                        out.add(
                            MISSING,
                            spot.module,
                            *last,
                            spot.score(*last, prior * scale),
                            [after(spot.module, *last, std::slice::from_ref(&line))],
                            format!("`{line}`"),
                        );
                    } else if let Some(last) = children(block).last() {
                        out.add(
                            MISSING,
                            spot.module,
                            *last,
                            spot.score(*last, prior * scale),
                            [before(spot.module, *last, std::slice::from_ref(&line))],
                            format!("`{line}`"),
                        );
                    }
                }
            }
        }
    }
}

/// The last statement of a block belongs after it.
fn outdent(spot: &Spot, owner: Node, out: &mut Drafts) {
    let m = spot.module;
    let Some(block) = field(owner, "consequence")
        .or_else(|| field(owner, "body"))
        .or_else(|| children(owner).into_iter().find(|c| c.kind() == "block"))
    else {
        return;
    };
    let inner = children(block);
    let Some(last) = inner.last().filter(|_| inner.len() > 1) else { return };
    let outer = super::super::source::statement(owner).unwrap_or(owner);
    // Only when nothing of the compound statement comes after the block.
    if block.end_byte() != outer.end_byte() {
        return;
    }
    let (Some(from), Some(to)) = (m.indent(*last), m.indent(outer)) else { return };
    let Some(at) = last.start_byte().checked_sub(from.len()) else { return };
    if !from.starts_with(to)
        || walk(*last).iter().any(|n| n.kind() == "string" && n.start_position().row != n.end_position().row)
    {
        return;
    }
    let text: Vec<String> = m
        .of(*last)
        .split('\n')
        .enumerate()
        .map(|(i, line)| {
            if i == 0 {
                format!("{to}{line}")
            } else {
                line.strip_prefix(&from[to.len()..]).unwrap_or(line).to_owned()
            }
        })
        .collect();
    let prior = if last.kind() == "return_statement" { 0.6 } else { 0.4 };
    let edit = Edit { range: at..last.end_byte(), text: text.join("\n") };
    out.add(PLACE, m, *last, spot.score(*last, prior), [Some(edit)], "one level further out".into());
}

/// Two statements beside each other in the wrong order; a statement after a block that belongs into it.
fn neighbours(spot: &Spot, block: Node, out: &mut Drafts) {
    let m = spot.module;
    for pair in children(block).windows(2) {
        let [a, b] = pair else { continue };
        let plain = |n: &Node| {
            n.kind() == "expression_statement" && children(*n).first().is_none_or(|c| c.kind() != "string")
        };
        if plain(a) && plain(b) {
            let edits = [Some(Edit::replace(*a, m.of(*b))), Some(Edit::replace(*b, m.of(*a)))];
            out.add(PLACE, m, *a, spot.score(*a, 0.45), edits, "the two statements change places".into());
        }
        if matches!(a.kind(), "for_statement" | "while_statement" | "if_statement")
            && matches!(b.kind(), "expression_statement")
            && a.end_position().row < b.start_position().row
        {
            let multi_line = b.start_position().row != b.end_position().row;
            if !multi_line {
                let edit = Edit::insert(b.start_byte(), m.unit.clone());
                out.add(PLACE, m, *b, spot.score(*b, 0.4), [Some(edit)], "one level further in".into());
            }
        }
    }
}
