//! Turns what is to be run into a job for the sandbox, and its report into records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::{Edit, End, File, Isolation, Job, Limits, Mount, Network, Report, Sandbox};
use serde::Serialize;
use serde_json::Value;

use super::command::{Command, Unittest};
use super::records::{self, Steps};
use super::settings::Settings;
use super::{SANDBOX, solo};

/// The harness: our side of the tests' process.
const HARNESS: &[(&str, &str)] = &[
    ("prunella_main.py", include_str!("harness/prunella_main.py")),
    ("prunella_apart.py", include_str!("harness/prunella_apart.py")),
    ("prunella_child.py", include_str!("harness/prunella_child.py")),
    ("prunella_facts.py", include_str!("harness/prunella_facts.py")),
    ("prunella_files.py", include_str!("harness/prunella_files.py")),
    ("prunella_ground.py", include_str!("harness/prunella_ground.py")),
    ("prunella_orders.py", include_str!("harness/prunella_orders.py")),
    ("prunella_pytest.py", include_str!("harness/prunella_pytest.py")),
    ("prunella_solo.py", include_str!("harness/prunella_solo.py")),
    ("prunella_trace.py", include_str!("harness/prunella_trace.py")),
    ("prunella_twins.py", include_str!("harness/prunella_twins.py")),
    ("prunella_unittest.py", include_str!("harness/prunella_unittest.py")),
];

/// Changes when the harness does: results of another harness are not used.
pub(crate) fn harness_hash() -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, source) in HARNESS.iter().chain(super::runners::DRIVERS) {
        hasher.update(name.as_bytes()).update(source.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// What the harness is to do.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Plan {
    /// `run`, `facts` or `twins`.
    #[serde(rename = "do")]
    pub(crate) what: &'static str,
    /// `pytest` or `unittest`.
    pub(crate) runner: &'static str,
    /// Where the tests are started, relative to the top.
    pub(crate) subfolder: String,
    /// Folders that modules are found in.
    pub(crate) pythonpath: Vec<String>,
    /// What to run, one process each; told one by one, each when it is its turn.
    #[serde(skip)]
    pub(crate) steps: Vec<Step>,
    /// Tests to make twins of.
    pub(crate) wanted: Vec<Value>,
    /// A step over the plain base that is run first, unreported, so that the others start warm.
    #[serde(skip)]
    pub(crate) warm: Option<Step>,
    /// Folders of installed packages, where the interpreter has none of its own.
    pub(crate) sites: Vec<String>,
}

/// The first of what the harness reads.
#[derive(Serialize)]
struct Head<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// How many steps follow.
    steps: usize,
    /// Whether the step that warms comes before them.
    warm: bool,
    /// Files that any of the steps changes, where it warms.
    shared: BTreeSet<&'a str>,
    /// Whether any step has the code in a process of its own, is traced, has an order: what is loaded for it.
    apart: bool,
    trace: bool,
    order: bool,
}

impl Plan {
    /// A plan that runs no tests.
    pub(crate) fn asking(what: &'static str) -> Self {
        Self { what, runner: "unittest", ..Self::default() }
    }

    /// As the harness reads it from standard input: parts with their lengths, the plan and then each step.
    pub(super) fn orders(&self) -> Result<Vec<u8>, EffectError> {
        let files = self.steps.iter().flat_map(|step| &step.files).map(|(path, _)| path.as_str());
        let shared = if self.warm.is_some() { files.collect() } else { BTreeSet::new() };
        let any = |has: fn(&Step) -> bool| self.steps.iter().any(has);
        let head = Head {
            plan: self,
            steps: self.steps.len(),
            warm: self.warm.is_some(),
            shared,
            apart: any(|step| !step.apart.is_empty()),
            trace: any(|step| !step.trace.is_empty()),
            order: any(|step| step.order.is_some()),
        };
        let mut out = Vec::new();
        order(&mut out, &head)?;
        self.warm.iter().chain(&self.steps).try_for_each(|step| order(&mut out, step))?;
        Ok(out)
    }
}

