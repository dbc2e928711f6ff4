//! Where a task leads.

use super::Scheduler;
use super::eval::{self, Vars};
use super::scope::Entry;
use crate::graph::{Fork, Guard, Next, Step, Target};
use crate::journal::To;
use crate::{Fault, Lane};

/// The way that was chosen.
pub(super) struct Chosen {
    /// The edge, as in [`crate::journal::Route`].
    pub(super) edge: String,
    pub(super) to: Way,
}

/// Where it leads.
pub(super) enum Way {
    Node(String, Entry),
    End(String),
    Fork(Fork),
}

impl Way {
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::Node(name) => Self::Node(name.clone(), Entry::Plain),
            Target::End(name) => Self::End(name.clone()),
        }
    }

    /// The way as a route tells it; `join` is where the scope's branch ends, when it is one.
    pub(super) fn to(&self, join: Option<&str>) -> To {
        match self {
            Self::Node(name, _) if join == Some(name) => To::Join(name.clone()),
            Self::Node(name, _) => To::Node(name.clone()),
            Self::End(name) => To::End(name.clone()),
            Self::Fork(fork) => To::Nodes(fork.branches.clone()),
        }
    }
}

impl Scheduler {
    /// The first arm whose guard holds, the case of the word, or the node that is named; and of a retry edge the side
    /// that its counter allows.
    pub(super) fn choose(&self, lane: &Lane, next: &Next, vars: &Vars<'_>) -> Result<Chosen, Fault> {
        match next {
            Next::Go(step) => Ok(self.take(lane, "next", step)),
            Next::Choose(arms) => {
                for (i, arm) in arms.iter().enumerate() {
                    let holds = match &arm.guard {
                        Guard::Else => true,
                        Guard::When(expr) => eval::condition(expr, vars)?,
                    };
                    if holds {
                        return Ok(self.take(lane, &format!("next[{i}]"), &arm.step));
                    }
                }
                Err(Fault::new("graph.next", 3, "no arm of `next` holds").help("give the last arm an `else`"))
            }
            Next::Switch(switch) => {
                let word = eval::value(&switch.on, vars)?;
                let word = word.as_str().unwrap_or_default();
                if let Some(step) = switch.cases.get(word) {
                    return Ok(self.take(lane, &format!("next.cases.{word}"), step));
                }
                let none = || {
                    let message = format!(
                        "`{}` is `{}`, and no case says where that leads",
                        switch.on.source,
                        word.escape_debug()
                    );
                    Fault::new("graph.switch", 3, message).help("give the switch an `else`")
                };
                Ok(self.take(lane, "next.else", switch.otherwise.as_ref().ok_or_else(none)?))
            }
            Next::Goto { name, among } => {
                let value = eval::value(name, vars)?;
                let word = value.as_str().unwrap_or_default();
                let target = among.iter().find(|target| target.name() == word).ok_or_else(|| {
                    let known: Vec<&str> = among.iter().map(Target::name).collect();
                    let message = format!(
                        "`{}` is `{}`, which is none of {}",
                        name.source,
                        word.escape_debug(),
                        known.join(", ")
                    );
                    Fault::new("graph.goto", 3, message).help("name one of the targets under `among`")
                })?;
                Ok(Chosen { edge: format!("next.goto.{word}"), to: Way::of(target) })
            }
        }
    }

    fn take(&self, lane: &Lane, edge: &str, step: &Step) -> Chosen {
        match step {
            Step::To(target) => Chosen { edge: edge.to_owned(), to: Way::of(target) },
            Step::Fork(fork) => Chosen { edge: edge.to_owned(), to: Way::Fork(fork.clone()) },
            Step::Retry { head, max_attempts, exhausted } => {
                let made = self.scopes.get(&lane.scope).and_then(|scope| scope.attempts.get(head)).copied();
                if made.unwrap_or(0) < *max_attempts {
                    Chosen { edge: format!("{edge}.retry"), to: Way::Node(head.clone(), Entry::Retry) }
                } else {
                    Chosen { edge: format!("{edge}.exhausted"), to: Way::of(exhausted) }
                }
            }
        }
    }
}
