//! Which loop an attempt belongs to.

use std::collections::BTreeMap;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};

use super::model::{Graph, Step, Target};

/// The innermost loop around a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// Its head: the node that its retry edges lead back to.
    pub head: String,
    /// The most attempts that one of its retry edges allows.
    pub max_attempts: u32,
}

impl Graph {
    /// The innermost loop around each node that is in one: the nearest retry head that every path to the node
    /// leads through, the node itself included. Linear in the size of the graph; ask once.
    #[must_use]
    pub fn loops(&self) -> BTreeMap<String, Loop> {
        let mut graph = DiGraph::<(), ()>::with_capacity(self.nodes.len(), self.nodes.len() * 2);
        for _ in self.nodes.iter() {
            graph.add_node(());
        }
        let mut heads: BTreeMap<usize, u32> = BTreeMap::new();
        let mut plain = |from: usize, to: &Target| {
            if let Target::Node(name) = to
                && let Some(to) = self.nodes.get_index_of(name)
            {
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
            }
        };
        for (from, node) in self.nodes.values().enumerate() {
            for (_, step) in node.next.steps() {
                match step {
                    Step::To(to) => plain(from, &to),
                    Step::Fork(fork) => {
                        fork.branches.into_iter().for_each(|head| plain(from, &Target::Node(head)));
                    }
                    Step::Retry { head, max_attempts, exhausted } => {
                        plain(from, &exhausted);
                        if let Some(head) = self.nodes.get_index_of(&head) {
                            let most = heads.entry(head).or_default();
                            *most = (*most).max(max_attempts);
                        }
                    }
                }
            }
            if let Some(on_error) = &node.on_error {
                plain(from, &on_error.to);
            }
        }
        // Most of a large graph is no loop at all.
        if heads.is_empty() {
            return BTreeMap::new();
        }
        let Some(start) = self.nodes.get_index_of(&self.start) else { return BTreeMap::new() };
        let dominators = simple_fast(&graph, NodeIndex::new(start));
        // A node's own head is itself, or that of its immediate dominator; the way up is walked once.
        let mut head_of: Vec<Option<Option<usize>>> = vec![None; self.nodes.len()];
        for node in 0..self.nodes.len() {
            let (mut at, mut way) = (node, Vec::new());
            let found = loop {
                if let Some(known) = head_of[at] {
                    break known;
                }
                way.push(at);
                if heads.contains_key(&at) {
                    break Some(at);
                }
                match dominators.immediate_dominator(NodeIndex::new(at)) {
                    Some(above) => at = above.index(),
                    None => break None,
                }
            };
            for passed in way {
                head_of[passed] = Some(found);
            }
        }
        let named = |node: usize| self.nodes.get_index(node).map(|(name, _)| name.clone());
        let loops = head_of.into_iter().enumerate().filter_map(|(node, head)| {
            let head = head.flatten()?;
            Some((named(node)?, Loop { head: named(head)?, max_attempts: heads.get(&head).copied()? }))
        });
        loops.collect()
    }

    /// The head of the innermost loop around `node`; nothing outside every loop. [`Self::loops`] answers for all.
    #[must_use]
    pub fn attempt_head(&self, node: &str) -> Option<String> {
        self.loops().remove(node).map(|found| found.head)
    }
}
