//! Where vertices stand from left to right: the method of Brandes and Köpf ("Fast and simple horizontal coordinate
//! assignment", 2001). Four alignments, each towards another corner, and of each vertex the mean of the middle two.

use std::collections::BTreeSet;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::layers::Layers;

/// The centre of every vertex, with `gap` between neighbours.
pub(super) fn place(made: &Layers, gap: f64) -> Vec<f64> {
    let conflicts = conflicts(made);
    let mut found: Vec<(Vec<f64>, bool)> = Vec::new();
    for down in [true, false] {
        for left in [true, false] {
            let mut layers = made.layers.clone();
            if !down {
                layers.reverse();
            }
            if !left {
                layers.iter_mut().for_each(|layer| layer.reverse());
            }
            let neighbours = if down { &made.up } else { &made.down };
            let root = align(made, &layers, neighbours, &conflicts);
            let mut xs = compact(made, &layers, &root, gap);
            if !left {
                xs.iter_mut().for_each(|x| *x = -*x);
            }
            found.push((xs, left));
        }
    }
    balance(made, found)
}

/// Links that cross a line which passes two layers: the line stays straight, they give way.
fn conflicts(made: &Layers) -> BTreeSet<(usize, usize)> {
    let places = made.places();
    let inner = |at: usize| {
        let above = made.up[at].first().copied()?;
        (!made.vertices[at].is_box() && !made.vertices[above].is_box()).then_some(above)
    };
    let mut found = BTreeSet::new();
    for pair in made.layers.windows(2) {
        let [upper, lower] = pair else { continue };
        let (mut from, mut scanned) = (0, 0);
        for (i, at) in lower.iter().enumerate() {
            let straight = inner(*at);
            if straight.is_none() && i + 1 < lower.len() {
                continue;
            }
            let to = straight.map_or(upper.len(), |above| places[above]);
            for one in lower.get(scanned..=i).unwrap_or_default() {
                for above in &made.up[*one] {
                    let place = places[*above];
                    if (place < from || to < place) && inner(*one).is_none() {
                        found.insert((*above, *one));
                    }
                }
            }
            scanned = i + 1;
            from = to;
        }
    }
    found
}

/// By vertex, the first of those that stand exactly in line with it.
fn align(
    made: &Layers,
    layers: &[Vec<usize>],
    neighbours: &[Vec<usize>],
    conflicts: &BTreeSet<(usize, usize)>,
) -> Vec<usize> {
    let count = made.vertices.len();
    let mut places = vec![0; count];
    for layer in layers {
        for (i, at) in layer.iter().enumerate() {
            places[*at] = i;
        }
    }
    let mut root: Vec<usize> = (0..count).collect();
    let mut taken = vec![false; count];
    for layer in layers {
        let mut last: Option<usize> = None;
        for &at in layer {
            let mut near = neighbours[at].clone();
            near.sort_by_key(|one| places[*one]);
            let Some(most) = near.len().checked_sub(1) else { continue };
            for &one in near.get(most / 2..=most.div_ceil(2)).unwrap_or_default() {
                let crossed = conflicts.contains(&(one, at)) || conflicts.contains(&(at, one));
                let free = root[at] == at && !taken[one];
                if free && !crossed && last.is_none_or(|last| last < places[one]) {
                    taken[one] = true;
                    root[at] = root[one];
                    last = Some(places[one]);
                }
            }
        }
    }
    root
}

/// Blocks of aligned vertices as far left as they go, then back to the right where that brings them nearer.
fn compact(made: &Layers, layers: &[Vec<usize>], root: &[usize], gap: f64) -> Vec<f64> {
    let count = made.vertices.len();
    let mut blocks: DiGraph<(), f64> = DiGraph::with_capacity(count, count);
    for _ in 0..count {
        blocks.add_node(());
    }
    for layer in layers {
        for pair in layer.windows(2) {
            let [a, b] = pair else { continue };
            let apart = f64::midpoint(made.vertices[*a].w, made.vertices[*b].w) + gap;
            blocks.add_edge(NodeIndex::new(root[*a]), NodeIndex::new(root[*b]), apart);
        }
    }
    let sorted = toposort(&blocks, None).unwrap_or_default();
    let mut xs = vec![0.0f64; count];
    for at in &sorted {
        for edge in blocks.edges(*at) {
            let x = xs[at.index()] + edge.weight();
            let to = &mut xs[edge.target().index()];
            *to = to.max(x);
        }
    }
    for at in sorted.iter().rev() {
        let right = blocks.edges(*at).map(|edge| xs[edge.target().index()] - edge.weight());
        let right = right.fold(f64::INFINITY, f64::min);
        if right.is_finite() {
            xs[at.index()] = xs[at.index()].max(right);
        }
    }
    (0..count).map(|at| xs[root[at]]).collect()
}

/// Lays the four over each other by their narrowest, and takes the middle.
fn balance(made: &Layers, mut found: Vec<(Vec<f64>, bool)>) -> Vec<f64> {
    let bounds = |xs: &[f64]| {
        let half = |at: usize| made.vertices[at].w / 2.0;
        let left = xs.iter().enumerate().map(|(at, x)| x - half(at)).fold(f64::INFINITY, f64::min);
        let right = xs.iter().enumerate().map(|(at, x)| x + half(at)).fold(f64::NEG_INFINITY, f64::max);
        (left, right)
    };
    let all: Vec<(f64, f64)> = found.iter().map(|(xs, _)| bounds(xs)).collect();
    let narrowest = all.iter().copied().min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    let Some((left, right)) = narrowest else { return Vec::new() };
    for ((xs, to_left), bounds) in found.iter_mut().zip(&all) {
        let shift = if *to_left { left - bounds.0 } else { right - bounds.1 };
        xs.iter_mut().for_each(|x| *x += shift);
    }
    let middle = |at: usize| {
        let mut four: Vec<f64> = found.iter().map(|(xs, _)| xs[at]).collect();
        four.sort_by(f64::total_cmp);
        (f64::midpoint(four[1], four[2]) * 2.0).round() / 2.0
    };
    (0..made.vertices.len()).map(middle).collect()
}
