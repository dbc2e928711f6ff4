//! Every effect that a node may ask for: its name, class, request and response.
//!
//! Each one's handler is a plain function in [`crate::world`]; the world dispatches by name. Requests name the
//! repository by commit, never by a path of the machine, so that a trace replays anywhere.

use prunella_engine::blob::BlobRef;
use prunella_engine::types::RepoPath;
use prunella_engine::{Class, Effect};
use serde::{Deserialize, Serialize};

use crate::types::{Frame, Incident, Pull, Reproduction, Verdict};

/// Defines an effect: a marker type that ties its name and class to its request and response.
macro_rules! effect {
    ($(#[doc = $doc:literal])+ $marker:ident = $name:literal, $class:ident, $request:ty => $response:ty) => {
        $(#[doc = $doc])+
        pub struct $marker;

        impl Effect for $marker {
            const NAME: &'static str = $name;
            const CLASS: Class = Class::$class;
            type Request = $request;
            type Response = $response;
        }
    };
}

/// Defines the data of requests and responses: plain structs, closed, with a default.
macro_rules! data {
    ($($(#[doc = $doc:literal])+ pub struct $name:ident { $($(#[doc = $fdoc:literal])+ $(#[serde($($how:tt)*)])? pub $field:ident: $ty:ty,)* })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[doc = $fdoc])+ $(#[serde($($how)*)])? pub $field: $ty,)* }
    )+};
}

mod general;

pub use general::*;

// --- detect ------------------------------------------------------------------------------------------------

effect! {
    /// Maps frames to files of the repository.
    Locate = "frames.locate", Read, LocateRequest => LocateResponse
}

data! {
    /// Several stacks at once: one list of frames an incident.
    pub struct LocateRequest {
        /// The base commit.
        pub commit: String,
        /// The stacks.
        pub stacks: Vec<Vec<Frame>>,
    }
    /// The same stacks with `path` and `repo_line` filled where they are ours.
    pub struct LocateResponse {
        /// The stacks.
        pub stacks: Vec<Vec<Frame>>,
        /// For each stack, where quoted source and base commit differ, a line each.
        pub drift: Vec<Vec<String>>,
    }
}

effect! {
    /// Looks fingerprints up among pull requests and live runs.
    Lookup = "ledger.lookup", Read, LookupRequest => LookupResponse
}

data! {
    /// What to look up.
    pub struct LookupRequest {
        /// The base commit: a merged fix counts as known only where this lacks it.
        pub commit: String,
        /// The fingerprints.
        pub fingerprints: Vec<String>,
    }
    /// One answer a fingerprint, in order.
    pub struct LookupResponse {
        /// The answers.
        pub known: Vec<Known>,
    }
    /// What is known of a fingerprint.
    pub struct Known {
        /// Why it needs no work: `open pull request …`, `rejected pull request …`, `run … is at work`, `merged fix … is not
        /// in the base`; empty when it does.
        pub why: String,
        /// A merged fix is in the base, and here it is again.
        pub regression: bool,
    }
}

effect! {
    /// Claims a fingerprint for this run, so that no second run works on it. Idempotent for the same run.
    Claim = "ledger.claim", External, ClaimRequest => ClaimResponse
}

data! {
    /// What to claim.
    pub struct ClaimRequest {
        /// The fingerprint.
        pub fingerprint: String,
    }
    /// Who has it.
    pub struct ClaimResponse {
        /// The run that holds the claim: ours, or the one that was faster.
        pub owner: String,
    }
}

// --- reproduce ---------------------------------------------------------------------------------------------

effect! {
    /// Runs the repository's own tests at the base commit, twice, in the sandbox.
    Baseline = "tests.baseline", Costly, BaselineRequest => BaselineResponse
}

data! {
    /// What to run.
    pub struct BaselineRequest {
        /// The base commit.
        pub commit: String,
        /// The test command, when the user gave one.
        pub command: Option<Vec<String>>,
    }
    /// What ran.
    pub struct BaselineResponse {
        /// `pytest` or `unittest`.
        pub runner: String,
        /// The command in words, as a person would type it at the repository's top.
        pub command: Vec<String>,
        /// The folder where a test of ours belongs, relative to the top.
        pub test_dir: RepoPath,
        /// Tests that passed in both runs.
        pub passed: u64,
        /// Tests that failed in both runs.
        pub failed: Vec<FailedTest>,
        /// Tests skipped.
        pub skipped: u64,
        /// Tests whose two runs disagree.
        pub flaky: Vec<String>,
        /// Modules that could not be imported here, each with why.
        pub not_runnable: Vec<String>,
    }
    /// A failing test and how it failed.
    pub struct FailedTest {
        /// Its id in the runner's form.
        pub id: String,
        /// Its file.
        pub path: RepoPath,
        /// The exception's type as printed.
        pub exception: String,
        /// Its message.
        pub message: String,
        /// The frames of its traceback, outermost first, paths relative to the repository where they are in it.
        pub frames: Vec<Frame>,
    }
}

effect! {
    /// Runs tests that are not in the repository, each file on its own, at the base commit in the sandbox.
    Probe = "tests.probe", Costly, ProbeRequest => ProbeResponse
}

data! {
    /// Which tests to try.
    pub struct ProbeRequest {
        /// The base commit.
        pub commit: String,
        /// The test command, when the user gave one.
        pub command: Option<Vec<String>>,
        /// The files, each with tests in it.
        pub files: Vec<ProbeFile>,
    }
    /// A test file that is not in the repository.
    pub struct ProbeFile {
        /// Where it would be.
        pub path: RepoPath,
        /// Its content.
        pub source: String,
    }
    /// One outcome a file, in order.
    pub struct ProbeResponse {
        /// The outcomes.
        pub outcomes: Vec<ProbeOutcome>,
    }
    /// What became of a file's tests.
    pub struct ProbeOutcome {
        /// Whether every test in it passed.
        pub passed: bool,
        /// The first failure, when there is one.
        pub failed: Option<FailedTest>,
        /// Why nothing ran, when nothing did.
        pub problem: String,
    }
}

effect! {
    /// Finds out how names that a line of code uses can be imported, from the repository's own modules.
    Resolve = "source.resolve", Read, ResolveRequest => ResolveResponse
}

data! {
    /// Which names.
    pub struct ResolveRequest {
        /// The base commit.
        pub commit: String,
        /// The names as they are used, sorted: `FileStorage`, `linter.run` (the part before the first dot is wanted, what
        /// follows tells a good answer from a bad one).
        pub names: Vec<String>,
        /// Files that the names are likely to be near, sorted: those of the frames.
        pub near: Vec<RepoPath>,
        /// Where a test of ours is to be.
        pub path: RepoPath,
        /// Functions whose own errors are asked for, innermost first.
        pub raising: Vec<Place>,
    }
    /// A function of the repository.
    pub struct Place {
        /// Its file.
        pub path: RepoPath,
        /// Its name.
        pub function: String,
    }
    /// For each name its import statements, best first (`from yamllint import linter`).
    pub struct ResolveResponse {
        /// The statements.
        pub imports: Vec<Vec<String>>,
        /// Where a test of ours can be: `path`, or with a number at its end where the commit has such a file.
        pub path: RepoPath,
        /// Classes of the repository that the functions in question raise, sorted by name.
        pub errors: Vec<Importable>,
        /// The tests beside `path` are classes of `unittest`: so is one of ours, which any runner finds.
        pub unittest: bool,
    }
    /// A name and how it is imported.
    pub struct Importable {
        /// The name.
        pub name: String,
        /// The import statement.
        pub statement: String,
    }
}

// --- analyze, generate -------------------------------------------------------------------------------------

effect! {
    /// Gathers what the repository says about the frames: functions, callers, recent commits, tests that reach them.
    Gather = "evidence.gather", Read, GatherRequest => GatherResponse
}

data! {
    /// What broke, and where.
    pub struct GatherRequest {
        /// The base commit.
        pub commit: String,
        /// The incident.
        pub incident: Incident,
        /// The id of a test of the base commit that fails because of it; empty when there is none.
        pub test: String,
    }
    /// What there is to know.
    pub struct GatherResponse {
        /// The evidence as Markdown, screened: log text and code are quoted as data.
        pub evidence: BlobRef,
        /// Suspects, best first: `path:line function`.
        pub suspects: Vec<String>,
        /// What the screening found and defused, a phrase each.
        pub screened: Vec<String>,
    }
}

effect! {
    /// Asks a model.
    AskModel = "model.call", Costly, ModelRequest => ModelResponse
}

data! {
    /// What to ask.
    pub struct ModelRequest {
        /// The provider's name.
        pub provider: String,
        /// The model's name at the provider.
        pub model: String,
        /// The system text.
        pub system: String,
        /// The prompt.
        pub prompt: BlobRef,
        /// JSON Schema of the answer, when it is to be JSON.
        pub schema: Option<serde_json::Value>,
        /// Most tokens to answer with.
        pub max_tokens: Option<u64>,
        /// Sampling temperature, for models that take one.
        pub temperature: Option<f64>,
        /// What was said since the prompt: a message of the provider's protocol each, as JSON.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub history: Vec<BlobRef>,
        /// What it may call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub tools: Vec<ModelTool>,
    }
    /// Something that a model may call.
    pub struct ModelTool {
        /// Its name.
        pub name: String,
        /// What it does.
        pub description: String,
        /// JSON Schema of its arguments, an object.
        pub schema: serde_json::Value,
    }
    /// What it said.
    pub struct ModelResponse {
        /// The answer.
        pub text: BlobRef,
        /// Why it stopped, in the provider's words.
        pub stop: String,
        /// Tokens read.
        pub input_tokens: u64,
        /// Tokens written.
        pub output_tokens: u64,
        /// The whole message as JSON, where it calls something.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub message: Option<BlobRef>,
        /// What it cost, in millionths of a US dollar, where prices are known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cost_microusd: Option<u64>,
    }
}

effect! {
    /// Locates a model's edits in the base commit and makes a unified diff and a tree of them.
    Apply = "patch.apply", Read, ApplyRequest => ApplyResponse
}

data! {
    /// The model's reply.
    pub struct ApplyRequest {
        /// The base commit.
        pub commit: String,
        /// The reply: search/replace blocks, a unified diff, or whole files.
        pub reply: BlobRef,
        /// Files to prefer where a block names none.
        pub prefer: Vec<RepoPath>,
    }
    /// What came of it.
    pub struct ApplyResponse {
        /// The unified diff; empty when nothing could be applied.
        pub diff: BlobRef,
        /// Files touched, sorted.
        pub files: Vec<RepoPath>,
        /// The git tree of base and edits; empty when nothing could be applied.
        pub tree: String,
        /// What was wrong with the reply, a sentence each; fed back as lessons.
        pub problems: Vec<String>,
    }
}

effect! {
    /// Tries the playbook's repairs against the reproduction and yields the best that passes it.
    SearchPlaybook = "playbook.search", Costly, PlaybookRequest => PlaybookResponse
}

data! {
    /// What to repair.
    pub struct PlaybookRequest {
        /// The base commit.
        pub commit: String,
        /// The test command, when the user gave one.
        pub command: Option<Vec<String>>,
        /// The incident.
        pub incident: Incident,
        /// The test that must pass.
        pub reproduction: Reproduction,
        /// Git trees that were judged before and are not offered again, sorted.
        pub judged: Vec<String>,
        /// Most candidates to try.
        pub most: u64,
    }
    /// What was found.
    pub struct PlaybookResponse {
        /// Candidates that make the reproduction pass, best first, at most eight.
        pub found: Vec<PlaybookFix>,
        /// Candidates tried.
        pub tried: u64,
        /// Candidates proposed.
        pub proposed: u64,
    }
    /// A repair that makes the reproduction pass.
    pub struct PlaybookFix {
        /// The template's name, such as `none-guard`.
        pub template: String,
        /// One line on what it does, with file and line.
        pub summary: String,
        /// The unified diff.
        pub diff: BlobRef,
        /// The files it touches.
        pub files: Vec<RepoPath>,
        /// The git tree of base and edits.
        pub tree: String,
        /// How much it is trusted beside the others, 0 to 1.
        pub score: f64,
    }
}

// --- test --------------------------------------------------------------------------------------------------

effect! {
    /// Judges a candidate: gate, baseline twice, candidate, verdict.
    Judge = "tests.judge", Costly, JudgeRequest => Verdict
}

data! {
    /// What to judge.
    pub struct JudgeRequest {
        /// The base commit.
        pub commit: String,
        /// The test command, when the user gave one.
        pub command: Option<Vec<String>>,
        /// The unified diff.
        pub diff: BlobRef,
        /// The reproduction, when there is one.
        pub reproduction: Option<Reproduction>,
        /// Other candidates that made the reproduction pass: they lower the confidence.
        pub alternatives: u64,
    }
}

// --- pr ----------------------------------------------------------------------------------------------------

effect! {
    /// Writes the two commits (the failing test, then the fix) to the branch.
    Commit = "git.commit", External, CommitRequest => CommitResponse
}

data! {
    /// What to commit.
    pub struct CommitRequest {
        /// The incident's fingerprint; its pull request decides on the branch.
        pub fingerprint: String,
        /// The base commit.
        pub commit: String,
        /// The branch, such as `prunella/ab12cd34`. Where its pull request is closed or merged, or a person made
        /// it, the next free name is taken: `prunella/ab12cd34-2`.
        pub branch: String,
        /// The git tree that was judged (base and fix, with or without the generated test); another result is refused.
        /// Empty when it is not known.
        pub judged: String,
        /// The generated test, when there is one: path and content.
        pub test: Option<ProbeFile>,
        /// The unified diff of the fix.
        pub diff: BlobRef,
        /// Message of the commit with the test.
        pub test_message: String,
        /// Message of the commit with the fix.
        pub fix_message: String,
        /// The commits' time in seconds since the Unix epoch.
        pub time: u64,
    }
    /// What was written.
    pub struct CommitResponse {
        /// The branch that was written.
        pub branch: String,
        /// The branch's last commit.
        pub head: String,
        /// The commit with the failing test; empty when the test exists at the base.
        pub red: String,
        /// The tree of the last commit.
        pub tree: String,
        /// Whether the branch was there before and got a further commit.
        pub updated: bool,
        /// Why the branch was left as it is (a person committed on it, or works on it); empty when it was written.
        pub kept: String,
    }
}

effect! {
    /// Opens the pull request, or updates the one that is open for the fingerprint.
    OpenPull = "pr.open", External, OpenPullRequest => Pull
}

data! {
    /// What to open.
    pub struct OpenPullRequest {
        /// The incident's fingerprint: one open pull request each.
        pub fingerprint: String,
        /// The base commit.
        pub base: String,
        /// The branch.
        pub branch: String,
        /// The branch's last commit.
        pub head: String,
        /// The title.
        pub title: String,
        /// The page, Markdown.
        pub page: BlobRef,
        /// Not offered as ready.
        pub draft: bool,
        /// The run's time in seconds since the Unix epoch.
        pub time: u64,
        /// Why the branch was left as it is ([`CommitResponse::kept`]): then the page is only a comment.
        pub kept: String,
    }
}
