//! A forgotten `await`, `self`, `return`, call or copy.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::{Edit, after};
use super::source::{Module, all, ancestors, arguments, children, field, function};

const AWAIT: &str = "missing-await";
const CALL: &str = "missing-call";
const RETURN: &str = "missing-return";
const COPY: &str = "changed-while-looping";
const HASH: &str = "unhashable";
const UNPACK: &str = "unpack";

/// Proposes what was forgotten.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    let message = case.message();
    for site in &case.sites {
        if message.contains("coroutine") {
            waits(site, out);
        }
        if message.contains("'method'")
            || message.contains("'function'")
            || message.contains("builtin_function_or_method")
        {
            uncalled(site, out);
        }
        if message.contains("NoneType") {
            unreturned(case, site, out);
        }
        if message.contains("changed size during iteration")
            || message.contains("changed during iteration")
            || message.contains("mutated during iteration")
        {
            copies(site, out);
        }
        if message.contains("unhashable type") {
            hashes(case, site, out);
        }
        if message.contains("to unpack") || message.contains("cannot unpack") {
            unpacks(case, site, out);
        }
        if message.contains("not callable") {
            called(site, out);
        }
    }
}

/// `await` before what gives a coroutine, in a function that may wait.
fn waits(site: &Site, out: &mut Drafts) {
    let m = site.module;
    let Some(func) = site.function().filter(|f| m.of(*f).starts_with("async")) else { return };
    for call in all(func, "call").into_iter().filter(|c| c.parent().is_some_and(|p| p.kind() != "await")) {
        let here = site.focus.contains(&call.start_byte());
        let assigned =
            call.parent().is_some_and(|p| matches!(p.kind(), "assignment" | "expression_statement"));
        if !here && !assigned {
            continue;
        }
        let whole = call.parent().is_some_and(|p| {
            matches!(p.kind(), "attribute" | "subscript" | "binary_operator" | "comparison_operator")
        });
        let text = if whole { format!("(await {})", m.of(call)) } else { format!("await {}", m.of(call)) };
        let score = site.weight * if here { 0.95 } else { 0.85 };
        out.add(AWAIT, m, call, score, [Some(Edit::replace(call, text))], format!("await `{}`", m.of(call)));
    }
}

/// `x.items` where `x.items()` was meant.
fn uncalled(site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("attribute").into_iter().chain(site.nodes("identifier")) {
        let is_function = n
            .parent()
            .is_some_and(|p| p.kind() == "call" && field(p, "function").is_some_and(|f| f.id() == n.id()));
        let part = n.parent().is_some_and(|p| p.kind() == "attribute");
        if !is_function && !part {
            let score = site.weight * if n.kind() == "attribute" { 0.92 } else { 0.6 };
            out.add(
                CALL,
                m,
                n,
                score,
                [Some(Edit::insert(n.end_byte(), "()"))],
                format!("call `{}`", m.of(n)),
            );
        }
    }
}

/// A property or a value that is called: `x.name()`, `items(0)`.
fn called(site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("call") {
        let (Some(f), Some(list)) = (field(n, "function"), field(n, "arguments")) else { continue };
        match arguments(n).as_slice() {
            [] => out.add(
                CALL,
                m,
                n,
                site.weight * 0.9,
                [Some(Edit::replace(n, m.of(f)))],
                format!("`{}` is no function", m.of(f)),
            ),
            [one] => out.add(
                CALL,
                m,
                n,
                site.weight * 0.8,
                [Some(Edit::replace(list, format!("[{}]", m.of(*one))))],
                format!("an item of `{}`", m.of(f)),
            ),
            _ => {}
        }
    }
}

/// A function of the repository that was to give a value and ends without `return`.
fn unreturned(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let mut names: Vec<&str> = Vec::new();
    let around = site.function().unwrap_or(site.node);
    for call in all(around, "call") {
        names.push(field(call, "function").map_or("", |f| m.of(f)).rsplit('.').next().unwrap_or(""));
    }
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|n| !n.is_empty()).take(20) {
        for (fm, f) in case.functions(name).into_iter().take(2) {
            ends(fm, f, site.weight, out);
        }
    }
}

