//! Folds a journal through the scheduler: the one way in which a run's past becomes its present.
//!
//! Resume folds and goes on live; replay folds and runs the bodies again on the way. Both compare every superstep,
//! route and end with what the scheduler says now, so a graph, a record or a program that changed shows at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Answer, Chain, Commit, EffectRecord, EndRecord, Header, Interrupt, Past, Payload, Record, Route,
    UpdateRecord, encode, link,
};
use crate::blob::Blobs;
use crate::graph::Graph;
use crate::scheduler::{Ask, Command, Event, Finish, Scheduler, Superstep, Task, Update, Used, Writes};
use crate::{Fault, Lane};

/// The code of a task that took longer than its node's `timeout`.
pub(crate) const TIMED_OUT: &str = "node.timeout";

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
    /// What its body asked a person, in order.
    pub questions: Vec<Question>,
    /// The hash of the record that led to it: its route's, or the header's. Nothing where there is no journal.
    pub head: Option<Chain>,
}

/// A question of a node's body.
#[derive(Debug, Clone)]
pub struct Question {
    /// What was asked.
    pub asked: Interrupt,
    /// The answer, when there is one.
    pub answer: Option<Value>,
}

/// A declared interrupt that waits for its answer.
#[derive(Debug, Clone)]
pub struct PendingAsk {
    /// The question.
    pub ask: Ask,
    /// Whether the journal tells of it.
    pub recorded: bool,
}

/// A journal's present.
#[derive(Debug)]
pub struct Folded {
    /// The scheduler after the last commit.
    pub scheduler: Scheduler,
    /// The tasks to go on with.
    pub pending: Vec<Pending>,
    /// The declared interrupts that wait for an answer.
    pub asks: Vec<PendingAsk>,
    /// The end that was reached, when one was.
    pub finish: Option<Finish>,
    /// Records that follow from the last ones and are not in the journal.
    pub owed: Vec<Record>,
}

/// Looks at a finished task on the way, with its recorded output (nothing where it failed), and may give the output
/// that it comes to now.
pub type Look<'a> = dyn FnMut(&Pending, Option<&Value>) -> Result<Option<Value>, Fault> + 'a;

/// Folds the records of a run of `graph`.
///
/// # Errors
/// Exit 20 where the journal says one thing and the scheduler another, exit 21 where the records make no sense,
/// and whatever `look` says.
pub fn fold(
    graph: &Arc<Graph>,
    past: &Past,
    blobs: &dyn Blobs,
    look: &mut Look<'_>,
) -> Result<Folded, Fault> {
    let (scheduler, commands) = begun(graph, &past.header, blobs)?;
    walk(scheduler, commands, past, blobs, look)
}

/// Folds records onto a scheduler that stood where they begin. The tasks under way there may have effects before them,
/// so this is for looking at states, not for going on.
pub(crate) fn fold_on(mut scheduler: Scheduler, past: &Past, blobs: &dyn Blobs) -> Result<Folded, Fault> {
    let commands = scheduler.under_way()?;
    walk(scheduler, commands, past, blobs, &mut |_, _| Ok(None))
}

fn walk(
    scheduler: Scheduler,
    commands: Vec<Command>,
    past: &Past,
    blobs: &dyn Blobs,
    look: &mut Look<'_>,
) -> Result<Folded, Fault> {
    let mut folding = Folding {
        scheduler,
        blobs,
        chain: past.root,
        tasks: BTreeMap::new(),
        asks: BTreeMap::new(),
        gone: BTreeSet::new(),
        expected: VecDeque::new(),
        then: Vec::new(),
        finish: None,
        closed: false,
    };
    folding.expect(commands);
    for sealed in &past.records {
        folding.chain = sealed.chain;
        folding.record(&sealed.record, look)?;
    }
    folding.present()
}

