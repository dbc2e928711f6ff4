//! Random graphs under the scheduler alone: whatever the order in which tasks finish, the run comes to the same, and no
//! write is lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use crate::model::{play, words};
use crate::parts::{parts, random};
use crate::puppet::graph;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_finishing_changes_nothing_and_no_write_is_lost(
        parts in parts(),
        seeds in prop::collection::vec(any::<u64>(), 3),
    ) {
        let source = random(&parts).source;
        let graph = Arc::new(graph(&source));
        let (first, _) = play(&graph, seeds[0], false);
        prop_assert_eq!(&first.end, "done");
        for seed in &seeds[1..] {
            prop_assert_eq!(&play(&graph, *seed, false).0, &first, "{}", source);
        }
        prop_assert_eq!(&play(&graph, seeds[0], true).0, &first, "restored after every step: {}", source);

        // Every task of the run's own graph that did not fail left its lane, once, in some place of its own.
        let own: BTreeSet<String> = first
            .tasks
            .iter()
            .filter(|(lane, (input, _))| {
                let fails = words(input).iter().any(|word| word == "fail always");
                let called = graph.nodes.get(lane.node.as_str()).is_none();
                !fails && !called
            })
            .map(|(lane, _)| lane.to_string())
            .collect();
        let lanes: Vec<&str> =
            first.state["lanes"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|lane| *lane != "failed").collect();
        let distinct: BTreeSet<String> = lanes.iter().map(|lane| (*lane).to_owned()).collect();
        prop_assert_eq!(distinct.len(), lanes.len());
        prop_assert_eq!(distinct, own);
    }
}
