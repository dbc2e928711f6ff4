//! Traces travel, replay offline, and tell when somebody touched them.

use std::sync::Arc;

use proptest::prelude::*;
use prunella_engine::journal::{Payload, Phase, Record};
use prunella_engine::replay::replay;
use prunella_engine::run::StopWish;
use prunella_engine::trace::{Trace, read};
use prunella_engine::{Fault, Kinds};
use serde_json::{Value, json};

use crate::scene::{LOOP, Scene, Script, kinds, loader};

/// The trace of a healed run, with a value in it that is large enough for a blob.
fn recorded() -> (Scene, String, Trace) {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 0);
    let trace = Trace::of_run(scene.engine.store(), &run).unwrap();
    (scene, run, trace)
}

fn travelled(trace: &Trace) -> Trace {
    read(&trace.to_bytes().unwrap()).unwrap()
}

fn again(trace: &Trace) -> Result<prunella_engine::replay::Replayed, Fault> {
    replay(trace, Some(&kinds()), &loader())
}

#[test]
fn a_replay_is_the_run() {
    let (scene, run, trace) = recorded();
    let trace = travelled(&trace);
    let replayed = again(&trace).unwrap();
    assert_eq!((replayed.steps, replayed.effects, replayed.end.as_deref()), (7, 13, Some("done")));
    let view = scene.engine.view(&run).unwrap();
    assert_eq!(replayed.state, view.state);
    assert_eq!(trace.steps().unwrap(), view.steps);
    // Without the kinds, states and routes alone.
    let folded = replay(&trace, None, &loader()).unwrap();
    assert_eq!((folded.state, folded.bodies, folded.effects), (view.state, false, 0));
    let text = String::from_utf8_lossy(&trace.to_bytes().unwrap()).into_owned();
    assert!(text.starts_with("{\"prunella-trace\":1}\n{\"chain\":"));
    assert!(!text.contains("hunter2") && !text.contains("/here"), "secrets and local facts stay at home");
}

#[test]
fn a_task_knows_the_chain_just_before_it() {
    let (_, _, trace) = recorded();
    let told = trace.records.iter().find_map(|sealed| match &sealed.record {
        Record::Effect(effect) if effect.name == "ship.it" => effect.request.clone(),
        _ => None,
    });
    let told = told.unwrap().unpack(&Value::Null, trace.blobs.as_ref()).unwrap();
    let route = trace
        .records
        .iter()
        .rfind(|sealed| matches!(&sealed.record, Record::Route(route) if route.to.to_string() == "ship"));
    assert_eq!(told["what"], format!("it after {}", &route.unwrap().head()[..16]));
}

#[test]
fn a_run_that_stopped_replays_as_far_as_it_came() {
    for events in 1..30 {
        let scene = Scene::new(Script::default());
        let run = scene.start(LOOP);
        let stop = scene.stop.clone();
        let mut seen = 0;
        let result = crate::scene::runtime().block_on(scene.engine.run(&run, &mut |_| {
            seen += 1;
            if seen == events {
                stop.wish_for(StopWish::Now);
            }
        }));
        assert_eq!(result.unwrap().exit, 130);
        let trace = travelled(&Trace::of_run(scene.engine.store(), &run).unwrap());
        assert_eq!(again(&trace).unwrap().end, None);
    }
}

/// Changes the answer of `work.do` in attempt 2 or whatever `edit` says, and seals the trace again.
fn forged(trace: &Trace, mut edit: impl FnMut(&mut Record)) -> Fault {
    let sealed = trace.resealed(&mut edit).unwrap();
    again(&travelled(&sealed)).unwrap_err()
}

