//! What a template looks at: the failure, the code, and the places that may be at fault, weighed.

use std::ops::Range;

use tree_sitter::Node;

use super::Failure;
use super::edit::Edit;
use super::source::{Code, Module, all, ancestors, children, field, function, is_test, walk};
use crate::types::Frame;

/// A place that may be at fault.
#[derive(Clone)]
pub(crate) struct Site<'a> {
    /// The file.
    pub(crate) module: &'a Module,
    /// The bytes that the trace marks, or else the whole line.
    pub(crate) focus: Range<usize>,
    /// Whether `focus` is what the trace marks.
    pub(crate) marked: bool,
    /// The smallest node over `focus`.
    pub(crate) node: Node<'a>,
    /// How likely the fault is here: 1.0 for the innermost frame in the repository.
    pub(crate) weight: f64,
}

/// Everything about one failure.
pub(crate) struct Case<'a> {
    /// What failed.
    pub(crate) failure: &'a Failure,
    /// The exception's name without its module.
    pub(crate) exception: &'a str,
    /// The parsed code.
    pub(crate) code: &'a Code,
    /// The frames in the program, innermost first. Frames of tests are left out.
    pub(crate) sites: Vec<Site<'a>>,
    /// Source of the tests among the sources, for what they expect.
    pub(crate) expected: String,
}

/// A repair before it is checked.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The template's name.
    pub(crate) template: &'static str,
    /// What it does, a fragment.
    pub(crate) what: String,
    /// `path:line`.
    pub(crate) place: String,
    /// How much it is believed before anything ran.
    pub(crate) score: f64,
    /// Edits by file.
    pub(crate) patches: Vec<(String, Vec<Edit>)>,
}

/// Where templates put their drafts.
#[derive(Default)]
pub(crate) struct Drafts {
    /// In the order they came.
    pub(crate) list: Vec<Draft>,
}

impl Drafts {
    /// Adds a draft of one file. `edits` that could not be made (`None`) drop it.
    pub(crate) fn add(
        &mut self,
        template: &'static str,
        module: &Module,
        node: Node,
        score: f64,
        edits: impl IntoIterator<Item = Option<Edit>>,
        what: String,
    ) {
        let Some(edits) = edits.into_iter().collect::<Option<Vec<_>>>() else { return };
        self.list.push(Draft {
            template,
            what,
            place: format!("{}:{}", module.path, node.start_position().row + 1),
            score,
            patches: vec![(module.path.clone(), edits)],
        });
    }
}

/// The weight of the `depth`-th frame counted from the innermost one in the repository.
fn weight(depth: usize, last: bool) -> f64 {
    match depth {
        0 => 1.0,
        1 => 0.5,
        _ if last => 0.1,
        _ => 0.3,
    }
}

/// The stretch of a file that a frame points at, and whether it is exact.
fn focus(module: &Module, frame: &Frame) -> Option<(Range<usize>, bool)> {
    let line = module.line(frame.repo_line.unwrap_or(frame.line))?;
    let text = module.text.get(line.clone())?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return None;
    }
    let start = line.start + (text.len() - text.trim_start().len());
    let whole = start..start + trimmed.len();
    let (Some(from), Some(to)) = (frame.mark_start, frame.mark_end) else { return Some((whole, false)) };
    if frame.code.trim() != trimmed || from >= to {
        return Some((whole, false));
    }
    let byte = |chars: u64| {
        let chars = usize::try_from(chars).unwrap_or(usize::MAX);
        trimmed.char_indices().nth(chars).map_or(trimmed.len(), |(i, _)| i)
    };
    Some((start + byte(from)..start + byte(to), true))
}

