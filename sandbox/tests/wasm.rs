//! The `wasm` backend, tried for real: every test runs Python, or a small program of its own, in it.

mod wasm {
    mod attacks;
    mod basics;
    mod common;
    mod limits;
    mod setup;
}
