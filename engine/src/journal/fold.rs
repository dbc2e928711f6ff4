//! Folds a journal through the scheduler: the one way in which a run's past becomes its present.
//!
//! Resume folds and goes on live; replay folds and runs the bodies again on the way. Both compare every superstep,
//! route and end with what the scheduler says now, so a graph, a record or a program that changed shows at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Commit, EffectRecord, EndRecord, Payload, Record, Route};
use crate::blob::Blobs;
use crate::graph::Graph;
use crate::scheduler::{Command, Event, Finish, Scheduler, Superstep, Task, Used};
use crate::{Fault, Lane};

/// Two sides that should be equal and are not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergence {
    /// Where: the task, or nothing for the run itself.
    pub lane: Option<Lane>,
    /// What differs: `request`, `effect missing`, `effect unasked`, `output`, `write`, `route`, `end`, `task`.
    pub what: String,
    /// The state key or effect that it is about.
    pub key: Option<String>,
    /// What the journal holds.
    pub recorded: Value,
    /// What came out now.
    pub now: Value,
}

impl Divergence {
    /// A difference at `lane`.
    #[must_use]
    pub fn new(lane: Option<&Lane>, what: &str, key: Option<&str>, recorded: Value, now: Value) -> Self {
        Self { lane: lane.cloned(), what: what.to_owned(), key: key.map(str::to_owned), recorded, now }
    }
}

impl From<Divergence> for Fault {
    fn from(d: Divergence) -> Self {
        let place = d.lane.as_ref().map_or_else(|| "the run".to_owned(), |lane| lane.to_string());
        let key = d.key.as_ref().map(|key| format!(" `{key}`")).unwrap_or_default();
        let message = format!(
            "{place}: {}{key} differs: recorded {}, now {}",
            d.what,
            brief(&d.recorded),
            brief(&d.now)
        );
        let detail =
            json!({"lane": place, "what": d.what, "key": d.key, "recorded": d.recorded, "now": d.now});
        Self { detail: Some(Box::new(detail)), ..Self::new("replay.diverged", 20, message) }
    }
}

fn brief(value: &Value) -> String {
    let text = crate::canonical::to_string(value);
    if text.chars().count() <= 300 { text } else { text.chars().take(300).chain(" …".chars()).collect() }
}

/// A task that was begun and has no commit.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The task.
    pub task: Task,
    /// What is recorded of its effects, in order.
    pub effects: Vec<EffectRecord>,
}

/// A journal's present.
#[derive(Debug)]
pub struct Folded {
    /// The scheduler after the last commit.
    pub scheduler: Scheduler,
    /// The tasks to go on with.
    pub pending: Vec<Pending>,
    /// The end that was reached, when one was.
    pub finish: Option<Finish>,
    /// Records that follow from the last commit and are not in the journal.
    pub owed: Vec<Record>,
}

/// Looks at a finished task on the way, with its recorded effects and output, and may give the output that it
/// comes to now.
pub type Look<'a> = dyn FnMut(&Task, &[EffectRecord], &Value) -> Result<Option<Value>, Fault> + 'a;

/// Folds `records` (those after the header) of a run of `graph` on `inputs`. `heads` is the chain's head, in hex,
/// after the header and after each of them.
///
/// # Errors
/// Exit 20 where the journal says one thing and the scheduler another, exit 21 where the records make no sense,
/// and whatever `look` says.
pub fn fold(
    graph: &Arc<Graph>,
    inputs: Value,
    records: &[Record],
    heads: &[String],
    blobs: &dyn Blobs,
    look: &mut Look<'_>,
) -> Result<Folded, Fault> {
    let mut folding = Folding {
        scheduler: Scheduler::new(Arc::clone(graph), inputs)?,
        blobs,
        tasks: BTreeMap::new(),
        effects: BTreeMap::new(),
        route: None,
        finish: None,
        closed: false,
        fresh: Vec::new(),
    };
    let commands = folding.scheduler.step(Event::Start)?;
    folding.take(commands)?;
    let mut heads = heads.iter();
    folding.made_ready_by(heads.next());
    for record in records {
        folding.record(record, look)?;
        folding.made_ready_by(heads.next());
    }
    folding.present()
}

