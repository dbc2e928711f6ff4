//! A Mermaid flowchart, for pages that render it.

use std::fmt::Write as _;

use crate::graph::{Graph, Target};

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
        let _ = writeln!(out, "  e{i}([\"{}: {}\"])", escaped(name), end.outcome.word());
    }
    for (i, name) in graph.nodes.keys().enumerate() {
        for way in graph.ways(name) {
            let label = escaped(&way.label());
            let edge = match (way.is_back(), label.is_empty()) {
                (true, _) => format!("-. \"{label}\" .->"),
                (false, true) => "-->".to_owned(),
                (false, false) => format!("-- \"{label}\" -->"),
            };
            let _ = writeln!(out, "  n{i} {edge} {}", id(&way.to));
        }
    }
    out
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
