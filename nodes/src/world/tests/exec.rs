//! A command over the base commit and a change: `command.run`, and the tool `run` of agents.
//!
//! It runs in the sandbox, with what the repository's tests see: their interpreter, their mounts, their environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_sandbox::{End, File, Job, Limits, Mount, Network, Report};

use super::jobs::{base_env, isolation_word};
use super::settings::{Settings, check_env};
use super::{SANDBOX, STORE, Tester, apply_diff};
use crate::effects::{Bounds, CommandRequest, CommandResponse};
use crate::patch::unified_diff;
use crate::world::git::FileEdit;

/// Bytes of a stream that are kept, its beginning and its end.
const KEPT: usize = 256 << 10;
/// Most bytes of a file that a command made and that is read back.
const MAX_FILE: usize = 1 << 20;
/// Runs the words from the third on in the folder that the first names, and then sends the files that are newer than
/// its start: `file LENGTH PATH` and the bytes of each. The command never has the channel.
const SCRIPT: &str = r#"fd=$PRUNELLA_FD
case $fd in [3-9]) ;; *) exit 125 ;; esac
folder=$1; shift
mark=${TMPDIR:-/tmp}/.prunella-mark
: >"$mark" || exit 125
# The times of files are coarse: what is written from here on must be newer than the mark.
until : >"$mark.now" && [ -n "$(find "$mark.now" -newer "$mark")" ]; do :; done
eval "( unset PRUNELLA_FD; cd \"./\$folder\" && exec \"\$@\" ) $fd>&-"
code=$?
find . -name .git -prune -o -type f -newer "$mark" -size -1025k -print | head -n 400 | while IFS= read -r path; do
    [ -f "$path" ] && [ ! -L "$path" ] || continue
    printf 'file %d %s\n' "$(($(wc -c <"$path")))" "${path#./}"
    cat -- "$path"
done >&"$fd"
printf 'end\n' >&"$fd"
exit "$code"
"#;

/// A command to run.
pub(crate) struct Exec<'a> {
    /// The base commit.
    pub(crate) commit: &'a str,
    /// What lies over it.
    pub(crate) edits: &'a [FileEdit],
    /// The command in words.
    pub(crate) argv: &'a [String],
    /// Variables beside those of the tests.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Its bounds.
    pub(crate) bounds: &'a Bounds,
    /// Whether the files that it makes are wanted.
    pub(crate) keep: bool,
}

/// What became of it.
pub(crate) struct Executed {
    pub(crate) report: Report,
    /// The change after it, when that was wanted.
    pub(crate) edits: Vec<FileEdit>,
    /// What it made and could not be kept, a phrase each.
    pub(crate) left_out: Vec<String>,
}

impl Tester {
    /// Performs `command.run`.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start, 2 for variables or a policy that cannot be followed, 15 when the tests'
    /// interpreter is not found.
    pub fn command(
        &self,
        request: &CommandRequest,
        blobs: &dyn Blobs,
    ) -> Result<CommandResponse, EffectError> {
        let stored = |e: prunella_engine::NodeError| EffectError::new(&e.code, STORE, e.message);
        let refused = |why: String| {
            Ok(CommandResponse { how: "refused".to_owned(), why, ..CommandResponse::default() })
        };
        if let Some(why) = self.refuses(&request.commit, &request.argv, None)? {
            return refused(why);
        }
        let edits = match &request.diff {
            Some(diff) => {
                let text = blobs.get(diff).map_err(stored)?;
                match apply_diff(&self.repo, &request.commit, &String::from_utf8_lossy(&text)) {
                    Ok(edits) => edits,
                    Err(refusal) => {
                        return refused(format!("the candidate cannot be laid over the base: {refusal}"));
                    }
                }
            }
            None => Vec::new(),
        };
        let ran = self.exec(&Exec {
            commit: &request.commit,
            edits: &edits,
            argv: &request.argv,
            env: &request.env,
            bounds: &request.bounds,
            keep: false,
        })?;
        let report = match ran {
            Ok(ran) => ran.report,
            Err(why) => return refused(why),
        };
        let (how, why, status) = ended(&report.end);
        Ok(CommandResponse {
            how: how.to_owned(),
            why,
            status,
            stdout: blobs.put(&report.stdout.kept).map_err(stored)?,
            stderr: blobs.put(&report.stderr.kept).map_err(stored)?,
            dropped: report.stdout.dropped.saturating_add(report.stderr.dropped),
            isolation: isolation_word(&report.isolation),
        })
    }

    /// Why the command may not run, when it may not: the repository's policy lists what may, or `allow` does.
    pub(crate) fn refuses(
        &self,
        commit: &str,
        argv: &[String],
        allow: Option<&[Vec<String>]>,
    ) -> Result<Option<String>, EffectError> {
        let policy = self.policy(commit)?;
        let begins =
            |list: &[Vec<String>]| list.iter().any(|words| !words.is_empty() && argv.starts_with(words));
        let shown = |list: &[Vec<String>]| {
            list.iter().map(|words| format!("`{}`", words.join(" "))).collect::<Vec<_>>().join(", ")
        };
        let command = argv.join(" ");
        if let Some(allow) = allow.filter(|allow| !begins(allow)) {
            return Ok(Some(format!(
                "`{command}` is not allowed here; commands begin with {}",
                shown(allow)
            )));
        }
        match &policy.commands {
            Some(list) if !begins(list) => Ok(Some(format!(
                "the repository's policy does not allow `{command}`; commands begin with {}",
                if list.is_empty() { "nothing".to_owned() } else { shown(list) }
            ))),
            _ => Ok(None),
        }
    }

