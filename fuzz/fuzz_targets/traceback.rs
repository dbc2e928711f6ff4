#![no_main]
//! Logs: redacted, searched for tracebacks, counted, fingerprinted. Nothing that is kept is unbounded.

use libfuzzer_sys::fuzz_target;
use prunella_nodes::incident::{MOST_FRAMES, MOST_TRACES, gather, parse, sightings, template};
use prunella_nodes::world::intake::redact_tokens;

fuzz_target!(|log: &str| {
    let text = redact_tokens(log);
    let _ = template(&text);
    let parsed = parse(&text);
    for trace in &parsed.traces {
        assert!(!trace.exception.is_empty() && trace.frames.len() <= MOST_FRAMES);
        assert!(trace.excerpt.len() < 17 << 10 && trace.message.len() <= 8 << 10 && trace.stamp.len() < 200);
    }
    let (gathered, again) = (gather(parsed), gather(parse(&text)));
    assert_eq!(gathered, again);
    assert!(gathered.groups.len() <= MOST_TRACES);
    let stacks = gathered.groups.iter().map(|group| group.trace.frames.clone()).collect();
    let _ = sightings(gathered.groups, stacks, Vec::new());
});