impl<'a> Case<'a> {
    /// Reads the stack of a failure.
    pub(crate) fn new(failure: &'a Failure, code: &'a Code) -> Self {
        let ours: Vec<&Frame> = failure
            .frames
            .iter()
            .rev()
            .filter(|f| f.path.as_ref().is_some_and(|p| !is_test(p) && code.get(p).is_some()))
            .take(40)
            .collect();
        let mut sites: Vec<Site> = Vec::new();
        for (depth, frame) in ours.iter().enumerate() {
            let Some(module) = frame.path.as_ref().and_then(|p| code.get(p)) else { continue };
            let Some((focus, marked)) = focus(module, frame) else { continue };
            let Some(node) = module.root().named_descendant_for_byte_range(focus.start, focus.end) else {
                continue;
            };
            let seen = |s: &Site| s.module.path == module.path && s.focus == focus;
            if !sites.iter().any(seen) {
                let last = depth + 1 == ours.len() && depth > 2;
                sites.push(Site { module, focus, marked, node, weight: weight(depth, last) });
            }
        }
        let expected =
            code.iter().filter(|m| is_test(&m.path)).map(|m| m.text.as_str()).collect::<Vec<_>>().join("\n");
        let exception = failure.exception.rsplit('.').next().unwrap_or("");
        Self { failure, exception, code, sites, expected }
    }

    /// The message, with single quotes around names as Python prints them.
    pub(crate) fn message(&self) -> &str {
        &self.failure.message
    }

    /// The `n`-th stretch in single or double quotes of the message.
    pub(crate) fn quoted(&self, n: usize) -> Option<&str> {
        let parts: Vec<&str> = self.message().split(['\'', '"']).collect();
        parts.get(n * 2 + 1).copied().filter(|_| parts.len() > n * 2 + 2)
    }

    /// The classes of that name and the file each is in.
    pub(crate) fn classes(&self, name: &str) -> Vec<(&'a Module, Node<'a>)> {
        let mut found = Vec::new();
        for module in self.code.program() {
            for class in all(module.root(), "class_definition") {
                if module.name(class) == name {
                    found.push((module, class));
                }
            }
        }
        found
    }

    /// The functions of that name and the file each is in, those of the sites' files first.
    pub(crate) fn functions(&self, name: &str) -> Vec<(&'a Module, Node<'a>)> {
        let mut found: Vec<_> =
            self.code.program().flat_map(|m| m.functions(name).into_iter().map(move |f| (m, f))).collect();
        let near = |m: &Module| !self.sites.iter().any(|s| s.module.path == m.path);
        found.sort_by_key(|(m, _)| near(m));
        found
    }
}

impl<'a> Site<'a> {
    /// The nodes of `kind` that the trace points at: within the mark, or beginning on the line.
    pub(crate) fn nodes(&self, kind: &str) -> Vec<Node<'a>> {
        let open_end = !self.marked
            || self
                .module
                .text
                .get(self.focus.end..)
                .is_none_or(|rest| rest.trim_start_matches(' ').starts_with('\n'));
        let stmt = super::source::statement(self.node).unwrap_or(self.node);
        walk(stmt)
            .into_iter()
            .filter(|n| n.is_named() && n.kind() == kind)
            .filter(|n| self.focus.contains(&n.start_byte()) && (open_end || n.end_byte() <= self.focus.end))
            .collect()
    }

    /// The function around.
    pub(crate) fn function(&self) -> Option<Node<'a>> {
        function(self.node)
    }
}

/// Names bound between `node` and its statement: variables of comprehensions and lambdas.
pub(crate) fn bound_inside<'a>(module: &'a Module, node: Node<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for a in ancestors(node) {
        match a.kind() {
            "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression" => {
                for clause in children(a).into_iter().filter(|c| c.kind() == "for_in_clause") {
                    if let Some(left) = field(clause, "left") {
                        names.extend(all(left, "identifier").into_iter().map(|n| module.of(n)));
                    }
                }
            }
            "lambda" => {
                if let Some(parameters) = field(a, "parameters") {
                    names.extend(all(parameters, "identifier").into_iter().map(|n| module.of(n)));
                }
            }
            "block" | "module" => break,
            _ => {}
        }
    }
    names
}

/// The identifiers in a piece of source, without strings.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| w.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_'))
        .collect()
}
