//! Loops: lines that go back run in gutters at the sides, where they meet nothing. One that cannot leave or arrive at
//! the side of its box, because another box stands there, does so below or above it, in a track of its own.

use super::flow::{Band, Edge, LABEL, TRACK, box_of};
use super::layers::Layers;
use super::route::rounded;
use super::shape::{Picture, Points, Rect, Shape};

/// Space between the boxes and the first column, and around a label within its column.
const MARGIN: f64 = 14.0;
/// Least width of a column.
const COLUMN: f64 = 20.0;

/// How a line back runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loop {
    left: bool,
    /// The layer above which it arrives; nothing: at the side.
    pub(super) over: Option<usize>,
    /// The layer below which it leaves; nothing: at the side.
    pub(super) under: Option<usize>,
}

/// Chooses a side for each: the one where fewer boxes are in the way.
pub(super) fn plan(back: &[Edge], stacked: &Layers, loops_beside: impl Fn(usize) -> bool) -> Vec<Loop> {
    let in_the_way = |number: usize, left: bool| {
        let layer = &stacked.layers[stacked.vertices[number].layer];
        let boxes: Vec<usize> = layer.iter().filter_map(|at| box_of(stacked, *at)).collect();
        let at = boxes.iter().position(|one| *one == number).unwrap_or_default();
        // A loop to the node itself is drawn at its right.
        if left { at } else { boxes.len() - 1 - at + usize::from(loops_beside(number)) }
    };
    let choose = |edge: &Edge| {
        let cost = |left| in_the_way(edge.from, left) + in_the_way(edge.to, left);
        let left = cost(true) <= cost(false);
        let layer =
            |number: usize| Some(stacked.vertices[number].layer).filter(|_| in_the_way(number, left) > 0);
        Loop { left, over: layer(edge.to), under: layer(edge.from) }
    };
    back.iter().map(choose).collect()
}

/// Paints the loops, each beside the layers that it passes; `extents` has the left and right border of each layer.
/// Gives the borders of all.
pub(super) fn paint(
    back: &[Edge],
    loops: &[Loop],
    rects: &[Rect],
    bands: &[Band],
    extents: &[(f64, f64)],
    picture: &mut Picture,
) -> (f64, f64) {
    let left = side(true, back, loops, rects, bands, extents, picture);
    let right = side(false, back, loops, rects, bands, extents, picture);
    (left, right)
}

/// One loop with its place among its siblings.
struct Placed {
    edge: usize,
    /// The middle of its column, counted outward.
    far: f64,
    /// The same as a coordinate.
    x: f64,
    /// The width of its column.
    w: f64,
    /// Where it leaves and arrives, before that is known to the pixel.
    span: (f64, f64),
}

/// Finds a column for every loop of a side: the short ones inside, the long ones around them.
fn columns(
    left: bool,
    back: &[Edge],
    loops: &[Loop],
    rects: &[Rect],
    bands: &[Band],
    extents: &[(f64, f64)],
) -> Vec<Placed> {
    let out = if left { -1.0 } else { 1.0 };
    let mut todo: Vec<Placed> = Vec::new();
    for (edge, one) in loops.iter().enumerate().filter(|(_, one)| one.left == left) {
        let (from, to) = (rects[back[edge].from], rects[back[edge].to]);
        let low = if one.under.is_some() { from.bottom() + TRACK } else { from.bottom() };
        let high = if one.over.is_some() { to.y - TRACK } else { to.y };
        let span = (high.min(low), high.max(low));
        let beside = bands.iter().zip(extents).filter(|(band, _)| {
            band.top - band.above - LABEL < span.1 && band.bottom() + band.below + LABEL > span.0
        });
        let borders = beside.map(|(_, extent)| out * if left { extent.0 } else { extent.1 });
        let border = borders.fold(f64::NEG_INFINITY, f64::max);
        let w = COLUMN.max(back[edge].width() + 8.0);
        todo.push(Placed { edge, far: border + MARGIN + w / 2.0, x: 0.0, w, span });
    }
    todo.sort_by(|a, b| (a.span.1 - a.span.0).total_cmp(&(b.span.1 - b.span.0)).then(a.edge.cmp(&b.edge)));
    let mut placed: Vec<Placed> = Vec::new();
    for mut one in todo {
        // Outside of every one that it passes.
        for other in &placed {
            if other.span.0 < one.span.1 + LABEL && one.span.0 < other.span.1 + LABEL {
                one.far = one.far.max(other.far + f64::midpoint(other.w, one.w));
            }
        }
        one.x = one.far * out;
        placed.push(one);
    }
    placed
}

