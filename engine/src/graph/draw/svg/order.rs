//! The order within layers: as few crossings as sweeps with barycentres find.

use super::layers::Layers;

/// Sweeps down and up, at most.
const SWEEPS: usize = 16;

/// Orders the layers.
pub(super) fn order(made: &mut Layers) {
    let mut best = made.layers.clone();
    let mut places = made.places();
    let mut fewest = crossings(made);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let depth = made.layers.len();
        for step in 1..depth {
            let layer = if sweep % 2 == 0 { step } else { depth - 1 - step };
            sort(made, layer, sweep % 2 == 0, &mut places);
        }
        let now = crossings(made);
        if now < fewest {
            fewest = now;
            best.clone_from(&made.layers);
        }
    }
    made.layers = best;
}

/// Sorts a layer by where its neighbours stand, above or below, and keeps `places` true.
fn sort(made: &mut Layers, layer: usize, above: bool, places: &mut [usize]) {
    let neighbours = if above { &made.up } else { &made.down };
    let centre = |at: usize| {
        let of = &neighbours[at];
        // Who has no neighbour there stays where it is, as far as the others let it.
        if of.is_empty() {
            return places[at] as f64;
        }
        of.iter().map(|one| places[*one] as f64).sum::<f64>() / of.len() as f64
    };
    let mut sorted: Vec<(f64, usize)> = made.layers[layer].iter().map(|at| (centre(*at), *at)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (i, (_, at)) in sorted.iter().enumerate() {
        places[*at] = i;
    }
    made.layers[layer] = sorted.into_iter().map(|(_, at)| at).collect();
}

/// How many pairs of links cross.
fn crossings(made: &Layers) -> usize {
    let places = made.places();
    let mut count = 0;
    for layer in &made.layers {
        let mut ends: Vec<usize> = Vec::new();
        for at in layer {
            let mut below: Vec<usize> = made.down[*at].iter().map(|one| places[*one]).collect();
            below.sort_unstable();
            ends.extend(below);
        }
        count += inversions(&ends);
    }
    count
}

/// How many pairs stand in the wrong order: a tree of counts, so that a wide layer costs little more than its width.
fn inversions(list: &[usize]) -> usize {
    let size = list.iter().max().map_or(0, |most| most + 1);
    let mut tree = vec![0usize; size + 1];
    let (mut count, mut seen) = (0, 0);
    for &value in list {
        // How many so far are not larger.
        let (mut at, mut upto) = (value + 1, 0);
        while at > 0 {
            upto += tree[at];
            at -= at & at.wrapping_neg();
        }
        count += seen - upto;
        seen += 1;
        let mut at = value + 1;
        while at <= size {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::inversions;

    #[test]
    fn inversions_are_counted() {
        assert_eq!(inversions(&[]), 0);
        assert_eq!(inversions(&[0, 1, 1, 2]), 0);
        assert_eq!(inversions(&[2, 1, 0]), 3);
        assert_eq!(inversions(&[1, 3, 0, 2]), 3);
    }
}