fn ends(m: &Module, f: Node, weight: f64, out: &mut Drafts) {
    let own =
        all(f, "return_statement").into_iter().any(|r| function(r) == Some(f) && !children(r).is_empty());
    if own || m.name(f) == "__init__" || !all(f, "yield").is_empty() {
        return;
    }
    let Some(last) = field(f, "body").map(children).and_then(|b| b.into_iter().next_back()) else { return };
    if let Some(e) = children(last).into_iter().next().filter(|e| {
        last.kind() == "expression_statement"
            && !matches!(e.kind(), "assignment" | "augmented_assignment" | "string")
    }) {
        out.add(
            RETURN,
            m,
            last,
            weight * 0.85,
            [Some(Edit::insert(e.start_byte(), "return "))],
            format!("return `{}`", m.of(e)),
        );
    }
    let mut names: Vec<&str> = all(f, "assignment")
        .into_iter()
        .filter_map(|a| field(a, "left"))
        .filter(|l| l.kind() == "identifier")
        .map(|l| m.of(l))
        .collect();
    names.dedup();
    names.reverse();
    if m.text.contains("return self") {
        names.push("self");
    }
    for (i, name) in names.into_iter().take(4).enumerate() {
        out.add(
            RETURN,
            m,
            last,
            weight * 0.85 * 0.92_f64.powi(i as i32),
            [after(m, last, &[format!("return {name}")])],
            format!("return `{name}`"),
        );
    }
}

/// The collection is changed while it is looped over: loop over a copy.
fn copies(site: &Site, out: &mut Drafts) {
    let m = site.module;
    let loops = site
        .nodes("for_statement")
        .into_iter()
        .chain(ancestors(site.node).filter(|a| a.kind() == "for_statement"));
    for l in loops.take(3) {
        if let Some(right) = field(l, "right") {
            let text = format!("list({})", m.of(right));
            out.add(
                COPY,
                m,
                l,
                site.weight * 0.97,
                [Some(Edit::replace(right, text.as_str()))],
                format!("loop over `{text}`"),
            );
        }
    }
    for c in site.nodes("for_in_clause") {
        if let Some(right) = field(c, "right") {
            out.add(
                COPY,
                m,
                c,
                site.weight * 0.9,
                [Some(Edit::replace(right, format!("list({})", m.of(right))))],
                "loop over a copy".into(),
            );
        }
    }
}

/// Something that can be hashed instead of what cannot.
fn hashes(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let forms: &[&str] = match case.quoted(0).unwrap_or("") {
        "dict" => &["tuple(sorted({}.items()))", "frozenset({}.items())", "str({})"],
        "set" => &["frozenset({})", "tuple(sorted({}))"],
        _ => &["tuple({})", "str({})"],
    };
    let mut suspects: Vec<(Node, f64)> = Vec::new();
    for n in site.nodes("subscript") {
        suspects.extend(field(n, "subscript").map(|s| (s, 0.9)));
    }
    for n in site.nodes("comparison_operator") {
        suspects.extend(children(n).first().map(|c| (*c, 0.9)));
    }
    for n in site.nodes("call") {
        let name = field(n, "function").map_or("", |f| m.of(f));
        if matches!(name, "set" | "frozenset" | "dict" | "Counter" | "dict.fromkeys" | "collections.Counter")
        {
            for a in arguments(n).into_iter().take(1) {
                let text = format!("map(tuple, {})", m.of(a));
                out.add(
                    HASH,
                    m,
                    n,
                    site.weight * 0.9,
                    [Some(Edit::replace(a, text.as_str()))],
                    format!("`{text}`"),
                );
            }
        } else {
            suspects.extend(arguments(n).first().map(|a| (*a, 0.85)));
        }
    }
    for n in site.nodes("pair") {
        suspects.extend(field(n, "key").map(|k| (k, 0.85)));
    }
    for n in site.nodes("set") {
        suspects.extend(children(n).into_iter().map(|c| (c, 0.85)));
    }
    if site.marked && matches!(site.node.kind(), "identifier" | "attribute") {
        suspects.push((site.node, 0.8));
    }
    for (node, prior) in suspects {
        for (i, form) in forms.iter().enumerate() {
            let text = form.replace("{}", m.of(node));
            let score = site.weight * prior * 0.85_f64.powi(i as i32);
            out.add(HASH, m, node, score, [Some(Edit::replace(node, text.as_str()))], format!("`{text}`"));
            // Where the name gets its value: then every use of it can be hashed.
            if node.kind() == "identifier"
                && let Some(f) = function(node)
            {
                for a in all(f, "assignment")
                    .into_iter()
                    .filter(|a| field(*a, "left").is_some_and(|l| m.of(l) == m.of(node)))
                {
                    if let Some(right) = field(a, "right") {
                        let text = form.replace("{}", m.of(right));
                        out.add(
                            HASH,
                            m,
                            right,
                            score * 1.02,
                            [Some(Edit::replace(right, text.as_str()))],
                            format!("`{text}`"),
                        );
                    }
                }
            }
        }
    }
}

