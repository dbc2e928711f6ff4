//! Where the helper is.

use std::env;
use std::path::{Path, PathBuf};

/// Names the helper program in the environment.
pub(crate) const HELPER_VARIABLE: &str = "PRUNELLA_SANDBOX_INIT";
/// Turns the `prunella` program into the helper.
pub(crate) const HELPER_FLAG: &str = "--sandbox-init";

/// The helper program and its arguments: what `PRUNELLA_SANDBOX_INIT` names; else `sandbox-init` beside the running
/// program or one folder up (a test in `target/debug/deps` finds `target/debug/sandbox-init`); else `prunella` in
/// the same places, the running program included.
pub(super) fn helper() -> Option<(PathBuf, Vec<String>)> {
    if let Some(path) = env::var_os(HELPER_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(with_arguments(path.into()));
    }
    let program = env::current_exe().ok()?;
    let folders: Vec<&Path> = program.ancestors().skip(1).take(2).collect();
    ["sandbox-init", "prunella"].iter().find_map(|name| {
        folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).map(with_arguments)
    })
}

fn with_arguments(path: PathBuf) -> (PathBuf, Vec<String>) {
    let whole = path.file_name().is_some_and(|name| name == "prunella");
    let arguments = if whole { vec![HELPER_FLAG.to_owned()] } else { Vec::new() };
    (path, arguments)
}
