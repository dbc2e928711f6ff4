//! The command line.

mod runs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use runs::{DecideArgs, DiffArgs, ForkArgs, RunsCommand};

/// Turns an incident into a tested pull request.
#[derive(Debug, Parser)]
#[command(name = "prunella", version, about, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Where runs, pull requests and caches are kept [default: the user's state folder].
    #[arg(long, global = true, env = "PRUNELLA_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Exit codes to turn into 0, such as `11,12`.
    #[arg(long, global = true, value_name = "CODES", value_delimiter = ',')]
    pub ok: Vec<u8>,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lay the shipped example out as a git repository in a new folder and heal it.
    Demo(DemoArgs),
    /// Write a graph to begin with, its cases, and an incident to run it on.
    Init(InitArgs),
    /// Run a graph against an incident.
    Run(RunArgs),
    /// Find the incidents of a log.
    Detect(DetectArgs),
    /// Judge somebody's patch: the verdict alone.
    ///
    /// `fixed` only when the decisive tests fail at the base with an exception and pass with the patch, and all that
    /// passed before still passes. Tests, their configuration and the policy come from the base commit; tests that
    /// the patch brings run apart and are never counted.
    ///
    /// Exit codes: 0 fixed, 10 not fixed or no evidence, 16 regressed, 17 tampered, 18 incomplete, 15 the tests
    /// cannot start, 31 the sandbox cannot. With several patches: 0 when one is fixed, else 10.
    Judge(JudgeArgs),
    /// Run a command in the sandbox.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Check graph files.
    ///
    /// Exit codes: 0 right, warnings included; 3 not; 5 a file cannot be read.
    Check(CheckArgs),
    /// Say what a finding's code means, with a wrong and a right example, or what a kind, a type, a reducer or a key is.
    Explain(ExplainArgs),
    /// Walk a recorded trace again, offline, and stop at the first difference.
    Replay(ReplayArgs),
    /// List, show, answer, resume, change, delete or cancel runs.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Go another way from a step of a run, as a new run.
    Fork(ForkArgs),
    /// Show where two runs part, task by task.
    Diff(DiffArgs),
    /// Show, verify or pack a run's trace.
    #[command(subcommand)]
    Trace(TraceCommand),
    /// List, show or close local pull requests.
    #[command(subcommand)]
    Pulls(PullsCommand),
    /// List, copy, draw or test graphs.
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Say what works here: store, sandbox and, with --repo, the repository's tests.
    Doctor(DoctorArgs),
    /// Obtain what a sandbox needs.
    #[command(subcommand)]
    Setup(SetupCommand),
}

/// `prunella demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder to make [default: `prunella-demo`, or the first free `prunella-demo-N`].
    pub dir: Option<PathBuf>,
}

/// `prunella init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder [default: this one]. Nothing that is there is touched.
    pub dir: Option<PathBuf>,
}

/// How the repository's tests are run, where its `prunella.yaml` does not say it.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct TestArgs {
    /// The runner: pytest, unittest, cargo, nextest, node, go, jest, vitest, mocha, maven, gradle, junit, tap
    /// [default: found out].
    #[arg(long, env = "PRUNELLA_RUNNER", value_name = "NAME")]
    pub runner: Option<String>,
    /// Let dependencies that are missing be fetched once, in the sandbox, with the network in that step alone.
    #[arg(long, env = "PRUNELLA_ALLOW_NETWORK_PREPARE")]
    pub allow_network_prepare: bool,
    /// The test command, as one would type it: `"python -m pytest -q tests"`.
    #[arg(long, env = "PRUNELLA_TEST_COMMAND", value_name = "CMD")]
    pub test_command: Option<String>,
    /// The Python to run the tests with.
    #[arg(long, env = "PRUNELLA_PYTHON", value_name = "FILE")]
    pub python: Option<PathBuf>,
    /// A folder for the tests' import path, relative to the repository or absolute; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub pythonpath: Vec<String>,
    /// A folder outside the repository that the tests may read; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub mount: Vec<PathBuf>,
    /// How tests are isolated [default: linux; wasm where that cannot be and `doctor --compare` found them equal].
    #[arg(long, value_enum, env = "PRUNELLA_SANDBOX")]
    pub sandbox: Option<SandboxChoice>,
    /// The image for `--sandbox container`; it is never pulled.
    #[arg(long, env = "PRUNELLA_CONTAINER_IMAGE", value_name = "IMAGE")]
    pub container_image: Option<String>,
}

/// A sandbox backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxChoice {
    /// Namespaces, Landlock, seccomp.
    #[default]
    Linux,
    /// Python in a WebAssembly machine, on any system; `prunella setup wasm` obtains it.
    Wasm,
    /// A container of docker or podman.
    Container,
    /// No isolation: nothing that runs so is ever called fixed.
    None,
}

