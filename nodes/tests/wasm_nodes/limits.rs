//! What stops a component that wants too much.

use prunella_nodes::wasm::{Component, Limits};
use serde_json::json;

use crate::build::{js, text};
use crate::scene::{kind, small, task};

const LOG: &str = r#"(import "prunella:node/host@1.0.0" "log" (func $log (param i32 i32)))"#;
const PUT: &str = r#"(import "prunella:node/host@1.0.0" "put-text" (func $put (param i32 i32 i32)))"#;

/// The code that a component of this `run` ends with.
fn ends_with(imports: &str, run: &str) -> String {
    let kind = kind(&text(imports, "1", run), "int", &[], small());
    let first = task(&kind, json!({})).unwrap_err();
    assert_eq!(task(&kind, json!({})).unwrap_err(), first, "the same again");
    first.code
}

#[test]
fn one_that_ends_is_let_be() {
    let kind = kind(&text("", "41", "(i32.const 16)"), "int", &[], small());
    assert_eq!(task(&kind, json!({})).unwrap(), json!(41));
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    assert_eq!(ends_with("", "(loop $again (br $again)) (unreachable)"), "wasm.fuel");
}

#[test]
fn filling_memory_costs_as_much_as_it_fills() {
    // Some ten instructions a round, and one million bytes.
    let run = "(drop (memory.grow (i32.const 16)))
        (loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 1000000)) (br $again)) (unreachable)";
    assert_eq!(ends_with("", run), "wasm.fuel");
    let run = run.replace("memory.fill", "memory.copy");
    assert_eq!(ends_with("", &run), "wasm.fuel");
}

#[test]
fn a_memory_bomb_is_stopped() {
    assert_eq!(
        ends_with("", "(loop $again (drop (memory.grow (i32.const 1))) (br $again)) (unreachable)"),
        "wasm.memory"
    );
    assert_eq!(ends_with("", "(drop (memory.grow (i32.const 65535))) (i32.const 16)"), "wasm.memory");
    let imports = "(table $table 1 funcref)";
    let run = "(drop (table.grow $table (ref.null func) (i32.const 1000000))) (i32.const 16)";
    assert_eq!(ends_with(imports, run), "wasm.memory");
}

#[test]
fn a_script_cannot_eat_memory_or_time() {
    let limits = Limits { fuel: 50_000, ..Limits::default() };
    let output = "{counts: map<int>, list: text, attempt: int}";
    let error = task(&kind(js(), output, &["words.fetch"], limits), json!({"names": ["oak"]})).unwrap_err();
    assert_eq!(error.code, "wasm.fuel");
    let limits = Limits { memory_bytes: 1 << 16, ..Limits::default() };
    let error = task(&kind(js(), output, &["words.fetch"], limits), json!({"names": ["oak"]})).unwrap_err();
    assert_eq!(error.code, "wasm.memory");
}

#[test]
fn traps_say_why() {
    for (run, why) in [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -1))", "out of bounds"),
        // The result lies outside the memory.
        ("(i32.const -4)", ""),
        // A result that is neither ok nor an error.
        ("(i32.store (i32.const 16) (i32.const 7)) (i32.const 16)", "discriminant"),
        // An output that ends outside the memory.
        ("(i32.store (i32.const 24) (i32.const -1)) (i32.const 16)", ""),
        // An output that is no UTF-8.
        ("(i32.store (i32.const 1024) (i32.const -1)) (i32.const 16)", "utf-8"),
    ] {
        let kind = kind(&text("", "1234", run), "int", &[], small());
        let error = task(&kind, json!({})).unwrap_err();
        assert_eq!(error.code, "wasm.trap", "{run}");
        assert!(error.message.contains(why), "{run}: {}", error.message);
    }
}

#[test]
fn a_deep_recursion_is_a_trap() {
    let imports = "(func $deep (param i32) (result i32) (call $deep (local.get 0)))";
    assert_eq!(ends_with(imports, "(call $deep (i32.const 0))"), "wasm.trap");
}

#[test]
fn what_goes_through_the_host_is_bounded() {
    let run = "(loop $again (call $log (i32.const 1024) (i32.const 1)) (br $again)) (unreachable)";
    assert_eq!(ends_with(LOG, run), "wasm.host");
    let run = "(drop (memory.grow (i32.const 1)))
        (loop $again (call $put (i32.const 65536) (i32.const 65536) (i32.const 4096)) (br $again)) (unreachable)";
    assert_eq!(ends_with(PUT, run), "wasm.host");
}

#[test]
fn an_output_that_is_no_json_or_of_another_type_is_refused() {
    for (output, ty) in
        [("nope", "int"), ("\"3\"", "int"), ("3", "{a: int}"), ("", "int"), ("[1,2", "list<int>")]
    {
        let kind = kind(&text("", output, "(i32.const 16)"), ty, &[], small());
        assert_eq!(task(&kind, json!({})).unwrap_err().code, "wasm.output", "{output}");
    }
}

#[test]
fn a_kinds_version_is_that_of_its_bytes_and_limits() {
    let (one, two) = (text("", "1", "(i32.const 16)"), text("", "2", "(i32.const 16)"));
    let version = |bytes: &[u8], limits| kind(bytes, "int", &[], limits).version;
    assert_eq!(version(&one, small()), version(&one, small()));
    assert_ne!(version(&one, small()), version(&two, small()));
    assert_ne!(version(&one, small()), version(&one, Limits { fuel: 1, ..small() }));
    let hash = Component::from_bytes(&one, small()).map(|component| component.hash());
    assert_eq!(hash.unwrap(), blake3::hash(&one).to_hex().to_string());
}
