//! Running without isolation, for those who ask for it by name.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::Timespec;
use rustix::process::{Pid, Signal};

use crate::Sandbox;
use crate::environment::{self, Places};
use crate::job::Job;
use crate::report::{End, Isolation, Output, Report, Usage};
use crate::streams::{self, Streams};
use crate::tree;

/// How often the command is looked after.
const TICK: Duration = Duration::from_millis(25);

/// The channel's number in the command: of one digit, since a shell need not redirect others.
/// <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_07>
const CHANNEL: i32 = 3;

/// Runs jobs as plain processes of this user, in a copy of the tree under the temporary directory. Only wall time
/// and output are bounded; network, files of the home and secrets on disk are all in reach, and a process that left
/// its group survives. Every report says [`Isolation::None`].
///
/// Arguments and variables that name `/repo` or `/prunella` are changed to where these really are; inside files it
/// is the job's own `PRUNELLA_REPO` and `PRUNELLA_FILES` that tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSandbox;

impl Sandbox for NoSandbox {
    fn run(&self, job: &Job) -> Report {
        run(job).unwrap_or_else(|error| {
            Report::not_started("set-up", error.to_string(), "check the job's tree, command and edits")
        })
    }
}

fn run(job: &Job) -> io::Result<Report> {
    let place = tempfile::Builder::new().prefix("prunella-").tempdir()?;
    let [repo, files, home, temporary] = ["repo", "files", "home", "tmp"].map(|name| place.path().join(name));
    for folder in [&repo, &files, &home, &temporary] {
        fs::create_dir(folder)?;
    }
    tree::copy(&job.tree, &repo)?;
    tree::edit(&repo, &job.edits)?;
    for file in &job.files {
        fs::write(files.join(&file.name), &file.content)?;
    }
    for path in &job.protect {
        let path = repo.join(path);
        if let Ok(kind) = fs::symlink_metadata(&path).map(|file| file.permissions()) {
            fs::set_permissions(&path, fs::Permissions::from_mode(kind.mode() & !0o222))?;
        }
    }
    let start = tree::list(&repo)?;
    let show = |path: &Path| path.to_string_lossy().into_owned();
    let (shown_repo, shown_files) = (show(&repo), show(&files));
    let moved = |text: &str| relocate(&relocate(text, "/repo", &shown_repo), "/prunella", &shown_files);
    let places =
        Places { home: &show(&home), temporary: &show(&temporary), repo: &shown_repo, files: &shown_files };
    let mut env = environment::whole(&job.env, &places).map_err(io::Error::other)?;
    for name in job.env.keys() {
        if let Some(value) = env.get_mut(name) {
            *value = moved(value);
        }
    }
    let mut words = job.argv.iter().map(|word| moved(word));
    let program = words.next().ok_or_else(|| io::Error::other("there is no command"))?;
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(&env).current_dir(repo.join(&job.cwd)).process_group(0);
    command.stdin(streams::input(&job.input)?).stdout(Stdio::piped()).stderr(Stdio::piped());
    let channel = if job.channel { Some(io::pipe()?) } else { None };
    if let Some((_, writer)) = &channel {
        let writer = writer.try_clone()?.into();
        command
            .fd_mappings(vec![FdMapping { parent_fd: writer, child_fd: CHANNEL }])
            .map_err(io::Error::other)?
            .env("PRUNELLA_FD", CHANNEL.to_string());
    }
    let mut child = command.spawn()?;
    let reader = channel.map(|(reader, _)| OwnedFd::from(reader));
    let began = Instant::now();
    let (end, streams) = attend(&mut child, reader, job, began)?;
    let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut outputs = streams.finish();
    Ok(Report {
        end,
        isolation: Isolation::None,
        stdout: outputs.next().unwrap_or_default(),
        stderr: outputs.next().unwrap_or_default(),
        channel: outputs.next().map(|Output { kept, .. }| kept).unwrap_or_default(),
        changed: tree::compare(&start, &tree::list(&repo)?),
        usage: Usage { wall_ms, ..Usage::default() },
    })
}

