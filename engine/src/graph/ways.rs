//! The ways out of a node, one by one: what is drawn, and what tests of graphs count.

use super::model::{Arm, Graph, Guard, Next, NodeDef, Step, Target};

/// One way out of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The edge's name, as routes in a journal have it: `next[1].retry`, `next.cases.known`, `on_error`. The branches
    /// of a fan-out share one.
    pub edge: String,
    /// When it is taken, on one line; empty for always.
    pub when: String,
    /// What it is.
    pub turn: Turn,
    /// Where it leads.
    pub to: Target,
}

/// What a way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// An edge as any other.
    Plain,
    /// This branch of a fan-out, from 0.
    Branch(usize),
    /// Back to a loop's head, with the most attempts.
    Retry(u32),
    /// Where the way leads when the attempts are used up.
    Exhausted,
    /// Where a failure leads.
    Failure,
}

impl Way {
    /// What to write beside it: when it is taken, and what it is.
    #[must_use]
    pub fn label(&self) -> String {
        let joined = |what: String, by: &str| match self.when.is_empty() {
            true => what,
            false => format!("{}{by}{what}", self.when),
        };
        match self.turn {
            Turn::Plain => self.when.clone(),
            Turn::Branch(i) => joined(format!("branch {i}"), ": "),
            Turn::Retry(most) if self.when == "else" => format!("retry ≤{most}"),
            Turn::Retry(most) => joined(format!("retry ≤{most}"), ", "),
            Turn::Exhausted => "attempts used up".to_owned(),
            Turn::Failure => "on error".to_owned(),
        }
    }

    /// Whether it leads back.
    #[must_use]
    pub fn is_back(&self) -> bool {
        matches!(self.turn, Turn::Retry(_))
    }
}

impl Graph {
    /// Every way out of `node`, in the file's order; none where the graph has no such node.
    #[must_use]
    pub fn ways(&self, node: &str) -> Vec<Way> {
        self.nodes.get(node).map(ways).unwrap_or_default()
    }
}

pub(super) fn ways(node: &NodeDef) -> Vec<Way> {
    let mut found: Vec<Way> = match &node.next {
        Next::Go(step) => of_step("next", "", step),
        Next::Choose(arms) => arms.iter().enumerate().flat_map(of_arm).collect(),
        Next::Switch(switch) => {
            let case = |(word, step): (&String, &Step)| of_step(&format!("next.cases.{word}"), word, step);
            let otherwise = switch.otherwise.iter().flat_map(|step| of_step("next.else", "else", step));
            switch.cases.iter().flat_map(case).chain(otherwise).collect()
        }
        Next::Goto { among, .. } => {
            let way = |to: &Target| plain(format!("next.goto.{}", to.name()), "goto", to);
            among.iter().map(way).collect()
        }
    };
    if let Some(on_error) = &node.on_error {
        let to = on_error.to.clone();
        found.push(Way { edge: "on_error".to_owned(), when: String::new(), turn: Turn::Failure, to });
    }
    found
}

fn plain(edge: String, when: &str, to: &Target) -> Way {
    Way { edge, when: when.to_owned(), turn: Turn::Plain, to: to.clone() }
}

fn of_arm((at, arm): (usize, &Arm)) -> Vec<Way> {
    let when = match &arm.guard {
        Guard::When(expr) => expr.source.split_whitespace().collect::<Vec<_>>().join(" "),
        Guard::Else => "else".to_owned(),
    };
    of_step(&format!("next[{at}]"), &when, &arm.step)
}

fn of_step(edge: &str, when: &str, step: &Step) -> Vec<Way> {
    match step {
        Step::To(to) => vec![plain(edge.to_owned(), when, to)],
        Step::Fork(fork) => {
            let branch = |(i, head): (usize, &String)| Way {
                edge: edge.to_owned(),
                when: when.to_owned(),
                turn: Turn::Branch(i),
                to: Target::Node(head.clone()),
            };
            fork.branches.iter().enumerate().map(branch).collect()
        }
        Step::Retry { head, max_attempts, exhausted } => vec![
            Way {
                edge: format!("{edge}.retry"),
                when: when.to_owned(),
                turn: Turn::Retry(*max_attempts),
                to: Target::Node(head.clone()),
            },
            Way {
                edge: format!("{edge}.exhausted"),
                when: when.to_owned(),
                turn: Turn::Exhausted,
                to: exhausted.clone(),
            },
        ],
    }
}
