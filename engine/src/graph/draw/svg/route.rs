//! Paths: straight through layers, curved between them.

use super::flow::Edge;
use super::layers::Layers;
use super::shape::Rect;

/// Least distance of lines at the same side of a box, and from its corners.
const APART: f64 = 16.0;
const CORNER: f64 = 14.0;
/// Radius of rounded corners.
const RADIUS: f64 = 8.0;

/// A path under way.
pub(super) struct Path {
    text: String,
    x: f64,
    y: f64,
}

impl Path {
    pub(super) fn from(x: f64, y: f64) -> Self {
        Self { text: format!("M{} {}", number(x), number(y)), x, y }
    }

    /// Straight down to `y`.
    pub(super) fn straight(&mut self, y: f64) {
        if y > self.y {
            self.text.push_str(&format!("V{}", number(y)));
            self.y = y;
        }
    }

    /// Down and to the side; it begins and ends upright.
    pub(super) fn curve(&mut self, x: f64, y: f64) {
        if (x - self.x).abs() < 0.3 {
            return self.straight(y);
        }
        let half = (y - self.y) / 2.0;
        let points = [self.x, self.y + half, x, y - half, x, y].map(number);
        self.text.push_str(&format!("C{}", points.join(" ")));
        (self.x, self.y) = (x, y);
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// A path along these points, with rounded corners.
pub(super) fn rounded(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| points.get(i));
        let after = points.get(i + 1);
        match (before, after) {
            (None, _) => text.push_str(&format!("M{} {}", number(x), number(y))),
            (Some(_), None) => text.push_str(&format!("L{} {}", number(x), number(y))),
            (Some(&a), Some(&b)) => {
                let length = |p: (f64, f64)| (p.0 - x).abs() + (p.1 - y).abs();
                let radius = RADIUS.min(length(a) / 2.0).min(length(b) / 2.0);
                let towards = |p: (f64, f64)| {
                    let length = length(p).max(1.0);
                    (x + (p.0 - x) / length * radius, y + (p.1 - y) / length * radius)
                };
                let (from, to) = (towards(a), towards(b));
                let points = [from.0, from.1].map(number).join(" ");
                text.push_str(&format!(
                    "L{points}Q{} {} {} {}",
                    number(x),
                    number(y),
                    number(to.0),
                    number(to.1)
                ));
            }
        }
    }
    text
}

/// A coordinate, the same on every machine: one digit behind the point at most.
pub(super) fn number(x: f64) -> String {
    let tenths = (x * 10.0).round() / 10.0;
    if tenths == 0.0 { "0".to_owned() } else { format!("{tenths}") }
}

/// Where each line leaves its box below, or arrives above: as near to where it comes from as its neighbours let it.
pub(super) fn ports(edges: &[Edge], stacked: &Layers, xs: &[f64], rects: &[Rect], out: bool) -> Vec<f64> {
    let mut by_box: Vec<Vec<(f64, usize)>> = vec![Vec::new(); rects.len()];
    for (i, edge) in edges.iter().enumerate() {
        let chain = &stacked.chains[i];
        let (own, next) = if out { (edge.from, chain.first()) } else { (edge.to, chain.last()) };
        by_box[own].push((next.map_or(rects[own].centre(), |at| xs[*at]), i));
    }
    let mut ports = vec![0.0; edges.len()];
    for (own, mut lines) in by_box.into_iter().enumerate() {
        lines.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some(gaps) = lines.len().checked_sub(1) else { continue };
        let (low, high) = (rects[own].x + CORNER, rects[own].right() - CORNER);
        let apart = if gaps == 0 { 0.0 } else { APART.min((high - low) / gaps as f64) };
        let mut last = f64::NEG_INFINITY;
        for (i, (wanted, line)) in lines.into_iter().enumerate() {
            let least = (low + apart * i as f64).max(last + apart);
            let most = high - apart * (gaps - i) as f64;
            last = wanted.max(least).min(most);
            ports[line] = last;
        }
    }
    ports
}
