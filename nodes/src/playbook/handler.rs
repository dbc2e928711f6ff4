//! Widening a handler that is there already and yields a value, or that turns into the domain's error.

use tree_sitter::Node;

use super::case::{Case, Drafts};
use super::contract::{defaults, is_generator, raises};
use super::edit::{Edit, under};
use super::source::{Module, all, ancestors, children, field, function, statement, walk};

const NAME: &str = "widen-handler";
const NEW: &str = "narrow-handler";

/// Exceptions of the language that a handler may name anywhere. Broad ones and those that mean a bug in the
/// program itself (`NameError`, `SyntaxError`, `AssertionError`) are not among them.
const CATCHABLE: [&str; 17] = [
    "ArithmeticError",
    "AttributeError",
    "EOFError",
    "FileNotFoundError",
    "IndexError",
    "KeyError",
    "LookupError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RecursionError",
    "StopIteration",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "ValueError",
    "ZeroDivisionError",
];

/// What catching it says: whether what it catches is a property of the data rather than of the program.
fn fit(exception: &str) -> f64 {
    match exception {
        "ValueError" | "TypeError" | "KeyError" | "IndexError" | "ZeroDivisionError" | "OverflowError" => 1.0,
        "AttributeError" => 0.6,
        _ => 0.8,
    }
}

/// Proposes to catch this exception too where a handler deals with its like.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if !CATCHABLE.contains(&case.exception) {
        return;
    }
    for site in &case.sites {
        for attempt in ancestors(site.node).filter(|a| a.kind() == "try_statement") {
            let within = field(attempt, "body").is_some_and(|b| b.byte_range().contains(&site.focus.start));
            if !within || function(attempt) != function(site.node) {
                continue;
            }
            for clause in children(attempt).into_iter().filter(|c| c.kind() == "except_clause") {
                widen(case, site.module, clause, site.weight, out);
            }
        }
    }
    for site in case.sites.iter().take(3) {
        fresh(case, site.module, site.node, site.weight, out);
    }
}

/// `except A:` becomes `except (A, E):`.
fn widen(case: &Case, module: &Module, clause: Node, weight: f64, out: &mut Drafts) {
    let Some(value) = field(clause, "value") else { return };
    // `except A as e`: the grammar may put the pattern in the value.
    let class = if value.kind() == "as_pattern" {
        children(value).into_iter().next().unwrap_or(value)
    } else {
        value
    };
    let text = module.of(class);
    let names: Vec<&str> =
        walk(class).into_iter().filter(|n| n.kind() == "identifier").map(|n| module.of(n)).collect();
    if names.contains(&case.exception) || names.contains(&"Exception") {
        return;
    }
    let Some(body) = children(clause).into_iter().find(|c| c.kind() == "block") else { return };
    let statements = children(body);
    let has = |kinds: &[&str]| walk(body).iter().any(|n| kinds.contains(&n.kind()));
    // A handler that yields a value is a decision about bad data; one that raises keeps the contract as well.
    let worth = if statements.iter().any(|s| s.kind() == "pass_statement") {
        0.35
    } else if has(&["return_statement", "assignment", "yield"]) {
        1.0
    } else if has(&["raise_statement"]) {
        if children(clause).iter().any(|c| all(*c, "raise_statement").iter().any(|r| children(*r).is_empty()))
        {
            0.0
        } else {
            0.9
        }
    } else if has(&["continue_statement"]) {
        0.7
    } else {
        0.5
    };
    // The handler was written for trouble of this kind: conversions fail with ValueError or TypeError alike.
    let kin = names.iter().any(|n| {
        let pair = [*n, case.exception];
        [
            ["ValueError", "TypeError"],
            ["KeyError", "IndexError"],
            ["KeyError", "TypeError"],
            ["AttributeError", "TypeError"],
            ["ValueError", "OverflowError"],
        ]
        .iter()
        .any(|k| k.contains(&pair[0]) && k.contains(&pair[1]))
    });
    let score = weight.max(0.5) * worth * fit(case.exception) * if kin { 0.97 } else { 0.7 };
    if score <= 0.0 {
        return;
    }
    let wider = match class.kind() {
        "tuple" => format!(
            "{}, {})",
            text.trim_end().trim_end_matches(')').trim_end().trim_end_matches(','),
            case.exception
        ),
        _ => format!("({text}, {})", case.exception),
    };
    out.add(
        NAME,
        module,
        clause,
        score,
        [Some(Edit::replace(class, wider))],
        format!("catch {} as well", case.exception),
    );
}

/// A narrow handler of its own around one statement: the domain's error, or a default that the function has.
fn fresh(case: &Case, module: &Module, node: Node, weight: f64, out: &mut Drafts) {
    // These say which data is bad; an AttributeError or a NameError says that the program is.
    if ![
        "ValueError",
        "KeyError",
        "IndexError",
        "ZeroDivisionError",
        "OverflowError",
        "UnicodeDecodeError",
        "StopIteration",
        "TypeError",
    ]
    .contains(&case.exception)
    {
        return;
    }
    let Some(stmt) = statement(node) else { return };
    if !matches!(stmt.kind(), "expression_statement" | "return_statement") {
        return;
    }
    let unit = &module.unit;
    let exception = case.exception;
    for raise in raises(case, module, stmt).into_iter().filter(|r| r.fit >= 0.5) {
        let call = if raise.message { format!("{}(str(exc))", raise.class) } else { raise.class.clone() };
        let tail = [format!("except {exception} as exc:"), format!("{unit}raise {call} from exc")];
        let edit = under(module, node, "try:", &tail);
        out.add(
            NEW,
            module,
            node,
            weight * raise.fit * 0.55,
            [edit],
            format!("turn {exception} into {}", raise.class),
        );
    }
    let Some(func) = function(stmt) else { return };
    if stmt.kind() == "return_statement" && !is_generator(func) {
        for (i, value) in defaults(module, func).iter().enumerate() {
            let tail = [format!("except {exception}:"), format!("{unit}return {value}")];
            let edit = under(module, node, "try:", &tail);
            let score = weight * 0.15 * 0.85_f64.powi(i as i32);
            out.add(NEW, module, node, score, [edit], format!("return {value} on {exception}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    const PARSE: &str =
        "def f(x):\n    try:\n        return int(x)\n    except ValueError:\n        return 0\n";

    #[test]
    fn widens_a_handler_that_yields_a_value() {
        let f = fixture(PARSE, "TypeError", "int() argument must be a string, not 'NoneType'", &["int(x)"]);
        f.offers("except ValueError", "except (ValueError, TypeError)", 1);
    }

    #[test]
    fn keeps_names_and_tuples() {
        let source = "def f(x):\n    try:\n        return int(x)\n    except (KeyError, ValueError) as e:\n        return str(e)\n";
        let f = fixture(source, "TypeError", "no", &["int(x)"]);
        f.offers("(KeyError, ValueError) as", "(KeyError, ValueError, TypeError) as", 1);
    }

    #[test]
    fn never_for_a_fault_of_the_program() {
        let f = fixture(PARSE, "NameError", "name 'itn' is not defined", &["int(x)"]);
        f.never("NameError");
        fixture(PARSE, "AssertionError", "", &["int(x)"]).never("AssertionError");
    }

    #[test]
    fn never_where_the_handler_itself_fails() {
        let source =
            "def f(x, d):\n    try:\n        return int(x)\n    except ValueError:\n        return d['k']\n";
        fixture(source, "KeyError", "'k'", &["d['k']"]).never("(ValueError, KeyError)");
    }
}
