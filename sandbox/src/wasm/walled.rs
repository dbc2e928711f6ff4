//! The host program inside another sandbox, which lays out the tree, bounds and ends everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wire::{self, Spec};
use super::{Host, end, folders, report};
use crate::Sandbox;
use crate::job::{File, Job, Limits, Mount};
use crate::report::{End, Output, Report};

/// Where the host program and the module are seen.
const PROGRAM: &str = "/opt/prunella/host";
const MODULE: &str = "/opt/prunella/module";
/// The order's name below `/prunella`.
const ORDER: &str = "wasm-host.json";
/// What the host itself may need beside its guest: time to load the module, and its own memory.
const START: Duration = Duration::from_secs(10);
const OWN_MEMORY: u64 = 256 << 20;
/// Processes and threads of the host.
const OWN_THREADS: u64 = 16;

/// Runs the host over `job` in `wall`.
pub(super) fn run(wall: &dyn Sandbox, host: &Host<'_>, mut spec: Spec, job: &Job) -> Report {
    spec.module = MODULE.into();
    // Mounts are seen at their own place by the host, and by its guest.
    for folder in &mut spec.folders {
        folder.host = PathBuf::from(&folder.guest);
    }
    folders(&mut spec, job, "/repo".as_ref(), "/prunella".as_ref(), "/tmp".as_ref(), "/home/sbx".as_ref());
    let mut files = job.files.clone();
    files.push(File { name: ORDER.into(), content: serde_json::to_vec(&spec).unwrap_or_default() });
    let mut mounts = job.mounts.clone();
    let shown = |host: &Path, guest: &str| Mount { host: host.into(), guest: guest.into() };
    mounts.push(shown(host.program, PROGRAM));
    mounts.push(shown(&host.installed.compiled, MODULE));
    let mut argv = vec![PROGRAM.to_owned()];
    argv.extend(host.arguments.iter().map(|word| word.to_string_lossy().into_owned()));
    argv.push(format!("/prunella/{ORDER}"));
    // All streams of the guest come as frames over one, none of which may be lost.
    let frames = job.limits.output_max.saturating_mul(2).saturating_add(64 << 20);
    let outer = Job {
        tree: job.tree.clone(),
        edits: job.edits.clone(),
        argv,
        mounts,
        files,
        input: job.input.clone(),
        protect: job.protect.clone(),
        limits: Limits {
            wall: job.limits.wall + START,
            cpu: job.limits.cpu + START,
            memory: job.limits.memory.saturating_add(OWN_MEMORY),
            processes: OWN_THREADS,
            cores: job.limits.cores,
            output_keep: usize::try_from(frames).unwrap_or(usize::MAX),
            output_max: frames,
            disk: job.limits.disk,
        },
        ..Job::default()
    };
    let Report { end: ended, isolation, stdout, stderr, changed, usage, .. } = wall.run(&outer);
    let mut said = wire::read(&stdout.kept, job.limits.output_keep);
    let told = said.done.as_ref().map(end);
    let ended = match (ended, told) {
        (End::Exited { code: 0 }, Some(told)) => told,
        (End::Exited { code }, _) => End::CouldNotStart {
            step: "host".into(),
            message: format!("the host program ended with status {code}: {}", last(&stderr)),
            remedy: "report this, or choose another sandbox with `--sandbox`".into(),
        },
        (other, _) => other,
    };
    if said.done.is_none() {
        said.stderr.kept.extend_from_slice(&stderr.kept);
    }
    let mut report = report(said, ended, isolation);
    report.changed = changed;
    report.usage.cpu_ms = usage.cpu_ms;
    report.usage.cores = usage.cores;
    report
}

/// The last line of what a host program said against it.
fn last(said: &Output) -> String {
    let text = said.text();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim().chars().take(300).collect()
}
