//! Playing a case: the scheduler is asked as a driver asks it, and every task is answered by its stub.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::{Case, Place, Stub, Stubs, Suite};
use crate::graph::{Graph, Outcome};
use crate::journal::To;
use crate::scheduler::{Command, Event, Scheduler, Superstep, Task};
use crate::{Failure, Fault, Lane};

/// Most supersteps of a case; more is a loop that nobody meant.
const MAX_STEPS: usize = 100_000;

/// What came of playing a case.
#[derive(Debug, Clone)]
pub struct Played {
    /// Every superstep, in order.
    pub steps: Vec<Step>,
    /// The state of the run's own scope when it was over.
    pub state: BTreeMap<String, Value>,
    /// What the end gave.
    pub output: Value,
    /// How it was over.
    pub ended: Ended,
}

/// A superstep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The task.
    pub lane: Lane,
    /// The graph that it belongs to, by name; empty for the run's own.
    pub graph: String,
    /// The edge taken, as in [`crate::graph::Way::edge`]; `error` where a failure went up to a caller.
    pub edge: String,
    /// Where it leads.
    pub to: String,
}

/// How a case was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// At an end.
    End {
        /// Its name.
        name: String,
        /// What it means.
        outcome: Outcome,
        /// The limit that led there.
        limit: Option<String>,
    },
    /// It waits for answers to these questions.
    Waits(Vec<String>),
    /// A task failed, and nobody takes its failure.
    Stops(Lane, Failure),
    /// It could not be played to its end: a stub is missing, or an expression failed. With what to do about it.
    Broken(String, Option<String>),
}

impl Suite {
    /// Plays a case of this suite on its graph.
    #[must_use]
    pub fn play(&self, case: &Case, graph: &Arc<Graph>) -> Played {
        let mut player = Player {
            case,
            graph,
            graphs: BTreeMap::new(),
            waiting: VecDeque::new(),
            asked: Vec::new(),
            steps: Vec::new(),
            at_ms: 0,
            over: None,
        };
        let mut state = BTreeMap::new();
        let ended = match Scheduler::new(Arc::clone(graph), case.inputs.clone()) {
            Err(fault) => broken(fault),
            Ok(mut scheduler) => {
                let ended = player.play(&mut scheduler);
                state = scheduler.state();
                ended.unwrap_or_else(broken)
            }
        };
        let output = player.over.take().map_or(Value::Null, |(_, output)| output);
        Played { steps: player.steps, state, output, ended }
    }
}

fn broken(fault: Fault) -> Ended {
    Ended::Broken(fault.message, fault.help)
}

struct Player<'s> {
    case: &'s Case,
    graph: &'s Graph,
    /// By task, the graph that it belongs to.
    graphs: BTreeMap<Lane, String>,
    /// Tasks under way, in the order in which they began.
    waiting: VecDeque<Task>,
    /// Questions that nobody answers.
    asked: Vec<(Lane, String)>,
    steps: Vec<Step>,
    at_ms: u64,
    over: Option<(Ended, Value)>,
}

