//! Names that are not there: unbound, misspelled, not imported, moved elsewhere in the standard library.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::{Edit, before};
use super::source::{Module, all, ancestors, children, class, field, function, statement};
use super::zero::parameter;

const UNBOUND: &str = "unbound-local";
const NEAR: &str = "nearest-name";
const IMPORT: &str = "missing-import";
const MOVED: &str = "moved-name";

/// Modules of the standard library that a bare name most likely means.
const MODULES: [&str; 40] = [
    "abc",
    "argparse",
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "glob",
    "hashlib",
    "heapq",
    "inspect",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "random",
    "re",
    "shutil",
    "socket",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "urllib",
    "uuid",
];

/// Names and the module they are imported from.
const FROM: [(&str, &str); 40] = [
    ("OrderedDict", "collections"),
    ("defaultdict", "collections"),
    ("Counter", "collections"),
    ("deque", "collections"),
    ("namedtuple", "collections"),
    ("ChainMap", "collections"),
    ("partial", "functools"),
    ("reduce", "functools"),
    ("wraps", "functools"),
    ("lru_cache", "functools"),
    ("cached_property", "functools"),
    ("cmp_to_key", "functools"),
    ("chain", "itertools"),
    ("product", "itertools"),
    ("permutations", "itertools"),
    ("combinations", "itertools"),
    ("groupby", "itertools"),
    ("islice", "itertools"),
    ("accumulate", "itertools"),
    ("zip_longest", "itertools"),
    ("Path", "pathlib"),
    ("Decimal", "decimal"),
    ("Fraction", "fractions"),
    ("timedelta", "datetime"),
    ("timezone", "datetime"),
    ("datetime", "datetime"),
    ("date", "datetime"),
    ("dataclass", "dataclasses"),
    ("field", "dataclasses"),
    ("Enum", "enum"),
    ("contextmanager", "contextlib"),
    ("suppress", "contextlib"),
    ("Optional", "typing"),
    ("Any", "typing"),
    ("sqrt", "math"),
    ("ceil", "math"),
    ("floor", "math"),
    ("deepcopy", "copy"),
    ("StringIO", "io"),
    ("BytesIO", "io"),
];

/// What has moved or been renamed: old module and name, new module and name.
const RENAMED: [(&str, &str, &str, &str); 34] = [
    ("collections", "Mapping", "collections.abc", "Mapping"),
    ("collections", "MutableMapping", "collections.abc", "MutableMapping"),
    ("collections", "Sequence", "collections.abc", "Sequence"),
    ("collections", "Iterable", "collections.abc", "Iterable"),
    ("collections", "Callable", "collections.abc", "Callable"),
    ("collections", "Hashable", "collections.abc", "Hashable"),
    ("collections", "Set", "collections.abc", "Set"),
    ("collections", "MutableSet", "collections.abc", "MutableSet"),
    ("collections", "MutableSequence", "collections.abc", "MutableSequence"),
    ("collections", "Iterator", "collections.abc", "Iterator"),
    ("collections", "Generator", "collections.abc", "Generator"),
    ("collections", "Sized", "collections.abc", "Sized"),
    ("collections", "Container", "collections.abc", "Container"),
    ("collections", "KeysView", "collections.abc", "KeysView"),
    ("collections", "ValuesView", "collections.abc", "ValuesView"),
    ("collections", "ItemsView", "collections.abc", "ItemsView"),
    ("inspect", "getargspec", "inspect", "getfullargspec"),
    ("time", "clock", "time", "perf_counter"),
    ("fractions", "gcd", "math", "gcd"),
    ("string", "letters", "string", "ascii_letters"),
    ("string", "lowercase", "string", "ascii_lowercase"),
    ("string", "uppercase", "string", "ascii_uppercase"),
    ("os", "getcwdu", "os", "getcwd"),
    ("sys", "maxint", "sys", "maxsize"),
    ("itertools", "izip", "builtins", "zip"),
    ("itertools", "imap", "builtins", "map"),
    ("itertools", "ifilter", "builtins", "filter"),
    ("itertools", "izip_longest", "itertools", "zip_longest"),
    ("base64", "encodestring", "base64", "encodebytes"),
    ("base64", "decodestring", "base64", "decodebytes"),
    ("platform", "linux_distribution", "platform", "platform"),
    ("types", "StringType", "builtins", "str"),
    ("asyncio", "async", "asyncio", "ensure_future"),
    ("html", "parser", "html.parser", "HTMLParser"),
];

