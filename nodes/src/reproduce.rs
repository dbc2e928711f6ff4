//! Kind `reproduce`: a test that fails because of the incident.
//!
//! First the repository's own tests: one that fails already as the incident did. Else one of ours is made from the
//! calls that the trace quotes, from the outermost frame inwards, where all that a call needs can be imported; it counts only
//! when it fails at the base commit with the incident's exception.
//!
//! The base commit is taken from the setting `repo`, the run's `Repo` record, which the driver adds.

mod call;
mod existing;
mod testfile;

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{RepoPath, Type, Typed};
use prunella_engine::{Ctx, Field, Kind, Node, NodeError, Output, record};
use serde::Deserialize;
use serde_json::Value;

use self::call::Call;
use crate::effects::{
    Baseline, BaselineRequest, BaselineResponse, Place, Probe, ProbeFile, ProbeOutcome, ProbeRequest,
    Resolve, ResolveRequest, ResolveResponse,
};
use crate::types::{Frame, Incident, Repo, Reproduction, ReproductionKind};

/// Most tests that are made and run.
const MOST_PROBES: usize = 8;

/// Most frames whose quoted lines are looked at, from either end of the stack.
const MOST_FRAMES: usize = 12;

/// Most functions whose own errors are looked up.
const MOST_RAISING: usize = 3;

/// Most names that are looked up.
const MOST_NAMES: usize = 40;

record! {
    /// What `reproduce` found.
    pub struct Reproduced {
        /// Whether there is a test that fails because of the incident.
        pub found: bool,
        /// The test; blank when there is none.
        pub reproduction: Reproduction,
        /// What was tried, a line each.
        pub tried: Vec<String>,
        /// The trace's own call passes at the base commit, where the code that it quotes is another by now, or has moved.
        pub already_fixed: bool,
    }
}

#[derive(Deserialize)]
struct Input {
    incident: Incident,
    #[serde(default)]
    command: Option<Vec<String>>,
}

/// The kind `reproduce`.
#[must_use]
pub fn kind() -> Kind {
    Kind {
        name: "reproduce",
        version: 1,
        doc: "Finds a test that fails because of the incident, or makes one from the trace's own call.",
        with: vec![
            Field { name: "incident", ty: Incident::ty(), doc: "The incident." },
            Field {
                name: "command",
                ty: Type::Optional(Box::new(Vec::<String>::ty())),
                doc: "The command that runs the tests; found out when absent.",
            },
        ],
        variables: false,
        output: Output::Fixed(Reproduced::ty()),
        settings: Vec::new(),
        needs: &[],
        one_of: &[],
        effects: &["tests.baseline", "source.resolve", "tests.probe"],
        node: Arc::new(Reproduce),
    }
}

struct Reproduce;

#[async_trait(?Send)]
impl Node for Reproduce {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|e| NodeError::new("node.input", format!("reproduce takes an incident: {e}")))?;
        let repo = ctx.task().settings.get("repo").cloned().unwrap_or_default();
        let repo: Repo = serde_json::from_value(repo).map_err(|e| {
            NodeError::new(
                "node.input",
                format!("reproduce needs the run's repository among its settings: {e}"),
            )
        })?;
        let reproduced = reproduce(ctx, &input, &repo.commit).await?;
        serde_json::to_value(reproduced).map_err(|e| NodeError::new("node.output", e.to_string()))
    }
}