#[test]
fn a_resealed_forgery_is_told_with_both_sides() {
    let (_, _, trace) = recorded();
    let done = |record: &Record, lane: &str, ordinal: u32| matches!(record, Record::Effect(e) if e.phase == Phase::Done && e.lane.to_string() == lane && e.ordinal == ordinal);
    // A changed response: the state key that comes out otherwise is named.
    let fault = forged(&trace, |record| {
        if done(record, "plan#2", 0)
            && let Record::Effect(effect) = record
        {
            effect.response = Some(Payload::Inline(json!("saw nothing")));
        }
    });
    assert_eq!((fault.code.as_str(), fault.exit), ("replay.diverged", 20));
    let detail = fault.detail.unwrap();
    assert_eq!(
        (&detail["lane"], &detail["what"], &detail["key"]),
        (&json!("plan#2"), &json!("write"), &json!("plan"))
    );
    assert!(detail["now"].as_str().unwrap().contains("saw nothing"));
    assert!(detail["recorded"].as_str().unwrap().contains("saw here"));

    // A changed response that a later request is made from.
    let fault = forged(&trace, |record| {
        if done(record, "work#1", 0)
            && let Record::Effect(effect) = record
        {
            effect.response = Some(Payload::Inline(json!({"ok": false, "say": "go astray"})));
        }
    });
    assert_eq!(fault.exit, 20);
    assert_eq!(fault.detail.unwrap()["what"], "request");

    // A changed route, state, output, end, request and input.
    type Edit = fn(&mut Record);
    let edits: [(&str, Edit); 6] = [
        ("route", |record| {
            if let Record::Route(route) = record {
                route.edge = route.edge.replace("retry", "exhausted");
            }
        }),
        ("write", |record| {
            if let Record::Commit(commit) = record
                && commit.lane.node == "work"
            {
                commit.writes.insert("lessons".to_owned(), Payload::Inline(json!(["all is well"])));
            }
        }),
        ("output", |record| {
            if let Record::Commit(commit) = record
                && commit.lane.node == "work"
                && let Payload::Inline(Value::Object(output)) = &mut commit.output
            {
                output.insert("visits".to_owned(), json!(9));
            }
        }),
        ("end", |record| {
            if let Record::End(end) = record {
                end.output = Payload::Inline(json!({"url": "elsewhere", "goal": "mend"}));
            }
        }),
        ("effect missing", |record| {
            if let Record::Effect(effect) = record
                && effect.lane.to_string() == "work#2"
                && effect.ordinal == 1
            {
                effect.phase = Phase::Start;
            }
        }),
        ("effect unasked", |record| {
            if let Record::Effect(effect) = record
                && effect.lane.to_string() == "work#2"
                && effect.phase == Phase::Done
            {
                effect.ordinal += 5 * effect.ordinal;
            }
        }),
    ];
    for (what, edit) in edits {
        let fault = forged(&trace, edit);
        assert_eq!(fault.exit, 20, "{what}: {}", fault.message);
        let told = fault.detail.unwrap()["what"].clone();
        // An effect that moved is missing where it was before it is unasked where it is.
        let expected = if what == "effect unasked" { "effect missing" } else { what };
        assert_eq!(told, expected, "{}", fault.message);
    }
}

#[test]
fn another_version_of_a_kind_is_no_replay() {
    let (_, _, trace) = recorded();
    let mut newer: Kinds = kinds();
    newer.kinds.get_mut("ship").unwrap().version = 7;
    assert_eq!(replay(&trace, Some(&newer), &loader()).unwrap_err().exit, 7);
    assert!(replay(&trace, None, &loader()).is_ok());
}

#[test]
fn a_changed_byte_breaks_the_chain_and_the_valid_prefix_is_told() {
    let (_, _, trace) = recorded();
    let bytes = trace.to_bytes().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let at = text.find("saw there").unwrap();
    let mut changed = bytes.clone();
    changed[at] = b'S';
    let damage = read(&changed).unwrap_err();
    assert_eq!((damage.fault.code.as_str(), damage.fault.exit), ("journal.chain", 21));
    assert!(!damage.valid.is_empty() && damage.valid.len() < trace.records.len());
    assert_eq!(damage.valid[..], trace.records[..damage.valid.len()]);
    assert!(
        damage.fault.message.contains(&format!("the {} records before it are valid", damage.valid.len()))
    );
}

