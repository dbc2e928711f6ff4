//! What a picture is made of, with coordinates from its upper left corner, in pixels.

use crate::graph::Outcome;

/// A rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    pub(super) fn centre(&self) -> f64 {
        self.x + self.w / 2.0
    }

    pub(super) fn right(&self) -> f64 {
        self.x + self.w
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.h
    }

    pub(super) fn middle(&self) -> f64 {
        self.y + self.h / 2.0
    }
}

/// How something is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A node as any other.
    Plain,
    /// It asks a model.
    Model,
    /// It asks a person.
    Person,
    /// It calls a graph.
    Call,
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    Plain,
    Retry,
    Exhausted,
    Failure,
}

/// One thing to paint.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A node's box, with its lines below the name; a frame when a graph is drawn inside.
    Node {
        at: Rect,
        name: String,
        lines: Vec<String>,
        tone: Tone,
        title: String,
        frame: bool,
    },
    /// The frame around a graph that is called.
    Panel {
        at: Rect,
        name: String,
    },
    End {
        at: Rect,
        name: String,
        outcome: Outcome,
        title: String,
    },
    /// A path in SVG's words, and the point of its arrow with the direction in which it points.
    Line {
        path: String,
        tip: (f64, f64),
        points: Points,
        stroke: Stroke,
        title: String,
    },
    /// The words beside a line.
    Label {
        at: Rect,
        text: String,
        stroke: Stroke,
        title: String,
    },
    /// Where branches part or meet.
    Bar {
        at: Rect,
        title: String,
    },
    /// Where a run begins.
    Start {
        x: f64,
        y: f64,
        to: f64,
    },
}

/// Where an arrow points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Points {
    Down,
    Right,
    Left,
}

/// A picture, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) w: f64,
    pub(super) h: f64,
    pub(super) shapes: Vec<(f64, f64, Shape)>,
}

impl Picture {
    pub(super) fn add(&mut self, shape: Shape) {
        self.shapes.push((0.0, 0.0, shape));
    }

    /// Puts another picture at a place of this one.
    pub(super) fn put(&mut self, x: f64, y: f64, inner: Self) {
        self.shapes.extend(inner.shapes.into_iter().map(|(dx, dy, shape)| (x + dx, y + dy, shape)));
    }
}