async fn reproduce(ctx: &Ctx, input: &Input, commit: &str) -> Result<Reproduced, NodeError> {
    let incident = &input.incident;
    let request = BaselineRequest { commit: commit.to_owned(), command: input.command.clone() };
    let baseline = ctx.call::<Baseline>(&request).await?;
    let mut out = Reproduced::default();
    if let Some(test) = existing::matching(incident, &baseline.failed) {
        ctx.log(format!("{} fails already, as the incident did", test.id));
        out.found = true;
        out.reproduction = Reproduction {
            kind: ReproductionKind::Existing,
            test_id: test.id.clone(),
            path: test.path.clone(),
            source: String::new(),
            exception: test.exception.clone(),
            message: test.message.clone(),
        };
        out.tried.push(format!("{}: fails as the incident did", test.id));
        return Ok(out);
    }
    out.tried.push(match baseline.failed.len() {
        0 => "the repository's own tests: none fails".to_owned(),
        n => format!("the repository's own tests: {n} fail, none with this exception in this function"),
    });
    for step in steps(ctx, incident, commit, &baseline).await? {
        let probe = match step {
            Step::Probe(probe) => probe,
            Step::Said(why) => {
                out.tried.push(why);
                continue;
            }
        };
        let request = ProbeRequest {
            commit: commit.to_owned(),
            command: input.command.clone(),
            files: vec![probe.file.clone()],
        };
        let outcome = ctx.call::<Probe>(&request).await?.outcomes.into_iter().next().unwrap_or_default();
        out.tried.push(format!("{}: {}", probe.what, told(&outcome, incident)));
        if let Some(test) = outcome.failed.filter(|test| existing::is_same(incident, test)) {
            ctx.log(format!("a test made from the trace's own call fails as the incident did: {}", test.id));
            out.found = true;
            out.already_fixed = false;
            out.reproduction = Reproduction {
                kind: ReproductionKind::Generated,
                test_id: test.id,
                path: probe.file.path,
                source: probe.file.source,
                exception: test.exception,
                message: test.message,
            };
            return Ok(out);
        }
        // Only the outermost call, made whole, against code that is another by now, says that it is mended.
        out.already_fixed |= outcome.passed && probe.decisive && has_changed(incident);
    }
    if out.already_fixed {
        ctx.log("the trace's own call passes at the base commit: already fixed");
    }
    Ok(out)
}

/// Whether the code that the trace quotes is another at the base commit, or has moved there.
fn has_changed(incident: &Incident) -> bool {
    let moved =
        |frame: &Frame| frame.path.is_some() && frame.repo_line.is_some_and(|line| line != frame.line);
    !incident.drift.is_empty() || incident.frames.iter().any(moved)
}

/// A test to run, and what it is.
struct Made {
    file: ProbeFile,
    what: String,
    /// That it passes would say that the incident is mended.
    decisive: bool,
}

/// One thing to do on the way from the outermost frame inwards.
enum Step {
    /// Run this test.
    Probe(Made),
    /// There is nothing to run for a frame, for this reason.
    Said(String),
}

/// Makes tests of the calls in the trace, and says of which frames none can be made.
async fn steps(
    ctx: &Ctx,
    incident: &Incident,
    commit: &str,
    baseline: &BaselineResponse,
) -> Result<Vec<Step>, NodeError> {
    let frames = quoting(incident);
    let lines: Vec<(&Frame, Vec<Call>)> = frames.iter().map(|frame| (*frame, call::calls(frame))).collect();
    let mut names: Vec<String> =
        lines.iter().flat_map(|(_, calls)| calls).flat_map(|call| call.names.iter().cloned()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| !is_local(name));
    names.truncate(MOST_NAMES);
    let mut near: Vec<RepoPath> = incident.frames.iter().filter_map(|frame| frame.path.clone()).collect();
    near.sort();
    near.dedup();
    let path = match baseline.test_dir.as_ref() {
        "" => RepoPath(format!("{}.py", testfile::name(incident))),
        dir => RepoPath(format!("{}/{}.py", dir.trim_end_matches('/'), testfile::name(incident))),
    };
    let raising = raising(incident);
    let request = ResolveRequest { commit: commit.to_owned(), names: names.clone(), near, path, raising };
    // Without a name there is nothing to run, and nothing to ask.
    let ResolveResponse { imports, path, errors, unittest } = match names.as_slice() {
        [] => ResolveResponse::default(),
        _ => ctx.call::<Resolve>(&request).await?,
    };
    let unittest = unittest || baseline.runner == "unittest";
    let ways = |name: &str| -> &[String] {
        names
            .binary_search_by(|n| n.as_str().cmp(name))
            .ok()
            .and_then(|at| imports.get(at))
            .map_or(&[], Vec::as_slice)
    };
    let mut steps = Vec::new();
    let mut made = Vec::new();
    for (at, (frame, calls)) in lines.iter().enumerate() {
        let label = format!("{} line {}", base_name(&frame.file), frame.line);
        if calls.is_empty() {
            steps.push(Step::Said(format!("{label}: what it quotes is no call that stands by itself")));
            continue;
        }
        let absent = |call: &Call| call.names.iter().find(|name| ways(name).is_empty()).cloned();
        let missing: Vec<String> = calls.iter().filter_map(absent).collect();
        if missing.len() == calls.len() {
            steps.push(Step::Said(format!(
                "{label}: its call needs `{}`, which cannot be imported",
                root(&missing[0])
            )));
            continue;
        }
        // The whole line runs its parts too: they count only where it cannot be had.
        let whole = calls[0].whole && absent(&calls[0]).is_none();
        for call in calls.iter().filter(|call| absent(call).is_none() && (call.whole || !whole)) {
            for (nth, imports) in combinations(call, &ways).into_iter().enumerate() {
                let source = testfile::source(incident, call, &imports, &errors, unittest);
                if made.len() < MOST_PROBES && !made.contains(&source) {
                    made.push(source.clone());
                    let part = if call.whole { "its call" } else { "a part of its call" };
                    let again = if nth > 0 { ", imported another way" } else { "" };
                    let outermost = at == 0 && frame.file == incident.frames[0].file;
                    let decisive =
                        outermost && call.whole && nth == 0 && !imports.iter().any(|one| from_tests(one));
                    let file = ProbeFile { path: path.clone(), source };
                    steps.push(Step::Probe(Made { file, what: format!("{label}: {part}{again}"), decisive }));
                }
            }
        }
    }
    Ok(steps)
}

