#![no_main]
//! Graph files: whatever the text, a graph or findings that can be shown, and a layout that changes neither.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::{Kinds, graph};

static KINDS: LazyLock<Kinds> = LazyLock::new(prunella_nodes::kinds);

fuzz_target!(|source: &str| {
    let laid_out = graph::fmt("fuzz.yaml", source);
    if let Ok(once) = &laid_out {
        let again = graph::fmt("fuzz.yaml", once);
        assert!(matches!(&again, Ok(twice) if twice == once), "a layout stays as it is");
    }
    let found = match graph::load("fuzz.yaml", source, &KINDS) {
        Ok((graph, warnings)) => {
            let other = laid_out.ok().and_then(|text| graph::load("fuzz.yaml", &text, &KINDS).ok());
            assert_eq!(other.map(|(other, _)| other.hash).as_ref(), Some(&graph.hash), "a layout changes nothing");
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