/// `a, b = text.split(sep)` with more or fewer parts than names.
fn unpacks(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site
        .nodes("assignment")
        .into_iter()
        .chain(site.nodes("for_statement"))
        .chain(site.nodes("for_in_clause"))
    {
        let (Some(left), Some(right)) = (field(n, "left"), field(n, "right")) else { continue };
        let names = children(left);
        if left.kind() != "pattern_list" && left.kind() != "tuple_pattern" {
            continue;
        }
        if n.kind() != "assignment" {
            let r = m.of(right);
            out.add(
                UNPACK,
                m,
                n,
                site.weight * 0.9,
                [Some(Edit::replace(right, format!("{r}.items()")))],
                format!("keys and values of `{r}`"),
            );
            out.add(
                UNPACK,
                m,
                n,
                site.weight * 0.8,
                [Some(Edit::replace(right, format!("enumerate({r})")))],
                format!("`enumerate({r})`"),
            );
            continue;
        }
        for call in all(right, "call") {
            let Some(f) = field(call, "function") else { continue };
            let args = arguments(call);
            let splits = m.of(f).ends_with(".split") || m.of(f).ends_with(".rsplit");
            if splits && args.len() == 1 && case.message().contains("too many") {
                let text = format!(", {}", names.len().saturating_sub(1));
                out.add(
                    UNPACK,
                    m,
                    call,
                    site.weight * 0.95,
                    [Some(Edit::insert(args[0].end_byte(), text))],
                    format!("into {} parts at most", names.len()),
                );
                if let Some(a) = field(f, "attribute").filter(|a| m.of(*a) == "split") {
                    let edits = [
                        Some(Edit::replace(a, "rsplit")),
                        Some(Edit::insert(
                            args[0].end_byte(),
                            format!(", {}", names.len().saturating_sub(1)),
                        )),
                    ];
                    out.add(
                        UNPACK,
                        m,
                        call,
                        site.weight * 0.75,
                        edits,
                        format!("into {} parts at most, from the right", names.len()),
                    );
                }
            }
            if splits
                && names.len() == 2
                && !args.is_empty()
                && let (Some(a), [first, second]) = (field(f, "attribute"), names.as_slice())
            {
                let separator = args.iter().find(|a| a.kind() == "string").copied().unwrap_or(args[0]);
                let edits = [
                    Some(Edit::replace(left, format!("{}, _, {}", m.of(*first), m.of(*second)))),
                    Some(Edit {
                        range: a.start_byte()..call.end_byte(),
                        text: format!("partition({})", m.of(separator)),
                    }),
                ];
                let score = site.weight * if case.message().contains("not enough") { 0.9 } else { 0.7 };
                out.add(UNPACK, m, call, score, edits, "with nothing where the separator is missing".into());
            }
        }
        if case.message().contains("too many")
            && let Some(last) = names.last()
        {
            out.add(
                UNPACK,
                m,
                n,
                site.weight * 0.5,
                [Some(Edit::replace(*last, format!("*{}", m.of(*last))))],
                "the last takes the rest".into(),
            );
            out.add(
                UNPACK,
                m,
                n,
                site.weight * 0.45,
                [Some(Edit::insert(last.end_byte(), ", *_"))],
                "more is ignored".into(),
            );
        }
    }
}
