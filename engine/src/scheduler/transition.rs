//! The scheduler's transitions as one closed list: what an event, or a superstep that follows from it, may lead to.
//!
//! They are read off what [`Scheduler::step`](super::Scheduler::step) was told and what it gave; the scheduler itself
//! knows nothing of them. A test takes every one of [`Cause::leads_to`] and none beside. A new event, command or way
//! out of a task does not compile before it has its place here.

use super::route::Edge;
use super::{Command, Event, Superstep};
use crate::Lane;
use crate::graph::At;
use crate::journal::To;

/// What something comes from: the event, or a superstep in the same step of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The run began.
    Started,
    /// A task returned.
    Done,
    /// A task failed, and somebody takes it.
    Failed,
    /// A question was answered.
    Answered,
    /// A person changed the state under a task.
    Changed,
    /// A person's values stand for a task.
    ChangedAs,
    /// The run was cancelled.
    Cancelled,
    /// A map had no items.
    NoItems,
    /// A superstep led to a node.
    Onward,
    /// A superstep opened branches.
    Forked,
    /// A superstep led to where its branch ends.
    Joined,
    /// A superstep led to an end: of the run, of a call or of an item.
    Ended,
    /// A failure went up to a caller.
    Raised,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Led {
    /// A task runs.
    Runs,
    /// A person is asked before a task.
    AsksBefore,
    /// A person is asked about what a task gave.
    AsksAfter,
    /// Graphs are called.
    Calls,
    /// A map has no items to call for.
    CallsNothing,
    /// A superstep leads to a node by a plain edge.
    Goes,
    /// A superstep leads back by a retry edge.
    Retries,
    /// A superstep leads where used-up attempts lead.
    Exhausts,
    /// A superstep leads to an end.
    Ends,
    /// A superstep opens branches.
    Forks,
    /// A superstep leads to where its branch ends.
    Joins,
    /// A superstep takes a failure of its own task to the error target.
    Takes,
    /// A failure goes up to a caller.
    Raises,
    /// A caller has its superstep with what it called for.
    Returns,
    /// A caller has its superstep with a failure of what it called.
    ReturnsFailure,
    /// Somebody's task or question is dropped.
    Drops,
    /// Nothing begins: others are still at work.
    Waits,
    /// The run is over at an end.
    Finishes,
    /// The run is over at a limit.
    ReachesLimit,
    /// The run is over without an end.
    Cancels,
}

/// One cause and one thing that came of it.
pub type Transition = (Cause, Led);

impl Cause {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Started,
        Self::Done,
        Self::Failed,
        Self::Answered,
        Self::Changed,
        Self::ChangedAs,
        Self::Cancelled,
        Self::NoItems,
        Self::Onward,
        Self::Forked,
        Self::Joined,
        Self::Ended,
        Self::Raised,
    ];

    /// What it may lead to, and nothing else.
    #[must_use]
    pub fn leads_to(self) -> &'static [Led] {
        use Led::{
            AsksAfter, AsksBefore, Calls, CallsNothing, Cancels, Drops, Ends, Exhausts, Finishes, Forks,
            Goes, Joins, Raises, ReachesLimit, Retries, Returns, ReturnsFailure, Runs, Takes, Waits,
        };
        match self {
            Self::Started => &[Runs, AsksBefore, Calls, CallsNothing],
            Self::Done => &[AsksAfter, Goes, Retries, Exhausts, Ends, Forks, Joins],
            Self::Failed => &[Takes, Raises],
            // Before a task it begins, after one it ends.
            Self::Answered => {
                &[Runs, AsksBefore, Calls, CallsNothing, Goes, Retries, Exhausts, Ends, Forks, Joins]
            }
            Self::Changed => &[Drops, Runs, AsksBefore, Calls, CallsNothing],
            Self::ChangedAs => &[Drops, Goes, Retries, Exhausts, Ends, Forks, Joins],
            Self::Cancelled => &[Cancels],
            Self::NoItems => &[AsksAfter, Goes, Retries, Exhausts, Ends, Forks, Joins],
            // Where a limit was reached, of a call or of the run, the next task does not begin.
            Self::Onward | Self::Forked | Self::Joined => &[
                Runs,
                AsksBefore,
                Calls,
                CallsNothing,
                AsksAfter,
                Returns,
                ReturnsFailure,
                Drops,
                Waits,
                ReachesLimit,
            ],
            // The next item of a map may begin.
            Self::Ended => &[
                Runs,
                AsksBefore,
                Calls,
                CallsNothing,
                AsksAfter,
                Returns,
                ReturnsFailure,
                Drops,
                Waits,
                Finishes,
            ],
            Self::Raised => {
                &[Runs, AsksBefore, Calls, CallsNothing, AsksAfter, Returns, ReturnsFailure, Drops, Waits]
            }
        }
    }

    fn of(event: &Event) -> Self {
        match event {
            Event::Start { .. } => Self::Started,
            Event::TaskDone { .. } => Self::Done,
            Event::TaskFailed { .. } => Self::Failed,
            Event::Answered { .. } => Self::Answered,
            Event::Update(update) if update.node.is_some() => Self::ChangedAs,
            Event::Update(_) => Self::Changed,
            Event::Cancel { .. } => Self::Cancelled,
        }
    }

    fn after(step: &Superstep) -> Self {
        match &step.to {
            To::Node(_) => Self::Onward,
            To::End(_) => Self::Ended,
            To::Nodes(_) => Self::Forked,
            To::Join(_) => Self::Joined,
            To::Raised(_) => Self::Raised,
        }
    }
}

