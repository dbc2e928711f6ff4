//! The command line of one container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::engine::{Engine, MARK, Owner};
use super::sweep;
use crate::environment::{self, Places};
use crate::job::Job;
use crate::paths;
use crate::place::Place;

/// Most protected paths that are bound read-only one by one.
const MAX_BOUND: usize = 200;
/// Variables that an engine would set from its own configuration, where they may hold credentials.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
];
/// What the container's shell does before it becomes the command. With a channel, the first stream of two is that:
/// a pipe that the command's own processes never hold, as what the command prints goes to the other.
const SCRIPT: &str = r#"command -v "$1" >/dev/null 2>&1 || { echo "$0: no such command" >&2; exit 127; }
if [ -n "$PRUNELLA_FD" ]; then exec 3>&1 1>&2; else unset PRUNELLA_FD; fi
exec "$@""#;

/// A command line, and how many protected paths it does not bind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The words after the engine's program.
    pub(super) all: Vec<String>,
    /// Protected paths that are only looked at afterwards.
    pub(super) unbound: usize,
}

/// The container's name, as nobody else's.
pub(super) fn name(place: &Place) -> String {
    place.top().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the container's shell says when the command is not there.
pub(super) fn not_found(name: &str) -> String {
    format!("{name}: no such command")
}

/// The words for `job` over `place`; an error says what is wrong with the job.
pub(super) fn words(
    job: &Job,
    place: &Place,
    mounts: &[(PathBuf, PathBuf)],
    image: &str,
    engine: &Engine,
    owner: &Owner,
) -> Result<Words, String> {
    let limits = &job.limits;
    let cwd = paths::relative(&job.cwd)
        .ok_or_else(|| format!("working directory {:?} is no path of the tree", job.cwd))?;
    let name = name(place);
    let mut all: Vec<String> = Vec::new();
    let mut say = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
    say(&[
        "run",
        "--name",
        &name,
        "--label",
        MARK,
        "--label",
        &sweep::label(),
        "--pull",
        "never",
        "--log-driver",
        "none",
    ]);
    if !job.input.is_empty() {
        say(&["--interactive"]);
    }
    // The walls.
    say(&["--network", "none", "--read-only", "--cap-drop", "ALL"]);
    say(&["--security-opt", "no-new-privileges", "--ipc", "private", "--hostname", "sandbox"]);
    say(&["--user", &owner.user]);
    if owner.keep {
        say(&["--userns", "keep-id"]);
    }
    if engine.podman {
        say(&["--http-proxy=false"]);
    }
    // The bounds. No init of the engine's: it would hold the channel where the command could take it.
    let memory = limits.memory.to_string();
    say(&["--memory", &memory, "--memory-swap", &memory, "--pids-limit", &limits.processes.to_string()]);
    let cpu = limits.cpu.as_secs().max(1);
    for limit in [
        format!("cpu={cpu}:{}", cpu.saturating_add(2)),
        format!("fsize={0}:{0}", limits.disk),
        "nofile=1024:1024".to_owned(),
        "core=0:0".to_owned(),
    ] {
        say(&["--ulimit", &limit]);
    }
    for folder in ["/tmp", "/home/sbx"] {
        say(&["--tmpfs", &format!("{folder}:rw,exec,nosuid,nodev,mode=1777,size={}", limits.disk)]);
    }
    say(&["--shm-size", &limits.disk.min(64 << 20).to_string()]);
    // What is seen.
    say(&["--mount", &bind(&place.repo(), Path::new("/repo"), true)?]);
    say(&["--mount", &bind(&place.files(), Path::new("/prunella"), false)?]);
    for (host, guest) in mounts {
        say(&["--mount", &bind(host, guest, false)?]);
    }
    let mut unbound = 0;
    for (number, path) in job.protect.iter().enumerate() {
        let names =
            paths::relative(path).ok_or_else(|| format!("protected {path:?} is no path of the tree"))?;
        let below: PathBuf = names.iter().collect();
        let host = place.repo().join(&below);
        // A link is not followed; what is not there cannot be bound.
        match std::fs::symlink_metadata(&host) {
            Ok(kind) if !kind.is_symlink() && number < MAX_BOUND => {
                say(&["--mount", &bind(&host, &Path::new("/repo").join(below), false)?]);
            }
            _ => unbound += 1,
        }
    }
    say(&["--workdir", &Path::new("/repo").join(cwd.iter().collect::<PathBuf>()).to_string_lossy()]);
    for (name, value) in env(job)? {
        say(&["--env", &format!("{name}={value}")]);
    }
    say(&["--entrypoint", "/bin/sh", image, "-c", SCRIPT, &name]);
    all.extend(job.argv.iter().cloned());
    Ok(Words { all, unbound })
}

fn env(job: &Job) -> Result<BTreeMap<String, String>, String> {
    let places = Places { home: "/home/sbx", temporary: "/tmp", repo: "/repo", files: "/prunella" };
    let mut env = environment::whole(&job.env, &places)?;
    for name in PROXIES {
        env.entry(name.to_owned()).or_default();
    }
    let channel = if job.channel { "3" } else { "" };
    env.insert("PRUNELLA_FD".to_owned(), channel.to_owned());
    Ok(env)
}

/// A bind mount as `--mount` takes it: fields of a line of CSV.
fn bind(host: &Path, guest: &Path, writable: bool) -> Result<String, String> {
    let field = |key: &str, path: &Path| {
        let text = path.to_str().ok_or_else(|| format!("{} is no UTF-8", path.display()))?;
        if text.contains(['\n', '\r']) {
            return Err(format!("{text:?} cannot be named to a container engine"));
        }
        let field = format!("{key}={text}");
        let plain = !field.contains([',', '"']);
        Ok(if plain { field } else { format!("\"{}\"", field.replace('"', "\"\"")) })
    };
    let end = if writable { "" } else { ",readonly" };
    Ok(format!("type=bind,{},{}{end}", field("source", host)?, field("target", guest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_add_fields_to_its_mount() {
        let bound = |host: &str| bind(Path::new(host), Path::new("/x"), false).unwrap();
        assert_eq!(bound("/a b"), "type=bind,source=/a b,target=/x,readonly");
        assert_eq!(bound("/a,b"), "type=bind,\"source=/a,b\",target=/x,readonly");
        assert_eq!(bound("/a\"b"), "type=bind,\"source=/a\"\"b\",target=/x,readonly");
        assert!(bind(Path::new("/a\nb"), Path::new("/x"), false).is_err());
    }
}
