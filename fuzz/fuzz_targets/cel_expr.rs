#![no_main]
//! Expressions: compiled and evaluated within bounds, the same twice.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prunella_engine::graph::Expr;
use serde_json::{Value, json};

static VARS: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "a": [1, 2, 3], "b": {"c": "x", "d": null, "n": {"m": [true]}}, "n": 5, "f": 0.5, "s": "h\u{e9}llo",
        "big": i64::MAX, "blob": {"$blob": "ab", "bytes": 12}, "output": {"fixed": true, "status": "new"},
    })
});

fuzz_target!(|source: &str| {
    let Ok(expr) = Expr::compile(source) else { return };
    let vars = VARS.as_object().expect("an object");
    let once = expr.eval(vars).map_err(|e| e.message);
    assert_eq!(once, expr.eval(vars).map_err(|e| e.message));
    let _ = expr.holds(vars);
});
