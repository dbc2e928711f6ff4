//! What is never a fix, checked on the outcome whatever template made it.

use tree_sitter::Node;

use super::Sources;
use super::case::Case;
use super::source::{Module, all, children, field, is_test, walk};
use crate::world::git::FileEdit;

/// Method and function names whose calls do something: their number must not fall.
const EFFECTS: [&str; 30] = [
    "add",
    "append",
    "appendleft",
    "clear",
    "close",
    "commit",
    "connect",
    "create",
    "debug",
    "delete",
    "discard",
    "error",
    "execute",
    "extend",
    "flush",
    "info",
    "insert",
    "log",
    "open",
    "print",
    "publish",
    "put",
    "remove",
    "save",
    "send",
    "setdefault",
    "update",
    "warn",
    "warning",
    "write",
];

/// Names of what must not be raised to make a test pass.
const BOUNDS: [&str; 7] = ["limit", "timeout", "retries", "deadline", "budget", "setrecursionlimit", "max_"];

/// Counts that a repair may not change in the wrong direction.
#[derive(Debug, Default, PartialEq)]
struct Census {
    broad: usize,
    pass: usize,
    statements: usize,
    effects: usize,
    raises: usize,
    asserts: usize,
}

/// Whether an `except` clause catches everything: bare, `Exception` or `BaseException`.
fn broad(module: &Module, clause: Node) -> bool {
    let Some(value) = field(clause, "value") else {
        return children(clause).first().is_none_or(|c| c.kind() == "block");
    };
    walk(value).iter().any(|n| {
        n.kind() == "identifier" && matches!(module.of(*n), "Exception" | "BaseException" | "StandardError")
    })
}

fn census(module: &Module) -> Census {
    let mut c = Census::default();
    for n in walk(module.root()).into_iter().filter(Node::is_named) {
        match n.kind() {
            "except_clause" if broad(module, n) => c.broad += 1,
            "pass_statement" => c.pass += 1,
            "raise_statement" => c.raises += 1,
            "assert_statement" => c.asserts += 1,
            "call" => {
                let name = field(n, "function").map_or("", |f| module.of(f));
                c.effects += usize::from(EFFECTS.contains(&name.rsplit('.').next().unwrap_or("")));
            }
            "expression_statement"
            | "return_statement"
            | "delete_statement"
            | "for_statement"
            | "while_statement"
            | "with_statement"
            | "function_definition"
            | "class_definition" => c.statements += 1,
            _ => {}
        }
    }
    c
}

/// String and number literals of a file that could name a particular input.
fn literals(module: &Module) -> Vec<String> {
    walk(module.root())
        .into_iter()
        .filter(|n| match n.kind() {
            "string_content" => n.end_byte() - n.start_byte() > 1,
            "integer" | "float" => module.of(*n).parse::<f64>().is_ok_and(|v| v > 2.0),
            _ => false,
        })
        .map(|n| module.of(n).to_owned())
        .collect()
}

/// Number literals that a name like `timeout` is given, in source order.
fn bounds(module: &Module) -> Vec<(String, f64)> {
    walk(module.root())
        .into_iter()
        .filter_map(|n| {
            let (name, value) = match n.kind() {
                "assignment" => (field(n, "left")?, field(n, "right")?),
                "keyword_argument" | "default_parameter" | "typed_default_parameter" => {
                    (field(n, "name")?, field(n, "value")?)
                }
                _ => return None,
            };
            let name = module.of(name).to_lowercase();
            let number = module.of(value).parse().ok()?;
            BOUNDS.iter().any(|b| name.contains(b)).then_some((name, number))
        })
        .collect()
}

/// Whether new file contents are a repair at all.
pub(super) fn sound(case: &Case, sources: &Sources, edits: &[FileEdit]) -> bool {
    edits.iter().all(|(path, content)| {
        let Some(Ok(text)) = content.as_deref().map(std::str::from_utf8) else { return false };
        let (Some(base), Some(_)) = (case.code.get(path), sources.get(path)) else { return false };
        if is_test(path) {
            return false;
        }
        let Some(new) = Module::parse(path, text) else { return false };
        let (old, now) = (census(base), census(&new));
        let kept = now.broad <= old.broad
            && now.pass <= old.pass
            && now.statements >= old.statements
            && now.effects >= old.effects
            && now.raises >= old.raises
            && now.asserts >= old.asserts;
        kept && !special_case(case, base, &new) && !raised(base, &new)
    })
}

