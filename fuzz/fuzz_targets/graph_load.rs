#![no_main]
//! Graph files: whatever the text, a graph or findings that can be shown.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::{Kinds, graph};

static KINDS: LazyLock<Kinds> = LazyLock::new(prunella_nodes::kinds);

fuzz_target!(|source: &str| {
    let found = match graph::load("fuzz.yaml", source, &KINDS) {
        Ok((graph, warnings)) => {
            let _ = graph::draw::mermaid(&graph);
            let again = graph::load("graph", &graph.source, &KINDS).map(|(again, _)| again.hash);
            assert_eq!(again.ok(), Some(graph.hash), "the stored text is the same graph");
            warnings
        }
        Err(found) => {
            assert!(!found.is_empty(), "a refusal has a reason");
            found
        }
    };
    for one in found {
        let _ = one.render(source);
    }
});
