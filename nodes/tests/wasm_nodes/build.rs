//! Components from source.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wit")
}

/// A core module as a component of the world `node`.
pub(crate) fn component(mut core: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_file(wit().join("node.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("node")).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
}

/// A component whose `run` is this WebAssembly text. It has the input at `$at` and `$bytes` and gives the address of
/// its result; at 16 lies the result `ok` of what `memory` says at 1024, `bytes` long.
pub(crate) fn text(imports: &str, memory: &str, run: &str) -> Vec<u8> {
    let bytes = memory.len();
    let data = memory.replace('"', "\\22");
    let module = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (global $free (mut i32) (i32.const 8192))
            (data (i32.const 16) "\00\00\00\00\00\04\00\00")
            (data (i32.const 1024) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "run") (param $at i32) (param $bytes i32) (result i32)
                (i32.store (i32.const 24) (i32.const {bytes}))
                {run}))"#
    );
    component(wat::parse_str(module).unwrap())
}

/// The sample in C: `reading.take` for each sensor, and their median.
pub(crate) fn c() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("node.wasm");
        build(
            Command::new("clang")
                .args(["--target=wasm32-unknown-unknown", "-O2", "-Wall", "-Wextra", "-Werror"])
                .args(["-ffreestanding", "-fno-builtin", "-nostdlib", "-Wl,--no-entry"])
                .arg("-o")
                .arg(&out)
                .arg(wit().join("samples/c/node.c")),
        );
        component(std::fs::read(out).unwrap())
    })
}

/// The sample in JavaScript: `words.fetch` for each name, and how many words there are.
pub(crate) fn js() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-tools/node_modules/.bin");
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("node.wasm");
        build(
            Command::new(tools.join("componentize-qjs"))
                .arg("--wit")
                .arg(wit().join("node.wit"))
                .args(["--world", "node", "--stub-wasi", "--sync", "--opt-size", "--js"])
                .arg(wit().join("samples/js/node.js"))
                .arg("--output")
                .arg(&out),
        );
        std::fs::read(out).unwrap()
    })
}

fn build(command: &mut Command) {
    let program = command.get_program().to_string_lossy().into_owned();
    let built = command.output().unwrap_or_else(|e| {
        panic!("{program} cannot be run: {e}\nnodes/wit/samples/install-tools installs what the samples are built with")
    });
    assert!(built.status.success(), "{program}: {}", String::from_utf8_lossy(&built.stderr));
}