impl SandboxChoice {
    /// The backend of this word; linux for any other.
    pub(crate) fn of(word: &str) -> Self {
        let all = [Self::Wasm, Self::Container, Self::None];
        all.into_iter().find(|choice| choice.word() == word).unwrap_or(Self::Linux)
    }

    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Wasm => "wasm",
            Self::Container => "container",
            Self::None => "none",
        }
    }
}

/// `prunella run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A shipped graph's name or a graph file.
    pub graph: String,
    /// The log with the incident: the input of type `Log`.
    #[arg(long, value_name = "FILE")]
    pub incident: Option<PathBuf>,
    /// The repository: the input of type `Repo`.
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// Another input, `KEY=VALUE`; the value is JSON, or text where it is none.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The revision that was deployed [default: HEAD].
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
    /// The incident to run, where the log holds several: its fingerprint, or the start of it.
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,
    /// Run although the incident is known.
    #[arg(long)]
    pub again: bool,
    /// A model for a role: `ROLE=PROVIDER/NAME@URL`.
    #[arg(long, value_name = "ROLE=SPEC")]
    pub model: Vec<String>,
    /// Everything but the branch and the pull request.
    #[arg(long)]
    pub dry_run: bool,
    /// Most cost of the run in US dollars; lowers the graph's own limit.
    #[arg(long, value_name = "USD")]
    pub max_cost: Option<f64>,
    /// Print events as JSON lines: values, updates, tokens, custom, checkpoints, tasks, or debug for all.
    #[arg(long, value_name = "MODES", value_delimiter = ',')]
    pub stream: Vec<String>,
    /// How firmly each step is written before the next one begins.
    #[arg(long, value_enum, default_value = "sync", env = "PRUNELLA_DURABILITY")]
    pub durability: DurabilityChoice,
    #[command(flatten)]
    pub tests: TestArgs,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How firmly a run's steps are written. What changes the world is on disk before and after, whatever the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityChoice {
    /// On disk: nothing is lost in a power cut.
    Sync,
    /// With the operating system: nothing is lost when the process is killed.
    Async,
    /// When the run ends, stops, asks or changes the world.
    Exit,
}

impl DurabilityChoice {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
            Self::Exit => "exit",
        }
    }
}

/// `prunella detect`
#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    /// The log.
    pub log: PathBuf,
    /// The repository that the frames are mapped to.
    #[arg(long, value_name = "DIR")]
    pub repo: PathBuf,
    /// The revision that was deployed [default: HEAD].
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella judge`
#[derive(Debug, Args)]
pub(crate) struct JudgeArgs {
    /// A unified diff, or a branch of the repository; several are judged side by side.
    #[arg(required = true, value_name = "PATCH")]
    pub patches: Vec<String>,
    /// The repository.
    #[arg(long, value_name = "DIR")]
    pub repo: PathBuf,
    /// The revision that the patch is against [default: HEAD, or where the branch left it].
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
    /// A test that must fail at the base and pass with the patch, by its id in the runner's form; may be repeated
    /// [default: those that the patch turns green].
    #[arg(long, value_name = "ID")]
    pub fail_to_pass: Vec<String>,
    /// A test that must keep passing; may be repeated [default: all that pass at the base].
    #[arg(long, value_name = "ID")]
    pub pass_to_pass: Vec<String>,
    /// Run the tests again even where the verdict is known from an earlier time.
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    pub tests: TestArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella sandbox …`
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Run a command over a copy of a folder.
    Run(SandboxRunArgs),
}

/// A limit of nothing is none that anything could run in; the largest fits into bytes.
fn at_least_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1 << 40)
}

