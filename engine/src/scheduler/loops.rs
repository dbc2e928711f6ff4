//! The loops of a graph: which nodes are heads, and whose attempt a node belongs to.

use std::collections::BTreeMap;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::graph::{Graph, Next, Step, Target};

/// What the scheduler knows about loops, worked out once from the graph.
#[derive(Debug)]
pub(super) struct Loops {
    /// By head, the most attempts of any retry edge into it.
    heads: BTreeMap<String, u32>,
    /// By node, the innermost head that dominates it (a head dominates itself).
    around: BTreeMap<String, String>,
}

impl Loops {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut heads: BTreeMap<String, u32> = BTreeMap::new();
        let mut flow: DiGraph<&str, ()> = DiGraph::new();
        let index: BTreeMap<&str, NodeIndex> =
            graph.nodes.keys().map(|name| (name.as_str(), flow.add_node(name))).collect();
        for (name, def) in &graph.nodes {
            for step in steps(&def.next) {
                let (targets, retry) = match &step {
                    Step::To(target) => (vec![target.clone()], None),
                    Step::Retry { head, max_attempts, exhausted } => {
                        (vec![Target::Node(head.clone()), exhausted.clone()], Some((head, *max_attempts)))
                    }
                };
                if let Some((head, most)) = retry {
                    let known = heads.entry(head.clone()).or_insert(most);
                    *known = most.max(*known);
                }
                for target in targets {
                    if let Target::Node(to) = target
                        && let (Some(a), Some(b)) = (index.get(name.as_str()), index.get(to.as_str()))
                    {
                        flow.add_edge(*a, *b, ());
                    }
                }
            }
        }
        let mut around = BTreeMap::new();
        if let Some(start) = index.get(graph.start.as_str()) {
            let dominators = simple_fast(&flow, *start);
            for (name, at) in &index {
                // From the node itself outwards: the first head met is the innermost.
                let innermost = dominators.dominators(*at).and_then(|mut chain| {
                    chain.find_map(|above| flow.node_weight(above).filter(|head| heads.contains_key(**head)))
                });
                if let Some(head) = innermost {
                    around.insert((*name).to_owned(), (*head).to_owned());
                }
            }
        }
        Self { heads, around }
    }

    pub(super) fn is_head(&self, node: &str) -> bool {
        self.heads.contains_key(node)
    }

    /// The innermost head around `node` and its most attempts.
    pub(super) fn around(&self, node: &str) -> Option<(&str, u32)> {
        let head = self.around.get(node)?;
        Some((head, self.heads.get(head).copied()?))
    }
}

fn steps(next: &Next) -> Vec<Step> {
    match next {
        Next::To(target) => vec![Step::To(target.clone())],
        Next::Choose(arms) => arms.iter().map(|arm| arm.step.clone()).collect(),
    }
}
