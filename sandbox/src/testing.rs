//! For tests of other crates, whose build makes this library but not its helper program; and for measurements.

use std::env;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use crate::LinuxSandbox;
use crate::linux::sys;

/// A sandbox whose helper is there and is of this build: under `cargo test` the helper is built first, once a
/// process, into the target folder of the running test. Elsewhere the same as [`LinuxSandbox::new`].
#[must_use]
pub fn sandbox() -> LinuxSandbox {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        // When this fails, the sandbox says what is missing.
        let _ = build();
    });
    LinuxSandbox::new()
}

/// Processor time that this process and its ended children have used so far, with the precision of the scheduler.
#[must_use]
pub fn processor_time() -> Duration {
    sys::usage_of_self().0 + sys::usage_of_children().0
}

/// Has cargo build `sandbox-init`; nothing when this is no test that cargo started, or the helper is named.
fn build() -> Option<()> {
    if env::var_os("PRUNELLA_SANDBOX_INIT").is_some() {
        return None;
    }
    let cargo = env::var_os("CARGO")?;
    let program = env::current_exe().ok()?;
    // TARGET/PROFILE/deps/TEST
    let profile = program.parent().filter(|folder| folder.ends_with("deps"))?.parent()?;
    let name = profile.file_name()?.to_str()?;
    let name = if name == "debug" { "dev" } else { name };
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--offline", "--package", "prunella-sandbox", "--bin", "sandbox-init"])
        .args(["--profile", name, "--target-dir"])
        .arg(profile.parent()?)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().ok()?.success().then_some(())
}
