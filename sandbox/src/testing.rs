//! For tests of other crates, whose build makes this library but not its helper programs; and for measurements.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::LinuxSandbox;
#[cfg(target_os = "linux")]
use crate::linux::sys;
use crate::wasm::{Source, WasmSandbox, set_up};

/// A sandbox whose helper is there and is of this build: under `cargo test` the helper is built first, once a
/// process, into the target folder of the running test. Elsewhere the same as [`LinuxSandbox::new`].
#[cfg(target_os = "linux")]
#[must_use]
pub fn sandbox() -> LinuxSandbox {
    // When this fails, the sandbox says what is missing.
    let _ = built("sandbox-init", "PRUNELLA_SANDBOX_INIT");
    LinuxSandbox::new()
}

/// Processor time that this process and its ended children have used so far, with the precision of the scheduler.
#[cfg(target_os = "linux")]
#[must_use]
pub fn processor_time() -> Duration {
    sys::usage_of_self().0 + sys::usage_of_children().0
}

/// A sandbox whose host program is of this build and whose interpreter is set up: obtained and compiled once, and kept
/// in `tmp` of the target folder.
///
/// # Errors
/// Why it cannot be set up.
pub fn wasm() -> Result<WasmSandbox, String> {
    let _ = built("wasm-host", "PRUNELLA_WASM_HOST");
    Ok(WasmSandbox::new(interpreter()?))
}

/// The folder where an interpreter is set up for tests.
///
/// # Errors
/// Why it cannot be set up.
pub fn interpreter() -> Result<PathBuf, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    READY.get_or_init(obtained).clone()
}

fn obtained() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    // TARGET/PROFILE/deps/TEST, or TARGET/PROFILE/examples/EXAMPLE
    let target = program.ancestors().nth(3).ok_or("the test has no target folder")?;
    let folder = target.join("tmp/wasm-store/wasm");
    set_up(&folder, &Source::Package, &mut |_| {}).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Has cargo build the program `name`, once a process; nothing when this is no test that cargo started, or `variable`
/// names the program.
fn built(name: &str, variable: &str) -> Option<()> {
    static BUILT: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if env::var_os(variable).is_some() || built.iter().any(|before| before == name) {
        return None;
    }
    built.push(name.to_owned());
    build(name)
}

fn build(name: &str) -> Option<()> {
    let cargo = env::var_os("CARGO")?;
    let program = env::current_exe().ok()?;
    // TARGET/PROFILE/deps/TEST
    let profile = program.parent().filter(|folder| folder.ends_with("deps"))?.parent()?;
    let kind = profile.file_name()?.to_str()?;
    let kind = if kind == "debug" { "dev" } else { kind };
    let mut command = Command::new(cargo);
    command
        // With the tests of the whole workspace: the same features, so what they were built with is not built again.
        .args(["build", "--quiet", "--offline", "--workspace", "--tests", "--bin", name])
        .args(["--profile", kind, "--target-dir"])
        .arg(profile.parent()?)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().ok()?.success().then_some(())
}
