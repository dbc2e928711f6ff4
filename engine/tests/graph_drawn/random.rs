//! Graphs made by chance: chains with short cuts, loops, branches, failures and long names.

use std::fmt::Write as _;

use proptest::prelude::*;
use prunella_engine::graph::draw;

use super::graph;
use super::look::Look;

/// What a link of the chain has beside the way on.
#[derive(Debug, Clone)]
struct Link {
    /// How far a short cut leads, in links; none for 0.
    skip: usize,
    /// How far back a loop leads, as a share of the heads that may be.
    back: Option<u8>,
    own: bool,
    branches: usize,
    error: bool,
    long: usize,
    end: bool,
}

fn link() -> impl Strategy<Value = Link> {
    let back = proptest::option::of(any::<u8>());
    (0usize..6, back, any::<bool>(), 0usize..5, any::<bool>(), 0usize..40, any::<bool>()).prop_map(
        |(skip, back, own, branches, error, long, end)| Link { skip, back, own, branches, error, long, end },
    )
}

fn name(links: &[Link], at: usize) -> String {
    format!("n{at}{}", "x".repeat(links[at].long))
}

/// The graph's file: a checked graph by construction.
fn file(links: &[Link]) -> String {
    let last = links.len() - 1;
    let target = |at: usize| if at > last { "done".to_owned() } else { name(links, at) };
    let mut out =
        String::from("format: 1\nname: chance\nends: {done: success, lost: failure, no: declined}\n");
    let _ = writeln!(out, "start: {}\nnodes:", name(links, 0));
    for (at, link) in links.iter().enumerate() {
        let _ = writeln!(out, "  {}:\n    kind: step", name(links, at));
        if link.error || at == 0 {
            out.push_str("    on_error: {to: lost}\n");
        }
        if link.branches > 1 && at < last {
            let heads: Vec<String> = (0..link.branches).map(|i| format!("b{at}_{i}")).collect();
            let _ = writeln!(out, "    next: [{}]", heads.join(", "));
            for head in heads {
                let _ = writeln!(out, "  {head}: {{kind: step, next: {}}}", target(at + 1));
            }
            continue;
        }
        out.push_str("    next:\n");
        let word = "w".repeat(link.long);
        if link.skip > 1 {
            let _ = writeln!(
                out,
                "      - {{when: \"output.note == '{word}'\", to: {}}}",
                target(at + link.skip)
            );
        }
        if link.end || at == 0 {
            out.push_str("      - {when: output.count > 3, to: no}\n");
        }
        // A head must be on every path: no short cut may lead past it.
        let heads: Vec<usize> =
            (0..=at).filter(|head| (0..*head).all(|i| reach(links, i) <= *head)).collect();
        if let Some(back) = link.back {
            let head = heads[usize::from(back) % heads.len()];
            let _ = writeln!(
                out,
                "      - {{when: output.ok, retry: {}, max_attempts: 4, exhausted: lost}}",
                name(links, head)
            );
        }
        if link.own {
            let own = name(links, at);
            let _ = writeln!(
                out,
                "      - {{when: output.ratio > 0.5, retry: {own}, max_attempts: 2, exhausted: {}}}",
                target(at + 1)
            );
        }
        let _ = writeln!(out, "      - {{else: {}}}", target(at + 1));
    }
    out
}

/// How far a link's ways lead at most.
fn reach(links: &[Link], at: usize) -> usize {
    let forks = links[at].branches > 1 && at + 1 < links.len();
    if forks || links[at].skip < 2 { at + 1 } else { at + links[at].skip }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_picture_of_a_graph_made_by_chance_overlaps(links in proptest::collection::vec(link(), 1..14)) {
        let source = file(&links);
        let svg = draw::svg(&graph("chance", &source));
        Look::at(&svg).must_be_clear(&source);
    }
}