impl Player<'_> {
    fn play(&mut self, scheduler: &mut Scheduler) -> Result<Ended, Fault> {
        let mut events = VecDeque::from([Event::Start { at_ms: 0 }]);
        loop {
            while let Some(event) = events.pop_front() {
                for command in scheduler.step(event)? {
                    self.perform(command, &mut events)?;
                }
            }
            if let Some((ended, _)) = &self.over {
                return Ok(ended.clone());
            }
            if self.steps.len() > MAX_STEPS {
                return Err(Fault::new("case.endless", 10, format!("not over after {MAX_STEPS} steps")));
            }
            let Some(task) = self.waiting.pop_front() else {
                return Ok(Ended::Waits(
                    std::mem::take(&mut self.asked).into_iter().map(|(_, id)| id).collect(),
                ));
            };
            let stub = self.stub(&task.lane, &task.graph)?.clone();
            self.at_ms = self.at_ms.saturating_add(stub.used.active_ms);
            let (lane, used, at_ms) = (task.lane, stub.used, self.at_ms);
            events.push_back(match stub.result {
                None => return Err(missing(&lane)),
                Some(Ok(output)) => Event::TaskDone { lane, output, used, at_ms },
                Some(Err(error)) if scheduler.catches(&lane) => {
                    Event::TaskFailed { lane, error, used, at_ms }
                }
                Some(Err(error)) => return Ok(Ended::Stops(lane, error)),
            });
        }
    }

    fn perform(&mut self, command: Command, events: &mut VecDeque<Event>) -> Result<(), Fault> {
        match command {
            Command::RunTask(task) => {
                self.graphs.insert(task.lane.clone(), task.graph.to_string());
                self.waiting.push_back(task);
            }
            Command::Opened(opened) => drop(self.graphs.insert(opened.lane, opened.graph.to_string())),
            Command::Ask(ask) => {
                self.graphs.insert(ask.lane.clone(), ask.graph.to_string());
                let id = ask.id();
                match self.find(&ask.lane, &ask.graph)?.and_then(|stub| stub.answer.clone()) {
                    Some(value) => {
                        events.push_back(Event::Answered { lane: ask.lane, value, at_ms: self.at_ms });
                    }
                    None => self.asked.push((ask.lane, id)),
                }
            }
            Command::Commit(step) => self.commit(step),
            Command::Drop(lane) => {
                self.waiting.retain(|task| task.lane != lane);
                self.asked.retain(|(asked, _)| *asked != lane);
                events.retain(|event| !matches!(event, Event::Answered { lane: of, .. } if *of == lane));
            }
            Command::Finish(finish) => {
                if let (Some(name), Some(outcome)) = (finish.end, finish.outcome) {
                    let ended = Ended::End { name, outcome, limit: finish.limit };
                    self.over = Some((ended, finish.output));
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, step: Superstep) {
        let graph = self.graphs.remove(&step.lane).unwrap_or_default();
        let to = match &step.to {
            To::Raised(taker) => format!("failure of {taker}"),
            to => to.to_string(),
        };
        self.steps.push(Step { lane: step.lane, graph, edge: step.edge.to_string(), to });
    }

    /// The stub of a task; the most exact one that fits.
    fn find(&self, lane: &Lane, graph: &str) -> Result<Option<&Stub>, Fault> {
        let mut best: Option<(usize, &Stubs)> = None;
        for (place, stubs) in &self.case.stubs {
            if place.fits(lane, graph, self.graph) && best.is_none_or(|(most, _)| place.exactness() > most) {
                best = Some((place.exactness(), stubs));
            }
        }
        match best {
            None => Ok(None),
            Some((_, Stubs::Always(stub))) => Ok(Some(stub)),
            Some((_, Stubs::Visits(list))) => {
                let at = usize::try_from(lane.visit).unwrap_or(usize::MAX).saturating_sub(1);
                let stub = list.get(at).ok_or_else(|| {
                    let fault =
                        format!("`{lane}` has no stub: the list of `{}` has {}", lane.node, list.len());
                    Fault::new("case.stub", 10, fault).help("give the list one more, or expect another path")
                })?;
                Ok(Some(stub))
            }
        }
    }

    fn stub(&self, lane: &Lane, graph: &str) -> Result<&Stub, Fault> {
        self.find(lane, graph)?.ok_or_else(|| missing(lane))
    }
}

fn missing(lane: &Lane) -> Fault {
    Fault::new("case.stub", 10, format!("`{lane}` runs and nothing says what it gives"))
        .help(format!("add `{}: {{gives: …}}` under `stubs:`, or `fails:`", lane.node))
}

impl Case {
    pub(super) fn with(mut self, more: &[(Place, Stubs)]) -> Self {
        for (place, stubs) in more {
            if !self.stubs.iter().any(|(there, _)| there == place) {
                self.stubs.push((place.clone(), stubs.clone()));
            }
        }
        self
    }
}