/// The scheduler at the beginning of a run: of its graph, or of where it branched off another run.
pub(crate) fn begun(
    graph: &Arc<Graph>,
    header: &Header,
    blobs: &dyn Blobs,
) -> Result<(Scheduler, Vec<Command>), Fault> {
    let mut scheduler = match &header.fork {
        Some(origin) => Scheduler::restored(Arc::clone(graph), &origin.at.unpack(&Value::Null, blobs)?)?,
        None => Scheduler::new(Arc::clone(graph), header.inputs.unpack(&Value::Null, blobs)?)?,
    };
    let commands = if scheduler.is_new() {
        scheduler.step(Event::Start { at_ms: header.created_ms })?
    } else {
        scheduler.under_way()?
    };
    Ok((scheduler, commands))
}

/// A record that must come.
enum Expected {
    Commit(Box<Superstep>),
    /// Of the commit before it.
    Route(Route),
}

struct Folding<'a> {
    scheduler: Scheduler,
    blobs: &'a dyn Blobs,
    /// The hash of the record at hand.
    chain: Chain,
    tasks: BTreeMap<Lane, Pending>,
    asks: BTreeMap<Lane, PendingAsk>,
    /// Tasks that nobody waits for any more; what was in the air then may still have been recorded.
    gone: BTreeSet<Lane>,
    /// What follows from the last record that was no consequence, and must come next.
    expected: VecDeque<Expected>,
    /// What is to happen then.
    then: Vec<Command>,
    finish: Option<Finish>,
    /// Whether the `end` record was seen.
    closed: bool,
}