/// One process of tests.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Step {
    /// Seconds it may take.
    pub(crate) limit: f64,
    /// pytest's arguments.
    pub(crate) args: Vec<String>,
    /// unittest's.
    pub(crate) unittest: Option<Unittest>,
    /// The seed of the order that tests run in; nothing for the runner's own.
    pub(crate) order: Option<u32>,
    /// Only these tests.
    pub(crate) ids: Option<Vec<String>>,
    /// Files to collect beside what the arguments name.
    pub(crate) extra: Vec<String>,
    /// Files to lay over the tree for this step alone; null deletes.
    pub(crate) files: Vec<(String, Value)>,
    /// Files whose executed lines are wanted.
    pub(crate) trace: Vec<String>,
    /// Whether the parent should learn which modules to import ahead.
    pub(crate) learn: bool,
    /// Whether unittest loads `extra` alone.
    pub(crate) only: bool,
    /// Test modules, when they are to run in another process than the code under test; empty for one process.
    pub(crate) apart: Vec<String>,
    /// Whether the code's process is then given a copy of the tree that it may write to.
    pub(crate) copy: bool,
}

/// Everything about one start of the sandbox.
pub(crate) struct Start<'a> {
    /// The pristine tree.
    pub(crate) tree: &'a Path,
    /// How tests are run here.
    pub(crate) settings: &'a Settings,
    /// What lies over the tree.
    pub(crate) edits: Vec<Edit>,
    /// What may not be written.
    pub(crate) protect: Vec<String>,
    /// What to run.
    pub(crate) steps: Vec<Step>,
    /// `PYTHONHASHSEED`.
    pub(crate) seed: u32,
    /// A step over the plain base that is run first, unreported, so that the others start warm.
    pub(crate) warm: Option<Step>,
}

/// What one start came to.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// The records of each step.
    pub(crate) steps: Steps,
    /// The sandbox's report, without the records.
    pub(crate) report: Report,
}

impl Ran {
    /// Why the records cannot be the whole story, when they cannot.
    pub(crate) fn incomplete(&self) -> Option<String> {
        match &self.report.end {
            End::Exited { code: 0 } if self.steps.ended => None,
            End::Exited { code: 0 } => Some("the record of the tests breaks off".to_owned()),
            End::Exited { code } => Some(format!("the test harness ended with status {code}")),
            End::TimedOut => Some("the time was used up".to_owned()),
            End::CpuTimedOut => Some("the CPU time was used up".to_owned()),
            End::OutOfMemory => Some("the memory was used up".to_owned()),
            End::OutputLimit => Some("too much was printed".to_owned()),
            End::DiskLimit => Some("too much was written".to_owned()),
            End::ProcessLimit => Some("too many processes were started".to_owned()),
            End::Denied { what } => Some(format!("a forbidden system call was made ({what})")),
            End::Signalled { signal } => Some(format!("the test harness was ended by signal {signal}")),
            End::CouldNotStart { message, .. } => Some(message.clone()),
        }
    }