/// Proposes names that are there.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    match case.exception {
        "UnboundLocalError" => case.sites.iter().take(1).for_each(|s| unbound(case, s, out)),
        "NameError" => case.sites.iter().take(1).for_each(|s| undefined(case, s, out)),
        "ImportError" | "ModuleNotFoundError" => case.sites.iter().for_each(|s| import(case, s, out)),
        "AttributeError" => case.sites.iter().for_each(|s| attribute(case, s, out)),
        _ => {}
    }
}

/// The number of single-letter edits between two names, capped.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (j, y) in b.iter().enumerate() {
            let up = row.get(j + 1).copied().unwrap_or(0);
            let new = (up + 1).min(left + 1).min(diagonal + usize::from(x != y));
            diagonal = up;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = new;
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Names visible at a node: of its functions, then of the file.
pub(super) fn in_scope(m: &Module, node: Node) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut push = |name: &str| {
        if !name.is_empty() && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    };
    for f in ancestors(node).filter(|a| a.kind() == "function_definition") {
        for p in field(f, "parameters").map(children).unwrap_or_default() {
            push(parameter(m, p));
        }
        for kind in ["assignment", "for_statement", "for_in_clause"] {
            for a in all(f, kind) {
                if let Some(l) = field(a, "left").filter(|l| !matches!(l.kind(), "attribute" | "subscript")) {
                    all(l, "identifier").into_iter().for_each(|i| push(m.of(i)));
                }
            }
        }
    }
    for s in children(m.root()) {
        match s.kind() {
            "function_definition" | "class_definition" => push(m.name(s)),
            "decorated_definition" => push(field(s, "definition").map_or("", |d| m.name(d))),
            "import_statement" | "import_from_statement" => {
                for n in children(s).into_iter().skip(usize::from(s.kind() == "import_from_statement")) {
                    let name = if n.kind() == "aliased_import" { field(n, "alias").unwrap_or(n) } else { n };
                    push(m.of(name).split('.').next().unwrap_or(""));
                }
            }
            "expression_statement" => {
                for a in children(s).into_iter().filter(|c| c.kind() == "assignment") {
                    if let Some(l) = field(a, "left").filter(|l| l.kind() == "identifier") {
                        push(m.of(l));
                    }
                }
            }
            _ => {}
        }
    }
    names
}

fn unbound(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let (Some(name), Some(func)) = (case.quoted(0), site.function()) else { return };
    let body = field(func, "body").map(children).unwrap_or_default();
    let docstring = |s: &Node| {
        s.kind() == "expression_statement" && children(*s).first().is_some_and(|c| c.kind() == "string")
    };
    let Some(first) = body.iter().find(|s| !docstring(s)).copied() else { return };
    // A name of the file that the function meant to change.
    let of_file = children(m.root()).into_iter().any(|s| {
        s.kind() == "expression_statement"
            && children(s).first().and_then(|a| field(*a, "left")).is_some_and(|l| m.of(l) == name)
    });
    if of_file {
        let line = [format!("global {name}")];
        out.add(UNBOUND, m, first, 0.97, [before(m, first, &line)], format!("`{name}` is the file's"));
    }
    let outer = ancestors(func).find(|a| a.kind() == "function_definition");
    if outer.is_some_and(|o| {
        in_scope(m, first).iter().any(|n| n == name) && m.of(o).contains(&format!("{name} ="))
    }) {
        let line = [format!("nonlocal {name}")];
        out.add(
            UNBOUND,
            m,
            first,
            0.9,
            [before(m, first, &line)],
            format!("`{name}` is the outer function's"),
        );
    }
    // What it starts as, before the compound statement that may not set it.
    let sets = |s: &Node| {
        all(*s, "assignment")
            .iter()
            .chain(&all(*s, "augmented_assignment"))
            .chain(&all(*s, "for_statement"))
            .any(|a| field(*a, "left").is_some_and(|l| all(l, "identifier").iter().any(|i| m.of(*i) == name)))
    };
    let place = body.iter().find(|s| sets(s)).copied().unwrap_or(first);
    let augmented = all(func, "augmented_assignment")
        .into_iter()
        .find(|a| field(*a, "left").is_some_and(|l| m.of(l) == name));
    let mut values: Vec<&str> = Vec::new();
    if let Some(a) = augmented {
        values.push(match field(a, "right").map_or("", |r| r.kind()) {
            "string" | "concatenated_string" => "''",
            "list" | "list_comprehension" => "[]",
            "float" => "0.0",
            _ => "0",
        });
    }
    for a in
        all(func, "assignment").into_iter().filter(|a| field(*a, "left").is_some_and(|l| m.of(l) == name))
    {
        match field(a, "right").map_or("", |r| r.kind()) {
            "true" => values.push("False"),
            "false" => values.push("True"),
            "list" | "list_comprehension" => values.push("[]"),
            "dictionary" => values.push("{}"),
            "integer" => values.push("0"),
            "string" => values.push("''"),
            _ => {}
        }
    }
    values.extend(["None", "0", "''", "[]", "False", "{}"]);
    let mut seen: Vec<&str> = Vec::new();
    for value in values {
        if seen.contains(&value) {
            continue;
        }
        let score = 0.9 * 0.9_f64.powi(seen.len() as i32);
        seen.push(value);
        let line = [format!("{name} = {value}")];
        out.add(UNBOUND, m, place, score, [before(m, place, &line)], format!("`{name}` starts as {value}"));
    }
}

