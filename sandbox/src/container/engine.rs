//! The engine's command line: which one, whether it answers, and what it says of a container.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names the engine's command line in the environment.
const VARIABLE: &str = "PRUNELLA_CONTAINER_ENGINE";
/// How long the engine may take to answer a question.
const ANSWER: Duration = Duration::from_secs(30);
/// The label of every container of ours.
pub(super) const MARK: &str = "prunella.sandbox=1";
/// How often an unanswered question is looked after.
const TICK: Duration = Duration::from_millis(10);

/// Why no container can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The step that failed.
    pub(super) step: &'static str,
    /// What was said.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: String,
}

impl Trouble {
    pub(super) fn new(step: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { step, message: message.into(), remedy: remedy.into() }
    }

    /// No image was named.
    pub(super) fn no_image() -> Self {
        Self::new(
            "image",
            "no image is named for it",
            "name one that has what the tests need, with --container-image or PRUNELLA_CONTAINER_IMAGE, such as \
             python:3.11-slim",
        )
    }

    /// The image's name would be taken for an option.
    pub(super) fn bad_image(image: &str) -> Self {
        Self::new("image", format!("{image:?} is no image"), "name one such as python:3.11-slim")
    }

    /// The engine did not start the container; `said` is what it said.
    pub(super) fn refused(said: &str, image: &str) -> Self {
        let message = last(said);
        let remedy = if message.contains("/bin/sh") {
            format!("choose an image that has /bin/sh; {image} seems to have none")
        } else {
            advice(&message)
        };
        Self::new("engine", message, remedy)
    }
}

/// What to do about an engine that does not answer.
fn advice(said: &str) -> String {
    if said.contains("permission denied") {
        return "let this user talk to the engine: add it to the group `docker`, or use rootless podman"
            .into();
    }
    "start the engine (`systemctl start docker`), or choose another sandbox with `--sandbox`".into()
}

/// Whose files a container's are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// `UID:GID` inside.
    pub(super) user: String,
    /// Whether the user of this process is to be the same one inside.
    pub(super) keep: bool,
    /// Who the files must belong to on the host, when that is not this user.
    pub(super) give_to: Option<(u32, u32)>,
}

/// What became of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Whether it ever ran.
    pub(super) ran: bool,
    /// Whether it was killed for its memory.
    pub(super) out_of_memory: bool,
    /// Its exit status.
    pub(super) code: i32,
}

/// An engine that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    program: PathBuf,
    /// Podman, under whatever name.
    pub(super) podman: bool,
    /// Whether it runs as this user, without root.
    rootless: bool,
}

/// The engine's command line: what the variable names, else docker or podman on `PATH`.
pub(super) fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let find = |name: &Path| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    };
    match env::var_os(VARIABLE).filter(|named| !named.is_empty()).map(PathBuf::from) {
        Some(named) if named.is_absolute() => Some(named),
        // Named and not there: told as such, not replaced by another.
        Some(named) => Some(find(&named).unwrap_or(named)),
        None => ["docker", "podman"].iter().find_map(|name| find(Path::new(name))),
    }
}

impl Engine {
    /// Asks `program` what it is and whether its engine runs.
    pub(super) fn find(program: Option<&Path>) -> Result<Self, Trouble> {
        let Some(program) = program else {
            return Err(Trouble::new(
                "engine",
                "neither docker nor podman is on PATH",
                format!(
                    "install one of them, name it in {VARIABLE}, or choose another sandbox with `--sandbox`"
                ),
            ));
        };
        let mut engine = Self { program: program.to_owned(), podman: false, rootless: false };
        let trouble = |said: String| {
            let remedy = advice(&said);
            Trouble::new("engine", format!("{} does not answer: {said}", program.display()), remedy)
        };
        let version = engine.ask(&["--version"]).map_err(trouble)?;
        engine.podman = version.to_lowercase().contains("podman");
        let what = if engine.podman { "{{.Host.Security.Rootless}}" } else { "{{json .SecurityOptions}}" };
        let answer = engine.ask(&["info", "--format", what]).map_err(trouble)?;
        engine.rootless =
            if engine.podman { answer.trim() == "true" } else { answer.contains("name=rootless") };
        Ok(engine)
    }

