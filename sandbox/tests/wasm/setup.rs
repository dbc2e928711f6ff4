//! Setting an interpreter up, and what is not run.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use prunella_sandbox::{End, Probe, Sandbox, SetupError, Source, WasmSandbox, set_up, testing};
use sha2::{Digest, Sha256};

use super::common::{plain, python};

const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_package_gives_an_interpreter_that_runs() {
    let store = testing::interpreter().unwrap();
    let mut told = Vec::new();
    // Again: nothing is obtained and nothing compiled.
    let found = set_up(&store, &Source::Package, &mut |line| told.push(line.to_owned())).unwrap();
    assert_eq!(told, ["it is set up already"]);
    assert_eq!(found.name, "python-3.12.0.wasm");
    let output = python("import sys; print('%d.%d' % sys.version_info[:2])").output(&plain());
    assert_eq!(output, "3.12\n");
}

#[test]
fn without_a_set_up_nothing_runs() {
    let store = tempfile::tempdir().unwrap();
    let sandbox = WasmSandbox::new(store.path()).with_host(env!("CARGO_BIN_EXE_wasm-host"), &[]);
    let End::CouldNotStart { step, remedy, .. } = sandbox.run(&python("").job).end else {
        panic!("it ran without an interpreter")
    };
    assert_eq!((step.as_str(), remedy.as_str()), ("interpreter", "run `prunella setup wasm`"));
    assert!(matches!(sandbox.probe(), Probe::Unavailable { .. }));
}

#[test]
fn another_hash_is_refused_and_what_was_there_stays() {
    let store = tempfile::tempdir().unwrap();
    let bytes = wat::parse_str(PROGRAM).unwrap();
    let path = store.path().join("p.wasm");
    fs::write(&path, &bytes).unwrap();
    let folder = store.path().join("set-up");
    let wrong = Source::File { path: path.clone(), sha256: "0".repeat(64) };
    let error = set_up(&folder, &wrong, &mut |_| {}).unwrap_err();
    assert!(matches!(error, SetupError::Hash { .. }), "{error}");
    assert_eq!(WasmSandbox::new(&folder).installed(), None);
    let right = Source::File { path: path.clone(), sha256: sha256(&bytes) };
    set_up(&folder, &right, &mut |_| {}).unwrap();
    set_up(&folder, &wrong, &mut |_| {}).unwrap_err();
    assert!(WasmSandbox::new(&folder).installed().is_some_and(|found| found.name == "p.wasm"));
    let gone = Source::File { path: store.path().join("gone"), sha256: sha256(&bytes) };
    // The same hash is set up already: there is nothing to read.
    assert!(set_up(&folder, &gone, &mut |_| {}).is_ok());
    let other = Source::File { path: store.path().join("gone"), sha256: "1".repeat(64) };
    assert!(matches!(set_up(&folder, &other, &mut |_| {}), Err(SetupError::Unreadable { .. })));
}

#[test]
fn what_is_no_program_is_refused() {
    let store = tempfile::tempdir().unwrap();
    for (text, why) in [
        ("(module)", "`_start`"),
        (r#"(module (import "env" "f" (func)) (func (export "_start")))"#, "imports from env"),
    ] {
        let bytes = wat::parse_str(text).unwrap();
        let path = store.path().join("p.wasm");
        fs::write(&path, &bytes).unwrap();
        let source = Source::File { path, sha256: sha256(&bytes) };
        let error = set_up(&store.path().join("set-up"), &source, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let path = store.path().join("text");
    fs::write(&path, "no module").unwrap();
    let source = Source::File { path, sha256: sha256(b"no module") };
    assert!(matches!(set_up(&store.path().join("set-up"), &source, &mut |_| {}), Err(SetupError::Module(_))));
}

#[test]
fn compiled_code_that_was_changed_is_not_run_and_set_up_mends_it() {
    let store = tempfile::tempdir().unwrap();
    let bytes = wat::parse_str(PROGRAM).unwrap();
    let path = store.path().join("p.wasm");
    fs::write(&path, &bytes).unwrap();
    let folder = store.path().join("set-up");
    let source = Source::File { path, sha256: sha256(&bytes) };
    set_up(&folder, &source, &mut |_| {}).unwrap();
    let run = || {
        let sandbox =
            WasmSandbox::new(&folder).with_host(env!("CARGO_BIN_EXE_wasm-host"), &[]).with_wall(None);
        sandbox.run(&python("").job).end
    };
    assert_eq!(run(), End::Exited { code: 0 });
    let compiled = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "cwasm"))
        .unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&compiled).unwrap();
    let middle = file.seek(SeekFrom::End(0)).unwrap() / 2;
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(b"another code").unwrap();
    let End::CouldNotStart { message, .. } = run() else { panic!("changed code ran") };
    assert!(message.contains("changed on disk"), "{message}");
    let mut told = Vec::new();
    set_up(&folder, &source, &mut |line| told.push(line.to_owned())).unwrap();
    assert!(told.iter().any(|line| line.contains("compiling")), "{told:?}");
    assert_eq!(run(), End::Exited { code: 0 });
}

#[test]
fn a_host_of_another_version_is_not_believed() {
    let store = testing::interpreter().unwrap();
    let sandbox = WasmSandbox::new(store).with_host("/bin/true", &[]).with_wall(None);
    let End::CouldNotStart { step, .. } = sandbox.run(&python("").job).end else { panic!("it ran") };
    assert_eq!(step, "host");
}
