//! The kind `pr`: two commits on a branch, and a pull request that carries its evidence.

mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{RepoPath, Text, Type, Typed};
use prunella_engine::{Ctx, Effect, Field, Kind, Node, NodeError, Output, Setting, SettingType, record};
use serde::Deserialize;
use serde_json::Value;

use crate::effects::{Commit, CommitRequest, CommitResponse, OpenPull, OpenPullRequest, ProbeFile};
use crate::page::{Mask, PullPage, pull_page};
use crate::types::{Candidate, Incident, Pull, Repo, Reproduction, ReproductionKind, Verdict, VerdictStatus};

/// Under this confidence a pull request is a draft.
const READY: f64 = 0.9;

record! {
    /// Why it broke, and what to do about it.
    pub struct Diagnosis {
        /// Why it broke.
        pub root_cause: String,
        /// The files to change.
        pub files: Vec<RepoPath>,
        /// What to do about it.
        pub fix_strategy: String,
    }
}

record! {
    /// What `pr` did.
    pub struct Proposal {
        /// The pull request; without an id in a dry run.
        pub pull: Pull,
        /// Its title.
        pub title: String,
        /// Its page, Markdown.
        pub page: Text,
    }
}

#[derive(Deserialize)]
struct Input {
    incident: Incident,
    #[serde(default)]
    diagnosis: Value,
    reproduction: Reproduction,
    candidate: Candidate,
    verdict: Verdict,
    #[serde(default)]
    lessons: Option<Vec<String>>,
}

/// The settings of the node and of the run that `pr` heeds.
#[derive(Deserialize)]
struct Settings {
    repo: Repo,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize)]
struct Options {
    #[serde(default)]
    dry_run: bool,
}

/// The kind `pr`.
#[must_use]
pub fn kind() -> Kind {
    let field = |name, ty, doc| Field { name, ty, doc };
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    Kind {
        name: "pr",
        version: 1,
        doc: "opens a pull request with two commits (the failing test, then the fix) and the evidence",
        with: vec![
            field("incident", Incident::ty(), "what broke"),
            field("diagnosis", optional(Diagnosis::ty()), "why it broke"),
            field("reproduction", Reproduction::ty(), "the test that failed"),
            field("candidate", Candidate::ty(), "the fix"),
            field("verdict", Verdict::ty(), "what the tests said of it"),
            field("lessons", optional(Vec::<String>::ty()), "what earlier attempts taught"),
        ],
        variables: false,
        output: Output::Fixed(Proposal::ty()),
        settings: vec![Setting {
            name: "draft",
            ty: SettingType::Condition,
            doc: "when it is not offered as ready; it is a draft anyway where the evidence is thin",
        }],
        needs: &[],
        one_of: &[],
        effects: &[Commit::NAME, OpenPull::NAME],
        node: Arc::new(Pr),
    }
}

struct Pr;

#[async_trait(?Send)]
impl Node for Pr {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input =
            serde_json::from_value(input).map_err(|e| NodeError::new("node.input", format!("pr: {e}")))?;
        let settings: Settings = serde_json::from_value(ctx.task().settings.as_ref().clone())
            .map_err(|e| NodeError::new("node.settings", format!("pr: {e}")))?;
        let proposal = propose(ctx, &input, &settings).await?;
        serde_json::to_value(proposal).map_err(|e| NodeError::new("node.output", format!("pr: {e}")))
    }
}

