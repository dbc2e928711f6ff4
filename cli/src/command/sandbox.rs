//! `prunella sandbox run`: a command over a copy of a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prunella_nodes::world::git::GitRepo;
use prunella_sandbox::{End, Isolation, Job, Limits, Mount, Network};
use serde_json::json;

use crate::args::SandboxRunArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session;
use crate::terminal::{json, out_raw, say};

/// Runs the command. 0 when it exited with 0, else 10; its own status is in the JSON.
pub(super) fn run(args: &SandboxRunArgs, store: Option<PathBuf>) -> Result {
    let unreadable = |e: std::io::Error| {
        Failure::new(exit::UNREADABLE, format!("the folder {} cannot be read: {e}", args.repo.display()))
    };
    let folder = args.repo.canonicalize().map_err(unreadable)?;
    let export =
        tempfile::tempdir().map_err(|e| Failure::new(exit::STORE, format!("no temporary folder: {e}")))?;
    let tree = match GitRepo::open(&folder) {
        Ok(repo) if repo.subfolder.is_empty() => {
            repo.export(&repo.resolve("HEAD")?, export.path())?;
            export.path().to_owned()
        }
        _ => folder,
    };
    let mounts = args.mount.iter().map(|path| mount(path)).collect::<Result<Vec<_>>>()?;
    let job = Job {
        tree,
        argv: args.command.clone(),
        mounts,
        network: if args.loopback { Network::Loopback } else { Network::None },
        limits: Limits {
            wall: Duration::from_secs(args.wall),
            cpu: Duration::from_secs(args.cpu.unwrap_or(args.wall)),
            memory: args.memory << 20,
            processes: args.processes,
            output_max: args.output << 20,
            disk: args.disk << 20,
            ..Limits::default()
        },
        ..Job::default()
    };
    let store = session::store_dir(store).unwrap_or_default();
    let report = session::sandbox(args.sandbox, &store, args.container_image.as_deref()).run(&job);
    let done = report.end == End::Exited { code: 0 };
    if args.json {
        json(&json!({"format": 1, "report": report}));
    } else {
        out_raw(&report.stdout.text());
        if !report.stderr.kept.is_empty() {
            say(report.stderr.text().trim_end());
        }
        if let Isolation::Reduced { missing } = &report.isolation {
            say(format!("isolation is reduced: {}", missing.join(", ")));
        }
        if !done {
            say(ending(&report.end));
        }
    }
    match report.end {
        // The sandbox stands; there is no such command in it.
        End::CouldNotStart { step, message, remedy } if step == "exec" => {
            Err(Failure::new(exit::UNHEALED, format!("the command cannot start: {message}")).help(remedy))
        }
        End::CouldNotStart { step, message, remedy } => {
            Err(Failure::new(exit::SANDBOX, format!("the sandbox cannot be set up at {step}: {message}"))
                .help(remedy))
        }
        _ if done => Ok(exit::OK),
        _ => Ok(exit::UNHEALED),
    }
}

fn mount(path: &Path) -> Result<Mount> {
    let host = path
        .canonicalize()
        .map_err(|e| Failure::new(exit::UNREADABLE, format!("--mount {}: {e}", path.display())))?;
    Ok(Mount { guest: host.clone(), host })
}

fn ending(end: &End) -> String {
    match end {
        End::CouldNotStart { .. } => String::new(),
        End::TimedOut => "ended: wall time used up".to_owned(),
        End::CpuTimedOut => "ended: CPU time used up".to_owned(),
        End::OutOfMemory => "ended: memory used up".to_owned(),
        End::OutputLimit => "ended: too much output".to_owned(),
        End::DiskLimit => "ended: too much written".to_owned(),
        End::ProcessLimit => "ended: too many processes".to_owned(),
        End::Denied { what } => format!("ended: forbidden: {what}"),
        End::Signalled { signal } => format!("ended by signal {signal}"),
        End::Exited { code } => format!("ended with status {code}"),
    }
}