impl Folding<'_> {
    fn record(&mut self, record: &Record, look: &mut Look<'_>) -> Result<(), Fault> {
        if self.closed {
            return Err(out_of_place(record, "after the end"));
        }
        if let Some(expected) = self.expected.pop_front() {
            self.same(record, &expected)?;
            if self.expected.is_empty() {
                self.take();
            }
            return Ok(());
        }
        match record {
            Record::Header(_) => Err(out_of_place(record, "after the first record")),
            Record::Route(_) => Err(out_of_place(record, "without a commit")),
            Record::Effect(effect) => match self.tasks.get_mut(&effect.lane) {
                Some(pending) => {
                    pending.effects.push(effect.clone());
                    Ok(())
                }
                None if self.gone.contains(&effect.lane) => Ok(()),
                None => Err(out_of_place(record, "outside its task")),
            },
            Record::Commit(commit) => self.commit(commit, look),
            Record::End(end) => self.end(end),
            Record::Interrupt(asks) => self.interrupt(record, asks, look),
            Record::Answer(answer) => self.answer(record, answer),
            Record::Update(update) => self.update(update),
            Record::Log(_) | Record::Resume(_) => Ok(()),
        }
    }

    fn commit(&mut self, commit: &Commit, look: &mut Look<'_>) -> Result<(), Fault> {
        let lane = &commit.lane;
        let Some(pending) = self.tasks.remove(lane) else {
            let expected: Vec<&Lane> = self.tasks.keys().collect();
            return Err(Divergence::new(Some(lane), "task", None, json!(lane), json!(expected)).into());
        };
        self.gone.insert(lane.clone());
        let output = commit.output.unpack(&Value::Null, self.blobs).map_err(|fault| fault.at(lane))?;
        let told = look(&pending, commit.error.is_none().then_some(&output))?;
        let used = Used { active_ms: commit.active_ms, cost_microusd: commit.cost_microusd };
        let at_ms = commit.at_ms;
        // What came out now, where it is something else.
        let (now, event) = match &commit.error {
            Some(error) => {
                // A task that was stopped from outside may well return when it is not.
                if let Some(now) = told.filter(|_| error.code != TIMED_OUT) {
                    return Err(
                        Divergence::new(Some(lane), "output", None, json!({"error": error}), now).into()
                    );
                }
                (None, Event::TaskFailed { lane: lane.clone(), error: error.clone(), used, at_ms })
            }
            None => {
                let now = told.filter(|now| *now != output);
                let output = now.as_ref().unwrap_or(&output).clone();
                (now, Event::TaskDone { lane: lane.clone(), output, used, at_ms })
            }
        };
        let differs = || {
            let now = now.clone()?;
            Some(Divergence::new(Some(lane), "output", None, output.clone(), now).into())
        };
        let commands = match self.scheduler.step(event) {
            Err(fault) => return Err(differs().unwrap_or(fault)),
            Ok(commands) => commands,
        };
        self.expect(commands);
        // The state keys first: they say more than the output they come from.
        match self.expected.pop_front() {
            Some(Expected::Commit(step)) => self.compare(commit, &step, &output)?,
            _ => return Err(Divergence::new(Some(lane), "task", None, json!(lane), Value::Null).into()),
        }
        differs().map_or(Ok(()), Err)
    }

    /// Holds a record against the one that must come.
    fn same(&self, record: &Record, expected: &Expected) -> Result<(), Fault> {
        match (record, expected) {
            (Record::Route(recorded), Expected::Route(now)) => same_route(recorded, now),
            (Record::Commit(recorded), Expected::Commit(now)) if recorded.lane == now.lane => {
                let output = recorded.output.unpack(&Value::Null, self.blobs)?;
                self.compare(recorded, now, &output)?;
                let lane = Some(&recorded.lane);
                if output == *now.output {
                    Ok(())
                } else {
                    let now = now.output.as_ref().clone();
                    Err(Divergence::new(lane, "output", None, output, now).into())
                }
            }
            (_, Expected::Route(_)) => Err(out_of_place(record, "between a commit and its route")),
            _ => Err(out_of_place(record, "between a commit and what follows from it")),
        }
    }

    /// Holds a commit, whose output is `output`, against what the scheduler makes of the same result: all but the output.
    fn compare(&self, commit: &Commit, now: &Superstep, output: &Value) -> Result<(), Fault> {
        let lane = Some(&commit.lane);
        if commit.superstep != now.number {
            let (recorded, now) = (json!(commit.superstep), json!(now.number));
            return Err(Divergence::new(lane, "superstep", None, recorded, now).into());
        }
        if commit.error != now.error {
            return Err(Divergence::new(lane, "error", None, json!(commit.error), json!(now.error)).into());
        }
        let mut keys: Vec<&String> = commit.writes.keys().chain(now.writes.values.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (recorded, now) = (commit.writes.get(key), now.writes.values.get(key));
            let same = match (recorded, now) {
                (Some(recorded), Some(now)) => recorded.holds(now, output, self.blobs)?,
                _ => false,
            };
            if !same {
                let recorded = recorded.map(|payload| payload.unpack(output, self.blobs)).transpose()?;
                let (recorded, now) = (json!(recorded), json!(now));
                return Err(Divergence::new(lane, "write", Some(key), recorded, now).into());
            }
        }
        if commit.overwrites != now.writes.overwrites {
            let (recorded, now) = (json!(commit.overwrites), json!(now.writes.overwrites));
            return Err(Divergence::new(lane, "overwrites", None, recorded, now).into());
        }
        Ok(())
    }

    fn interrupt(&mut self, record: &Record, asks: &Interrupt, look: &mut Look<'_>) -> Result<(), Fault> {
        let lane = &asks.lane;
        match (asks.when, &asks.id) {
            // An effect whose outcome could not be told: whoever resumes looks again.
            (None, None) => Ok(()),
            (None, Some(_)) => {
                let pending = self.tasks.get_mut(lane);
                let pending = pending.ok_or_else(|| out_of_place(record, "outside its task"))?;
                pending.questions.push(Question { asked: asks.clone(), answer: None });
                Ok(())
            }
            (Some(when), _) => {
                if let Some(payload) = &asks.output {
                    let output = payload.unpack(&Value::Null, self.blobs)?;
                    let now = match self.asks.get(lane).map(|pending| &pending.ask.output) {
                        // What a call gave, and that it asks, follows from the records before.
                        Some(given) => given.as_deref().cloned().unwrap_or_default(),
                        None => self.returned(record, asks, &output, look)?,
                    };
                    if now != output {
                        return Err(Divergence::new(Some(lane), "output", None, output, now).into());
                    }
                }
                match self.asks.get_mut(lane) {
                    Some(pending) if pending.ask.at == when => {
                        pending.recorded = true;
                        let (recorded, now) = (&asks.question, &pending.ask.question);
                        if recorded == now {
                            return Ok(());
                        }
                        let (recorded, now) = (json!(recorded), json!(now));
                        Err(Divergence::new(Some(lane), "question", None, recorded, now).into())
                    }
                    _ => Err(Divergence::new(Some(lane), "interrupt", None, json!(when), Value::Null).into()),
                }
            }
        }
    }

    /// A task returned `output`, and a person is asked about it; gives what it returns now.
    fn returned(
        &mut self,
        record: &Record,
        asks: &Interrupt,
        output: &Value,
        look: &mut Look<'_>,
    ) -> Result<Value, Fault> {
        let pending = self.tasks.remove(&asks.lane);
        let pending = pending.ok_or_else(|| out_of_place(record, "outside its task"))?;
        let now = look(&pending, Some(output))?.unwrap_or_else(|| output.clone());
        if now == *output {
            let (lane, used, at_ms) = (asks.lane.clone(), asks.used, asks.at_ms);
            let event = Event::TaskDone { lane, output: now.clone(), used, at_ms };
            let commands = self.scheduler.step(event)?;
            self.expect(commands);
        }
        Ok(now)
    }

    fn answer(&mut self, record: &Record, answer: &Answer) -> Result<(), Fault> {
        let value = answer.value.unpack(&Value::Null, self.blobs)?;
        let lane = &answer.lane;
        if self.asks.get(lane).is_some_and(|pending| pending.ask.id() == answer.id) {
            self.asks.remove(lane);
            let at_ms = answer.at_ms;
            let commands = self.scheduler.step(Event::Answered { lane: lane.clone(), value, at_ms })?;
            self.expect(commands);
            return Ok(());
        }
        let questions = self.tasks.get_mut(lane).map(|pending| &mut pending.questions);
        let asked = questions
            .and_then(|all| all.iter_mut().find(|one| one.asked.id.as_deref() == Some(answer.id.as_str())));
        match asked {
            Some(question) if question.answer.is_none() => {
                question.answer = Some(value);
                Ok(())
            }
            _ => Err(out_of_place(record, "where nothing was asked")),
        }
    }

    fn update(&mut self, update: &UpdateRecord) -> Result<(), Fault> {
        let unpack = |payload: &Payload| payload.unpack(&Value::Null, self.blobs);
        let output = update.output.as_ref().map(unpack).transpose()?;
        let values = update.writes.iter().map(|(key, value)| Ok((key.clone(), unpack(value)?)));
        let values = values.collect::<Result<_, Fault>>()?;
        let commands = self.scheduler.step(Event::Update(Update {
            scope: update.scope.clone(),
            node: update.node.clone(),
            output,
            writes: Writes { values, overwrites: update.overwrites.clone() },
            at_ms: update.at_ms,
        }))?;
        self.expect(commands);
        Ok(())
    }

    fn end(&mut self, end: &EndRecord) -> Result<(), Fault> {
        self.closed = true;
        if end.end.is_none() {
            let commands = self.scheduler.step(Event::Cancel { at_ms: end.at_ms })?;
            self.expect(commands);
            return Ok(());
        }
        let recorded = json!({"end": end.end, "outcome": end.outcome, "limit": end.limit,
            "output": end.output.unpack(&Value::Null, self.blobs)?});
        let now = self.finish.as_ref().map_or(Value::Null, |finish| {
            json!({"end": finish.end, "outcome": finish.outcome, "limit": finish.limit, "output": finish.output})
        });
        if recorded == now { Ok(()) } else { Err(Divergence::new(None, "end", None, recorded, now).into()) }
    }

    /// Notes what commands imply: records that must come next, and what is to happen then.
    fn expect(&mut self, commands: Vec<Command>) {
        self.then = Vec::with_capacity(commands.len());
        for command in commands {
            match command {
                Command::Commit(step) => {
                    let route = route(&step);
                    self.expected.push_back(Expected::Commit(Box::new(step)));
                    self.expected.push_back(Expected::Route(route));
                }
                command => self.then.push(command),
            }
        }
        if self.expected.is_empty() {
            self.take();
        }
    }

    /// What is to happen after the record at hand.
    fn take(&mut self) {
        for command in std::mem::take(&mut self.then) {
            match command {
                Command::RunTask(task) => {
                    let (effects, questions) = (Vec::new(), Vec::new());
                    let pending = Pending { task, effects, questions, head: Some(self.chain) };
                    self.tasks.insert(pending.task.lane.clone(), pending);
                }
                Command::Ask(ask) => {
                    self.tasks.remove(&ask.lane);
                    self.asks.insert(ask.lane.clone(), PendingAsk { ask, recorded: false });
                }
                Command::Drop(lane) => {
                    self.tasks.remove(&lane);
                    self.asks.remove(&lane);
                    self.gone.insert(lane);
                }
                Command::Commit(_) | Command::Opened(_) => {}
                Command::Finish(finish) => self.finish = Some(finish),
            }
        }
    }

    fn present(mut self) -> Result<Folded, Fault> {
        let mut owed: Vec<Record> = Vec::new();
        for expected in self.expected.drain(..) {
            match expected {
                Expected::Commit(step) => owed.push(commit_record(&step, self.blobs)?),
                Expected::Route(route) => owed.push(Record::Route(route)),
            }
        }
        for record in &owed {
            self.chain = link(&self.chain, &encode(record)?);
        }
        self.take();
        if let (Some(finish), false) = (&self.finish, self.closed) {
            owed.push(end_record(finish, self.blobs)?);
        }
        let over = self.finish.is_some();
        let pending = if over { Vec::new() } else { self.tasks.into_values().collect() };
        let asks = if over { Vec::new() } else { self.asks.into_values().collect() };
        Ok(Folded { scheduler: self.scheduler, pending, asks, finish: self.finish, owed })
    }
}