async fn propose(ctx: &Ctx, input: &Input, settings: &Settings) -> Result<Proposal, NodeError> {
    let (incident, reproduction) = (&input.incident, &input.reproduction);
    let branch = format!("prunella/{}", short_fingerprint(&incident.fingerprint)?);
    // What was judged is what is proposed: the formatter may have changed the candidate's.
    let judged_diff = input.verdict.judged.as_ref().unwrap_or(&input.candidate.diff);
    let diff = ctx.text(&judged_diff.0)?;
    let excerpt = ctx.text(&incident.excerpt.0)?;
    let mask = Mask::new(incident, &[&reproduction.message], &excerpt, &[&diff, &reproduction.test_id]);
    let of_diagnosis = |key: &str| input.diagnosis.get(key).and_then(Value::as_str).unwrap_or_default();
    let root_cause = of_diagnosis("root_cause");
    let draft = draft_because(input, settings.draft.unwrap_or(false));
    let title = words::title(incident, &mask.apply(&input.candidate.summary));
    let base = &settings.repo.commit;
    let trees = [&input.verdict.candidate_tree, &input.candidate.tree];
    let judged = trees.into_iter().find(|tree| !tree.is_empty()).cloned().unwrap_or_default();
    let time = ctx.task().created_ms / 1000;

    let committed = if settings.options.dry_run {
        let branch = branch.clone();
        CommitResponse { branch, ..CommitResponse::default() }
    } else {
        let trailers = words::trailers(ctx.task(), &input.candidate.origin, &incident.fingerprint);
        let test = (reproduction.kind == ReproductionKind::Generated)
            .then(|| ProbeFile { path: reproduction.path.clone(), source: reproduction.source.clone() });
        let request = CommitRequest {
            fingerprint: incident.fingerprint.clone(),
            commit: base.clone(),
            branch,
            judged,
            test,
            diff: judged_diff.0.clone(),
            test_message: words::message(&words::test_title(incident), "It fails on this commit.", &trailers),
            fix_message: words::message(&title, &mask.apply(root_cause), &trailers),
            time,
        };
        ctx.call::<Commit>(&request).await?
    };
    // Below the fix lies the failing test, or the base that has it already. Only an update without a test of
    // ours has an earlier fix below it.
    let below = format!("{}~1", committed.branch);
    let red = if committed.red.is_empty() && committed.updated { base } else { &below };
    let page = pull_page(&PullPage {
        run: &ctx.task().run,
        base,
        branch: &committed.branch,
        head: if committed.kept.is_empty() { &committed.head } else { "" },
        red,
        incident,
        root_cause,
        strategy: of_diagnosis("fix_strategy"),
        reproduction,
        candidate: &input.candidate,
        diff: &diff,
        verdict: &input.verdict,
        lessons: input.lessons.as_deref().unwrap_or_default(),
        draft: &draft,
        folder: &settings.repo.subfolder,
        mask: &mask,
    });
    let page = ctx.put_text(&page)?;
    if settings.options.dry_run {
        ctx.log("a dry run: nothing was committed, no pull request opened");
        let pull = Pull { branch: committed.branch, draft: !draft.is_empty(), ..Pull::default() };
        return Ok(Proposal { pull, title, page: Text(page) });
    }
    if !committed.kept.is_empty() {
        ctx.log(format!("{}: the branch is left as it is", committed.kept));
    }
    let request = OpenPullRequest {
        fingerprint: incident.fingerprint.clone(),
        base: base.clone(),
        branch: committed.branch,
        head: committed.head,
        title: title.clone(),
        page: page.clone(),
        draft: !draft.is_empty(),
        time,
        kept: committed.kept,
    };
    let pull = ctx.call::<OpenPull>(&request).await?;
    Ok(Proposal { pull, title, page: Text(page) })
}

/// The first eight digits of a fingerprint name branch and pull request.
fn short_fingerprint(fingerprint: &str) -> Result<&str, NodeError> {
    match fingerprint.get(..8) {
        Some(short) if short.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(short),
        _ => Err(NodeError::new("node.input", format!("pr: {fingerprint:?} is no fingerprint"))),
    }
}

/// Why this is not offered as ready; empty when it is.
fn draft_because(input: &Input, condition: bool) -> Vec<String> {
    let (verdict, candidate) = (&input.verdict, &input.candidate);
    let mut because = Vec::new();
    if verdict.status != VerdictStatus::Fixed || !verdict.fixed {
        because.push(format!("the verdict is {}", verdict.status.word()));
    }
    if input.reproduction.kind != ReproductionKind::Existing {
        because.push("the reproduction is made from the trace and knows no expected result".to_owned());
    }
    if verdict.isolation != "full" {
        because.push(format!("the sandbox's isolation was {}", verdict.isolation));
    }
    if verdict.confidence < READY || verdict.confidence.is_nan() {
        because.push(format!("the confidence {:.2} is under {READY}", verdict.confidence));
    }
    if !candidate.alternatives.is_empty() {
        because.push(format!("{} other changes passed too", candidate.alternatives.len()));
    }
    if condition && because.is_empty() {
        because.push("the graph asks for one".to_owned());
    }
    because
}
