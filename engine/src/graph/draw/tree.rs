//! An indented tree, for a terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::graph::{Graph, Target};

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
        let ways = self.graph.ways(name);
        let last = ways.len().saturating_sub(1);
        for (i, way) in ways.iter().enumerate() {
            let (branch, inner) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let label = way.label();
            let label = if label.is_empty() { label } else { format!("{label}: ") };
            let _ = write!(self.out, "{indent}{branch}{label}");
            match &way.to {
                Target::End(end) => {
                    let _ = writeln!(self.out, "{}", self.end(end));
                }
                Target::Node(to) if way.is_back() => {
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
        format!("[{name}] {}", self.graph.ends.get(name).map_or("", |end| end.outcome.word()))
    }
}
