//! The embedded driver: performs what the scheduler asks, on this machine.
//!
//! Node bodies are polled on the caller's thread, one after another; effects and pauses run on tokio's pool. The
//! driver alone writes the journal, in the order in which things happen to it:
//!
//! ```text
//! read      ask → perform → done
//! costly    ask → start (survives kill -9) → perform → done
//! external  ask → [reconcile, when a try began before] → start (on disk) → perform → done (on disk)
//! any       a failed try → failed → pause → the next try, while the node's `retry` allows; then the run stops
//! ```
//!
//! Where a task fails for good and an error target takes it, the run goes on there; else nothing new begins, what is
//! in the air lands and is recorded, and the run stops, resumable. Where every task waits for a person, it parks.

mod body;
mod deadlines;
mod effects;
pub(crate) mod facts;
mod flight;
mod log;
mod pieces;
mod questions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

pub(crate) use body::{Body, Polled, Wanted};
pub(crate) use effects::{Known, known};
pub(crate) use facts::Facts;
use flight::{At, Flights, Landed};
pub(crate) use log::Log;
use pieces::Pieces;
pub(crate) use questions::same_question;

use crate::blob::Blobs;
use crate::clock::Clock;
use crate::event::{Event, Mode, Modes};
use crate::journal::{self, EffectRecord, LogLine, Pending, PendingAsk, Record, TIMED_OUT};
use crate::redact::Redactor;
use crate::run::{Inheritance, Stop, StopWish};
use crate::scheduler::{self, Ask, Command, Finish, Scheduler, Superstep, Used};
use crate::store::{Durability, RunStatus, Store};
use crate::{Failure, Fault, Kinds, Lane, World};

/// How often it is looked what other processes want, in milliseconds.
const LOOK_MS: u64 = 200;

/// The least that is recorded between two snapshots, in bytes.
const SNAPSHOT_BYTES: u64 = 32 * 1024;

/// And the least part of the state that it is, as its divisor.
const SNAPSHOT_PART: u64 = 8;

/// The last snapshot: what was recorded and stored then, how large it was, and what it takes in the store; in bytes.
#[derive(Default)]
struct Snapped {
    recorded: u64,
    stored: u64,
    size: u64,
    packed: u64,
}

/// What a driver works with.
pub(crate) struct Tools {
    pub(crate) store: Arc<Store>,
    pub(crate) kinds: Kinds,
    pub(crate) world: Arc<dyn World>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redactor: Redactor,
    pub(crate) stop: Stop,
    pub(crate) modes: Modes,
    /// How long a process stays for a time alone to come, in milliseconds.
    pub(crate) patience_ms: u64,
}

/// What a drive goes on from.
pub(crate) enum From {
    /// What a journal says is under way: tasks and questions.
    Journal(Vec<Pending>, Vec<PendingAsk>),
    /// What a scheduler that has just begun asks for.
    Start(Vec<Command>),
}

/// How a drive came to rest.
pub(crate) enum Rest {
    /// The run is over.
    Over(Finish),
    /// It stopped before its end and can be resumed.
    Halted(Halt),
}

/// Why a run stopped before its end.
#[derive(Debug, Clone)]
pub(crate) enum Halt {
    /// Something failed.
    Failed(Fault),
    /// A person must look or answer.
    Waiting(Fault),
    /// It was asked to.
    Asked,
}