#[test]
fn a_trace_cut_anywhere_is_torn() {
    let (_, _, trace) = recorded();
    let bytes = trace.to_bytes().unwrap();
    for cut in (0..bytes.len()).step_by(41) {
        let damage = read(&bytes[..cut]).unwrap_err();
        assert_eq!(damage.fault.exit, 21, "cut at {cut}");
        assert_eq!(damage.valid[..], trace.records[..damage.valid.len()], "cut at {cut}");
    }
}

#[test]
fn a_missing_blob_and_a_newer_format_are_told() {
    let (_, _, trace) = recorded();
    let bytes = trace.to_bytes().unwrap();
    let at = bytes.windows(9).position(|window| window == b"{\"blob\":\"").unwrap();
    let mut without = bytes[..at].to_vec();
    without.extend_from_slice(
        format!("{{\"end\":{{\"blobs\":0,\"records\":{}}}}}\n", trace.records.len()).as_bytes(),
    );
    let damage = read(&without).unwrap_err();
    assert_eq!((damage.fault.code.as_str(), damage.fault.exit), ("blob.missing", 21));

    let newer = [b"{\"prunella-trace\":2}\n".as_slice(), &bytes[21..]].concat();
    assert_eq!(read(&newer).unwrap_err().fault.exit, 22);
    assert_eq!(read(b"\x7fELF").unwrap_err().fault.exit, 21);
    let newer = trace
        .resealed(&mut |record| {
            if let Record::Header(header) = record {
                header.format = prunella_engine::format::JOURNAL + 1;
            }
        })
        .unwrap();
    assert_eq!(read(&newer.to_bytes().unwrap()).unwrap_err().fault.exit, 22);
}

#[test]
fn a_trace_packs_the_same_again() {
    let (_, _, trace) = recorded();
    let bytes = trace.to_bytes().unwrap();
    assert_eq!(travelled(&trace).to_bytes().unwrap(), bytes);
    assert!(Arc::strong_count(&trace.blobs) >= 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes: an answer, never a panic.
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&[b"{\"prunella-trace\":1}\n".as_slice(), &bytes].concat());
    }

    /// A real trace with some bytes changed: damage, never a panic, and never a different trace.
    #[test]
    fn flipped_bytes_never_pass(places in proptest::collection::vec((0.0..1.0f64, 1..=255u8), 1..4)) {
        thread_local! { static BYTES: (Trace, Vec<u8>) = {
            let trace = recorded().2;
            let bytes = trace.to_bytes().unwrap();
            (trace, bytes)
        } }
        BYTES.with(|(trace, bytes)| {
            let mut changed = bytes.clone();
            for (place, flip) in &places {
                let at = (place * bytes.len() as f64) as usize;
                changed[at.min(bytes.len() - 1)] ^= flip;
            }
            if let Ok(read) = read(&changed) {
                assert_eq!(read.records, trace.records);
            }
        });
    }

    /// Resealed records with anything in them replay to a refusal, never to a panic.
    #[test]
    fn forged_records_never_panic(at in 0..39usize, word in "[a-z#/.0-9]{0,12}", number in any::<u64>()) {
        thread_local! { static TRACE: Trace = recorded().2; }
        TRACE.with(|trace| {
            let mut i = 0;
            let sealed = trace.resealed(&mut |record| {
                if i == at {
                    match record {
                        Record::Header(header) => header.graph.hash.clone_from(&word),
                        Record::Effect(effect) => { effect.name.clone_from(&word); effect.cost_microusd = number; }
                        Record::Commit(commit) => { commit.superstep = number; commit.active_ms = number; }
                        Record::Route(route) => route.edge.clone_from(&word),
                        Record::End(end) => end.end = Some(word.clone()),
                        _ => {}
                    }
                }
                i += 1;
            }).unwrap();
            let _ = again(&sealed);
        });
    }
}