/// `prunella sandbox run`
#[derive(Debug, Args)]
pub(crate) struct SandboxRunArgs {
    /// The folder that the command sees at `/repo`: HEAD of a git repository, else the folder as it is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// Wall time in seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = at_least_one())]
    pub wall: u64,
    /// CPU time of one process in seconds [default: as much as --wall].
    #[arg(long, value_name = "S", value_parser = at_least_one())]
    pub cpu: Option<u64>,
    /// Memory of all processes together, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = at_least_one())]
    pub memory: u64,
    /// Processes and threads at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one())]
    pub processes: u64,
    /// Output in MiB, both streams together, at which the command is ended.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = at_least_one())]
    pub output: u64,
    /// What the command may write to files, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = at_least_one())]
    pub disk: u64,
    /// A private loopback.
    #[arg(long)]
    pub loopback: bool,
    /// A folder that the command may read; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub mount: Vec<PathBuf>,
    /// How it is isolated.
    #[arg(long, value_enum, default_value = "linux", env = "PRUNELLA_SANDBOX")]
    pub sandbox: SandboxChoice,
    /// The image for `--sandbox container`; it is never pulled.
    #[arg(long, env = "PRUNELLA_CONTAINER_IMAGE", value_name = "IMAGE")]
    pub container_image: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// `prunella check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Shipped graphs' names or graph files.
    #[arg(required = true, value_name = "GRAPH")]
    pub graphs: Vec<String>,
    /// Print what was found as JSON; the same as `--format json`.
    #[arg(long)]
    pub json: bool,
    /// Print what was found as SARIF 2.1.0, which code hosts show beside the lines; the same as `--format sarif`.
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
    /// How to print what was found.
    #[arg(long, value_enum, default_value = "text", conflicts_with_all = ["json", "sarif"])]
    pub format: Findings,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Findings {
    /// For people, on standard error.
    Text,
    /// JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// `prunella explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A code such as E044, a kind such as `test`, a type such as `Verdict`, a reducer, or a key such as `limits`.
    #[arg(value_name = "CODE-OR-NAME")]
    pub name: String,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A packed trace, or a run's id.
    pub trace: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella trace …`
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Print the records of a trace.
    Show {
        /// A packed trace, or a run's id.
        trace: String,
    },
    /// Verify the chain and that nothing is missing.
    Verify {
        /// A packed trace, or a run's id.
        trace: String,
    },
    /// Write a run's trace to one file.
    Pack {
        /// The run's id, the start of it, or `@latest`.
        run: String,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `prunella pulls …`
#[derive(Debug, Subcommand)]
pub(crate) enum PullsCommand {
    /// List the repository's local pull requests.
    List {
        /// The repository.
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
    },
    /// Show a pull request's page.
    Show {
        /// Its id: the start of the fingerprint.
        id: String,
        /// The repository.
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
    },
    /// Close a pull request: the incident counts as rejected.
    Close {
        /// Its id: the start of the fingerprint.
        id: String,
        /// The repository.
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
    },
}

/// `prunella graph …`
#[derive(Debug, Subcommand)]
pub(crate) enum GraphCommand {
    /// List the graphs that ship.
    List,
    /// Copy a shipped graph to a file, to make it one's own.
    Copy {
        /// The shipped graph's name.
        name: String,
        /// The file to write [default: NAME.yaml].
        to: Option<PathBuf>,
    },
    /// Lay graph files out as they should be; comments and order stay.
    ///
    /// Exit codes: 0 done, or nothing to do; 3 a file is no YAML or, with --check, laid out otherwise; 5 it cannot be read.
    Fmt {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Change nothing: print what would change.
        #[arg(long)]
        check: bool,
    },
    /// Print the JSON Schema of graph files, for editors.
    Schema,
    /// Draw a graph.
    Show {
        /// A shipped graph's name or a graph file.
        graph: String,
        /// How to draw it.
        #[arg(long, value_enum, default_value = "tree")]
        format: Drawing,
    },
    /// Play the cases that stand beside a graph, `NAME.test.yaml` beside `NAME.yaml`: what nodes give, and the path,
    /// state and end that come of it.
    ///
    /// Exit codes: 0 all as expected, 10 a case failed or too few edges were taken, 3 the graph or its cases do not
    /// check, 5 there are none.
    Test(GraphTestArgs),
}

/// `prunella graph test`
#[derive(Debug, Args)]
pub(crate) struct GraphTestArgs {
    /// Shipped graphs' names or graph files [default: all graphs of this folder that have cases].
    #[arg(value_name = "GRAPH")]
    pub graphs: Vec<String>,
    /// The least share of a graph's edges that its cases must take, in percent [default: the file's `coverage`, or 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_coverage: Option<u8>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A way to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// Indented text.
    Tree,
    /// Mermaid.
    Mermaid,
    /// Graphviz's DOT.
    Dot,
    /// A picture of its own, light or dark as its reader is.
    Svg,
}

/// `prunella doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Also run this repository's tests and say what was found.
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// Also run them in the wasm sandbox, and say whether each comes to the same. Where there is no sandbox to run
    /// them natively in, HEAD's own tests run here without isolation for that.
    #[arg(long, requires = "repo")]
    pub compare: bool,
    #[command(flatten)]
    pub tests: TestArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `prunella setup …`
#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Obtain and compile the Python of the wasm sandbox: through the package index, by pinned version and hash.
    Wasm(SetupWasmArgs),
}

/// `prunella setup wasm`
#[derive(Debug, Args)]
pub(crate) struct SetupWasmArgs {
    /// Another Python for WASI preview 1: a file.
    #[arg(long, value_name = "FILE", requires = "sha256")]
    pub module: Option<PathBuf>,
    /// The file's SHA-256.
    #[arg(long, value_name = "HEX", requires = "module")]
    pub sha256: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