    /// Runs it. The inner error says why there is no such command, or why it cannot run in this sandbox.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start, 2 or 15 when the tests' settings cannot be followed.
    pub(crate) fn exec(&self, exec: &Exec<'_>) -> Result<Result<Executed, String>, EffectError> {
        check_env(exec.env).map_err(|why| EffectError::new("command.env", 2, why))?;
        if !self.launcher.forks() {
            return Ok(Err("this sandbox runs Python alone, and no commands".to_owned()));
        }
        let (tree, settings) = self.settle(exec.commit, None)?;
        let Some((program, more)) = self.program_at(exec.argv, &settings) else {
            let name = exec.argv.first().map_or("", String::as_str);
            return Ok(Err(format!("there is no program `{name}` here")));
        };
        let mut mounts = settings.mounts.clone();
        mounts.extend(more);
        mounts.sort();
        mounts.dedup();
        let mut env = base_env(0);
        env.extend(settings.env.clone());
        if !settings.pythonpath.is_empty() {
            env.insert("PYTHONPATH".to_owned(), python_path(&settings.pythonpath));
        }
        env.extend(exec.env.clone());
        let mut argv = vec![program];
        argv.extend(exec.argv.iter().skip(1).cloned());
        let mut files = Vec::new();
        if exec.keep {
            let wrapper = ["/bin/sh", "/prunella/exec.sh", settings.subfolder.as_str()];
            argv.splice(0..0, wrapper.map(str::to_owned));
            files.push(File { name: "exec.sh".to_owned(), content: SCRIPT.as_bytes().to_vec() });
        }
        let job = Job {
            tree,
            edits: self.sandbox_edits(exec.commit, exec.edits),
            argv,
            env,
            cwd: if exec.keep { String::new() } else { settings.subfolder.clone() },
            mounts,
            files,
            limits: limits(exec.bounds),
            network: Network::Loopback,
            channel: exec.keep,
            ..Job::default()
        };
        let report = self.launcher.attempt(&job);
        if let End::CouldNotStart { step, message, remedy } = &report.end {
            if step == "exec" {
                return Ok(Err(format!("the program cannot start: {message}")));
            }
            let message = format!("the sandbox cannot be set up at {step}: {message}");
            return Err(EffectError::new("sandbox.unavailable", SANDBOX, message).help(remedy.clone()));
        }
        let (edits, left_out) =
            if exec.keep { self.kept(exec, &report)? } else { (exec.edits.to_vec(), Vec::new()) };
        Ok(Ok(Executed { report, edits, left_out }))
    }

    /// The change as the command left it: what it found, and what it made of it.
    fn kept(&self, exec: &Exec<'_>, report: &Report) -> Result<(Vec<FileEdit>, Vec<String>), EffectError> {
        let mut left_out = Vec::new();
        let mut edits: BTreeMap<String, Option<Vec<u8>>> = exec.edits.iter().cloned().collect();
        let Some(sent) = read(&report.channel) else {
            if !report.changed.is_empty() {
                left_out.push("the files that it changed could not be read back".to_owned());
            }
            return Ok((exec.edits.to_vec(), left_out));
        };
        let base: BTreeSet<String> = self.repo.files(exec.commit)?.into_iter().collect();
        for change in &report.changed {
            let path = &change.path;
            if path == "…" {
                left_out.push("it changed more files than are told".to_owned());
                continue;
            }
            if !base.contains(path) && (exec.edits.iter().all(|(one, _)| one != path) && is_by_product(path))
            {
                continue;
            }
            if crate::gate::check_path(path).is_err() {
                left_out.push(format!("{path} is no path that is kept"));
            } else if change.how == "removed" {
                if base.contains(path) {
                    edits.insert(path.clone(), None);
                } else {
                    edits.remove(path);
                }
            } else if let Some(content) = sent.get(path) {
                if std::str::from_utf8(content).is_err() {
                    left_out.push(format!("{path} is no text"));
                } else if self.repo.read(exec.commit, path)?.as_ref() == Some(content) {
                    edits.remove(path);
                } else {
                    edits.insert(path.clone(), Some(content.clone()));
                }
            } else if !sent.keys().any(|file| file.starts_with(&format!("{path}/"))) {
                left_out.push(format!("{path} is no file, or larger than {MAX_FILE} bytes"));
            }
        }
        Ok((edits.into_iter().collect(), left_out))
    }

