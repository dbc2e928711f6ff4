//! Which edges of a graph the cases of a suite take.

use std::collections::BTreeSet;

use super::Played;
use crate::graph::Graph;

/// The edges of a graph and of those that it calls, and how often each was taken.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// In the file's order, the run's own graph first.
    pub edges: Vec<Covered>,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The graph that it is of; empty for the run's own.
    pub graph: String,
    /// The node that it leaves.
    pub node: String,
    /// Its name: `next[1].exhausted`, `on_error`.
    pub edge: String,
    /// When it is taken, as the file says it; empty for always.
    pub label: String,
    /// Where it leads; the heads of a fan-out's branches together.
    pub to: String,
    /// How often it was taken.
    pub taken: usize,
}

impl Coverage {
    /// That of `graph` before any case.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let mut edges = Vec::new();
        let graphs = graph.graphs.iter().map(|(name, graph)| (name.as_str(), graph.as_ref()));
        for (name, graph) in std::iter::once(("", graph)).chain(graphs) {
            for node in graph.nodes.keys() {
                add(&mut edges, name, node, graph);
            }
        }
        Self { edges }
    }

    /// Counts what a case took.
    pub fn count(&mut self, played: &Played) {
        for step in &played.steps {
            let taken = |edge: &&mut Covered| {
                edge.graph == step.graph && step.lane.node == edge.node.as_str() && edge.edge == step.edge
            };
            if let Some(edge) = self.edges.iter_mut().find(taken) {
                edge.taken += 1;
            }
        }
    }

    /// How many edges were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.edges.iter().filter(|edge| edge.taken > 0).count()
    }

    /// The share of edges that were taken, in percent, rounded down; 100 where there are none.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let percent = (self.taken() * 100).checked_div(self.edges.len()).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

fn add(edges: &mut Vec<Covered>, name: &str, node: &str, graph: &Graph) {
    let mut seen = BTreeSet::new();
    for way in graph.ways(node) {
        let to = way.to.name().to_owned();
        if !seen.insert(way.edge.clone()) {
            // A further branch of a fan-out.
            if let Some(edge) = edges.last_mut() {
                edge.to = format!("{}, {to}", edge.to);
            }
            continue;
        }
        let label = if let crate::graph::Turn::Branch(_) = way.turn { way.when.clone() } else { way.label() };
        let (graph, node, edge) = (name.to_owned(), node.to_owned(), way.edge);
        edges.push(Covered { graph, node, edge, label, to, taken: 0 });
    }
}
