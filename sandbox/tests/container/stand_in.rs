//! An engine's command line that isolates nothing, for looking at what the backend does with an engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot be laid out has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use prunella_sandbox::{ContainerSandbox, Job, Limits};

/// `docker`, as far as the backend uses it. `run` finds the copy of the tree among its words, starts the container's
/// shell there, and notes how it ended; `kill` ends it with all that it started.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$1" in
--version) cat "$here/version" ;;
info)
    if [ -e "$here/down" ]; then echo "Cannot connect to the Docker daemon" >&2; exit 1; fi
    echo '["name=seccomp,profile=builtin"]' ;;
image)
    for image; do :; done
    if [ "$image" != good:1 ]; then echo "Error: No such image: $image" >&2; exit 1; fi
    echo sha256:0 ;;
run)
    echo created false 0 > "$here/state"
    for word; do printf '%s\n' "$word"; done > "$here/words"
    name=
    while [ "$1" != good:1 ]; do
        case "$1" in
        --env) export "$2" ;;
        --name) name=$2 ;;
        type=bind,source=*,target=/repo) repo=${1#type=bind,source=}; repo=${repo%,target=/repo} ;;
        esac
        shift
    done
    shift
    cd "$repo"
    if [ -e "$here/broken" ]; then echo "docker: Error response from daemon: no space" >&2; exit 125; fi
    # Noted by itself before it begins, so that whoever ends it knows whom.
    # A shell gives what runs in the background an empty input unless it is another number's.
    exec 3<&0
    setsid /bin/sh -c 'echo $$ > "$0"; exec /bin/sh "$@"' "$here/$name.pid" "$@" <&3 3<&- &
    wait $!
    code=$?
    oom=false
    if [ -e oom ]; then oom=true; fi
    echo exited $oom $code > "$here/state"
    exit $code ;;
kill|rm)
    echo "$@" >> "$here/log"
    if [ -e "$here/stuck" ]; then echo "Error response from daemon: stuck" >&2; exit 1; fi
    for name; do :; done
    kill -9 -- -$(cat "$here/$name.pid") 2>/dev/null
    exit 0 ;;
ps) cat "$here/left" 2>/dev/null ;;
inspect) cat "$here/state" ;;
esac
"#;

/// A stand-in in a folder of its own.
pub(super) struct StandIn {
    folder: tempfile::TempDir,
}

impl StandIn {
    /// One that says it is docker.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker");
        fs::write(&program, SCRIPT).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let stand_in = Self { folder };
        stand_in.put("version", "Docker version 27.0.0, build 0\n");
        stand_in
    }

    /// Writes a file beside the script.
    pub(super) fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Reads a file beside the script; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The script.
    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("docker")
    }

    /// A sandbox over it.
    pub(super) fn sandbox(&self) -> ContainerSandbox {
        ContainerSandbox::new(Some("good:1".into())).with_engine(self.program())
    }
}

/// A job over a small tree that runs `script` by the shell.
pub(super) fn shell(script: &str) -> (tempfile::TempDir, Job) {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("tests")).unwrap();
    fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    fs::write(tree.path().join("tests/t.txt"), "test\n").unwrap();
    let limits = Limits { wall: Duration::from_secs(20), ..Limits::default() };
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let job = Job { tree: tree.path().into(), argv, limits, ..Job::default() };
    (tree, job)
}