pub(crate) struct Driver<'a> {
    tools: &'a Tools,
    facts: &'a Facts,
    blobs: Arc<dyn Blobs>,
    /// What a fork may take from the run that it branched off.
    inheritance: Option<&'a Inheritance>,
    snapped: Snapped,
    log: Log,
    scheduler: Scheduler,
    bodies: BTreeMap<Lane, Body>,
    /// Declared interrupts that wait for an answer.
    asks: BTreeMap<Lane, Ask>,
    /// Questions of bodies that time answers where nobody did.
    deadlines: BTreeMap<At, deadlines::Deadline>,
    /// Bodies that can be polled.
    ready: VecDeque<Lane>,
    flights: Flights,
    /// What changes the world and is in the air, with the record of its start.
    externals: BTreeMap<At, EffectRecord>,
    /// Once set, nothing new begins; what is in the air lands and is recorded.
    halt: Option<Halt>,
    /// Once set, no task begins; those under way come to the end of their superstep.
    draining: bool,
    /// The end that was reached, while something that changes the world is still in the air.
    closing: Option<Finish>,
    over: Option<Finish>,
    /// Who is told; nobody wants to know where there is none.
    sink: Option<&'a mut (dyn FnMut(Event) + 'a)>,
    /// Pieces of answers on their way: where they come in, and what of each effect's is not told yet.
    pieces: Pieces,
    /// When it was last looked what other processes want, by the clock's ticks, and what this one wanted then.
    looked: Option<(u64, u64)>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        tools: &'a Tools,
        facts: &'a Facts,
        blobs: Arc<dyn Blobs>,
        log: Log,
        scheduler: Scheduler,
        sink: Option<&'a mut (dyn FnMut(Event) + 'a)>,
    ) -> Self {
        Self {
            tools,
            facts,
            blobs,
            inheritance: None,
            snapped: Snapped::default(),
            log,
            scheduler,
            bodies: BTreeMap::new(),
            asks: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            ready: VecDeque::new(),
            flights: Flights::default(),
            externals: BTreeMap::new(),
            halt: None,
            draining: false,
            closing: None,
            over: None,
            sink,
            pieces: Pieces::default(),
            looked: None,
        }
    }

    /// The same driver, for a fork.
    pub(crate) fn inheriting(self, inheritance: Option<&'a Inheritance>) -> Self {
        Self { inheritance, ..self }
    }

    /// Goes on from what is under way until the run is over or stops. Gives back the log, the scheduler and the reason.
    pub(crate) async fn drive(mut self, from: From) -> (Log, Scheduler, Rest) {
        let rest = match self.rest(from).await {
            Ok(rest) => rest,
            Err(fault) => Rest::Halted(Halt::Failed(fault)),
        };
        self.flights.abort_all();
        (self.log, self.scheduler, rest)
    }

    async fn rest(&mut self, from: From) -> Result<Rest, Fault> {
        if self.cancel_wanted()? {
            self.cancel()?;
        } else {
            match from {
                From::Journal(pending, asks) => {
                    for one in asks {
                        self.ask(one)?;
                    }
                    for one in pending {
                        self.begin(one)?;
                    }
                }
                From::Start(commands) => self.carry_out(commands)?,
            }
        }
        let (stop, clock) = (self.tools.stop.clone(), Arc::clone(&self.tools.clock));
        loop {
            while let Some(lane) = self.ready.pop_front() {
                self.poll(&lane)?;
            }
            if let Some(finish) = self.over.take() {
                return Ok(Rest::Over(finish));
            }
            if self.flights.is_empty() {
                match self.closing.take() {
                    Some(finish) => self.close(finish)?,
                    None if self.due()? => {}
                    None if self.await_due() => {}
                    None => return Ok(Rest::Halted(self.why_it_rests())),
                }
                continue;
            }
            tokio::select! {
                biased;
                () = stop.now() => return Ok(Rest::Halted(Halt::Asked)),
                landed = self.flights.next() => if let Some(landed) = landed? {
                    self.land(landed)?;
                },
                piece = self.pieces.next() => self.piece(piece),
                () = clock.look_around() => self.look_around()?,
            }
        }
    }

    /// Looks whether somebody wants the run to end or to stop while its effects take their time.
    fn look_around(&mut self) -> Result<(), Fault> {
        if self.halt.is_none() && self.closing.is_none() && self.cancel_wanted()? {
            return self.cancel();
        }
        self.heed_wish();
        self.due()?;
        Ok(())
    }

    fn heed_wish(&mut self) {
        match self.tools.stop.wish() {
            StopWish::Now if self.halt.is_none() => self.halt = Some(Halt::Asked),
            StopWish::Drain => self.draining = true,
            _ => {}
        }
        if self.halt.is_some() || self.draining {
            self.flights.stop_waiting();
        }
    }

    /// Starts the body of a task, or starts it again with what the journal holds of it.
    fn begin(&mut self, pending: Pending) -> Result<(), Fault> {
        let (lane, attempt, max_attempts) =
            (pending.task.lane.clone(), pending.task.attempt, pending.task.max_attempts);
        let now = self.tools.clock.ticks_ms();
        let body = Body::new(self.facts, &self.tools.kinds, pending, Arc::clone(&self.blobs), now)?;
        self.say(Mode::Tasks, || Event::TaskStarted {
            lane: lane.clone(),
            kind: body.prepared.kind.clone(),
            attempt,
            max_attempts,
        });
        if let Some(timeout_ms) = body.prepared.timeout_ms {
            let left = timeout_ms.saturating_sub(body.active_ms(now));
            let (clock, lane) = (Arc::clone(&self.tools.clock), lane.clone());
            self.flights.time(&lane.clone(), async move {
                clock.sleep(left).await;
                Landed::TimedOut(lane)
            });
        }
        self.bodies.insert(lane.clone(), body);
        self.ready.push_back(lane);
        Ok(())
    }

    fn poll(&mut self, lane: &Lane) -> Result<(), Fault> {
        let Some(body) = self.bodies.get_mut(lane) else { return Ok(()) };
        let polled = body.poll();
        let told = body.told();
        for message in body.logged() {
            self.log(lane, &message)?;
        }
        for data in told {
            let data = self.tools.redactor.value(data);
            self.say(Mode::Custom, || Event::Custom { lane: lane.clone(), data });
        }
        match polled? {
            Polled::Returned(output) => self.returned(lane, output),
            Polled::Failed(fault) => self.task_failed(lane, fault),
            Polled::Asked(ordinals) => {
                for ordinal in ordinals {
                    self.asked(lane, ordinal)?;
                }
                if self.bodies.get(lane).is_some_and(Body::waits_for_answer) {
                    // A person may take longer than the node.
                    self.flights.stop_clock(lane);
                }
                self.wake(lane);
                Ok(())
            }
        }
    }

    /// Lets a body go on once all of its effects are answered.
    fn wake(&mut self, lane: &Lane) {
        if self.halt.is_none() && self.bodies.get(lane).is_some_and(Body::answered) {
            self.ready.push_back(lane.clone());
        }
    }

    fn returned(&mut self, lane: &Lane, output: Value) -> Result<(), Fault> {
        self.flights.call_back(lane);
        let Some(body) = self.bodies.remove(lane) else { return Ok(()) };
        body.nothing_unasked()?;
        body.prepared.check(lane, &output)?;
        let used = self.used(&body);
        let at_ms = self.tools.clock.now_ms();
        let done = scheduler::Event::TaskDone { lane: lane.clone(), output, used, at_ms };
        let commands = self.scheduler.step(done)?;
        self.carry_out(commands)
    }

    /// A task failed for good: an error target takes it, or the run stops.
    fn task_failed(&mut self, lane: &Lane, fault: Fault) -> Result<(), Fault> {
        if !self.scheduler.catches(lane) {
            self.halt.get_or_insert(Halt::Failed(fault));
            return Ok(());
        }
        let error = Failure::from(&fault);
        let Some(body) = self.bodies.remove(lane) else { return Ok(()) };
        self.flights.call_back(lane);
        let used = self.used(&body);
        self.say(Mode::Tasks, || Event::TaskFailed { lane: lane.clone(), error: error.clone() });
        let at_ms = self.tools.clock.now_ms();
        let failed = scheduler::Event::TaskFailed { lane: lane.clone(), error, used, at_ms };
        let commands = self.scheduler.step(failed)?;
        self.carry_out(commands)
    }

    fn used(&self, body: &Body) -> Used {
        let active_ms = body.active_ms(self.tools.clock.ticks_ms());
        Used { active_ms, cost_microusd: body.cost_microusd() }
    }

    /// Records what is to be recorded, in one transaction, and then does the rest.
    fn carry_out(&mut self, commands: Vec<Command>) -> Result<(), Fault> {
        let (mut records, mut steps, mut begins) = (Vec::new(), Vec::new(), Vec::new());
        let mut finish = None;
        for command in commands {
            match command {
                Command::Commit(step) => {
                    if self.log.is_on() {
                        records.extend(journal::superstep_records(&step, self.blobs.as_ref())?);
                    }
                    steps.push(step);
                }
                Command::Drop(lane) => {
                    self.bodies.remove(&lane);
                    self.asks.remove(&lane);
                    self.flights.call_back(&lane);
                }
                Command::Finish(end) => finish = Some(end),
                command => begins.push(command),
            }
        }
        let ends = finish.is_some() && self.externals.is_empty();
        if !records.is_empty() {
            // The end is recorded right after it, and brings it along.
            let durability = if ends { Durability::Memory } else { self.facts.level.of_commit() };
            self.log.append(&records, None, durability, self.tools.clock.now_ms())?;
            self.snapshot()?;
        }
        if let Some(finish) = finish {
            self.bodies.clear();
            self.asks.clear();
            self.ready.clear();
            if ends {
                self.close(finish)?;
            } else {
                self.closing = Some(finish);
            }
            steps.into_iter().for_each(|step| self.tell(step));
            return Ok(());
        }
        steps.into_iter().for_each(|step| self.tell(step));
        if self.cancel_wanted()? {
            return self.cancel();
        }
        self.heed_wish();
        let head = self.log.head();
        for command in begins {
            let idle = self.halt.is_some() || self.draining;
            match command {
                Command::RunTask(task) if !idle => {
                    let (effects, questions) = (Vec::new(), Vec::new());
                    self.begin(Pending { task, effects, questions, head })?;
                }
                // A question is asked even while the run comes to rest: nothing begins with it.
                Command::Ask(ask) => self.ask(PendingAsk { ask, recorded: false })?,
                Command::Opened(opened) => {
                    let kind = self.facts.node(&opened.graph, &opened.lane)?.kind.clone();
                    let (attempt, max_attempts) = (opened.attempt, opened.max_attempts);
                    self.say(Mode::Tasks, || Event::TaskStarted {
                        lane: opened.lane,
                        kind,
                        attempt,
                        max_attempts,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Records the end.
    fn close(&mut self, finish: Finish) -> Result<(), Fault> {
        let result = crate::run::RunResult::of_finish(&finish).to_json();
        let status = if finish.end.is_some() { RunStatus::Ended } else { RunStatus::Cancelled };
        if self.log.is_on() {
            let record = journal::end_record(&finish, self.blobs.as_ref())?;
            let now_ms = self.tools.clock.now_ms();
            self.log.append(&[record], Some((status, &result)), Durability::Disk, now_ms)?;
        }
        self.over = Some(finish);
        Ok(())
    }

    /// Keeps where the scheduler stands, so that any state is a short way from one that was kept. Not before what is
    /// stored since the last time outgrows what that one takes: so all snapshots together take no more than the records
    /// and one snapshot. And not before what is recorded since then is a good part of the state: so the work that they
    /// are stays in proportion.
    fn snapshot(&mut self) -> Result<(), Fault> {
        let Snapped { recorded, stored, size, packed } = self.snapped;
        let least = SNAPSHOT_BYTES.max(size / SNAPSHOT_PART);
        if self.log.recorded().saturating_sub(recorded) < least
            || self.log.stored().saturating_sub(stored) < packed
        {
            return Ok(());
        }
        let content = self.scheduler.snapshot_text()?;
        let packed = self.log.snapshot(&content)?;
        let (recorded, stored) = (self.log.recorded(), self.log.stored());
        self.snapped = Snapped { recorded, stored, size: content.len() as u64, packed };
        Ok(())
    }

    fn tell(&mut self, step: Superstep) {
        let Superstep { lane, number, output, writes, used, edge, to, attempt, .. } = step;
        if self.wants(Mode::Updates) && !writes.values.is_empty() {
            let (values, overwrites) = (writes.values, writes.overwrites);
            self.say(Mode::Updates, || Event::Updates { lane: lane.clone(), writes: values, overwrites });
        }
        if self.wants(Mode::Values) {
            // A scope that ended with this superstep has no state of its own any more.
            if let Some(state) = self.scheduler.state_of(&lane.scope) {
                self.say(Mode::Values, || Event::Values { scope: lane.scope.to_string(), state });
            }
        }
        if self.wants(Mode::Checkpoints) {
            let (records, head) = (self.log.records(), self.log.head());
            let head = head.as_ref().map(journal::hex).unwrap_or_default();
            let (scope, superstep) = (lane.scope.to_string(), number);
            let lane = lane.clone();
            self.say(Mode::Checkpoints, || Event::Checkpoint { lane, scope, superstep, records, head });
        }
        let Used { active_ms, cost_microusd } = used;
        self.say(Mode::Tasks, || {
            let output = output.as_ref().clone();
            Event::Committed { lane: lane.clone(), output, active_ms, cost_microusd }
        });
        self.say(Mode::Tasks, || Event::Routed { lane, edge: edge.to_string(), to: to.to_string(), attempt });
    }

    /// Tells whoever wants to know.
    fn say(&mut self, mode: Mode, event: impl FnOnce() -> Event) {
        if let Some(sink) = &mut self.sink
            && self.tools.modes.has(mode)
        {
            sink(event());
        }
    }

    /// Whether events of this mode are wanted.
    fn wants(&self, mode: Mode) -> bool {
        self.sink.is_some() && self.tools.modes.has(mode)
    }

    fn log(&mut self, lane: &Lane, message: &str) -> Result<(), Fault> {
        let message = self.tools.redactor.text(message);
        self.say(Mode::Tasks, || Event::Log { lane: lane.clone(), message: message.clone() });
        let at_ms = self.tools.clock.now_ms();
        self.record(Record::Log(LogLine { lane: lane.clone(), message, at_ms }), Durability::Process)
    }

    /// Records something at least as firmly as `durability`, as far as the run's level allows.
    fn record(&mut self, record: Record, durability: Durability) -> Result<(), Fault> {
        let durability = self.facts.level.at_most(durability);
        self.log.append(&[record], None, durability, self.tools.clock.now_ms())
    }

    /// The task took as long as its node may.
    fn timed_out(&mut self, lane: &Lane) -> Result<(), Fault> {
        let Some(body) = self.bodies.get(lane) else { return Ok(()) };
        let limit = body.prepared.timeout_ms.unwrap_or_default();
        let message = format!("{lane}: it took longer than its `timeout` of {limit} ms");
        let fault =
            Fault::new(TIMED_OUT, 14, message).help("give the node more time, or an `on_error` target");
        self.task_failed(lane, fault)
    }

    /// Whether the run is to end. The store is asked a few times a second, not after every superstep.
    fn cancel_wanted(&mut self) -> Result<bool, Fault> {
        if self.tools.stop.wish() == StopWish::Cancel {
            return Ok(true);
        }
        if !self.log.is_on() {
            return Ok(false);
        }
        let (now, wishes) = (self.tools.clock.ticks_ms(), self.tools.store.wishes());
        let just_looked =
            self.looked.is_some_and(|(at, then)| then == wishes && now.saturating_sub(at) < LOOK_MS);
        if just_looked {
            return Ok(false);
        }
        self.looked = Some((now, wishes));
        self.tools.store.cancel_wanted(self.log.run())
    }

    fn cancel(&mut self) -> Result<(), Fault> {
        let lanes: Vec<Lane> = self.bodies.keys().cloned().collect();
        lanes.iter().for_each(|lane| self.flights.call_back(lane));
        let commands = self.scheduler.step(scheduler::Event::Cancel { at_ms: self.tools.clock.now_ms() })?;
        self.carry_out(commands)
    }
}
