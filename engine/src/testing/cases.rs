//! Tests of graphs. A file of cases stands beside the graph (`self-heal.test.yaml` beside `self-heal.yaml`): it says
//! what nodes give and which way the graph must take on it. [`read`] checks the file against its graph, [`Suite::play`]
//! plays a case on the real scheduler, without a world and without a clock, and [`Coverage`] counts the edges taken.
//!
//! ```yaml
//! format: 1
//! coverage: 100                        # the least share of the graph's edges that the cases take together, in percent
//! inputs: {log: {name: app.log}}       # of every case that does not say otherwise
//! stubs:                               # of every case that does not say otherwise
//!   detect: {gives: {status: new}}
//!   reproduce: {gives: {found: true}}
//!   analyze: {gives: {root_cause: a key is missing}}
//! cases:
//!   the second attempt heals:
//!     stubs:
//!       generate: {gives: {proposed: true}}
//!       test:                          # a list: one for each visit, in order
//!         - gives: {fixed: false, lessons: [look at the caller]}
//!         - gives: {fixed: true, confidence: 0.95}
//!       pr: {gives: {}}
//!     expect:
//!       path: [detect, reproduce, analyze, generate, test, analyze, generate, test, pr]
//!       state: {lessons: [look at the caller], verdict: {fixed: true}}
//!       end: healed
//!       outcome: success
//! ```
//!
//! **Stubs.** `gives` is what the node returns, `fails: {code, message}` how it fails, `answer` what a person says to
//! the question of its `interrupt`; `takes: 90s` and `cost_usd: 0.2` count against the limits. A stub of one entry
//! stands for every visit, a list for one visit each. A key names a node, a visit (`test#2`), or either below a scope:
//! a branch (`fork[0]/left`), an item of a map (`each[1]/score`), any item (`each/score`), a call (`review/look#2`).
//! The most exact key that fits is taken.
//!
//! **Values** are literals of the declared type. In `inputs` and `gives` what is left out is empty: `""`, `0`, `false`,
//! `[]`, `{}`, null, an enum's first word. A `text` or `diff` is written as its content.
//!
//! **Expectations.** One of `end`, `waits` (the questions that stay open) and `stops` (the task whose failure nobody
//! takes); `outcome`, `limit`, `path` of the run's own scope, `paths` of others by scope, `state` and `output`, in
//! which a record is compared by the fields that are there.

mod compare;
mod coverage;
mod expect;
mod play;
mod read;
mod stub;
mod typed;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::blob::MemoryBlobs;
use crate::graph::Outcome;
use crate::scheduler::Used;
use crate::{Failure, Lane};

pub use compare::{Difference, Found};
pub use coverage::{Coverage, Covered};
pub use play::{Ended, Played, Step};
pub use read::read;
pub use stub::Place;

/// The format number of a file of cases.
pub const FORMAT: u32 = crate::format::CASES;

/// A checked file of cases.
#[derive(Debug)]
pub struct Suite {
    /// The file's name as it was given.
    pub file: String,
    /// The least share of the graph's edges that the cases take together, in percent.
    pub coverage: Option<u8>,
    /// In the file's order.
    pub cases: Vec<Case>,
    /// What large values hold.
    blobs: MemoryBlobs,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The line where it stands, from 1.
    pub line: usize,
    inputs: Value,
    /// Those of the case first, then those of the file that it does not replace.
    stubs: Vec<(Place, Stubs)>,
    expect: Expect,
}

/// What a node gives at a place.
#[derive(Debug, Clone)]
enum Stubs {
    /// Whenever it is visited.
    Always(Stub),
    /// One for each visit.
    Visits(Vec<Stub>),
}

/// What a node does once.
#[derive(Debug, Clone, Default)]
struct Stub {
    /// What a person says to the question about it.
    answer: Option<Value>,
    result: Option<Result<Value, Failure>>,
    used: Used,
}

/// What must come out, each part with the line that says it.
#[derive(Debug, Clone, Default)]
struct Expect {
    ends: Option<At<Ends>>,
    outcome: Option<At<Outcome>>,
    limit: Option<At<String>>,
    /// By scope; the run's own is the empty one.
    paths: BTreeMap<String, At<Vec<String>>>,
    state: Vec<(String, At<Value>)>,
    output: Option<At<Value>>,
}

/// How it must be over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ends {
    End(String),
    Waits(Vec<String>),
    Stops(Lane),
}

/// Something and the line where it stands, from 1.
#[derive(Debug, Clone)]
struct At<T> {
    line: usize,
    what: T,
}