/// The innermost functions of the stack, whose own errors would be an answer to the call. None where the incident's
/// exception is not one of Python's: an error of the repository's could be its base, and hide it.
fn raising(incident: &Incident) -> Vec<Place> {
    if !call::is_builtin(&incident.exception) {
        return Vec::new();
    }
    let places =
        incident.frames.iter().rev().filter_map(|frame| {
            frame.path.clone().map(|path| Place { path, function: frame.function.clone() })
        });
    places.take(MOST_RAISING).collect()
}

/// The frames whose lines may hold the incident's call: with a line quoted, the outermost ones and the innermost.
fn quoting(incident: &Incident) -> Vec<&Frame> {
    let frames: Vec<&Frame> = incident
        .frames
        .iter()
        .enumerate()
        // Between the entry and the repository are the frames of servers and runners: their calls take what is at
        // hand there.
        .filter(|(at, frame)| {
            !frame.code.is_empty() && (*at == 0 || frame.path.is_some() || *at + 1 == incident.frames.len())
        })
        .map(|(_, frame)| frame)
        .collect();
    if frames.len() <= MOST_FRAMES {
        return frames;
    }
    let half = MOST_FRAMES / 2;
    frames[..half].iter().chain(&frames[frames.len() - half..]).copied().collect()
}

/// The import statements that `call` can be made with: the best for each name, then with the second best of one.
fn combinations<'a>(call: &Call, ways: &impl Fn(&str) -> &'a [String]) -> Vec<Vec<String>> {
    let lists: Vec<&[String]> = call.names.iter().map(|name| ways(name)).collect();
    let with = |at: Option<usize>| -> Vec<String> {
        let pick = |i: usize, list: &[String]| list.get(usize::from(Some(i) == at)).cloned();
        lists.iter().enumerate().filter_map(|(i, list)| pick(i, list)).collect()
    };
    let seconds = (0..lists.len()).filter(|&i| lists[i].len() > 1).take(2);
    std::iter::once(with(None)).chain(seconds.map(|i| with(Some(i)))).collect()
}

/// Whether an import statement takes a name from tests: a namesake there may be all that it shares with the trace's.
fn from_tests(statement: &str) -> bool {
    statement
        .split([' ', '.'])
        .any(|word| matches!(word, "test" | "tests" | "conftest") || word.starts_with("test_"))
}

/// Names that no module exports.
fn is_local(name: &str) -> bool {
    matches!(root(name), "self" | "cls" | "_" | "__class__")
}

/// The name itself, without the attributes that are asked of it.
fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn base_name(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

/// What became of a probe, in words; no values of the log.
fn told(outcome: &ProbeOutcome, incident: &Incident) -> String {
    match &outcome.failed {
        Some(test) if existing::is_same(incident, test) => "fails as the incident did".to_owned(),
        Some(test) if test.exception == incident.exception => {
            format!("fails with {}, but another one", test.exception)
        }
        Some(test) => format!("fails with {} instead", test.exception),
        None if outcome.passed => "passes".to_owned(),
        None => format!("did not run: {}", outcome.problem),
    }
}

#[cfg(test)]
mod tests;