/// Whether the repair brings in a literal of the failing input: one that the message or the test spells and the
/// file did not have.
fn special_case(case: &Case, base: &Module, new: &Module) -> bool {
    let old = literals(base);
    let count = |list: &[String], x: &String| list.iter().filter(|l| *l == x).count();
    let now = literals(new);
    now.iter().any(|l| {
        !base.text.contains(l.as_str())
            && count(&now, l) > count(&old, l)
            && (case.message().contains(l.as_str()) || case.expected.contains(l.as_str()))
            && !l.contains(" must ")
    })
}

fn raised(base: &Module, new: &Module) -> bool {
    let old = bounds(base);
    let now = bounds(new);
    old.len() == now.len() && old.iter().zip(&now).any(|(a, b)| a.0 == b.0 && b.1 > a.1)
        || all(new.root(), "call").len() > all(base.root(), "call").len()
            && new.text.matches("setrecursionlimit").count() > base.text.matches("setrecursionlimit").count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Failure, source::Code};
    use super::*;

    fn judged(base: &str, new: &str) -> bool {
        judged_at("m.py", base, new)
    }

    fn judged_at(path: &str, base: &str, new: &str) -> bool {
        let sources = BTreeMap::from([
            (path.to_owned(), base.to_owned()),
            ("tests/test_m.py".to_owned(), "assert f('banana', 417) == 3\n".to_owned()),
        ]);
        let code = Code::parse(&sources);
        let failure =
            Failure { exception: "KeyError".into(), message: "'cherry'".into(), ..Failure::default() };
        let case = Case::new(&failure, &code);
        sound(&case, &sources, &[(path.to_owned(), Some(new.as_bytes().to_vec()))])
    }

    const BASE: &str =
        "def f(x, n):\n    try:\n        go(x)\n    except KeyError:\n        return 0\n    return x[n]\n";

    #[test]
    fn a_plain_repair_passes() {
        assert!(judged(BASE, &BASE.replace("x[n]", "x.get(n)")));
        assert!(judged(BASE, &BASE.replace("except KeyError", "except (KeyError, TypeError)")));
    }

    #[test]
    fn no_bare_or_broad_except() {
        assert!(!judged(BASE, &BASE.replace("except KeyError", "except Exception")));
        assert!(!judged(BASE, &BASE.replace("except KeyError:", "except:")));
        assert!(!judged(BASE, &BASE.replace("except KeyError", "except (KeyError, BaseException)")));
    }

    #[test]
    fn no_pass() {
        assert!(!judged(
            BASE,
            &BASE.replace("    return x[n]", "    if not x:\n        pass\n    return x[n]")
        ));
    }

    #[test]
    fn no_deleted_statement_or_effect() {
        assert!(!judged(BASE, &BASE.replace("    return x[n]\n", "")));
        assert!(!judged("a.append(1)\nb = 2\n", "len(a)\nb = 2\n"));
        assert!(!judged("if x:\n    raise E\n", "if x:\n    y = E\n"));
    }

    #[test]
    fn no_touched_test() {
        assert!(!judged_at("tests/helper.py", "x = 1\n", "x = 2\n"));
    }

    #[test]
    fn no_literal_of_the_failing_input() {
        assert!(!judged(BASE, &BASE.replace("return x[n]", "return x[n] if n != 417 else 3")));
        assert!(!judged(BASE, &BASE.replace("return x[n]", "return None if x == 'banana' else x[n]")));
        assert!(!judged(BASE, &BASE.replace("return x[n]", "return None if n == 'cherry' else x[n]")));
    }

    #[test]
    fn no_raised_limit() {
        assert!(!judged("TIMEOUT = 5\n", "TIMEOUT = 6\n"));
        assert!(!judged("f(timeout=5)\n", "f(timeout=5.5)\n"));
        assert!(!judged("import sys\n", "import sys\nsys.setrecursionlimit(9)\n"));
    }

    #[test]
    fn nothing_that_does_not_parse() {
        assert!(!judged(BASE, "def f(:\n"));
    }
}