struct Folding<'a> {
    scheduler: Scheduler,
    blobs: &'a dyn Blobs,
    tasks: BTreeMap<Lane, Task>,
    effects: BTreeMap<Lane, Vec<EffectRecord>>,
    /// The route that the last commit implies and that must come next.
    route: Option<Route>,
    finish: Option<Finish>,
    /// Whether the `end` record was seen.
    closed: bool,
    /// Tasks that the last commit made ready.
    fresh: Vec<Lane>,
}

impl Folding<'_> {
    fn record(&mut self, record: &Record, look: &mut Look<'_>) -> Result<(), Fault> {
        if self.closed {
            return Err(out_of_place(record, "after the end"));
        }
        if self.route.is_some() && !matches!(record, Record::Route(_)) {
            return Err(out_of_place(record, "between a commit and its route"));
        }
        match record {
            Record::Header(_) => Err(out_of_place(record, "after the first record")),
            Record::Effect(effect) => {
                self.effects.entry(effect.lane.clone()).or_default().push(effect.clone());
                Ok(())
            }
            Record::Commit(commit) => self.commit(commit, look),
            Record::Route(route) => {
                let expected = self.route.take().ok_or_else(|| out_of_place(record, "without a commit"))?;
                if *route == expected {
                    return Ok(());
                }
                let side =
                    |route: &Route| json!({"edge": route.edge, "to": route.to, "attempt": route.attempt});
                let lane = Some(&expected.lane);
                Err(Divergence::new(lane, "route", None, side(route), side(&expected)).into())
            }
            Record::End(end) => self.end(end),
            Record::Log(_) | Record::Interrupt(_) | Record::Resume(_) => Ok(()),
        }
    }

    fn commit(&mut self, commit: &Commit, look: &mut Look<'_>) -> Result<(), Fault> {
        let lane = &commit.lane;
        let Some(task) = self.tasks.remove(lane) else {
            let expected: Vec<&Lane> = self.tasks.keys().collect();
            return Err(Divergence::new(Some(lane), "task", None, json!(lane), json!(expected)).into());
        };
        let output = commit.output.unpack(&Value::Null, self.blobs).map_err(|fault| fault.at(lane))?;
        let effects = self.effects.remove(lane).unwrap_or_default();
        let now = look(&task, &effects, &output)?.unwrap_or_else(|| output.clone());
        let differs =
            || Fault::from(Divergence::new(Some(lane), "output", None, output.clone(), now.clone()));
        let used = Used { active_ms: commit.active_ms, cost_microusd: commit.cost_microusd };
        let event = Event::TaskDone { lane: lane.clone(), output: now.clone(), used, at_ms: commit.at_ms };
        let commands = match self.scheduler.step(event) {
            Err(_) if now != output => return Err(differs()),
            other => other?,
        };
        // The state keys first: they say more than the output they come from.
        if let Some(Command::Commit(step)) = commands.first() {
            self.compare(commit, step, &output)?;
        }
        if now != output {
            return Err(differs());
        }
        self.take(commands)
    }

    fn compare(&self, commit: &Commit, step: &Superstep, output: &Value) -> Result<(), Fault> {
        let lane = Some(&commit.lane);
        if commit.superstep != step.number {
            let (recorded, now) = (json!(commit.superstep), json!(step.number));
            return Err(Divergence::new(lane, "superstep", None, recorded, now).into());
        }
        let mut keys: Vec<&String> = commit.writes.keys().chain(step.writes.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let recorded =
                commit.writes.get(key).map(|payload| payload.unpack(output, self.blobs)).transpose()?;
            let now = step.writes.get(key);
            if recorded.as_ref() != now {
                let (recorded, now) = (json!(recorded), json!(now));
                return Err(Divergence::new(lane, "write", Some(key), recorded, now).into());
            }
        }
        Ok(())
    }

    fn end(&mut self, end: &EndRecord) -> Result<(), Fault> {
        self.closed = true;
        if end.end.is_none() {
            let commands = self.scheduler.step(Event::Cancel { at_ms: end.at_ms })?;
            return self.take(commands);
        }
        let recorded = json!({"end": end.end, "outcome": end.outcome, "limit": end.limit,
            "output": end.output.unpack(&Value::Null, self.blobs)?});
        let now = self.finish.as_ref().map_or(Value::Null, |finish| {
            json!({"end": finish.end, "outcome": finish.outcome, "limit": finish.limit, "output": finish.output})
        });
        if recorded == now { Ok(()) } else { Err(Divergence::new(None, "end", None, recorded, now).into()) }
    }

    fn take(&mut self, commands: Vec<Command>) -> Result<(), Fault> {
        for command in commands {
            match command {
                Command::RunTask(task) => {
                    self.fresh.push(task.lane.clone());
                    self.tasks.insert(task.lane.clone(), task);
                }
                Command::Commit(step) => self.route = Some(route(&step)),
                Command::Finish(finish) => self.finish = Some(finish),
            }
        }
        Ok(())
    }

    /// Tells the fresh tasks the chain's head, once the records of their superstep are all there.
    fn made_ready_by(&mut self, head: Option<&String>) {
        if self.route.is_some() {
            return;
        }
        for lane in std::mem::take(&mut self.fresh) {
            if let (Some(task), Some(head)) = (self.tasks.get_mut(&lane), head) {
                task.head.clone_from(head);
            }
        }
    }

    fn present(mut self) -> Result<Folded, Fault> {
        let mut owed: Vec<Record> = self.route.take().map(Record::Route).into_iter().collect();
        if let (Some(finish), false) = (&self.finish, self.closed) {
            owed.push(end_record(finish, self.blobs)?);
        }
        let mut pending: Vec<Pending> = Vec::new();
        for (lane, task) in self.tasks {
            pending.push(Pending { task, effects: self.effects.remove(&lane).unwrap_or_default() });
        }
        if self.finish.is_some() {
            pending.clear();
        }
        Ok(Folded { scheduler: self.scheduler, pending, finish: self.finish, owed })
    }
}