    /// The end of what was printed, for a person.
    pub(crate) fn tail(&self) -> String {
        let mut text = self.report.stdout.text();
        text.push_str(&self.report.stderr.text());
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

/// Starts jobs.
pub(crate) struct Launcher {
    sandbox: Arc<dyn Sandbox>,
    /// An empty tree, for questions that need none.
    empty: PathBuf,
}

impl Launcher {
    /// A launcher whose questions run over the empty folder `empty`.
    pub(crate) fn new(sandbox: Arc<dyn Sandbox>, empty: PathBuf) -> Self {
        Self { sandbox, empty }
    }

    /// Runs the steps.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start.
    pub(crate) fn run(&self, start: Start<'_>) -> Result<Ran, EffectError> {
        if !self.sandbox.forks() {
            return solo::run(self, start);
        }
        let settings = start.settings;
        if let Command::Foreign(foreign) = &settings.command {
            return self.run_foreign(start, foreign);
        }
        // Each step has its own limit; the whole gets their sum and what the starts take.
        let wall: f64 = start.steps.iter().map(|step| step.limit).sum::<f64>() + 30.0;
        let plan = Plan {
            what: "run",
            runner: settings.command.runner(),
            subfolder: settings.subfolder.clone(),
            pythonpath: settings.pythonpath.clone(),
            steps: start.steps,
            wanted: Vec::new(),
            warm: start.warm,
            sites: Vec::new(),
        };
        let wall = Duration::from_secs_f64(wall.clamp(1.0, 7200.0));
        let limits = Limits { wall, cpu: wall, ..Limits::default() };
        let mut env = base_env(start.seed);
        env.extend(settings.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        let job = Job {
            tree: start.tree.to_owned(),
            edits: start.edits,
            argv: self.argv(&settings.interpreter.exe),
            env,
            cwd: String::new(),
            mounts: settings.mounts.clone(),
            files: harness(),
            input: plan.orders()?,
            protect: start.protect,
            limits,
            // Suites use the loopback; it is private to the job.
            network: Network::Loopback,
            channel: true,
        };
        let steps = plan.steps.len();
        let mut report = self.perform(&job)?;
        let channel = std::mem::take(&mut report.channel);
        Ok(Ran { steps: records::read(&channel, steps), report })
    }

    /// Asks the harness a question that runs no tests: the record under `key`, or why there is none.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start.
    pub(crate) fn ask(
        &self,
        exe: &Path,
        mounts: Vec<Mount>,
        plan: &Plan,
        limits: Limits,
        key: &str,
    ) -> Result<Result<Value, String>, EffectError> {
        self.ask_over(&self.empty, exe, mounts, plan, limits, key)
    }

    /// [`Self::ask`] over a tree.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start.
    pub(crate) fn ask_over(
        &self,
        tree: &Path,
        exe: &Path,
        mounts: Vec<Mount>,
        plan: &Plan,
        limits: Limits,
        key: &str,
    ) -> Result<Result<Value, String>, EffectError> {
        let job = Job {
            tree: tree.to_owned(),
            argv: self.argv(exe),
            env: base_env(0),
            mounts,
            files: harness(),
            input: plan.orders()?,
            limits,
            channel: true,
            ..Job::default()
        };
        let report = self.perform(&job)?;
        let answer =
            records::lines(&report.channel).find_map(|mut record| record.get_mut(key).map(Value::take));
        Ok(answer.ok_or_else(|| {
            let said = report.stderr.text();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no answer");
            last.trim().chars().take(300).collect()
        }))
    }

    /// The Python that the sandbox brings along, when those of this machine cannot run in it.
    pub(crate) fn python(&self) -> Option<String> {
        self.sandbox.python()
    }

    /// Whether steps are forked from one process in it.
    pub(crate) fn forks(&self) -> bool {
        self.sandbox.forks()
    }

    /// The harness by the interpreter `exe`.
    pub(super) fn argv(&self, exe: &Path) -> Vec<String> {
        let main = if self.forks() { "/prunella/prunella_main.py" } else { "/prunella/prunella_solo.py" };
        // No user site, no bytecode; the script's own folder leaves the path before anything of the repository comes on it.
        [&exe.to_string_lossy(), "-s", "-B", main].map(str::to_owned).to_vec()
    }

    /// Runs a job, whatever becomes of it.
    pub(crate) fn attempt(&self, job: &Job) -> Report {
        self.sandbox.run(job)
    }

    /// Runs a job.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start.
    pub(crate) fn perform(&self, job: &Job) -> Result<Report, EffectError> {
        let report = self.sandbox.run(job);
        if let End::CouldNotStart { step, message, remedy } = &report.end {
            let why = format!("the sandbox cannot start ({step}): {message}");
            return Err(EffectError::new("sandbox.unavailable", SANDBOX, why).help(remedy.clone()));
        }
        Ok(report)
    }
}

/// What an isolation comes to in words: `full`, `none`, or what is missing.
pub(crate) fn isolation_word(isolation: &Isolation) -> String {
    match isolation {
        Isolation::Full => "full".to_owned(),
        Isolation::Reduced { missing } => format!("reduced: {}", missing.join(", ")),
        Isolation::None => "none".to_owned(),
    }
}

pub(super) fn base_env(seed: u32) -> BTreeMap<String, String> {
    [
        ("PYTHONHASHSEED", seed.to_string().as_str()),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
        ("CI", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Our side of the tests' process, as files.
pub(super) fn harness() -> Vec<File> {
    HARNESS
        .iter()
        .map(|(name, source)| File { name: (*name).to_owned(), content: source.as_bytes().to_vec() })
        .collect()
}

/// A part of the orders: its length in eight hexadecimal digits, then JSON.
fn order(out: &mut Vec<u8>, part: &impl Serialize) -> Result<(), EffectError> {
    let wrong = |why: String| EffectError::new("tests.plan", 1, format!("the plan cannot be written: {why}"));
    let bytes = serde_json::to_vec(part).map_err(|e| wrong(e.to_string()))?;
    let length = u32::try_from(bytes.len()).map_err(|e| wrong(e.to_string()))?;
    out.extend_from_slice(format!("{length:08x}").as_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}