    /// Where the program is: the tests' interpreter under its own name, else beside it, on the system's path, on the
    /// user's.
    fn program_at(&self, words: &[String], settings: &Settings) -> Option<(String, Vec<Mount>)> {
        let exe = &settings.interpreter.exe;
        let python = !settings.interpreter.facts.pytest.is_empty() || settings.command.foreign().is_none();
        match words.first()?.as_str() {
            "python" | "python3" if python => Some((exe.to_string_lossy().into_owned(), Vec::new())),
            _ => self.formatter_at(words, exe),
        }
    }

    /// Edits as one unified diff against `commit`.
    ///
    /// # Errors
    /// Exit 5 when the commit cannot be read.
    pub(crate) fn rendered(&self, commit: &str, edits: &[FileEdit]) -> Result<String, EffectError> {
        let mut out = String::new();
        for (path, content) in edits {
            let before = self.repo.read(commit, path)?;
            let text = |bytes: &Option<Vec<u8>>| {
                String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
            };
            let diff = unified_diff(path, &text(&before), &text(content));
            let side = |mark: &str, letter: char| format!("{mark} {letter}/{path}\n");
            let diff = if before.is_none() {
                diff.replacen(&side("---", 'a'), "--- /dev/null\n", 1)
            } else if content.is_none() {
                diff.replacen(&side("+++", 'b'), "+++ /dev/null\n", 1)
            } else {
                diff
            };
            out.push_str(&diff);
        }
        Ok(out)
    }
}

/// Folders of the tree as the job sees them, absolute ones as they are.
fn python_path(entries: &[String]) -> String {
    let absolute = |entry: &String| match entry.as_str() {
        entry if entry.starts_with('/') => entry.to_owned(),
        "" => "/repo".to_owned(),
        entry => Path::new("/repo").join(entry).to_string_lossy().into_owned(),
    };
    entries.iter().map(absolute).collect::<Vec<_>>().join(":")
}

/// A new file that tools leave behind and nobody means.
fn is_by_product(path: &str) -> bool {
    path.split('/').any(|part| {
        part.starts_with('.')
            || matches!(part, "__pycache__" | "node_modules" | "target")
            || part.ends_with(".pyc")
            || part.ends_with(".egg-info")
    })
}

fn limits(bounds: &Bounds) -> Limits {
    let plain = Limits::default();
    let wall = bounds.wall_ms.map_or(plain.wall, Duration::from_millis);
    Limits {
        wall,
        cpu: wall,
        memory: bounds.memory_mb.map_or(plain.memory, |mb| mb.saturating_mul(1 << 20)),
        disk: bounds.disk_mb.map_or(plain.disk, |mb| mb.saturating_mul(1 << 20)),
        output_keep: KEPT,
        ..plain
    }
}

/// How a job ended: the word, what there is to say, and the status.
pub(crate) fn ended(end: &End) -> (&'static str, String, Option<i64>) {
    let plain = |word, why: &str| (word, why.to_owned(), None);
    match end {
        End::Exited { code } => ("exited", String::new(), Some(i64::from(*code))),
        End::Signalled { signal } => ("signalled", format!("it was ended by signal {signal}"), None),
        End::TimedOut => plain("timed_out", "its time was used up"),
        End::CpuTimedOut => plain("cpu_timed_out", "its CPU time was used up"),
        End::OutOfMemory => plain("out_of_memory", "its memory was used up"),
        End::OutputLimit => plain("output_limit", "it printed too much"),
        End::DiskLimit => plain("disk_limit", "it wrote too much"),
        End::ProcessLimit => plain("process_limit", "it started too many processes"),
        End::Denied { what } => ("denied", format!("it made a forbidden system call ({what})"), None),
        End::CouldNotStart { message, .. } => ("refused", message.clone(), None),
    }
}

/// What the script sent: files by path. Nothing when it is torn.
fn read(mut sent: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    loop {
        let end = sent.iter().position(|b| *b == b'\n')?;
        let (head, rest) = sent.split_at(end);
        sent = rest.get(1..)?;
        let head = std::str::from_utf8(head).ok()?;
        if head == "end" {
            return sent.is_empty().then_some(files);
        }
        let (length, path) = head.strip_prefix("file ")?.split_once(' ')?;
        let length: usize = length.parse().ok().filter(|length| *length <= MAX_FILE)?;
        let (content, rest) = sent.split_at_checked(length)?;
        sent = rest;
        files.insert(path.to_owned(), content.to_vec());
    }
}

/// A program of the machine, visible alone.
pub(super) fn alone(real: PathBuf) -> (String, Vec<Mount>) {
    let mount = Mount { guest: real.clone(), host: real.clone() };
    (real.to_string_lossy().into_owned(), vec![mount])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_sends_is_read_whole_or_not_at_all() {
        let sent = b"file 4 a b\na\nb\nfile 0 c\nend\n";
        let files = read(sent).unwrap();
        assert_eq!(files["a b"], b"a\nb\n");
        assert_eq!(files["c"], b"");
        for torn in 0..sent.len() {
            assert!(read(&sent[..torn]).is_none(), "{torn}");
        }
        assert!(read(b"file 99999999999999999999 x\nend\n").is_none());
        assert!(read(b"end\nmore").is_none());
    }
}