/// The line that a new import goes to: after the file's docstring and `__future__`, before its first import.
fn import_line(m: &Module, line: &str) -> Option<Edit> {
    let top = children(m.root());
    let future = |s: &Node| s.kind() == "future_import_statement";
    let docstring = |s: &Node| {
        s.kind() == "expression_statement" && children(*s).first().is_some_and(|c| c.kind() == "string")
    };
    let first = top.iter().find(|s| !docstring(s) && !future(s))?;
    let gap =
        if matches!(first.kind(), "import_statement" | "import_from_statement") { "\n" } else { "\n\n\n" };
    Some(Edit::insert(first.start_byte(), format!("{line}{gap}")))
}

fn undefined(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let Some(name) = case.quoted(0) else { return };
    let uses: Vec<Node> = site.nodes("identifier").into_iter().filter(|n| m.of(*n) == name).collect();
    let Some(at) = uses.first().copied() else { return };
    let everywhere: Vec<Node> = match function(at) {
        Some(f) => all(f, "identifier").into_iter().filter(|n| m.of(*n) == name).collect(),
        None => uses.clone(),
    };
    let rename = |new: &str| -> Vec<Option<Edit>> {
        everywhere.iter().map(|n| Some(Edit::replace(*n, new))).collect()
    };
    if let Some(hint) = case.message().split("Did you mean: '").nth(1).and_then(|r| r.split('\'').next()) {
        out.add(NEAR, m, at, 0.98, rename(hint), format!("`{name}` is `{hint}`"));
    }
    if MODULES.contains(&name) {
        out.add(IMPORT, m, at, 0.97, [import_line(m, &format!("import {name}"))], format!("import {name}"));
    }
    for (_, module) in FROM.iter().filter(|(n, _)| *n == name) {
        out.add(
            IMPORT,
            m,
            at,
            0.96,
            [import_line(m, &format!("from {module} import {name}"))],
            format!("import {name} from {module}"),
        );
    }
    for other in case.code.program().filter(|o| o.path != m.path) {
        let defines = children(other.root()).into_iter().any(|s| {
            m.path.rsplit_once('/').map(|(f, _)| f) == other.path.rsplit_once('/').map(|(f, _)| f)
                && (other.name(s) == name
                    || s.kind() == "expression_statement"
                        && children(s)
                            .first()
                            .and_then(|a| field(*a, "left"))
                            .is_some_and(|l| other.of(l) == name))
        });
        if defines {
            let file = other.path.rsplit('/').next().unwrap_or("").trim_end_matches(".py");
            let relative = m.text.contains("from .")
                || m.path.contains('/')
                    && case
                        .code
                        .get(&format!("{}/__init__.py", m.path.rsplit_once('/').map_or("", |(f, _)| f)))
                        .is_some();
            let dot = if relative { "." } else { "" };
            out.add(
                IMPORT,
                m,
                at,
                0.9,
                [import_line(m, &format!("from {dot}{file} import {name}"))],
                format!("import {name} from {dot}{file}"),
            );
            // As others import it.
        }
        for line in other.text.lines().filter(|l| l.starts_with("from ") || l.starts_with("import ")) {
            if line.split([' ', ',']).any(|w| w == name) && !line.contains('(') && !line.starts_with("from .")
            {
                out.add(
                    IMPORT,
                    m,
                    at,
                    0.85,
                    [import_line(m, line)],
                    format!("`{line}`, as in {}", other.path),
                );
            }
        }
    }
    if let Some(c) = class(at) {
        let own = format!("self.{name}");
        if m.of(c).contains(&own) || m.of(c).contains(&format!("def {name}(")) {
            out.add(NEAR, m, at, 0.96, rename(&own), format!("`{own}`"));
        }
    }
    let mut near: Vec<(usize, String)> =
        in_scope(m, at).into_iter().filter(|n| n != name).map(|n| (distance(&n, name), n)).collect();
    near.extend(
        [
            "None",
            "True",
            "False",
            "len",
            "range",
            "print",
            "str",
            "int",
            "float",
            "list",
            "dict",
            "set",
            "sorted",
            "enumerate",
            "isinstance",
            "ValueError",
            "TypeError",
            "KeyError",
        ]
        .iter()
        .map(|n| (distance(n, name), (*n).to_owned())),
    );
    near.sort();
    for (i, (far, other)) in near
        .into_iter()
        .filter(|(far, n)| *far <= 3.max(name.len() / 3) && *far < n.len().max(2))
        .take(4)
        .enumerate()
    {
        let score = (0.95 - 0.12 * far as f64) * 0.97_f64.powi(i as i32);
        out.add(NEAR, m, at, score.max(0.2), rename(&other), format!("`{name}` is `{other}`"));
    }
}

