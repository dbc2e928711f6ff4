#![no_main]
//! Prompts: rendered within bounds, or an error in words.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::blob::MemoryBlobs;
use prunella_engine::graph::Template;
use serde_json::{Value, json};

static VARS: LazyLock<Value> = LazyLock::new(
    || json!({"a": 1, "s": "h\u{e9}llo", "xs": [1, "b", null], "o": {"k": {"l": [2.5]}}, "evidence": "line\nline\n"}),
);

fuzz_target!(|source: &str| {
    if let Ok(text) = Template::new(source).render(&VARS, &MemoryBlobs::default()) {
        assert!(text.len() <= 2 << 20, "{} bytes", text.len());
    }
});
