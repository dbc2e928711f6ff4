//! The same defect next door: `min` beside `max`, the same method in a sibling class.

use tree_sitter::Node;

use super::case::{Case, Draft};
use super::edit::{Edit, apply};
use super::source::{Module, all, class, field, function, statement};

/// Words that stand for each other in code written twice.
const COUNTERPARTS: [(&str, &str); 14] = [
    ("min", "max"),
    ("first", "last"),
    ("left", "right"),
    ("start", "end"),
    ("begin", "finish"),
    ("lower", "upper"),
    ("low", "high"),
    ("next", "prev"),
    ("head", "tail"),
    ("before", "after"),
    ("encode", "decode"),
    ("row", "col"),
    ("width", "height"),
    ("x", "y"),
];

/// The text with one pair of words exchanged, in identifiers and their parts.
fn exchanged(text: &str, pair: (&str, &str)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        out.push_str(match word.as_str() {
            w if w == pair.0 => pair.1,
            w if w == pair.1 => pair.0,
            w => w,
        });
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// For drafts of one statement, drafts that mend the counterpart as well.
pub(super) fn extend(case: &Case, drafts: &[Draft]) -> Vec<Draft> {
    let mut more = Vec::new();
    for draft in drafts.iter().filter(|d| d.score >= 0.4).take(200) {
        let [(path, edits)] = draft.patches.as_slice() else { continue };
        let Some(module) = case.code.get(path) else { continue };
        if let Some(extended) = counterpart(case, module, draft, edits) {
            more.push(extended);
        }
    }
    more
}

/// The statement that all edits lie in.
fn home<'t>(module: &'t Module, edits: &[Edit]) -> Option<Node<'t>> {
    let start = edits.iter().map(|e| e.range.start).min()?;
    let end = edits.iter().map(|e| e.range.end).max()?;
    let stmt = statement(
        module.root().named_descendant_for_byte_range(start, end.max(start + 1).min(module.text.len()))?,
    )?;
    (stmt.start_byte() <= start
        && end <= stmt.end_byte()
        && matches!(stmt.kind(), "expression_statement" | "return_statement" | "if_statement"))
    .then_some(stmt)
}

fn counterpart(case: &Case, module: &Module, draft: &Draft, edits: &[Edit]) -> Option<Draft> {
    let stmt = home(module, edits)?;
    let func = function(stmt)?;
    let old = module.of(stmt);
    let shifted: Vec<Edit> = edits
        .iter()
        .map(|e| Edit {
            range: e.range.start - stmt.start_byte()..e.range.end - stmt.start_byte(),
            text: e.text.clone(),
        })
        .collect();
    let new = apply(old, &shifted)?;
    let name = module.name(func);
    let mut patches = vec![(module.path.clone(), edits.to_vec())];
    let mut places = Vec::new();
    for pair in COUNTERPARTS {
        let other = exchanged(name, pair);
        if other == name {
            continue;
        }
        for f in all(module.root(), "function_definition")
            .into_iter()
            .filter(|f| module.name(*f) == other && class(*f) == class(func))
        {
            mend(module, f, &exchanged(old, pair), &exchanged(&new, pair), &mut patches, &mut places);
        }
    }
    if let Some(bases) =
        class(func).and_then(|c| field(c, "superclasses")).map(|b| module.of(b)).filter(|b| *b != "(object)")
    {
        for m in case.code.program() {
            for c in all(m.root(), "class_definition")
                .into_iter()
                .filter(|c| field(*c, "superclasses").is_some_and(|b| m.of(b) == bases))
            {
                if m.path == module.path && class(func).is_some_and(|own| own.id() == c.id()) {
                    continue;
                }
                for f in all(c, "function_definition").into_iter().filter(|f| m.name(*f) == name) {
                    mend(m, f, old, &new, &mut patches, &mut places);
                }
            }
        }
    }
    if places.is_empty() {
        return None;
    }
    Some(Draft {
        what: format!("{}; the same at {}", draft.what, places.join(", ")),
        score: draft.score * 1.02,
        patches,
        ..draft.clone()
    })
}

fn mend(
    m: &Module,
    func: Node,
    old: &str,
    new: &str,
    patches: &mut Vec<(String, Vec<Edit>)>,
    places: &mut Vec<String>,
) {
    for kind in ["expression_statement", "return_statement", "if_statement"] {
        for s in all(func, kind).into_iter().filter(|s| m.of(*s) == old) {
            let edit = Edit::replace(s, new);
            places.push(format!("{}:{}", m.path, s.start_position().row + 1));
            match patches.iter_mut().find(|(path, _)| *path == m.path) {
                Some((_, edits)) => edits.push(edit),
                None => patches.push((m.path.clone(), vec![edit])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exchanged;

    #[test]
    fn exchanges_whole_words() {
        assert_eq!(exchanged("min(max_x, maximum)", ("min", "max")), "max(min_x, maximum)");
    }

    use super::super::fixture::fixture;

    #[test]
    fn the_smallest_beside_the_largest() {
        let source = "class A:\n    def by_min(self, xs):\n        return min(xs)\n\n    def by_max(self, xs):\n        return max(xs)\n";
        let f = fixture(source, "ValueError", "max() arg is an empty sequence", &["max(xs)"]);
        f.offers(source, &source.replace("(xs)\n", "(xs, default=None)\n"), 1);
    }
}
