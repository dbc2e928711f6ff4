//! What a component cannot reach, and bytes that are none.

use proptest::prelude::*;
use prunella_engine::{Class, Output};
use prunella_nodes::wasm::{Component, Face, Limits, MAX_COMPONENT_BYTES};
use serde_json::json;

use crate::build::{c, text};
use crate::scene::{class, kind, small, task, ty};

const CALL: &str = r#"(import "prunella:node/host@1.0.0" "call" (func $call (param i32 i32 i32 i32 i32)))"#;

/// The error of a component that calls `effect` with `request`.
fn calling(effect: &str, request: &str, granted: &'static [&'static str]) -> prunella_engine::NodeError {
    let (effect_bytes, request_bytes) = (effect.len(), request.len());
    let run = format!(
        "(call $call (i32.const 1024) (i32.const {effect_bytes})
            (i32.const {}) (i32.const {request_bytes}) (i32.const 4096)) (i32.const 16)",
        1024 + effect_bytes
    );
    let kind = kind(&text(CALL, &format!("{effect}{request}"), &run), "int", granted, small());
    task(&kind, json!({})).unwrap_err()
}

#[test]
fn an_effect_that_was_not_granted_ends_the_node() {
    let error = calling("words.fetch", "{}", &[]);
    assert_eq!(error.code, "wasm.effect");
    assert!(error.message.contains("words.fetch"), "{}", error.message);
    assert_eq!(calling("reading.take", "{}", &["words.fetch"]).code, "wasm.effect");
    assert_eq!(calling("", "{}", &["words.fetch"]).code, "wasm.effect");
}

#[test]
fn a_request_that_is_no_json_ends_the_node() {
    assert_eq!(calling("words.fetch", "{", &["words.fetch"]).code, "wasm.request");
    let deep = "[".repeat(2000);
    assert_eq!(calling("words.fetch", &deep, &["words.fetch"]).code, "wasm.request");
}

#[test]
fn only_effects_of_the_world_can_be_granted() {
    let component = Component::from_bytes(c(), Limits::default()).unwrap();
    let face = Face { effects: &["disk.format"], ..Face::new("guest", Output::Fixed(ty("int"))) };
    let fault = component.kind(face, class).err().unwrap();
    assert_eq!((fault.code.as_str(), fault.exit), ("wasm.effect", 2));
    let face = Face { effects: &["reading.take"], ..Face::new("guest", Output::Fixed(ty("int"))) };
    assert!(component.kind(face, |_| Some(Class::External)).is_ok());
}

fn refused(bytes: &[u8]) -> String {
    let fault = Component::from_bytes(bytes, small()).err().expect("it was taken");
    assert_eq!((fault.code.as_str(), fault.exit), ("wasm.component", 5), "{}", fault.message);
    fault.message
}

#[test]
fn nothing_but_the_host_can_be_imported() {
    for (import, ty) in [
        ("wasi:filesystem/preopens@0.2.0", "(instance)"),
        ("wasi:sockets/tcp@0.2.0", "(instance)"),
        ("wasi:cli/environment@0.2.0", "(instance)"),
        ("wasi:clocks/monotonic-clock@0.2.0", "(instance)"),
        ("wasi:random/random@0.2.0", "(instance)"),
        ("prunella:node/host@2.0.0", "(instance)"),
        ("prunella:node/other@1.0.0", "(instance)"),
        ("escape", "(func)"),
    ] {
        let message = refused(&wat::parse_str(format!("(component (import \"{import}\" {ty}))")).unwrap());
        assert!(message.contains(import), "{message}");
    }
    let host = r#"(component (import "prunella:node/host@1.0.0" (instance (export "spawn" (func (param "x" string))))))"#;
    refused(&wat::parse_str(host).unwrap());
}

#[test]
fn the_export_must_be_the_worlds() {
    refused(&wat::parse_str("(component)").unwrap());
    refused(&wat::parse_str("(module)").unwrap());
    let other = r#"(component
        (core module $m (func (export "run") (result i32) (i32.const 1)))
        (core instance $i (instantiate $m))
        (func (export "run") (result u32) (canon lift (core func $i "run"))))"#;
    assert!(refused(&wat::parse_str(other).unwrap()).contains("run"));
}

#[test]
fn threads_and_shared_memory_are_refused() {
    let shared = r#"(component (core module (memory 1 2 shared)))"#;
    refused(&wat::parse_str(shared).unwrap());
    let relaxed = r#"(component (core module (func (result v128)
        (f32x4.relaxed_madd (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"#;
    refused(&wat::parse_str(relaxed).unwrap());
    let wide = r#"(component (core module (memory i64 1)))"#;
    refused(&wat::parse_str(wide).unwrap());
}

#[test]
fn text_and_what_is_too_large_are_refused() {
    refused(b"(component)");
    refused(&vec![0; MAX_COMPONENT_BYTES + 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_are_no_component_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        refused(&bytes);
        refused(&[b"\0asm\x0d\0\x01\0", bytes.as_slice()].concat());
    }

    #[test]
    fn a_component_cut_short_is_refused(part in 0.0..1.0_f64) {
        let whole = c();
        let cut = (whole.len() as f64 * part) as usize;
        refused(&whole[..cut]);
    }

    #[test]
    fn a_damaged_component_is_refused_or_bounded(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = c().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(component) = Component::from_bytes(&bytes, small()) {
            let face = Face { effects: &["reading.take"], ..Face::new("guest", Output::Fixed(ty("{count: int, median: int}"))) };
            let kind = component.kind(face, class).unwrap();
            let _ = task(&kind, json!({"sensors": [3, 1, 2]}));
        }
    }
}