    /// The id of `image`, if it is there; nothing is pulled.
    pub(super) fn id(&self, image: &str) -> Result<String, Trouble> {
        let answer = self.ask(&["image", "inspect", "--format", "{{.Id}}", image]);
        answer.map(|id| id.trim().to_owned()).map_err(|said| {
            let name = if self.podman { "podman" } else { "docker" };
            Trouble::new(
                "image",
                format!("the image {image} is not there: {said}"),
                format!("pull it first: `{name} pull {image}`"),
            )
        })
    }

    /// Who containers are to run as: never root of the host.
    pub(super) fn owner(&self) -> Owner {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let same = |keep| Owner { user: format!("{uid}:{gid}"), keep, give_to: None };
        match (uid, self.rootless, self.podman) {
            (0, ..) => {
                // Nothing on this machine belongs to this id.
                const NOBODYS: u32 = 64_099;
                Owner { user: format!("{NOBODYS}:{NOBODYS}"), keep: false, give_to: Some((NOBODYS, NOBODYS)) }
            }
            // Root of a rootless docker's container is this user outside, and has no capability inside.
            (_, true, false) => Owner { user: "0:0".into(), keep: false, give_to: None },
            (_, true, true) => same(true),
            (_, false, _) => same(false),
        }
    }

    /// A command of the engine.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// Ends a container at once.
    pub(super) fn kill(&self, name: &str) {
        let _ = self.ask(&["kill", "--signal", "KILL", name]);
    }

    /// All containers that are marked as ours, one a line in `format`.
    pub(super) fn labelled(&self, format: &str) -> String {
        let label = format!("label={MARK}");
        self.ask(&["ps", "--all", "--filter", &label, "--format", format]).unwrap_or_default()
    }

    /// Takes a container away, dead or alive; an error says why it may still be there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Trouble> {
        self.ask(&["rm", "--force", "--volumes", name]).map(|_| ()).map_err(|said| {
            let program = self.program.display();
            Trouble::new(
                "engine",
                format!("the container {name} could not be taken away: {said}"),
                format!("take it away by hand: `{program} rm --force {name}`"),
            )
        })
    }

    /// What became of a container; nothing when there is none of that name.
    pub(super) fn state(&self, name: &str) -> Option<State> {
        let format = "{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}}";
        let answer = self.ask(&["inspect", "--type", "container", "--format", format, name]).ok()?;
        state(&answer)
    }

    /// The answer of the engine to `words`, or the last line that it said against them.
    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut child = self
            .command()
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let until = Instant::now() + ANSWER;
        while child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if Instant::now() >= until {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", ANSWER.as_secs()));
            }
            std::thread::sleep(TICK);
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(last(&String::from_utf8_lossy(&output.stderr)))
    }
}

fn state(answer: &str) -> Option<State> {
    let mut words = answer.split_whitespace();
    let status = words.next()?;
    let out_of_memory = words.next()? == "true";
    let code = words.next()?.parse().ok()?;
    Some(State { ran: !matches!(status, "created" | "configured" | "initialized"), out_of_memory, code })
}

/// The last line that says something, within bounds.
fn last(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with("See '"));
    line.unwrap_or("it said nothing").trim().chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_says_of_a_container_is_understood() {
        let state = |answer| super::state(answer).unwrap();
        assert_eq!(state("exited false 3\n"), State { ran: true, out_of_memory: false, code: 3 });
        assert_eq!(state("exited true 137"), State { ran: true, out_of_memory: true, code: 137 });
        assert!(!state("created false 127").ran);
        assert_eq!(super::state("Error: no such container"), None);
    }

    #[test]
    fn containers_never_run_as_root_of_this_machine() {
        let engine = |podman, rootless| Engine { program: "x".into(), podman, rootless };
        for (podman, rootless) in [(false, false), (true, false), (true, true)] {
            let owner = engine(podman, rootless).owner();
            assert!(!owner.user.starts_with("0:"), "{podman} {rootless}: {owner:?}");
        }
    }
}