fn same_route(recorded: &Route, now: &Route) -> Result<(), Fault> {
    if recorded == now {
        return Ok(());
    }
    let side = |route: &Route| json!({"edge": route.edge, "to": route.to, "attempt": route.attempt});
    Err(Divergence::new(Some(&now.lane), "route", None, side(recorded), side(now)).into())
}

/// The records of a superstep; large values go to `blobs`.
///
/// # Errors
/// When a blob cannot be stored.
pub(crate) fn superstep_records(step: &Superstep, blobs: &dyn Blobs) -> Result<[Record; 2], Fault> {
    Ok([commit_record(step, blobs)?, Record::Route(route(step))])
}

fn commit_record(step: &Superstep, blobs: &dyn Blobs) -> Result<Record, Fault> {
    let writes = step
        .writes
        .values
        .iter()
        .map(|(key, value)| Ok((key.clone(), Payload::pack_write(value, &step.output, blobs)?)))
        .collect::<Result<_, Fault>>()?;
    let commit = Commit {
        lane: step.lane.clone(),
        superstep: step.number,
        output: Payload::pack(&step.output, blobs)?,
        writes,
        overwrites: step.writes.overwrites.clone(),
        error: step.error.clone(),
        active_ms: step.used.active_ms,
        cost_microusd: step.used.cost_microusd,
        at_ms: step.at_ms,
    };
    Ok(Record::Commit(commit))
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
    Route { lane: step.lane.clone(), edge: step.edge.to_string(), to: step.to.clone(), attempt: step.attempt }
}

fn out_of_place(record: &Record, wherein: &str) -> Fault {
    let kind = match record {
        Record::Header(_) => "header",
        Record::Effect(_) => "effect",
        Record::Commit(_) => "commit",
        Record::Route(_) => "route",
        Record::Log(_) => "log",
        Record::Interrupt(_) => "interrupt",
        Record::Answer(_) => "answer",
        Record::Update(_) => "update",
        Record::Resume(_) => "resume",
        Record::End(_) => "end",
    };
    Fault::new("journal.order", 21, format!("a record `{kind}` stands {wherein}"))
}
