//! The picture of one graph: boxes in layers, lines between them, and loops in gutters at the sides.

use super::boxes::{Inside, Made, SMALL, boxes, number};
use super::gutter::{self, Loop};
use super::layers::{Layers, Line, What, backward, layers};
use super::metric::{cut, mono};
use super::order::order;
use super::place::place;
use super::route::{self, Path};
use super::shape::{Picture, Points, Rect, Shape, Stroke};
use crate::graph::{Graph, Target, Turn, Way};

/// Space between neighbours in a layer.
const GAP: f64 = 18.0;
/// Width that a line needs which only passes.
const PASS: f64 = 8.0;
/// Height of a label.
pub(super) const LABEL: f64 = 18.0;
/// Widest label.
const WIDEST: f64 = 210.0;
/// Space between layers: behind boxes, and before them, where an arrow's head needs some.
const BEHIND: f64 = 14.0;
const BEFORE: f64 = 22.0;
/// Space for the point where a run begins.
const BEGIN: f64 = 34.0;
/// Height that a loop takes which cannot leave or arrive at the side of its box.
pub(super) const TRACK: f64 = 10.0;

/// A way out of a node, between boxes.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
    pub(super) label: String,
    pub(super) title: String,
}

impl Edge {
    pub(super) fn stroke(&self) -> Stroke {
        match self.way.turn {
            Turn::Plain | Turn::Branch(_) => Stroke::Plain,
            Turn::Retry(_) => Stroke::Retry,
            Turn::Exhausted => Stroke::Exhausted,
            Turn::Failure => Stroke::Failure,
        }
    }

    /// The label's width; 0 without one.
    pub(super) fn width(&self) -> f64 {
        if self.label.is_empty() { 0.0 } else { (mono(&self.label, SMALL) + 12.0).ceil() }
    }
}

/// Every way of the graph: those that go on, those that go back to another node, and those back to the same.
fn edges(graph: &Graph) -> (Vec<Edge>, Vec<Edge>, Vec<Edge>) {
    let (mut on, mut back, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for (from, name) in graph.nodes.keys().enumerate() {
        for way in graph.ways(name) {
            let Some(to) = number(graph, &way.to) else { continue };
            let text = match way.turn {
                Turn::Branch(_) => way.when.clone(),
                Turn::Retry(most) if way.when.is_empty() || way.when == "else" => format!("≤{most}"),
                Turn::Retry(most) => format!("{} ≤{most}", cut(&way.when, SMALL, 120.0)),
                _ => way.label(),
            };
            let label = cut(&text, SMALL, WIDEST);
            let title = format!("{name} to {}\n{}", way.to.name(), way.label());
            let title = title.trim_end().to_owned();
            let is_back = way.is_back();
            let edge = Edge { from, to, way, label, title };
            if to == from {
                own.push(edge);
            } else if is_back {
                back.push(edge);
            } else {
                on.push(edge);
            }
        }
    }
    (on, back, own)
}

/// The picture of `graph`, without a heading.
pub(super) fn picture(graph: &Graph, inside: &Inside<'_>) -> Picture {
    let made = boxes(graph, inside);
    let (mut on, mut back, own) = edges(graph);
    let line = |edge: &Edge| Line {
        from: edge.from,
        to: edge.to,
        label: (!edge.label.is_empty()).then(|| (edge.width(), LABEL)),
    };
    for at in backward(made.len(), &on.iter().map(line).collect::<Vec<_>>()).into_iter().rev() {
        back.push(on.remove(at));
    }
    let lines: Vec<Line> = on.iter().map(line).collect();
    // Loops to the node itself are drawn beside its box.
    let beside = |at: usize| {
        own.iter().filter(|edge| edge.from == at).map(|edge| edge.width() + 26.0).fold(0.0, f64::max)
    };
    let labels = |at: usize| own.iter().filter(|edge| edge.from == at).count() as f64 * (LABEL + 2.0);
    let size = |(i, one): (usize, &Made)| (one.w + 2.0 * beside(i), one.h.max(labels(i)));
    let sizes: Vec<(f64, f64)> = made.iter().enumerate().map(size).collect();
    let mut stacked = layers(&sizes, &lines, PASS, |at| made[at].is_end());
    order(&mut stacked);
    let xs = place(&stacked, GAP);
    let loops = gutter::plan(&back, &stacked, |at| beside(at) > 0.0);
    let bands = bands(&stacked, &xs, &loops);
    let rects: Vec<Rect> = made
        .iter()
        .enumerate()
        .map(|(i, one)| {
            let band = bands[stacked.vertices[i].layer];
            Rect { x: xs[i] - one.w / 2.0, y: band.top + (band.height - one.h) / 2.0, w: one.w, h: one.h }
        })
        .collect();
    let mut picture = Picture::default();
    forward(graph, &on, &stacked, &xs, &bands, &rects, &mut picture);
    let extents = extents(&stacked, &xs);
    let sides = gutter::paint(&back, &loops, &rects, &bands, &extents, &mut picture);
    for (i, at) in rects.iter().enumerate() {
        let own: Vec<&Edge> = own.iter().filter(|edge| edge.from == i).collect();
        own_loops(&own, *at, &mut picture);
    }
    if let Some(start) = graph.nodes.get_index_of(&graph.start) {
        let at = rects[start];
        picture.add(Shape::Start {
            x: at.centre(),
            y: bands[0].top - bands[0].above - BEGIN + 8.0,
            to: at.y,
        });
    }
    for (i, one) in made.into_iter().enumerate() {
        one.paint(rects[i], graph, i, &mut picture);
    }
    let height = bands.last().map_or(0.0, |band| band.top + band.height + band.below);
    let shift = -sides.0;
    picture.shapes.iter_mut().for_each(|shape| shape.0 += shift);
    picture.w = (sides.1 - sides.0).ceil();
    picture.h = height.ceil() + 2.0;
    picture
}

/// Where a layer lies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Band {
    pub(super) top: f64,
    pub(super) height: f64,
    /// Space for loops that arrive from above and leave below, within the gaps.
    pub(super) above: f64,
    pub(super) below: f64,
}