/// The records of a superstep; large values go to `blobs`.
///
/// # Errors
/// When a blob cannot be stored.
pub(crate) fn superstep_records(step: &Superstep, blobs: &dyn Blobs) -> Result<Vec<Record>, Fault> {
    let writes = step
        .writes
        .iter()
        .map(|(key, value)| Ok((key.clone(), Payload::pack_write(value, &step.output, blobs)?)))
        .collect::<Result<_, Fault>>()?;
    let commit = Commit {
        lane: step.lane.clone(),
        superstep: step.number,
        output: Payload::pack(&step.output, blobs)?,
        writes,
        active_ms: step.used.active_ms,
        cost_microusd: step.used.cost_microusd,
        at_ms: step.at_ms,
    };
    Ok(vec![Record::Commit(commit), Record::Route(route(step))])
}

/// The record of an end.
///
/// # Errors
/// When a blob cannot be stored.
pub(crate) fn end_record(finish: &Finish, blobs: &dyn Blobs) -> Result<Record, Fault> {
    Ok(Record::End(EndRecord {
        end: finish.end.clone(),
        outcome: finish.outcome,
        limit: finish.limit.clone(),
        output: Payload::pack(&finish.output, blobs)?,
        at_ms: finish.at_ms,
    }))
}

fn route(step: &Superstep) -> Route {
    Route { lane: step.lane.clone(), edge: step.edge.clone(), to: step.to.clone(), attempt: step.attempt }
}

fn out_of_place(record: &Record, wherein: &str) -> Fault {
    let kind = match record {
        Record::Header(_) => "header",
        Record::Effect(_) => "effect",
        Record::Commit(_) => "commit",
        Record::Route(_) => "route",
        Record::Log(_) => "log",
        Record::Interrupt(_) => "interrupt",
        Record::Resume(_) => "resume",
        Record::End(_) => "end",
    };
    Fault::new("journal.order", 21, format!("a record `{kind}` stands {wherein}"))
}
