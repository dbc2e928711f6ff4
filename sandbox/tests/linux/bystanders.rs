//! What stands beside an attack and must come out of it as it was: folders, a process and another job of this host.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use prunella_sandbox::{End, Mount, Report, Sandbox};
use rustix::fs::{CWD, FileType, Mode};

use super::common::{Case, sandbox, shell, state};

/// What the neighbour prints when it was left in peace.
const PEACE: &str = "alpha\nmine\nmine\n";

/// What must not be harmed.
pub(super) struct Bystanders {
    folder: tempfile::TempDir,
    before: Vec<(PathBuf, String)>,
    process: Child,
    gate: File,
    neighbour: JoinHandle<Report>,
}

impl Bystanders {
    /// Lays them out; gives them when the neighbour's command runs.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        for (path, text) in SECRETS {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            // Whoever reached it could read and write it.
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        }
        let before = state(folder.path());
        let process = Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn().unwrap();
        let (neighbour, gate) = neighbour();
        Self { folder, before, process, gate, neighbour }
    }

    /// A folder of the host that anybody could read and write.
    pub(super) fn host(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the neighbour go on to its end and looks at everything.
    pub(super) fn unharmed(mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None, "a process of the host was ended");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        assert_eq!(state(self.folder.path()), self.before, "files of the host were changed");
        // Nobody reads any more when the neighbour is dead, which its report tells better.
        let _ = self.gate.write_all(b"go on\n");
        drop(self.gate);
        let report = self.neighbour.join().unwrap();
        assert_eq!(report.end, End::Exited { code: 0 }, "the neighbour: {}", report.stderr.text());
        assert_eq!(report.stdout.text(), PEACE, "the neighbour: {}", report.stderr.text());
    }
}

/// A job that waits at a pipe until it is told to go on, then uses what it has; with the pipe's writing end.
fn neighbour() -> (JoinHandle<Report>, File) {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let pipe = place.path().join("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let told = pipe.clone();
    let neighbour = std::thread::spawn(move || {
        let Case { tree, mut job } =
            shell("echo mine > own; read word < /opt/gate/pipe; cat a.txt own; (cat own); rm own");
        job.mounts.push(Mount { host: place.path().into(), guest: "/opt/gate".into() });
        job.limits.wall = Duration::from_secs(120);
        let report = sandbox().run(&job);
        // Whoever still waits for a reader learns that none will come.
        let _ = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&told);
        drop((tree, place));
        report
    });
    // Waits until the neighbour has opened its side.
    let gate = OpenOptions::new().write(true).open(&pipe).unwrap();
    (neighbour, gate)
}

/// What the host's folder holds, as a home folder would.
pub(super) const SECRETS: [(&str, &str); 20] = [
    (".aws/credentials", "canary-aws"),
    (".aws/config", "canary-aws"),
    (".ssh/id_ed25519", "canary-ssh"),
    (".ssh/config", "canary-ssh"),
    (".ssh/known_hosts", "canary-ssh"),
    (".netrc", "canary-git"),
    (".git-credentials", "canary-git"),
    (".config/gh/hosts.yml", "canary-git"),
    (".gitconfig", "canary-git"),
    (".npmrc", "canary-token"),
    (".pypirc", "canary-token"),
    (".cargo/credentials.toml", "canary-token"),
    (".config/pip/pip.conf", "canary-token"),
    (".gem/credentials", "canary-token"),
    (".docker/config.json", "canary-cloud"),
    (".kube/config", "canary-cloud"),
    (".config/gcloud/credentials.db", "canary-cloud"),
    (".azure/accessTokens.json", "canary-cloud"),
    (".vault-token", "canary-cloud"),
    ("work/notes.txt", "canary-notes"),
];

/// Does the job that `job` makes of the host's folder, and sees to it that everything beside it is as before.
pub(super) fn attack(job: impl FnOnce(&Path) -> Case) -> Report {
    let bystanders = Bystanders::new();
    let case = job(bystanders.host());
    let before = state(case.tree.path());
    let report = case.run();
    assert_eq!(state(case.tree.path()), before, "the pristine tree was changed");
    bystanders.unharmed();
    report
}