fn import(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for s in site.nodes("import_from_statement") {
        let module = field(s, "module_name").map_or("", |n| m.of(n));
        for (old, name, new, renamed) in RENAMED.iter().filter(|r| r.0 == module) {
            let names: Vec<&str> = children(s).into_iter().skip(1).map(|n| m.of(n)).collect();
            if !names.contains(name) || Some(*name) != case.quoted(0) {
                continue;
            }
            let kept: Vec<&str> = names.iter().filter(|n| *n != name).copied().collect();
            let import = match (*new, renamed == name) {
                ("builtins", _) => format!("{name} = {renamed}"),
                (_, true) => format!("from {new} import {name}"),
                (_, false) => format!("from {new} import {renamed} as {name}"),
            };
            let indent = m.indent(s).unwrap_or("");
            let text = if kept.is_empty() {
                import
            } else {
                format!("from {old} import {}\n{indent}{import}", kept.join(", "))
            };
            out.add(MOVED, m, s, 0.97, [Some(Edit::replace(s, text))], format!("{name} is in {new}"));
            if names.len() > 1
                && names.iter().all(|n| RENAMED.iter().any(|r| r.0 == *old && r.1 == *n && r.2 == *new))
            {
                let edit = field(s, "module_name").map(|n| Edit::replace(n, *new));
                out.add(MOVED, m, s, 0.98, [edit], format!("they are in {new}"));
            }
        }
        // Misspelled: the nearest name that the module of this repository has.
        if let Some(wrong) = case.quoted(0) {
            let file = module.trim_start_matches('.').replace('.', "/");
            for target in case.code.program().filter(|t| {
                t.path.ends_with(&format!("{file}.py")) || t.path.ends_with(&format!("{file}/__init__.py"))
            }) {
                for name in in_scope(target, target.root()) {
                    let far = distance(&name, wrong);
                    if far <= 3 && name != wrong {
                        for n in children(s).into_iter().skip(1).filter(|n| m.of(*n) == wrong) {
                            out.add(
                                NEAR,
                                m,
                                s,
                                0.9 - 0.1 * far as f64,
                                [Some(Edit::replace(n, format!("{name} as {wrong}")))],
                                format!("`{wrong}` is `{name}`"),
                            );
                        }
                    }
                }
            }
        }
    }
}

