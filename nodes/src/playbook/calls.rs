//! Arguments that are missing, too many or misnamed.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::Edit;
use super::scope::{distance, in_scope};
use super::source::{Module, all, ancestors, arguments, children, class, field};
use super::zero::parameter;

const NAME: &str = "arguments";

/// Proposes other arguments at the call or other parameters at the definition.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if case.exception != "TypeError" {
        return;
    }
    let message = case.message();
    let called = message.split('(').next().unwrap_or("").rsplit('.').next().unwrap_or("").trim();
    let definitions: Vec<(&Module, Node)> = if called == "__init__" {
        let owner = message.split(".__init__").next().unwrap_or("");
        case.classes(owner)
            .into_iter()
            .flat_map(|(m, c)| {
                all(c, "function_definition")
                    .into_iter()
                    .filter(|f| m.name(*f) == "__init__")
                    .map(move |f| (m, f))
                    .collect::<Vec<_>>()
            })
            .collect()
    } else {
        case.functions(called)
    };
    if message.contains("missing") && message.contains("required") {
        missing(case, called, &definitions, out);
    } else if message.contains("unexpected keyword argument") {
        unexpected(case, called, &definitions, out);
    } else if message.contains("were given")
        || message.contains("was given")
        || message.contains("takes no arguments")
    {
        surplus(case, called, &definitions, out);
    } else if message.contains("multiple values for") {
        for site in &case.sites {
            for call in calls(site, called) {
                for k in arguments(call).into_iter().filter(|a| {
                    a.kind() == "keyword_argument" && Some(site.module.name(*a)) == case.quoted(0)
                }) {
                    drop_argument(site.module, call, k, site.weight * 0.8, out);
                }
            }
        }
    }
}

/// Calls at a site, of `called` or of the class whose constructor it is.
fn calls<'a>(site: &Site<'a>, called: &str) -> Vec<Node<'a>> {
    site.nodes("call")
        .into_iter()
        .filter(|c| {
            called == "__init__"
                || field(*c, "function").is_some_and(|f| site.module.of(f).rsplit('.').next() == Some(called))
        })
        .collect()
}

fn missing(case: &Case, called: &str, definitions: &[(&Module, Node)], out: &mut Drafts) {
    let names: Vec<&str> = case.message().split('\'').skip(1).step_by(2).collect();
    for site in &case.sites {
        for call in calls(site, called) {
            let args = arguments(call);
            let Some(list) = field(call, "arguments").filter(|a| a.kind() == "argument_list") else {
                continue;
            };
            for name in names.iter().filter(|n| **n != "self" && **n != "cls") {
                let scope = in_scope(site.module, call);
                let mut values: Vec<(String, f64)> = Vec::new();
                if scope.iter().any(|s| s == name) {
                    values.push(((*name).to_owned(), 0.95));
                }
                let own = format!("self.{name}");
                if class(call).is_some_and(|c| site.module.of(c).contains(&own)) {
                    values.push((own, 0.93));
                }
                for s in &scope {
                    if s != name && (s.contains(name) || name.contains(s.as_str())) && s.len() > 2 {
                        values.push((s.clone(), 0.7));
                    }
                }
                values.push(("None".into(), 0.35));
                for (value, prior) in values {
                    for text in [value.clone(), format!("{name}={value}")] {
                        let positional = !text.contains('=');
                        let fit = if positional { 1.0 } else { 0.97 };
                        let edit =
                            match args.iter().rev().find(|a| !positional || a.kind() != "keyword_argument") {
                                Some(last) => Edit::insert(last.end_byte(), format!(", {text}")),
                                None if args.is_empty() => Edit::replace(list, format!("({text})")),
                                None => continue,
                            };
                        out.add(
                            NAME,
                            site.module,
                            call,
                            site.weight * prior * fit,
                            [Some(edit)],
                            format!("pass `{text}`"),
                        );
                    }
                }
            }
        }
    }
    for (m, f) in definitions {
        let Some(list) = field(*f, "parameters").map(children) else { continue };
        for p in list.iter().filter(|p| {
            names.contains(&parameter(m, **p)) && matches!(p.kind(), "identifier" | "typed_parameter")
        }) {
            let later = list
                .iter()
                .skip_while(|q| q.id() != p.id())
                .skip(1)
                .any(|q| matches!(q.kind(), "identifier" | "typed_parameter"));
            if later {
                continue;
            }
            for (value, prior) in [("None", 0.6), ("''", 0.35), ("0", 0.35), ("()", 0.3)] {
                let text = if p.kind() == "identifier" { format!("={value}") } else { format!(" = {value}") };
                out.add(
                    NAME,
                    m,
                    *p,
                    prior,
                    [Some(Edit::insert(p.end_byte(), text))],
                    format!("`{}` may be left out", m.of(*p)),
                );
            }
        }
    }
}