/// Waits for the command's end or a reason to end it, then kills its process group.
fn attend(
    child: &mut Child,
    channel: Option<OwnedFd>,
    job: &Job,
    began: Instant,
) -> io::Result<(End, Streams)> {
    let keep = job.limits.output_keep;
    let mut sources = Vec::new();
    sources.extend(child.stdout.take().map(|stream| (OwnedFd::from(stream), keep)));
    sources.extend(child.stderr.take().map(|stream| (OwnedFd::from(stream), keep)));
    let most = usize::try_from(job.limits.output_max).unwrap_or(usize::MAX);
    sources.extend(channel.map(|channel| (channel, most.saturating_mul(2))));
    let mut streams = Streams::new(sources)?;
    let tick = Timespec::try_from(TICK).ok();
    let end = loop {
        {
            let mut polled: Vec<_> = streams.poll_fds().collect();
            let _ = rustix::event::poll(&mut polled, tick.as_ref());
        }
        streams.read();
        if let Some(status) = child.try_wait()? {
            break ended(status);
        }
        if began.elapsed() >= job.limits.wall {
            break End::TimedOut;
        }
        if streams.total() > job.limits.output_max {
            break End::OutputLimit;
        }
    };
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    child.wait()?;
    streams.drain(job.limits.output_max.saturating_add(1 << 20));
    let end = if streams.total() > job.limits.output_max && matches!(end, End::Exited { .. }) {
        End::OutputLimit
    } else {
        end
    };
    Ok((end, streams))
}

fn ended(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited { code },
        (None, signal) => End::Signalled { signal: signal.unwrap_or(0) },
    }
}

/// Puts `to` in the place of `from` wherever that is a whole prefix of a path in `text`.
fn relocate(text: &str, from: &str, to: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let starts = before.chars().next_back().is_none_or(|c| matches!(c, ':' | '=' | ' ' | ','));
        let ends = after.chars().next().is_none_or(|c| matches!(c, '/' | ':' | ' ' | ','));
        result.push_str(before);
        result.push_str(if starts && ends { to } else { from });
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Edit, File, Limits};

    #[test]
    fn relocates_whole_paths_only() {
        assert_eq!(relocate("/repo", "/repo", "/x"), "/x");
        assert_eq!(relocate("/repo/a:/usr:/repo", "/repo", "/x"), "/x/a:/usr:/x");
        assert_eq!(relocate("--rootdir=/repo", "/repo", "/x"), "--rootdir=/x");
        assert_eq!(relocate("/my/repo /repository", "/repo", "/x"), "/my/repo /repository");
    }

    #[test]
    fn runs_in_a_copy_and_says_that_nothing_holds_it() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("a"), "old").unwrap();
        let script = "cat a /prunella/note -; echo new > a; echo x > b; echo record >&$PRUNELLA_FD";
        let job = Job {
            tree: tree.path().into(),
            argv: ["sh", "-c", script].map(String::from).to_vec(),
            edits: vec![Edit { path: "a".into(), content: Some(b"edited\n".to_vec()), executable: false }],
            files: vec![File { name: "note".into(), content: b"ours\n".to_vec() }],
            channel: true,
            input: b"read\n".to_vec(),
            ..Job::default()
        };
        let report = NoSandbox.run(&job);
        assert_eq!(report.end, End::Exited { code: 0 }, "{report:?}");
        assert_eq!(report.isolation, Isolation::None);
        assert_eq!(report.stdout.text(), "edited\nours\nread\n");
        assert_eq!(report.channel, b"record\n");
        let changed: Vec<_> =
            report.changed.iter().map(|change| (change.path.as_str(), change.how)).collect();
        assert_eq!(changed, [("a", "changed"), ("b", "added")]);
        assert_eq!(fs::read_to_string(tree.path().join("a")).unwrap(), "old");
    }

    #[test]
    fn ends_what_does_not_end() {
        let tree = tempfile::tempdir().unwrap();
        let limits = Limits { wall: Duration::from_millis(100), ..Limits::default() };
        let argv = ["sh", "-c", "sleep 60 & sleep 60"].map(String::from).to_vec();
        let job = Job { tree: tree.path().into(), argv, limits, ..Job::default() };
        assert_eq!(NoSandbox.run(&job).end, End::TimedOut);
    }
}