fn bands(stacked: &Layers, xs: &[f64], loops: &[Loop]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut y = BEGIN;
    for (i, layer) in stacked.layers.iter().enumerate() {
        let height = layer.iter().map(|at| stacked.vertices[*at].h).fold(0.0, f64::max);
        let tracks = |of: &dyn Fn(&Loop) -> Option<usize>| {
            let used = loops.iter().filter(|one| of(one) == Some(i)).count();
            used as f64 * TRACK
        };
        let above = tracks(&|one| one.over);
        let below = tracks(&|one| one.under);
        // A line that goes far to the side needs height for it.
        let far = layer.iter().flat_map(|at| stacked.up[*at].iter().map(|up| (xs[*up] - xs[*at]).abs()));
        let far = (far.fold(0.0, f64::max) * 0.08).min(44.0);
        if i > 0 {
            // Labels of no height take no space of their own.
            let gap = if i % 2 == 1 { BEHIND } else { BEFORE };
            y += gap + far;
        }
        y += above;
        bands.push(Band { top: y, height, above, below });
        y += height + below;
    }
    bands
}

/// Left and right border of each layer.
fn extents(stacked: &Layers, xs: &[f64]) -> Vec<(f64, f64)> {
    let half = |at: usize| stacked.vertices[at].w / 2.0;
    let of = |layer: &Vec<usize>| {
        let left = layer.iter().map(|at| xs[*at] - half(*at)).fold(f64::INFINITY, f64::min);
        let right = layer.iter().map(|at| xs[*at] + half(*at)).fold(f64::NEG_INFINITY, f64::max);
        (left, right)
    };
    stacked.layers.iter().map(of).collect()
}

