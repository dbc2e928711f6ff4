//! The boxes of a graph: its nodes, with the graphs that they alone call inside, and its ends.

use std::collections::{BTreeMap, BTreeSet};

use super::flow;
use super::metric::{cut, mono};
use super::shape::{Picture, Rect, Shape, Tone};
use crate::graph::{At, Does, Graph, NodeDef, Target};

/// Size of a node's name.
pub(super) const NAME: f64 = 14.0;
/// Size of what stands below it, and of labels.
pub(super) const SMALL: f64 = 11.0;
/// Widest text in a box, in pixels.
const WIDEST: f64 = 260.0;
/// Space between a box and the picture inside.
const PAD: f64 = 14.0;
/// Height of the name's line and of each line below.
const HEAD: f64 = 20.0;
const LINE: f64 = 15.0;

/// A box before it has a place.
pub(super) struct Made {
    pub(super) w: f64,
    pub(super) h: f64,
    kind: Kind,
}

enum Kind {
    Node { name: String, lines: Vec<String>, tone: Tone, title: String, inner: Option<Picture> },
    End { name: String, title: String },
}

/// Which graphs are drawn inside the one node that calls them; the others have a frame of their own.
pub(super) struct Inside<'g> {
    pub(super) root: &'g Graph,
    once: BTreeSet<&'g str>,
}

impl<'g> Inside<'g> {
    pub(super) fn of(root: &'g Graph) -> Self {
        let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
        for graph in std::iter::once(root).chain(root.graphs.values().map(AsRef::as_ref)) {
            for name in graph.nodes.values().filter_map(called) {
                *calls.entry(name).or_default() += 1;
            }
        }
        Self {
            root,
            once: calls.into_iter().filter(|(_, times)| *times == 1).map(|(name, _)| name).collect(),
        }
    }

    /// The graphs that several nodes call, or none.
    pub(super) fn apart(&self) -> impl Iterator<Item = (&'g str, &'g Graph)> {
        let all = self.root.graphs.iter().map(|(name, graph)| (name.as_str(), graph.as_ref()));
        all.filter(|(name, _)| !self.once.contains(name))
    }

    fn inner(&self, def: &NodeDef) -> Option<&'g Graph> {
        let name = called(def).filter(|name| self.once.contains(name))?;
        self.root.graphs.get(name).map(AsRef::as_ref)
    }
}

fn called(def: &NodeDef) -> Option<&str> {
    match &def.does {
        Does::Run => None,
        Does::Call(name) => Some(name),
        Does::Map(map) => Some(&map.graph),
    }
}

/// The boxes of `graph`: its nodes in the file's order, then its ends.
pub(super) fn boxes(graph: &Graph, inside: &Inside<'_>) -> Vec<Made> {
    let nodes = graph.nodes.iter().map(|(name, def)| node(name, def, inside));
    nodes.chain(graph.ends.iter().map(|(name, end)| self::end(name, end.outcome.word()))).collect()
}

/// The box of a target, by number.
pub(super) fn number(graph: &Graph, target: &Target) -> Option<usize> {
    match target {
        Target::Node(name) => graph.nodes.get_index_of(name),
        Target::End(name) => graph.ends.get_index_of(name).map(|at| graph.nodes.len() + at),
    }
}

fn node(name: &str, def: &NodeDef, inside: &Inside<'_>) -> Made {
    let mut lines = Vec::new();
    let mut tone = Tone::Plain;
    if let Some(model) = &def.model {
        tone = Tone::Model;
        let kind = if def.kind == name { String::new() } else { format!("{} · ", def.kind) };
        lines.push(format!("{kind}model {model}"));
    } else if def.kind != name && matches!(def.does, Does::Run) {
        lines.push(def.kind.clone());
    }
    if let Some(interrupt) = &def.interrupt {
        tone = Tone::Person;
        let when = interrupt.when.as_ref().map(|when| format!(" if {}", when.source)).unwrap_or_default();
        lines.push(match interrupt.at {
            At::Before => format!("asks first{when}"),
            At::After => format!("then asks{when}"),
        });
    }
    match &def.does {
        Does::Run => {}
        Does::Call(graph) => {
            tone = Tone::Call;
            lines.push(format!("runs {graph}"));
        }
        Does::Map(map) => {
            tone = Tone::Call;
            lines.push(format!("runs {} for each of {}", map.graph, map.over.source));
        }
    }
    let title = std::iter::once(format!("{name}: {}", def.kind)).chain(lines.iter().cloned());
    let title = title.collect::<Vec<_>>().join("\n");
    let shown = cut(name, NAME, WIDEST);
    let lines: Vec<String> = lines.iter().map(|line| cut(line, SMALL, WIDEST)).collect();
    let text = lines.iter().map(|line| mono(line, SMALL)).fold(mono(&shown, NAME), f64::max);
    let mut w = (text + 2.0 * PAD + 6.0).max(96.0);
    let mut h = 16.0 + HEAD + LINE * lines.len() as f64;
    let inner = inside.inner(def).map(|graph| flow::picture(graph, inside));
    if let Some(picture) = &inner {
        w = w.max(picture.w + 2.0 * PAD);
        h += picture.h + PAD;
    }
    Made { w: even(w), h, kind: Kind::Node { name: shown, lines, tone, title, inner } }
}

fn end(name: &str, outcome: &str) -> Made {
    let shown = cut(name, NAME, WIDEST);
    let w = mono(&shown, NAME) + mono(outcome, SMALL) + 44.0;
    Made { w: even(w), h: 32.0, kind: Kind::End { name: shown, title: format!("{name}: {outcome}") } }
}

/// Even, so that centres and corners are whole.
fn even(x: f64) -> f64 {
    (x / 2.0).ceil() * 2.0
}

impl Made {
    pub(super) fn is_end(&self) -> bool {
        matches!(self.kind, Kind::End { .. })
    }

    /// Paints it at its place.
    pub(super) fn paint(self, at: Rect, graph: &Graph, number: usize, picture: &mut Picture) {
        match self.kind {
            Kind::Node { name, lines, tone, title, inner } => {
                let below = at.y + 14.0 + HEAD + LINE * lines.len() as f64;
                picture.add(Shape::Node { at, name, lines, tone, title, frame: inner.is_some() });
                if let Some(inner) = inner {
                    picture.put(at.centre() - inner.w / 2.0, below, inner);
                }
            }
            Kind::End { name, title } => {
                let end = graph.ends.get_index(number.saturating_sub(graph.nodes.len()));
                let Some((_, end)) = end else { return };
                picture.add(Shape::End { at, name, outcome: end.outcome, title });
            }
        }
    }
}