fn unexpected(case: &Case, called: &str, definitions: &[(&Module, Node)], out: &mut Drafts) {
    let Some(wrong) = case.quoted(0) else { return };
    let known: Vec<&str> = definitions
        .iter()
        .flat_map(|(m, f)| {
            field(*f, "parameters")
                .map(children)
                .unwrap_or_default()
                .into_iter()
                .map(|p| parameter(m, p))
                .collect::<Vec<_>>()
        })
        .collect();
    for site in &case.sites {
        for call in calls(site, called).into_iter().chain(if definitions.is_empty() {
            site.nodes("call")
        } else {
            Vec::new()
        }) {
            let used: Vec<&str> = arguments(call).into_iter().map(|a| site.module.name(a)).collect();
            for k in arguments(call)
                .into_iter()
                .filter(|a| a.kind() == "keyword_argument" && site.module.name(*a) == wrong)
            {
                for name in known.iter().filter(|n| !used.contains(n) && **n != "self") {
                    let far = distance(name, wrong);
                    let prior =
                        if far <= 2 || name.contains(wrong) || wrong.contains(name) { 0.97 } else { 0.55 };
                    let edit = field(k, "name").map(|n| Edit::replace(n, *name));
                    out.add(
                        NAME,
                        site.module,
                        call,
                        site.weight * prior,
                        [edit],
                        format!("`{wrong}` is called `{name}`"),
                    );
                }
                drop_argument(site.module, call, k, site.weight * 0.4, out);
            }
        }
    }
    for (m, f) in definitions {
        let Some(list) = field(*f, "parameters") else { continue };
        if let Some(last) = children(list).last().filter(|p| p.kind() != "dictionary_splat_pattern") {
            out.add(
                NAME,
                m,
                list,
                0.5,
                [Some(Edit::insert(last.end_byte(), format!(", {wrong}=None")))],
                format!("take `{wrong}`"),
            );
            out.add(
                NAME,
                m,
                list,
                0.35,
                [Some(Edit::insert(last.end_byte(), ", **kwargs"))],
                "take further keywords".into(),
            );
        }
    }
}

fn surplus(case: &Case, called: &str, definitions: &[(&Module, Node)], out: &mut Drafts) {
    for (m, f) in definitions {
        let Some(list) = field(*f, "parameters") else { continue };
        let inside = class(*f).is_some()
            && ancestors(*f)
                .find(|a| matches!(a.kind(), "function_definition" | "class_definition"))
                .is_some_and(|a| a.kind() == "class_definition");
        let first = children(list).into_iter().next();
        if inside && !first.is_some_and(|p| matches!(m.of(p), "self" | "cls")) {
            let edit = match first {
                Some(p) => Edit::insert(p.start_byte(), "self, "),
                None => Edit::replace(list, "(self)"),
            };
            out.add(NAME, m, *f, 0.95, [Some(edit)], "take self".into());
            if let Some(indent) = m.indent(*f) {
                out.add(
                    NAME,
                    m,
                    *f,
                    0.8,
                    [Some(Edit::insert(f.start_byte(), format!("@staticmethod\n{indent}")))],
                    "needs no self".into(),
                );
            }
        }
        if let Some(last) = children(list).last() {
            out.add(
                NAME,
                m,
                *f,
                0.3,
                [Some(Edit::insert(last.end_byte(), ", *args"))],
                "take further arguments".into(),
            );
        }
    }
    for site in &case.sites {
        for call in calls(site, called) {
            let args = arguments(call);
            if let Some(last) = args.last() {
                drop_argument(site.module, call, *last, site.weight * 0.6, out);
            }
            // `max_of(a, b)` that takes one sequence.
            if args.len() > 1 && args.iter().all(|a| a.kind() != "keyword_argument") {
                let text = args.iter().map(|a| site.module.of(*a)).collect::<Vec<_>>().join(", ");
                let edit = Edit {
                    range: args[0].start_byte()..args[args.len() - 1].end_byte(),
                    text: format!("({text})"),
                };
                out.add(
                    NAME,
                    site.module,
                    call,
                    site.weight * 0.5,
                    [Some(edit)],
                    "all of them as one".into(),
                );
            }
        }
    }
}

fn drop_argument(m: &Module, call: Node, argument: Node, score: f64, out: &mut Drafts) {
    let args = arguments(call);
    let Some(at) = args.iter().position(|a| a.id() == argument.id()) else { return };
    let range = match (at.checked_sub(1).and_then(|i| args.get(i)), args.get(at + 1)) {
        (Some(before), _) => before.end_byte()..argument.end_byte(),
        (None, Some(after)) => argument.start_byte()..after.start_byte(),
        (None, None) => argument.byte_range(),
    };
    out.add(
        NAME,
        m,
        call,
        score,
        [Some(Edit { range, text: String::new() })],
        format!("without `{}`", m.of(argument)),
    );
}
