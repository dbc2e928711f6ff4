//! What a run did, read from its journal. Pure: one more reader of the one record.

use prunella_engine::blob::{BlobRef, Blobs};
use prunella_engine::graph::{Does, Graph};
use prunella_engine::journal::{EffectRecord, Phase, Record};
use prunella_engine::run::RunResult;
use prunella_engine::store::RunStatus;
use prunella_engine::{Class, Lane};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::detect::Detected;
use crate::page::{Attempt, RunSummary};
use crate::types::{Candidate, Incident, Pull, Reproduction, ReproductionKind, Verdict};

/// A run as its journal tells it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What the report says.
    pub summary: RunSummary,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// The last candidate.
    pub candidate: Option<Candidate>,
    /// What was learnt, in order.
    pub lessons: Vec<String>,
    /// The attempt that the run ended in, from 1; 0 when it never came to a candidate.
    pub attempts: u64,
    /// What it cost, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// How long tasks were at work, in milliseconds.
    pub active_ms: u64,
    /// The page of a dry run's pull request, Markdown.
    pub page: Option<String>,
    /// One for each attempt of the summary.
    tries: Vec<Try>,
}

/// What an attempt came to, and where.
#[derive(Debug, Clone, Default)]
struct Try {
    /// The scope in which it was made: several may be under way side by side.
    scope: String,
    candidate: Option<Candidate>,
    verdict: Option<Verdict>,
}

/// The kind of the lane's node: that of the run's graph, or of the graph that is called there.
fn kind_of<'g>(graph: &'g Graph, lane: &Lane) -> &'g str {
    let mut here = graph;
    for step in lane.scope.split('/').filter(|step| !step.is_empty()) {
        let name = step.split(['#', '[']).next().unwrap_or_default();
        let called = match here.nodes.get(name).map(|node| &node.does) {
            Some(Does::Call(called)) => called,
            Some(Does::Map(map)) => &map.graph,
            // A branch has the graph of its fork.
            _ => continue,
        };
        let Some(called) = graph.graphs.get(called) else { return "" };
        here = called;
    }
    here.nodes.get(lane.node.as_str()).map_or("", |node| node.kind.as_str())
}

/// Reads `records` of a run of `graph` that came to rest with `result`.
#[must_use]
pub fn tell(graph: &Graph, records: &[Record], result: Option<&RunResult>, blobs: &dyn Blobs) -> Told {
    let mut told = Told::default();
    told.summary.graph.clone_from(&graph.name);
    let mut chosen = None;
    for record in records {
        match record {
            Record::Header(header) => {
                told.summary.run.clone_from(&header.run);
                let settings = header.settings.unpack(&Value::Null, blobs).unwrap_or_default();
                let repo = &settings["nodes"]["repo"];
                told.summary.commit = repo["commit"].as_str().unwrap_or_default().to_owned();
                told.summary.unguarded = settings["sandbox"] == "none";
                told.summary.model = settings["models"]
                    .as_object()
                    .is_some_and(|models| models.values().any(|model| !model.is_null()));
            }
            Record::Commit(commit) => {
                told.cost_microusd += commit.cost_microusd;
                told.active_ms += commit.active_ms;
                let output = commit.output.unpack(&Value::Null, blobs).unwrap_or_default();
                told.task(kind_of(graph, &commit.lane), &commit.lane.scope, &output, blobs);
            }
            Record::Effect(effect) if effect.name == "git.commit" && effect.request.is_some() => {
                let request =
                    effect.request.as_ref().and_then(|request| request.unpack(&Value::Null, blobs).ok());
                chosen = request.and_then(|request| told.with_diff(&request["diff"])).or(chosen);
            }
            Record::Effect(effect) if effect.phase == Phase::Done && effect.class == Class::Read => {
                told.evidence(effect, blobs);
            }
            _ => {}
        }
    }
    // What was proposed; before that the last one that is fixed, else the last one.
    let fixed = |one: &Try| one.verdict.as_ref().is_some_and(|verdict| verdict.fixed);
    if let Some(one) = chosen.or_else(|| told.tries.iter().rposition(fixed)).and_then(|at| told.tries.get(at))
    {
        (told.candidate, told.verdict) = (one.candidate.clone(), one.verdict.clone());
    }
    if let Some(result) = result {
        told.ended(result);
    }
    told
}

/// `value` as what it should be; a trace that was edited by hand gives nothing instead.
fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn strings(value: &Value) -> Vec<String> {
    read(value).unwrap_or_default()
}