/// The lines that go on, their labels, and the bars where branches part and meet.
fn forward(
    graph: &Graph,
    on: &[Edge],
    stacked: &Layers,
    xs: &[f64],
    bands: &[Band],
    rects: &[Rect],
    picture: &mut Picture,
) {
    let out = route::ports(on, stacked, xs, rects, true);
    let into = route::ports(on, stacked, xs, rects, false);
    for (i, edge) in on.iter().enumerate() {
        let mut path = Path::from(out[i], rects[edge.from].bottom());
        path.straight(bands[stacked.vertices[edge.from].layer].bottom());
        for at in &stacked.chains[i] {
            let band = bands[stacked.vertices[*at].layer];
            path.curve(xs[*at], band.top);
            path.straight(band.bottom());
        }
        let band = bands[stacked.vertices[edge.to].layer];
        path.curve(into[i], band.top);
        let tip = rects[edge.to].y;
        path.straight(tip);
        let (tip, title) = ((into[i], tip), edge.title.clone());
        picture.add(Shape::Line {
            path: path.text(),
            tip,
            points: Points::Down,
            stroke: edge.stroke(),
            title,
        });
    }
    for (i, edge) in on.iter().enumerate() {
        let label = stacked.chains[i].first().filter(|at| stacked.vertices[**at].what == What::Label(i));
        if let Some(at) = label {
            let band = bands[stacked.vertices[*at].layer];
            let w = edge.width();
            let at = Rect { x: xs[*at] - w / 2.0, y: band.top, w, h: LABEL };
            let (text, title) = (edge.label.clone(), edge.title.clone());
            picture.add(Shape::Label { at, text, stroke: edge.stroke(), title });
        }
    }
    bars(graph, on, &out, &into, rects, picture);
}

fn bars(graph: &Graph, on: &[Edge], out: &[f64], into: &[f64], rects: &[Rect], picture: &mut Picture) {
    let bar = |ports: &[f64], y: f64, title: &str| {
        let left = ports.iter().copied().fold(f64::INFINITY, f64::min);
        let right = ports.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let at = Rect { x: left - 8.0, y, w: right - left + 16.0, h: 4.0 };
        Shape::Bar { at, title: title.to_owned() }
    };
    let mut forks: Vec<(usize, &str)> = Vec::new();
    for edge in on.iter().filter(|edge| matches!(edge.way.turn, Turn::Branch(_))) {
        if forks.last() != Some(&(edge.from, edge.way.edge.as_str())) {
            forks.push((edge.from, &edge.way.edge));
        }
    }
    let mut joins: Vec<usize> = Vec::new();
    for (from, name) in forks {
        let of = |edge: &&(usize, &Edge)| edge.1.from == from && edge.1.way.edge == name;
        let ports: Vec<f64> =
            on.iter().enumerate().collect::<Vec<_>>().iter().filter(of).map(|(i, _)| out[*i]).collect();
        picture.add(bar(&ports, rects[from].bottom() - 2.0, "all branches run"));
        let step = graph.nodes.get_index(from).map(|(_, def)| def.next.steps()).unwrap_or_default();
        for (edge, step) in step {
            if let (true, crate::graph::Step::Fork(fork)) = (edge == name, step) {
                joins.extend(number(graph, &Target::Node(fork.join)));
            }
        }
    }
    joins.sort_unstable();
    joins.dedup();
    for join in joins {
        let ports: Vec<f64> =
            on.iter().enumerate().filter(|(_, edge)| edge.to == join).map(|(i, _)| into[i]).collect();
        if !ports.is_empty() {
            picture.add(bar(&ports, rects[join].y - 2.0, "the branches meet"));
        }
    }
}

/// The loops from a node to itself, at its right side: one line with all their labels.
fn own_loops(own: &[&Edge], at: Rect, picture: &mut Picture) {
    let Some(first) = own.first() else { return };
    let (low, high) = (at.y + at.h * 0.75, at.y + at.h * 0.25);
    let (x, out) = (at.right(), at.right() + 14.0);
    let path = route::rounded(&[(x, low), (out, low), (out, high), (x, high)]);
    let title = own.iter().map(|edge| edge.title.as_str()).collect::<Vec<_>>().join("\n");
    let stroke = first.stroke();
    picture.add(Shape::Line { path, tip: (x, high), points: Points::Left, stroke, title });
    let all = own.len() as f64 * (LABEL + 2.0) - 2.0;
    for (i, edge) in own.iter().enumerate() {
        let y = at.middle() - all / 2.0 + i as f64 * (LABEL + 2.0);
        let at = Rect { x: x + 18.0, y, w: edge.width(), h: LABEL };
        let (text, title) = (edge.label.clone(), edge.title.clone());
        picture.add(Shape::Label { at, text, stroke, title });
    }
}

impl Band {
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// The box of every vertex that is one, for looking which stand beside another.
pub(super) fn box_of(stacked: &Layers, at: usize) -> Option<usize> {
    match stacked.vertices[at].what {
        What::Box(number) => Some(number),
        _ => None,
    }
}
