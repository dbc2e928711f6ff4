//! A graph for people: an indented tree for a terminal, and Mermaid.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Arm, Graph, Guard, Next, NodeDef, Outcome, Step, Target};

/// Deepest level of the tree; what lies below starts again at the margin.
const MAX_LEVEL: usize = 24;

/// The graph as an indented tree from its start. Each node is unfolded once; further ways to it name it only.
#[must_use]
pub fn tree(graph: &Graph) -> String {
    let mut out = graph.name.clone();
    if !graph.description.is_empty() {
        out.push_str(": ");
        out.push_str(graph.description.trim());
    }
    out.push('\n');
    let mut tree = Tree { graph, out, shown: BTreeSet::new(), deeper: vec![graph.start.clone()] };
    while let Some(root) = tree.deeper.pop() {
        if tree.shown.insert(root.clone()) {
            let title = tree.title(&root);
            let _ = writeln!(tree.out, "{title}");
            tree.below(&root, "");
        }
    }
    tree.out
}

struct Tree<'g> {
    graph: &'g Graph,
    out: String,
    shown: BTreeSet<String>,
    /// Nodes that lie too deep for where they were met.
    deeper: Vec<String>,
}

impl Tree<'_> {
    /// The name, and the kind where it is another word.
    fn title(&self, name: &str) -> String {
        match self.graph.nodes.get(name) {
            Some(node) if node.kind != name => format!("{name} ({})", node.kind),
            _ => name.to_owned(),
        }
    }

    fn below(&mut self, name: &str, indent: &str) {
        let Some(node) = self.graph.nodes.get(name) else { return };
        let ways = ways(node);
        let last = ways.len().saturating_sub(1);
        for (i, way) in ways.iter().enumerate() {
            let (branch, inner) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let label = if way.label.is_empty() { String::new() } else { format!("{}: ", way.label) };
            let _ = write!(self.out, "{indent}{branch}{label}");
            match &way.to {
                Target::End(end) => {
                    let _ = writeln!(self.out, "{}", self.end(end));
                }
                Target::Node(to) if way.back => {
                    let _ = writeln!(self.out, "back to {to}");
                }
                Target::Node(to) if self.shown.contains(to) => {
                    let _ = writeln!(self.out, "{to} (shown above)");
                }
                Target::Node(to) if indent.chars().count() / 3 >= MAX_LEVEL => {
                    self.deeper.push(to.clone());
                    let _ = writeln!(self.out, "{to} (shown below)");
                }
                Target::Node(to) => {
                    self.shown.insert(to.clone());
                    let title = self.title(to);
                    let _ = writeln!(self.out, "{title}");
                    self.below(to, &format!("{indent}{inner}"));
                }
            }
        }
    }

    fn end(&self, name: &str) -> String {
        format!("[{name}] {}", self.graph.ends.get(name).map_or("", |end| word(end.outcome)))
    }
}

/// The graph as a Mermaid flowchart: retry edges dotted, ends as stadiums.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart TD\n");
    // Ids of our own: a name may be a word of Mermaid, such as `end`.
    let id = |target: &Target| match target {
        Target::Node(name) => format!("n{}", graph.nodes.get_index_of(name).unwrap_or_default()),
        Target::End(name) => format!("e{}", graph.ends.get_index_of(name).unwrap_or_default()),
    };
    for (i, (name, node)) in graph.nodes.iter().enumerate() {
        let text = if node.kind == *name { name.clone() } else { format!("{name}: {}", node.kind) };
        let _ = writeln!(out, "  n{i}[\"{}\"]", escaped(&text));
    }
    for (i, (name, end)) in graph.ends.iter().enumerate() {
        let _ = writeln!(out, "  e{i}([\"{}: {}\"])", escaped(name), word(end.outcome));
    }
    for (i, node) in graph.nodes.values().enumerate() {
        for way in ways(node) {
            let label = escaped(&way.label);
            let edge = match (way.back, label.is_empty()) {
                (true, _) => format!("-. \"{label}\" .->"),
                (false, true) => "-->".to_owned(),
                (false, false) => format!("-- \"{label}\" -->"),
            };
            let _ = writeln!(out, "  n{i} {edge} {}", id(&way.to));
        }
    }
    out
}

/// One way out of a node.
struct Way {
    label: String,
    to: Target,
    /// A retry.
    back: bool,
}

fn ways(node: &NodeDef) -> Vec<Way> {
    let mut ways: Vec<Way> = match &node.next {
        Next::Go(step) => of_step("", step),
        Next::Choose(arms) => arms.iter().flat_map(of_arm).collect(),
        Next::Switch(switch) => {
            let cases = switch.cases.iter().flat_map(|(word, step)| of_step(word, step));
            cases.chain(switch.otherwise.iter().flat_map(|step| of_step("else", step))).collect()
        }
        Next::Goto { among, .. } => {
            among.iter().map(|to| Way { label: "goto".to_owned(), to: to.clone(), back: false }).collect()
        }
    };
    if let Some(on_error) = &node.on_error {
        ways.push(Way { label: "on error".to_owned(), to: on_error.to.clone(), back: false });
    }
    ways
}

fn of_arm(arm: &Arm) -> Vec<Way> {
    match (&arm.guard, &arm.step) {
        (Guard::When(expr), step) => {
            of_step(&expr.source.split_whitespace().collect::<Vec<_>>().join(" "), step)
        }
        (Guard::Else, step @ Step::Retry { .. }) => of_step("", step),
        (Guard::Else, step) => of_step("else", step),
    }
}

fn of_step(guard: &str, step: &Step) -> Vec<Way> {
    match step {
        Step::To(to) => vec![Way { label: guard.to_owned(), to: to.clone(), back: false }],
        Step::Fork(fork) => {
            let label = |i: usize| {
                let branch = format!("branch {i}");
                if guard.is_empty() { branch } else { format!("{guard}: {branch}") }
            };
            let way = |(i, head): (usize, &String)| Way {
                label: label(i),
                to: Target::Node(head.clone()),
                back: false,
            };
            fork.branches.iter().enumerate().map(way).collect()
        }
        Step::Retry { head, max_attempts, exhausted } => {
            let retry = format!("retry ≤{max_attempts}");
            let label = if guard.is_empty() { retry } else { format!("{guard}, {retry}") };
            vec![
                Way { label, to: Target::Node(head.clone()), back: true },
                Way { label: "attempts used up".to_owned(), to: exhausted.clone(), back: false },
            ]
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Nothing => "nothing",
        Outcome::Failure => "failure",
        Outcome::Declined => "declined",
    }
}

/// A text inside Mermaid's quotes, where entities are written with `#`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
