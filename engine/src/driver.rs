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

mod body;
mod effects;
pub(crate) mod facts;
mod flight;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

pub(crate) use body::{Body, Polled};
pub(crate) use effects::{Known, known};
pub(crate) use facts::Facts;
use flight::Landed;

use crate::blob::Blobs;
use crate::clock::Clock;
use crate::event::Event;
use crate::journal::{self, LogLine, Pending, Record};
use crate::redact::Redactor;
use crate::run::{Stop, StopWish};
use crate::scheduler::{self, Command, Finish, Scheduler, Superstep, Task, Used};
use crate::store::{Durability, Owner, RunStatus, Store};
use crate::{Fault, Kinds, Lane, World};

/// What a driver works with.
pub(crate) struct Tools {
    pub(crate) store: Arc<Store>,
    pub(crate) kinds: Kinds,
    pub(crate) world: Arc<dyn World>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redactor: Redactor,
    pub(crate) stop: Stop,
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
    /// A person must look.
    Waiting(Fault),
    /// It was asked to.
    Asked,
}

pub(crate) struct Driver<'a> {
    tools: &'a Tools,
    facts: &'a Facts,
    owner: Owner,
    scheduler: Scheduler,
    bodies: BTreeMap<Lane, Body>,
    /// Bodies that can be polled.
    ready: VecDeque<Lane>,
    flights: JoinSet<Landed>,
    /// Once set, nothing new begins; what is in the air lands and is recorded.
    halt: Option<Halt>,
    over: Option<Finish>,
    sink: &'a mut dyn FnMut(Event),
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        tools: &'a Tools,
        facts: &'a Facts,
        owner: Owner,
        scheduler: Scheduler,
        sink: &'a mut dyn FnMut(Event),
    ) -> Self {
        let (bodies, ready, flights) = (BTreeMap::new(), VecDeque::new(), JoinSet::new());
        Self { tools, facts, owner, scheduler, bodies, ready, flights, halt: None, over: None, sink }
    }

    /// Goes on with `pending` until the run is over or stops. Gives the owner back with the reason.
    pub(crate) async fn drive(mut self, pending: Vec<Pending>) -> (Owner, Rest) {
        let rest = match self.rest(pending).await {
            Ok(rest) => rest,
            Err(fault) => Rest::Halted(Halt::Failed(fault)),
        };
        self.flights.abort_all();
        (self.owner, rest)
    }

    async fn rest(&mut self, pending: Vec<Pending>) -> Result<Rest, Fault> {
        if self.cancel_wanted()? {
            self.cancel()?;
        } else {
            for Pending { task, effects } in pending {
                self.begin(task, effects)?;
            }
        }
        let stop = self.tools.stop.clone();
        loop {
            while let Some(lane) = self.ready.pop_front() {
                self.poll(&lane)?;
            }
            if let Some(finish) = self.over.take() {
                return Ok(Rest::Over(finish));
            }
            if self.flights.is_empty() {
                let stuck = || Halt::Failed(Fault::bug("the run waits for nothing"));
                return Ok(Rest::Halted(self.halt.take().unwrap_or_else(stuck)));
            }
            tokio::select! {
                biased;
                () = stop.now() => return Ok(Rest::Halted(Halt::Asked)),
                landed = self.flights.join_next() => match landed {
                    Some(Ok(landed)) => self.land(landed)?,
                    Some(Err(e)) => return Err(Fault::bug(format!("an effect's task broke: {e}"))),
                    None => {}
                },
            }
        }
    }

    /// Starts the body of a task; `recorded` is what the journal holds of its effects.
    fn begin(&mut self, task: Task, recorded: Vec<journal::EffectRecord>) -> Result<(), Fault> {
        let graph = &self.facts.graph;
        let node = graph.nodes.get(&task.lane.node).ok_or_else(|| Fault::bug("a task without a node"))?;
        (self.sink)(Event::TaskStarted {
            lane: task.lane.clone(),
            kind: node.kind.clone(),
            attempt: task.attempt,
            max_attempts: task.max_attempts,
        });
        let lane = task.lane.clone();
        let blobs: Arc<dyn Blobs> = self.tools.store.clone();
        let body =
            Body::new(self.facts, &self.tools.kinds, task, recorded, blobs, self.tools.clock.ticks_ms())?;
        self.bodies.insert(lane.clone(), body);
        self.ready.push_back(lane);
        Ok(())
    }

    fn poll(&mut self, lane: &Lane) -> Result<(), Fault> {
        let Some(body) = self.bodies.get_mut(lane) else { return Ok(()) };
        let polled = body.poll();
        for message in body.logged() {
            self.log(lane, &message)?;
        }
        match polled? {
            Polled::Returned(output) => self.returned(lane, output),
            Polled::Asked(ordinals) => {
                for ordinal in ordinals {
                    self.asked(lane, ordinal)?;
                }
                self.wake(lane);
                Ok(())
            }
        }
    }

    /// Lets a body go on once all of its effects are answered.
    fn wake(&mut self, lane: &Lane) {
        if self.bodies.get(lane).is_some_and(Body::answered) {
            self.ready.push_back(lane.clone());
        }
    }

    fn returned(&mut self, lane: &Lane, output: Value) -> Result<(), Fault> {
        let Some(body) = self.bodies.remove(lane) else { return Ok(()) };
        body.nothing_unasked()?;
        let used = Used {
            active_ms: body.active_ms(self.tools.clock.ticks_ms()),
            cost_microusd: body.cost_microusd(),
        };
        let output = facts::checked_output(self.facts, &self.tools.kinds, lane, output)?;
        let at_ms = self.tools.clock.now_ms();
        let done = scheduler::Event::TaskDone { lane: lane.clone(), output, used, at_ms };
        let commands = self.scheduler.step(done)?;
        self.carry_out(commands)
    }

    /// Records what is to be recorded, in one transaction, and then does the rest.
    fn carry_out(&mut self, commands: Vec<Command>) -> Result<(), Fault> {
        let (mut records, mut steps, mut tasks, mut finish) = (Vec::new(), Vec::new(), Vec::new(), None);
        let store = Arc::clone(&self.tools.store);
        for command in commands {
            match command {
                Command::Commit(step) => {
                    records.extend(journal::superstep_records(&step, store.as_ref())?);
                    steps.push(step);
                }
                Command::RunTask(task) => tasks.push(task),
                Command::Finish(end) => {
                    records.push(journal::end_record(&end, store.as_ref())?);
                    finish = Some(end);
                }
            }
        }
        let result = finish.as_ref().map(crate::run::RunResult::of_finish).map(|result| result.to_json());
        let status = finish.as_ref().zip(result.as_ref()).map(|(end, result)| {
            (if end.end.is_some() { RunStatus::Ended } else { RunStatus::Cancelled }, result)
        });
        self.owner.append(&records, status, Durability::Disk, self.tools.clock.now_ms())?;
        for step in steps {
            self.tell(step);
        }
        if let Some(end) = finish {
            self.over = Some(end);
            return Ok(());
        }
        if self.cancel_wanted()? {
            return self.cancel();
        }
        if self.tools.stop.wish() >= StopWish::Drain && self.halt.is_none() {
            self.halt = Some(Halt::Asked);
        }
        if self.halt.is_some() {
            return Ok(());
        }
        let head = self.owner.head();
        tasks.into_iter().try_for_each(|task| self.begin(Task { head: head.clone(), ..task }, Vec::new()))
    }

    fn tell(&mut self, step: Superstep) {
        let Superstep { lane, output, used, edge, to, attempt, .. } = step;
        let Used { active_ms, cost_microusd } = used;
        (self.sink)(Event::Committed { lane: lane.clone(), output, active_ms, cost_microusd });
        (self.sink)(Event::Routed { lane, edge, to: to.name().to_owned(), attempt });
    }

    fn log(&mut self, lane: &Lane, message: &str) -> Result<(), Fault> {
        let message = self.tools.redactor.text(message);
        (self.sink)(Event::Log { lane: lane.clone(), message: message.clone() });
        let at_ms = self.tools.clock.now_ms();
        self.record(Record::Log(LogLine { lane: lane.clone(), message, at_ms }), Durability::Process)
    }

    fn record(&mut self, record: Record, durability: Durability) -> Result<(), Fault> {
        self.owner.append(&[record], None, durability, self.tools.clock.now_ms())
    }

    fn cancel_wanted(&self) -> Result<bool, Fault> {
        Ok(self.tools.stop.wish() == StopWish::Cancel || self.tools.store.cancel_wanted(self.owner.run())?)
    }

    fn cancel(&mut self) -> Result<(), Fault> {
        self.bodies.clear();
        self.ready.clear();
        let commands = self.scheduler.step(scheduler::Event::Cancel { at_ms: self.tools.clock.now_ms() })?;
        self.carry_out(commands)
    }
}
