//! The behaviours one by one: which test is which, and what has no counterpart. A test holds this to the tests there are.

use std::collections::BTreeSet;

/// Why a behaviour has no test.
const FOLD: &str = "what runs next follows from the fold of commits and routes";
const PINNED: &str = "keys are declared by the graph that a run is pinned to";
const TYPED: &str = "what a run is started with is pinned and typed: no keys of one's own to filter by";
const WHOLE: &str = "a run is kept or goes as a whole: its scopes follow from one journal";

/// The tests of a behaviour, or why there is none.
enum Here {
    Tests(&'static [&'static str]),
    None(&'static str),
}
use Here::{None as No, Tests as In};

/// A family of behaviours, each in a few words.
type Family = (&'static str, &'static [(&'static str, Here)]);

const FAMILIES: &[Family] = &[
    (
        "put",
        &[
            ("tells thread, scope and id", In(&["put_tells_where_it_is"])),
            ("round trip", In(&["put_round_trips"])),
            ("values of every type", In(&["put_keeps_values_of_every_type", "put_keeps_large_values_once"])),
            ("channel versions", No(FOLD)),
            ("versions seen", No(FOLD)),
            ("metadata", In(&["put_keeps_metadata_and_custom_keys"])),
            ("custom metadata", In(&["put_keeps_metadata_and_custom_keys"])),
            ("run id", In(&["put_metadata_names_the_run"])),
            ("root scope", In(&["put_in_the_root_scope_and_in_a_child"])),
            ("child scope", In(&["put_in_the_root_scope_and_in_a_child"])),
            ("no scope named: the root", In(&["put_in_the_root_scope_and_in_a_child"])),
            ("many checkpoints", In(&["put_many_checkpoints_in_a_run"])),
            ("threads apart", In(&["put_isolates_runs"])),
            ("parent", In(&["put_tracks_the_parent"])),
            (
                "only what changed is stored, old and new read back",
                In(&["put_stores_what_changed_alone_and_old_and_new_read_back"]),
            ),
            ("a channel that comes later", In(&["put_stores_what_changed_alone_and_old_and_new_read_back"])),
            ("a channel that is removed", No(PINNED)),
            ("ours: all of a superstep or nothing", In(&["put_of_a_superstep_is_one_or_nothing"])),
        ],
    ),
    (
        "put_writes",
        &[
            ("visible", In(&["put_writes_are_visible_before_the_commit"])),
            ("many of a task", In(&["put_writes_of_a_task_can_be_many"])),
            ("many tasks", In(&["put_writes_of_many_tasks_stay_apart"])),
            ("task, channel and value are kept", In(&["put_writes_keep_lane_ordinal_name_and_value"])),
            ("task path", In(&["put_writes_of_scopes_stay_apart"])),
            ("idempotent by task and index", In(&["put_writes_of_one_place_are_asked_once"])),
            ("a slot for errors", In(&["put_writes_have_a_place_for_errors"])),
            ("a slot for interrupts", In(&["put_writes_have_a_place_for_interrupts"])),
            ("scopes apart", In(&["put_writes_of_scopes_stay_apart"])),
            ("a new checkpoint begins with none", In(&["put_writes_do_not_outlive_their_checkpoint"])),
        ],
    ),
    (
        "get_tuple",
        &[
            ("missing thread", In(&["get_tuple_of_a_missing_run_says_so"])),
            ("newest without id", In(&["get_tuple_without_a_number_is_the_newest"])),
            ("by id", In(&["get_tuple_by_number_is_that_one"])),
            ("missing id", In(&["get_tuple_of_a_missing_number_is_nothing"])),
            ("config", In(&["get_tuple_tells_where_it_is"])),
            ("all fields", In(&["get_tuple_has_all_fields"])),
            ("metadata", In(&["get_tuple_has_the_metadata"])),
            ("parent or none", In(&["get_tuple_has_a_parent_or_none"])),
            ("pending writes", In(&["get_tuple_has_what_is_pending"])),
            ("scope", In(&["get_tuple_keeps_to_its_scope"])),
        ],
    ),
    (
        "list",
        &[
            ("all", In(&["list_has_all_runs"])),
            ("by thread", In(&["list_of_one_run_is_its_history"])),
            ("by scope", In(&["list_of_a_scope_is_its_part_of_the_history"])),
            ("newest first", In(&["list_is_newest_first"])),
            (
                "filter by one key",
                In(&["list_filters_by_one_condition", "list_filters_by_when_it_was_created"]),
            ),
            ("filter by step", In(&["list_of_one_run_is_its_history"])),
            ("many keys: all must hold", In(&["list_filters_by_several_conditions_at_once"])),
            ("custom keys", No(TYPED)),
            ("no match", In(&["list_with_no_match_is_empty"])),
            ("before", In(&["list_before_a_run_goes_on_after_it"])),
            ("limit", In(&["list_has_at_most_the_limit"])),
            ("limit and before", In(&["list_with_limit_and_before_is_a_page"])),
            ("filter with another condition", In(&["list_with_filter_and_before_is_a_page_of_those"])),
            ("empty store", In(&["list_of_an_empty_store_is_empty"])),
            ("pending writes", In(&["list_has_what_is_pending"])),
            ("many scopes", In(&["list_of_a_scope_is_its_part_of_the_history"])),
            ("ours: a condition is never SQL", In(&["list_conditions_are_values_and_never_sql"])),
        ],
    ),
    (
        "delete_thread",
        &[
            ("checkpoints", In(&["delete_thread_takes_checkpoints_and_writes_of_all_scopes"])),
            ("writes", In(&["delete_thread_takes_checkpoints_and_writes_of_all_scopes"])),
            ("all scopes", In(&["delete_thread_takes_checkpoints_and_writes_of_all_scopes"])),
            ("others stay", In(&["delete_thread_keeps_others"])),
            ("missing", In(&["delete_thread_of_a_missing_run_does_nothing"])),
        ],
    ),
    (
        "delete_for_runs",
        &[
            ("one", In(&["delete_for_runs_takes_one"])),
            ("many", In(&["delete_for_runs_takes_many"])),
            ("others stay", In(&["delete_for_runs_keeps_others_and_their_writes"])),
            ("their writes go", In(&["delete_thread_takes_checkpoints_and_writes_of_all_scopes"])),
            ("none named", In(&["delete_for_runs_of_none_or_missing_does_nothing"])),
            ("missing", In(&["delete_for_runs_of_none_or_missing_does_nothing"])),
            ("all scopes", In(&["delete_thread_takes_checkpoints_and_writes_of_all_scopes"])),
        ],
    ),
    (
        "copy_thread",
        &[
            ("all checkpoints", In(&["copy_thread_has_all_checkpoints_in_order"])),
            ("order", In(&["copy_thread_has_all_checkpoints_in_order"])),
            ("metadata", In(&["copy_thread_has_metadata_scopes_and_writes"])),
            ("scopes", In(&["copy_thread_has_metadata_scopes_and_writes"])),
            ("writes", In(&["copy_thread_has_metadata_scopes_and_writes"])),
            ("source unchanged", In(&["copy_thread_leaves_the_source_unchanged"])),
            ("missing source", In(&["copy_thread_of_a_missing_source_says_so"])),
            ("ours: both go on", In(&["copy_thread_and_its_source_go_on_apart"])),
        ],
    ),
    (
        "prune",
        &[
            ("latest of each thread", In(&["prune_keeps_the_latest_of_every_graph"])),
            ("latest of each scope", No(WHOLE)),
            ("writes of what stays", In(&["prune_keeps_the_writes_of_what_it_keeps"])),
            ("delete", In(&["prune_deletes_whole_runs"])),
            ("other threads stay", In(&["prune_keeps_other_graphs"])),
            ("none named", In(&["prune_of_nothing_does_nothing"])),
            ("missing", In(&["prune_of_nothing_does_nothing"])),
        ],
    ),
    (
        "delta",
        &[
            ("writes oldest first", In(&["delta_writes_come_oldest_first"])),
            ("seed is the nearest snapshot", In(&["delta_seed_is_the_nearest_snapshot"])),
            (
                "what is pending after the target is left out",
                In(&["delta_excludes_what_is_pending_after_the_step"]),
            ),
            ("each channel ends by itself", No("a snapshot holds all keys, or is none")),
            ("empty", In(&["delta_of_a_run_that_never_began_is_empty"])),
            ("root without seed", In(&["delta_of_the_root_needs_no_seed"])),
            ("a plain value as seed", In(&["delta_seed_survives_another_process"])),
            ("writes after the seed", In(&["delta_replays_the_writes_after_the_seed"])),
            ("ours: the same without snapshots", In(&["delta_without_snapshots_comes_to_the_same"])),
        ],
    ),
];

#[test]
fn every_behaviour_has_its_test_and_every_test_its_behaviour() {
    let sources = [
        include_str!("put.rs"),
        include_str!("read.rs"),
        include_str!("list.rs"),
        include_str!("upkeep.rs"),
        include_str!("delta.rs"),
    ];
    // What `on_both!` makes tests of.
    let lists =
        sources.iter().map(|source| source.split("on_both!(").nth(1).unwrap().split(");").next().unwrap());
    let there: BTreeSet<&str> =
        lists.flat_map(|list| list.split(',').map(str::trim).filter(|name| !name.is_empty())).collect();
    let mut named = BTreeSet::new();
    for (family, behaviours) in FAMILIES {
        let mut words = BTreeSet::new();
        for (behaviour, here) in *behaviours {
            assert!(words.insert(behaviour), "{family}: {behaviour} stands there twice");
            match here {
                In(tests) => named.extend(*tests),
                No(why) => assert!(!why.is_empty(), "{family}: {behaviour}"),
            }
        }
    }
    assert_eq!(named, there, "behaviours name the left, there is the right");
}