/// `module.name` that has moved, and misspelled attributes of one's own classes.
fn attribute(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let Some(wrong) = case.quoted(1) else { return };
    for n in site.nodes("attribute") {
        let (Some(o), Some(a)) = (field(n, "object"), field(n, "attribute")) else { continue };
        if m.of(a) != wrong {
            continue;
        }
        for (_, _, module, name) in RENAMED.iter().filter(|r| r.0 == m.of(o) && r.1 == wrong) {
            let edits = match *module {
                "builtins" => vec![Some(Edit::replace(n, *name))],
                same if same == m.of(o) => vec![Some(Edit::replace(a, *name))],
                _ => vec![
                    Some(Edit::replace(n, format!("{module}.{name}"))),
                    import_line(m, &format!("import {module}")),
                ],
            };
            out.add(MOVED, m, n, site.weight * 0.97, edits, format!("{wrong} is {module}.{name}"));
        }
        if let Some(hint) = case.message().split("Did you mean: '").nth(1).and_then(|r| r.split('\'').next())
        {
            out.add(
                NEAR,
                m,
                n,
                site.weight * 0.95,
                [Some(Edit::replace(a, hint))],
                format!("`.{wrong}` is `.{hint}`"),
            );
        }
        let mut known: Vec<String> = Vec::new();
        for (cm, c) in case.classes(case.quoted(0).unwrap_or("")) {
            for f in all(c, "function_definition") {
                known.push(cm.name(f).to_owned());
            }
            for x in all(c, "attribute")
                .into_iter()
                .filter(|x| field(*x, "object").is_some_and(|o| cm.of(o) == "self"))
            {
                known.push(field(x, "attribute").map_or("", |a| cm.of(a)).to_owned());
            }
        }
        known.extend(
            [
                "append",
                "extend",
                "items",
                "values",
                "keys",
                "update",
                "startswith",
                "endswith",
                "lower",
                "upper",
                "strip",
                "split",
                "join",
                "encode",
                "decode",
                "copy",
                "isoformat",
                "total_seconds",
            ]
            .map(str::to_owned),
        );
        known.sort();
        known.dedup();
        let mut near: Vec<(usize, &String)> =
            known.iter().filter(|k| *k != wrong && !k.is_empty()).map(|k| (distance(k, wrong), k)).collect();
        near.sort();
        for (far, name) in near.into_iter().filter(|(far, _)| *far <= 2.max(wrong.len() / 4)).take(4) {
            out.add(
                NEAR,
                m,
                n,
                site.weight * (0.93 - 0.1 * far as f64),
                [Some(Edit::replace(a, name.as_str()))],
                format!("`.{wrong}` is `.{name}`"),
            );
        }
    }
    // `__init__` never sets it.
    let Some(owner) = case.quoted(0) else { return };
    for (cm, c) in case.classes(owner) {
        let Some(init) = all(c, "function_definition").into_iter().find(|f| cm.name(*f) == "__init__") else {
            continue;
        };
        let Some(last) = field(init, "body").map(children).and_then(|b| b.into_iter().next_back()) else {
            continue;
        };
        let takes = field(init, "parameters")
            .map(children)
            .unwrap_or_default()
            .into_iter()
            .any(|p| parameter(cm, p) == wrong);
        let mut values: Vec<(&str, f64)> = vec![
            ("None", 0.6),
            ("[]", 0.5),
            ("{}", 0.48),
            ("0", 0.46),
            ("False", 0.4),
            ("''", 0.4),
            ("set()", 0.3),
        ];
        if takes {
            values.insert(0, (wrong, 0.95));
        }
        if statement(last).is_none() || cm.of(init).contains(&format!("self.{wrong} =")) {
            continue;
        }
        for (value, prior) in values {
            let line = [format!("self.{wrong} = {value}")];
            out.add(
                "missing-attribute",
                cm,
                last,
                site.weight * prior,
                [super::edit::after(cm, last, &line)],
                format!("`self.{wrong}` starts as {value}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances() {
        assert_eq!(distance("amount", "ammount"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