impl Led {
    fn of(command: &Command) -> Self {
        match command {
            Command::RunTask(_) => Self::Runs,
            Command::Ask(ask) => match ask.at {
                At::Before => Self::AsksBefore,
                At::After => Self::AsksAfter,
            },
            Command::Opened(opened) if opened.calls == 0 => Self::CallsNothing,
            Command::Opened(_) => Self::Calls,
            Command::Commit(step) => Self::way(step),
            Command::Drop(_) => Self::Drops,
            Command::Finish(finish) if finish.end.is_none() => Self::Cancels,
            Command::Finish(finish) if finish.limit.is_some() => Self::ReachesLimit,
            Command::Finish(_) => Self::Finishes,
        }
    }

    fn way(step: &Superstep) -> Self {
        match &step.to {
            To::Raised(_) => Self::Raises,
            _ if step.edge == Edge::ON_ERROR => Self::Takes,
            _ if step.edge.is_retry() => Self::Retries,
            _ if step.edge.is_exhausted() => Self::Exhausts,
            To::Node(_) => Self::Goes,
            To::End(_) => Self::Ends,
            To::Nodes(_) => Self::Forks,
            To::Join(_) => Self::Joins,
        }
    }
}

/// The transitions of one step of the scheduler: what it was told, and what it gave.
#[must_use]
pub fn transitions(event: &Event, commands: &[Command]) -> Vec<Transition> {
    let mut found = Vec::new();
    let mut cause = Cause::of(event);
    // Maps that had nothing to call for: what becomes of them comes of that.
    let mut empty: Vec<&Lane> = Vec::new();
    let (mut own, mut waits) = (true, false);
    for command in commands {
        let of_nothing = match command {
            Command::Commit(step) => empty.contains(&&step.lane),
            Command::Ask(ask) => ask.at == At::After && empty.contains(&&ask.lane),
            _ => false,
        };
        let led = match command {
            // Behind the event's own superstep come those of callers.
            Command::Commit(step) if !own && !of_nothing => {
                if step.error.is_some() {
                    Led::ReturnsFailure
                } else {
                    Led::Returns
                }
            }
            command => Led::of(command),
        };
        found.push((if of_nothing { Cause::NoItems } else { cause }, led));
        match command {
            Command::Commit(step) => (cause, own, waits) = (Cause::after(step), false, true),
            Command::Opened(opened) if opened.calls == 0 => empty.push(&opened.lane),
            Command::Drop(_) => {}
            _ => waits = false,
        }
    }
    found.extend(waits.then_some((cause, Led::Waits)));
    found
}