fn side(
    left: bool,
    back: &[Edge],
    loops: &[Loop],
    rects: &[Rect],
    bands: &[Band],
    extents: &[(f64, f64)],
    picture: &mut Picture,
) -> f64 {
    let placed = columns(left, back, loops, rects, bands, extents);
    let out = if left { -1.0 } else { 1.0 };
    let borders = extents.iter().map(|extent| out * if left { extent.0 } else { extent.1 });
    let mut border = borders.fold(f64::NEG_INFINITY, f64::max);
    for one in &placed {
        let (edge, how) = (&back[one.edge], &loops[one.edge]);
        let mut points = leave(one, &placed, back, loops, rects, bands, left);
        let from = points.last().map_or(0.0, |point| point.1);
        let arriving = arrive(one, &placed, back, loops, rects, bands, left);
        let to = arriving.first().map_or(0.0, |point| point.1);
        points.extend([(one.x, from), (one.x, to)]);
        points.extend(arriving);
        let tip = points.last().copied().unwrap_or_default();
        let points_to = match (how.over, left) {
            (Some(_), _) => Points::Down,
            (None, true) => Points::Right,
            (None, false) => Points::Left,
        };
        let (path, title, stroke) = (rounded(&points), edge.title.clone(), edge.stroke());
        picture.add(Shape::Line { path, tip, points: points_to, stroke, title: title.clone() });
        let w = edge.width();
        if w > 0.0 {
            let middle = f64::midpoint(from, to);
            let at = Rect { x: one.x - w / 2.0, y: middle - LABEL / 2.0, w, h: LABEL };
            picture.add(Shape::Label { at, text: edge.label.clone(), stroke, title });
        }
        border = border.max(one.far + one.w / 2.0);
    }
    border * out
}

/// From the box into its row: at the side in its lower half, the outer the lower; or below.
fn leave(
    one: &Placed,
    placed: &[Placed],
    back: &[Edge],
    loops: &[Loop],
    rects: &[Rect],
    bands: &[Band],
    left: bool,
) -> Vec<(f64, f64)> {
    let edge = &back[one.edge];
    let at = rects[edge.from];
    let side = if left { at.x } else { at.right() };
    match loops[one.edge].under {
        None => {
            let mates =
                |other: &&Placed| back[other.edge].from == edge.from && loops[other.edge].under.is_none();
            let (place, of) = place(one, placed, mates, false);
            vec![(side, at.middle() + at.h / 2.0 * share(place, of))]
        }
        Some(layer) => {
            let (place, _) = place(one, placed, |other| loops[other.edge].under == Some(layer), false);
            let (own, _) = self::place(one, placed, |other| back[other.edge].from == edge.from, false);
            let x = corner(at, left, own);
            vec![(x, at.bottom()), (x, bands[layer].bottom() + TRACK * (place + 0.7))]
        }
    }
}

/// From its row into the box: at the side in its upper half, the outer the higher; or above.
fn arrive(
    one: &Placed,
    placed: &[Placed],
    back: &[Edge],
    loops: &[Loop],
    rects: &[Rect],
    bands: &[Band],
    left: bool,
) -> Vec<(f64, f64)> {
    let edge = &back[one.edge];
    let at = rects[edge.to];
    let side = if left { at.x } else { at.right() };
    match loops[one.edge].over {
        None => {
            let mates = |other: &&Placed| back[other.edge].to == edge.to && loops[other.edge].over.is_none();
            let (place, of) = place(one, placed, mates, true);
            vec![(side, at.y + at.h / 2.0 * share(place, of))]
        }
        Some(layer) => {
            let (place, of) = place(one, placed, |other| loops[other.edge].over == Some(layer), true);
            let (own, _) = self::place(one, placed, |other| back[other.edge].to == edge.to, true);
            let x = corner(at, left, own);
            vec![(x, bands[layer].top - TRACK * (of - place - 0.3)), (x, at.y)]
        }
    }
}

/// How far down half a side the one at this place stands.
fn share(place: f64, of: f64) -> f64 {
    (place + 0.75) / (of + 0.25)
}

/// A place near the corner of a box.
fn corner(at: Rect, left: bool, place: f64) -> f64 {
    let inside = (7.0 + 6.0 * place).min(at.w / 3.0);
    if left { at.x + inside } else { at.right() - inside }
}

/// The place of one among its mates, from inside to outside or the other way round, and how many they are.
fn place(one: &Placed, placed: &[Placed], mates: impl Fn(&&Placed) -> bool, outer_first: bool) -> (f64, f64) {
    let mut list: Vec<(f64, usize)> = placed.iter().filter(mates).map(|one| (one.far, one.edge)).collect();
    list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    if outer_first {
        list.reverse();
    }
    let at = list.iter().position(|(_, edge)| *edge == one.edge).unwrap_or_default();
    (at as f64, list.len() as f64)
}
