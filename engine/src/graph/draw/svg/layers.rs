//! Ranks, and the layers that lines pass on their way. Nodes stand in the even layers, labels in the odd ones behind
//! their source; a line that goes further has a place of its own in every layer between, so it never meets a box.

use petgraph::algo::{greedy_feedback_arc_set, toposort};
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

/// Something that has a place in a layer.
#[derive(Debug, Clone)]
pub(super) struct Vertex {
    /// Width, what lies beside a box included.
    pub(super) w: f64,
    pub(super) h: f64,
    pub(super) layer: usize,
    pub(super) what: What,
}

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The box with this number.
    Box(usize),
    /// The label of this line.
    Label(usize),
    /// This line, passing by.
    Pass(usize),
}

impl Vertex {
    pub(super) fn is_box(&self) -> bool {
        matches!(self.what, What::Box(_))
    }
}

/// A line from one box to another, with the size of its label.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Option<(f64, f64)>,
}

/// All layers, with what follows what.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) vertices: Vec<Vertex>,
    /// In the order from left to right.
    pub(super) layers: Vec<Vec<usize>>,
    pub(super) up: Vec<Vec<usize>>,
    pub(super) down: Vec<Vec<usize>>,
    /// By line, the vertices between its ends, from above.
    pub(super) chains: Vec<Vec<usize>>,
}

/// The lines that would close a loop, by number: none in a checked graph, whose loops are closed by retries alone.
pub(super) fn backward(boxes: usize, lines: &[Line]) -> Vec<usize> {
    let graph = graph_of(boxes, lines);
    if toposort(&graph, None).is_ok() {
        return Vec::new();
    }
    let mut back: Vec<usize> = greedy_feedback_arc_set(&graph).map(|edge| edge.id().index()).collect();
    back.sort_unstable();
    back
}

fn graph_of(boxes: usize, lines: &[Line]) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(boxes, lines.len());
    for _ in 0..boxes {
        graph.add_node(());
    }
    for line in lines {
        let _: EdgeIndex = graph.add_edge(NodeIndex::new(line.from), NodeIndex::new(line.to), ());
    }
    graph
}

/// The rank of every box: one more than the lowest that leads to it. `last` boxes that nothing leads to stand at the
/// bottom.
fn ranks(boxes: usize, lines: &[Line], last: impl Fn(usize) -> bool) -> Vec<usize> {
    let graph = graph_of(boxes, lines);
    let mut rank = vec![0usize; boxes];
    for at in toposort(&graph, None).unwrap_or_default() {
        for edge in graph.edges(at) {
            let below = rank[at.index()] + 1;
            let to = &mut rank[edge.target().index()];
            *to = (*to).max(below);
        }
    }
    let bottom = rank.iter().copied().max().unwrap_or_default();
    for at in graph.node_indices() {
        if last(at.index()) && graph.edges_directed(at, petgraph::Direction::Incoming).next().is_none() {
            rank[at.index()] = bottom.max(1);
        }
    }
    rank
}

/// The layers of these boxes and lines, in an order that follows the lines from the first box on. No line may go back.
pub(super) fn layers(
    boxes: &[(f64, f64)],
    lines: &[Line],
    pass: f64,
    last: impl Fn(usize) -> bool,
) -> Layers {
    let rank = ranks(boxes.len(), lines, last);
    let mut made = Layers::default();
    for (i, &(w, h)) in boxes.iter().enumerate() {
        made.vertices.push(Vertex { w, h, layer: 2 * rank[i], what: What::Box(i) });
    }
    let mut links: Vec<(usize, usize)> = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let mut chain = Vec::new();
        let mut above = line.from;
        for layer in 2 * rank[line.from] + 1..2 * rank[line.to] {
            let (w, h, what) = match line.label {
                Some((w, h)) if chain.is_empty() => (w, h, What::Label(i)),
                _ => (pass, 0.0, What::Pass(i)),
            };
            let at = made.vertices.len();
            made.vertices.push(Vertex { w, h, layer, what });
            links.push((above, at));
            chain.push(at);
            above = at;
        }
        links.push((above, line.to));
        made.chains.push(chain);
    }
    made.up = vec![Vec::new(); made.vertices.len()];
    made.down = vec![Vec::new(); made.vertices.len()];
    for (above, below) in links {
        made.down[above].push(below);
        made.up[below].push(above);
    }
    made.first_order();
    made
}

impl Layers {
    /// Each layer in the order in which a walk from the first box on comes by.
    fn first_order(&mut self) {
        let depth = self.vertices.iter().map(|vertex| vertex.layer + 1).max().unwrap_or_default();
        self.layers = vec![Vec::new(); depth];
        let mut seen = vec![false; self.vertices.len()];
        for root in 0..self.vertices.len() {
            let mut todo = vec![root];
            while let Some(at) = todo.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                self.layers[self.vertices[at].layer].push(at);
                todo.extend(self.down[at].iter().rev().copied());
            }
        }
    }

    /// By vertex, its place in its layer.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.vertices.len()];
        for layer in &self.layers {
            for (i, at) in layer.iter().enumerate() {
                places[*at] = i;
            }
        }
        places
    }
}
