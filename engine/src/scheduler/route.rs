//! Where a task leads.

use super::Scheduler;
use super::eval::{self, Vars};
use super::scope::{Entry, Plan, Scope};
use crate::graph::{Fork, Guard, Next, Step, Target};
use crate::journal::To;
use crate::{Fault, Name};

/// An edge: which part of a node's `next` led on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    part: Part,
    side: Side,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Next,
    Arm(usize),
    Case(String),
    Else,
    Goto(String),
    OnError,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Plain,
    Retry,
    Exhausted,
}

impl Edge {
    /// The error target of the node.
    pub(super) const ON_ERROR: Self = Self { part: Part::OnError, side: Side::Plain };
    /// Up to who takes the failure.
    pub(super) const ERROR: Self = Self { part: Part::Error, side: Side::Plain };

    /// Whether it is a retry edge that was taken.
    pub(super) fn is_retry(&self) -> bool {
        self.side == Side::Retry
    }

    /// Whether it is the other side of a retry edge: its attempts are used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.side == Side::Exhausted
    }
}

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.part {
            Part::Next => f.write_str("next"),
            Part::Arm(i) => write!(f, "next[{i}]"),
            Part::Case(word) => write!(f, "next.cases.{word}"),
            Part::Else => f.write_str("next.else"),
            Part::Goto(name) => write!(f, "next.goto.{name}"),
            Part::OnError => f.write_str("on_error"),
            Part::Error => f.write_str("error"),
        }?;
        match self.side {
            Side::Plain => Ok(()),
            Side::Retry => f.write_str(".retry"),
            Side::Exhausted => f.write_str(".exhausted"),
        }
    }
}

/// The way that was chosen.
pub(super) struct Chosen {
    pub(super) edge: Edge,
    pub(super) to: Way,
}

/// Where it leads.
pub(super) enum Way {
    /// To the node at this place.
    Node(usize, Entry),
    End(String),
    Fork(Fork),
}

impl Way {
    pub(super) fn of(plan: &Plan, target: &Target) -> Result<Self, Fault> {
        Ok(match target {
            Target::Node(name) => Self::Node(plan.at(name)?, Entry::Plain),
            Target::End(name) => Self::End(name.clone()),
        })
    }

    /// The way as a route tells it; `join` is where the scope's branch ends, when it is one.
    pub(super) fn to(&self, plan: &Plan, join: Option<&Name>) -> Result<To, Fault> {
        Ok(match self {
            Self::Node(at, _) => {
                let name = plan.node(*at)?.0.clone();
                if join == Some(&name) { To::Join(name) } else { To::Node(name) }
            }
            Self::End(name) => To::End(name.into()),
            Self::Fork(fork) => To::Nodes(fork.branches.iter().map(Name::from).collect()),
        })
    }
}

impl Scheduler {
    /// The first arm whose guard holds, the case of the word, or the node that is named; and of a retry edge the side
    /// that its counter allows.
    pub(super) fn choose(scope: &Scope, next: &Next, vars: &Vars<'_>) -> Result<Chosen, Fault> {
        match next {
            Next::Go(step) => take(scope, Part::Next, step),
            Next::Choose(arms) => {
                for (i, arm) in arms.iter().enumerate() {
                    let holds = match &arm.guard {
                        Guard::Else => true,
                        Guard::When(expr) => eval::condition(expr, vars)?,
                    };
                    if holds {
                        return take(scope, Part::Arm(i), &arm.step);
                    }
                }
                Err(Fault::new("graph.next", 3, "no arm of `next` holds").help("give the last arm an `else`"))
            }
            Next::Switch(switch) => {
                let word = eval::value(&switch.on, vars)?;
                let word = word.as_str().unwrap_or_default();
                if let Some(step) = switch.cases.get(word) {
                    return take(scope, Part::Case(word.to_owned()), step);
                }
                let none = || {
                    let message = format!(
                        "`{}` is `{}`, and no case says where that leads",
                        switch.on.source,
                        word.escape_debug()
                    );
                    Fault::new("graph.switch", 3, message).help("give the switch an `else`")
                };
                take(scope, Part::Else, switch.otherwise.as_ref().ok_or_else(none)?)
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
                let edge = Edge { part: Part::Goto(word.to_owned()), side: Side::Plain };
                Ok(Chosen { edge, to: Way::of(&scope.plan, target)? })
            }
        }
    }
}

fn take(scope: &Scope, part: Part, step: &Step) -> Result<Chosen, Fault> {
    let plan = &scope.plan;
    let chosen = |side, to| Chosen { edge: Edge { part, side }, to };
    Ok(match step {
        Step::To(target) => chosen(Side::Plain, Way::of(plan, target)?),
        Step::Fork(fork) => chosen(Side::Plain, Way::Fork(fork.clone())),
        Step::Retry { head, max_attempts, exhausted } => {
            let head = plan.at(head)?;
            let made = scope.seen.get(&head).map_or(0, |seen| seen.attempt);
            if made < *max_attempts {
                chosen(Side::Retry, Way::Node(head, Entry::Retry))
            } else {
                chosen(Side::Exhausted, Way::of(plan, exhausted)?)
            }
        }
    })
}
