//! The records that nodes hand each other; the graph language knows them under the same names.

use prunella_engine::types::{Diff, RepoPath, Text};
use prunella_engine::{record, words};

record! {
    /// The repository a run works on, by handle and commit: never by an absolute path.
    pub struct Repo {
        /// The handle that the world resolves; `repo` for the one named by `--repo`.
        pub handle: String,
        /// The base commit, 40 hex digits.
        pub commit: String,
        /// Where `--repo` pointed below the repository's top; empty for the top.
        pub subfolder: RepoPath,
        /// Whether the working tree had changes that are not in the commit.
        pub dirty: bool,
    }
}

record! {
    /// A log, read before the run and redacted.
    pub struct Log {
        /// The file's name, without its folder.
        pub name: String,
        /// Its text.
        pub text: Text,
    }
}

words! {
    /// Whether an incident needs work.
    pub enum IncidentStatus {
        /// The log holds no incident.
        None = "none",
        /// Nobody works on it.
        New = "new",
        /// A pull request, open or rejected, or a live run deals with it, or a merged fix that the base lacks.
        Known = "known",
    }
}

record! {
    /// One frame of a stack trace.
    pub struct Frame {
        /// The file as the log names it.
        pub file: String,
        /// The line as the log names it, from 1.
        pub line: u64,
        /// The function, empty when the log does not say.
        pub function: String,
        /// The source line that the log quotes, trimmed; empty when it quotes none.
        pub code: String,
        /// What Python 3.11's `~~^^` marks: start column in `code`, in characters, from 0.
        pub mark_start: Option<u64>,
        /// End column of the mark, exclusive.
        pub mark_end: Option<u64>,
        /// The file in the repository, when it is one of ours.
        pub path: Option<RepoPath>,
        /// The line in the repository at the base commit (the quoted text may have moved).
        pub repo_line: Option<u64>,
    }
}

record! {
    /// An exception of the chain behind the one that surfaced.
    pub struct Cause {
        /// Its type.
        pub exception: String,
        /// Its message.
        pub message: String,
    }
}

record! {
    /// What broke.
    pub struct Incident {
        /// The language of the trace: `python`.
        pub language: String,
        /// The exception's type as printed, such as `KeyError` or `pkg.errors.Broken`.
        pub exception: String,
        /// Its message as printed.
        pub message: String,
        /// The message with what changes from one time to the next replaced: `<n>`, `<hex>`, `<uuid>`, `<str>`.
        pub template: String,
        /// The frames, outermost first.
        pub frames: Vec<Frame>,
        /// What makes it this incident: hex, stable under ids, addresses, times and moved lines.
        pub fingerprint: String,
        /// Causes, the first one first.
        pub causes: Vec<Cause>,
        /// A merged fix is in the base and it happened again.
        pub regression: bool,
        /// How often the log holds it.
        pub count: u64,
        /// The first time stamp in the log, as printed; empty when there is none.
        pub first_seen: String,
        /// The last one.
        pub last_seen: String,
        /// The part of the log that is this incident, redacted.
        pub excerpt: Text,
        /// Where the source that the trace quotes differs from the base commit.
        pub drift: Vec<String>,
    }
}

words! {
    /// How a reproduction came to be.
    pub enum ReproductionKind {
        /// There is none.
        None = "none",
        /// A test of the repository that fails already.
        Existing = "existing",
        /// A test of ours, made from the trace.
        Generated = "generated",
    }
}

record! {
    /// A test that fails because of the incident.
    pub struct Reproduction {
        /// How it came to be.
        pub kind: ReproductionKind,
        /// The failing test's id in its runner's form, such as `tests/test_incident_ab12cd34.py::test_incident`.
        pub test_id: String,
        /// Its file.
        pub path: RepoPath,
        /// The file's content when it is generated; empty when it exists at the base.
        pub source: String,
        /// The exception it fails with.
        pub exception: String,
        /// Its message.
        pub message: String,
    }
}

record! {
    /// A patch not yet believed.
    pub struct Candidate {
        /// Where it comes from: `playbook/none-guard`, `model/fixer`.
        pub origin: String,
        /// The unified diff against the base commit.
        pub diff: Diff,
        /// The files it touches.
        pub files: Vec<RepoPath>,
        /// One line on what it does.
        pub summary: String,
        /// The git tree of base and candidate.
        pub tree: String,
        /// Other candidates of the same search that also made the reproduction pass, as summaries.
        pub alternatives: Vec<String>,
    }
}

words! {
    /// What the sandboxed tests say of a candidate.
    pub enum VerdictStatus {
        /// There was nothing decisive to run.
        NoEvidence = "no_evidence",
        /// The reproduction failed before and passes now, and all that passed still does.
        Fixed = "fixed",
        /// The reproduction still fails.
        NotFixed = "not_fixed",
        /// A test that passed before does not any more.
        Regressed = "regressed",
        /// The candidate reached for the judge: a protected path, a canary, a forged record.
        Tampered = "tampered",
        /// The tests did not run to their end.
        Incomplete = "incomplete",
    }
}

record! {
    /// Tests by outcome.
    pub struct Counts {
        /// Passed.
        pub passed: u64,
        /// Failed or broke.
        pub failed: u64,
        /// Skipped, or expected to fail and did.
        pub skipped: u64,
        /// Collected before, gone now.
        pub missing: u64,
    }
}

record! {
    /// What the sandboxed tests say of a candidate, and on what evidence.
    pub struct Verdict {
        /// The word.
        pub status: VerdictStatus,
        /// Whether the word is `fixed`.
        pub fixed: bool,
        /// From evidence, 0 to 1; never from a model.
        pub confidence: f64,
        /// What the confidence is made of, a phrase each.
        pub evidence: Vec<String>,
        /// What a further attempt should know: the diff tried, the first failing test, the tail of its trace.
        pub lessons: Vec<String>,
        /// One line on why.
        pub reason: String,
        /// The reproduction's outcome on the base commit: `passed`, `failed (KeyError: 'a')`, …
        pub reproduction_before: String,
        /// Its outcome with the candidate.
        pub reproduction_after: String,
        /// All tests on the base commit.
        pub before: Counts,
        /// All tests with the candidate.
        pub after: Counts,
        /// Tests that passed before and do not now.
        pub regressions: Vec<String>,
        /// Tests set aside because two runs of the base disagree.
        pub flaky: Vec<String>,
        /// The command that ran the tests.
        pub command: Vec<String>,
        /// `full`, or what is missing.
        pub isolation: String,
        /// The git tree of the base commit.
        pub base_tree: String,
        /// The git tree that was judged.
        pub candidate_tree: String,
        /// The diff that was judged, when the repository's formatter changed the candidate's.
        pub judged: Option<Diff>,
    }
}

record! {
    /// A pull request.
    pub struct Pull {
        /// Its id at the forge: `FP8` at the local one.
        pub id: String,
        /// The branch it proposes.
        pub branch: String,
        /// The branch's last commit.
        pub commit: String,
        /// Where a person reads it.
        pub url: String,
        /// Not offered as ready.
        pub draft: bool,
        /// What became of it: `opened`, `updated`, `commented`.
        pub action: String,
    }
}