fn text(blobs: &dyn Blobs, blob: &BlobRef) -> String {
    blobs.get(blob).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

impl Told {
    /// Takes in what a task of `kind` returned.
    fn task(&mut self, kind: &str, scope: &str, output: &Value, blobs: &dyn Blobs) {
        let summary = &mut self.summary;
        match kind {
            "detect" => {
                if let Some(found) = read::<Detected>(output) {
                    summary.known = found.known;
                    summary.others = found
                        .others
                        .iter()
                        .map(|other| {
                            let id = other.fingerprint.get(..8).unwrap_or(&other.fingerprint);
                            format!(
                                "{}: {} ({}x), `--fingerprint {id}`",
                                other.exception, other.template, other.count
                            )
                        })
                        .collect();
                    summary.incident =
                        Some(found.incident).filter(|incident: &Incident| !incident.fingerprint.is_empty());
                }
            }
            "reproduce" => {
                summary.tried = strings(&output["tried"]);
                summary.reproduction = read::<Reproduction>(&output["reproduction"])
                    .filter(|reproduction| reproduction.kind != ReproductionKind::None);
            }
            "analyze" => {
                summary.root_cause = output["root_cause"].as_str().unwrap_or_default().to_owned();
                summary.strategy = output["fix_strategy"].as_str().unwrap_or_default().to_owned();
            }
            "generate" | "agent" => {
                let lessons = strings(&output["lessons"]);
                self.lessons.extend(lessons.iter().cloned());
                self.attempts += 1;
                let mut attempt = Attempt { lessons, ..Attempt::default() };
                let why = output["why"].as_str().filter(|why| !why.is_empty());
                attempt.lessons.extend(why.map(|why| format!("the agent stopped: {why}")));
                let candidate =
                    read::<Candidate>(&output["candidate"]).filter(|_| output["proposed"] == true);
                if let Some(candidate) = &candidate {
                    attempt.summary = format!("{}: {}", candidate.origin, candidate.summary);
                    attempt.diff = text(blobs, &candidate.diff.0);
                    self.candidate = Some(candidate.clone());
                }
                summary.attempts.push(attempt);
                self.tries.push(Try { scope: scope.to_owned(), candidate, verdict: None });
            }
            "test" => {
                if let Some(verdict) = read::<Verdict>(output) {
                    let at = self.tries.iter().rposition(|one| one.scope == scope);
                    let at = at.or_else(|| self.tries.len().checked_sub(1));
                    if let Some(attempt) = at.and_then(|at| summary.attempts.get_mut(at)) {
                        attempt.status = verdict.status.word().to_owned();
                        attempt.reason.clone_from(&verdict.reason);
                        attempt.lessons.extend(verdict.lessons.iter().cloned());
                    }
                    if let Some(one) = at.and_then(|at| self.tries.get_mut(at)) {
                        one.verdict = Some(verdict.clone());
                    }
                    self.lessons.extend(verdict.lessons.iter().cloned());
                    self.verdict = Some(verdict);
                }
            }
            "pr" => {
                let pull = read::<Pull>(&output["pull"]);
                if pull.as_ref().is_some_and(|pull| pull.id.is_empty()) {
                    self.page = read(&output["page"]).map(|page| text(blobs, &page));
                }
                summary.pull = pull.filter(|pull| !pull.id.is_empty());
            }
            _ => {}
        }
    }

    /// The attempt with this diff, or whose formatted diff it is.
    fn with_diff(&self, diff: &Value) -> Option<usize> {
        let diff = read::<BlobRef>(diff)?;
        let has = |one: &Try| {
            one.candidate.as_ref().is_some_and(|candidate| candidate.diff.0 == diff)
                || one.verdict.as_ref().and_then(|v| v.judged.as_ref()).is_some_and(|judged| judged.0 == diff)
        };
        self.tries.iter().rposition(has)
    }

    /// Takes in the suspects of `evidence.gather`.
    fn evidence(&mut self, effect: &EffectRecord, blobs: &dyn Blobs) {
        if effect.name == "evidence.gather"
            && let Some(response) = &effect.response
        {
            let response = response.unpack(&Value::Null, blobs).unwrap_or_default();
            self.summary.suspects = strings(&response["suspects"]);
        }
    }

    fn ended(&mut self, result: &RunResult) {
        let summary = &mut self.summary;
        summary.end = result.end.clone().unwrap_or_default();
        summary.outcome = result.outcome.map(|outcome| outcome.word().to_owned()).unwrap_or_default();
        summary.error = result.error.as_ref().map(|fault| fault.message.clone());
        summary.help = result.error.as_ref().and_then(|fault| fault.help.clone());
        summary.resumable = matches!(result.status, RunStatus::Stopped | RunStatus::Waiting);
    }

    /// One line on why the run ended as it did.
    #[must_use]
    pub fn reason(&self) -> String {
        let summary = &self.summary;
        if let Some(error) = &summary.error {
            return error.clone();
        }
        if !summary.known.is_empty() {
            return summary.known.clone();
        }
        let last = summary.attempts.last();
        last.map(|attempt| {
            if attempt.reason.is_empty() { &attempt.lessons } else { std::slice::from_ref(&attempt.reason) }
        })
        .and_then(|lines| lines.first())
        .or_else(|| summary.tried.last())
        .cloned()
        .unwrap_or_default()
    }
}
