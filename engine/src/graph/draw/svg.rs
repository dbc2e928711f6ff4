//! SVG, laid out here: boxes in layers from the start down, loops dashed in gutters at the sides with their bound,
//! called graphs inside the node that calls them. The same graph gives the same bytes; light or dark is the reader's.

mod boxes;
mod flow;
mod gutter;
mod layers;
mod metric;
mod order;
mod paint;
mod place;
mod route;
mod shape;

use std::fmt::Write as _;

use boxes::Inside;
use metric::{LINE, sans, wrap};
use paint::{STYLE, escaped, paint};
use route::number as n;
use shape::{Picture, Rect, Shape};

use crate::graph::{Graph, Limits};

/// Space around the picture, and around a graph inside its frame.
const MARGIN: f64 = 24.0;
const FRAME: f64 = 16.0;
/// Height of a frame's own heading.
const HEADING: f64 = 30.0;
/// Sizes of the heading and of the words below it.
const TITLE: f64 = 18.0;
const WORDS: f64 = 13.0;

/// The graph as a picture.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    let inside = Inside::of(graph);
    let main = flow::picture(graph, &inside);
    let mut framed: Vec<Picture> = vec![main];
    for (name, graph) in inside.apart() {
        framed.push(frame(name, flow::picture(graph, &inside)));
    }
    let wide = framed.iter().map(|one| one.w).fold(420.0, f64::max);
    let wide = wide.max(sans(&graph.name, TITLE));
    let mut y = MARGIN + TITLE;
    let mut heading: Vec<(f64, &str, String)> = vec![(y, "sans h", graph.name.clone())];
    for line in wrap(&graph.description, WORDS, wide, 3) {
        y += WORDS * LINE + 3.0;
        heading.push((y, "sans p", line));
    }
    if let Some(limits) = limits(&graph.limits) {
        for line in wrap(&limits, WORDS, wide, 2) {
            y += WORDS * LINE + 3.0;
            heading.push((y, "sans p", line));
        }
    }
    y += MARGIN;
    let mut all = Picture::default();
    for picture in framed {
        let x = MARGIN + (wide - picture.w) / 2.0;
        let h = picture.h;
        all.put(x.round(), y, picture);
        y += h + MARGIN;
    }
    let (w, h) = (n((wide + 2.0 * MARGIN).ceil()), n(y.ceil()));
    let mut out = String::new();
    let id = id(&graph.name);
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"back\" width=\"{w}\" height=\"{h}\"/>",
        escaped(&graph.name),
        escaped(&described(graph))
    );
    for (y, class, line) in &heading {
        let _ = writeln!(
            out,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>",
            n(MARGIN),
            n(*y),
            escaped(line)
        );
    }
    // Lines first, so that words stand on them; frames before all.
    for layer in [0, 1, 2] {
        for (dx, dy, shape) in all.shapes.iter().filter(|(.., shape)| depth(shape) == layer) {
            paint(shape, (*dx, *dy), &mut out);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A graph that several nodes call, in a frame of its own.
fn frame(name: &str, inner: Picture) -> Picture {
    let (w, h) = (inner.w + 2.0 * FRAME, inner.h + FRAME + HEADING);
    let w = w.max(metric::mono(name, boxes::NAME) + 2.0 * FRAME);
    let mut framed = Picture { w, h, shapes: Vec::new() };
    framed.add(Shape::Panel { at: Rect { x: 0.0, y: 0.0, w, h }, name: name.to_owned() });
    framed.put((w - inner.w) / 2.0, HEADING, inner);
    framed
}

/// In which of the three passes a shape is painted.
fn depth(shape: &Shape) -> usize {
    match shape {
        Shape::Panel { .. } | Shape::Node { frame: true, .. } => 0,
        Shape::Line { .. } | Shape::Start { .. } => 1,
        Shape::Node { .. } | Shape::End { .. } | Shape::Label { .. } | Shape::Bar { .. } => 2,
    }
}

/// What is read out in place of the picture.
fn described(graph: &Graph) -> String {
    let ways = |name: &String| {
        let way = |way: &crate::graph::Way| match way.label() {
            label if label.is_empty() => way.to.name().to_owned(),
            label => format!("{} ({label})", way.to.name()),
        };
        let ways: Vec<String> = graph.ways(name).iter().map(way).collect();
        format!("{name} leads to {}.", ways.join(", "))
    };
    let begin = format!("The graph begins at {}.", graph.start);
    let nodes = graph.nodes.keys().map(ways);
    let about = graph.description.split_whitespace().collect::<Vec<_>>().join(" ");
    [about, begin].into_iter().chain(nodes).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The limits in words.
fn limits(limits: &Limits) -> Option<String> {
    let mut words = Vec::new();
    if let Some(steps) = limits.steps {
        words.push(format!("{steps} steps"));
    }
    if let Some(ms) = limits.wall_ms {
        words.push(span(ms));
    }
    if let Some(cost) = limits.cost_microusd {
        words.push(format!("${}.{:02}", cost / 1_000_000, cost % 1_000_000 / 10_000));
    }
    (!words.is_empty()).then(|| format!("At most {}; then {}.", words.join(", "), limits.exhausted))
}

/// A span of time in the largest unit that tells it exactly.
fn span(ms: u64) -> String {
    for (unit, name) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")] {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{ms} ms")
}

/// An id that a page with several pictures tells apart.
fn id(name: &str) -> String {
    let plain: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    format!("prunella-{plain}")
}
