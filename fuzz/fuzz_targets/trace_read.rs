#![no_main]
//! Traces from anybody: verified, or damaged with a place; what is verified replays or says why not.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::run::{Loader, loader};
use prunella_engine::{replay, trace};

static LOAD: LazyLock<Loader> = LazyLock::new(|| loader(&prunella_nodes::kinds()));

fuzz_target!(|bytes: &[u8]| {
    match trace::read(bytes) {
        Ok(trace) => {
            let written = trace.to_bytes().expect("a verified trace can be written");
            assert!(trace::read(&written).is_ok(), "what was written reads back");
            let _ = trace.steps();
            let _ = replay::replay(&trace, None, &LOAD);
        }
        Err(damage) => assert!(matches!(damage.fault.exit, 21 | 22), "{}", damage.fault),
    }
});
