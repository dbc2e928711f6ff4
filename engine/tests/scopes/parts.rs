//! Random graphs: parts that are put one after another, and the graph file that says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::model::Draw;

/// What a task does before it returns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Do {
    Look,
    Both,
    Work,
    Ship,
    Ask,
}

/// What a failed item means to its map.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failed {
    Keep,
    Skip,
    /// One item at a time, so that nothing runs that a failed item drops: what had begun by then is a matter of time.
    Fail,
}

/// A part of a graph: what stands between a node and the next one.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A task that appends its lane, adds to the sum and joins a set.
    Step(Vec<Do>),
    /// A task whose effect fails so often before it is answered.
    Flaky(u32),
    /// A task that fails into an error target.
    Failing(Vec<Do>),
    /// A task that is repeated until its attempt is reached, or its attempts are used up.
    Loop { until: u32, most: u32, does: Vec<Do> },
    /// Branches side by side.
    Fork(Vec<Vec<Self>>),
    /// A choice between two ways.
    Choice { n: u32, more: Vec<Self>, less: Vec<Self> },
    /// A call of the graph under `graphs:` for some items.
    Map { items: u32, parallel: u32, failed: Failed },
    /// A call of it, which fails or not.
    Call { fails: bool },
    /// A task that a person is asked about, before it or after.
    Asked { after: bool },
}

/// A part that holds others up to `depth`, about `size` of them.
fn part(depth: u32, size: u32) -> impl Strategy<Value = Part> {
    let does = || {
        let one = prop_oneof![
            3 => Just(Do::Look),
            1 => Just(Do::Both),
            2 => Just(Do::Work),
            2 => Just(Do::Ship),
            1 => Just(Do::Ask),
        ];
        prop::collection::vec(one, 0..3)
    };
    let failed = prop_oneof![Just(Failed::Keep), Just(Failed::Skip), Just(Failed::Fail)];
    let leaf = prop_oneof![
        4 => does().prop_map(Part::Step),
        1 => (1_u32..3).prop_map(Part::Flaky),
        1 => does().prop_map(Part::Failing),
        2 => (1_u32..4, 1_u32..4, does()).prop_map(|(until, most, does)| Part::Loop { until, most, does }),
        1 => (0_u32..5, 1_u32..4, failed)
            .prop_map(|(items, parallel, failed)| Part::Map { items, parallel, failed }),
        1 => any::<bool>().prop_map(|fails| Part::Call { fails }),
        1 => any::<bool>().prop_map(|after| Part::Asked { after }),
    ];
    leaf.prop_recursive(depth, size, 4, |inner| {
        let parts = prop::collection::vec(inner, 1..3);
        prop_oneof![
            3 => prop::collection::vec(parts.clone(), 2..4).prop_map(Part::Fork),
            1 => (0_u32..10, parts.clone(), parts)
                .prop_map(|(n, more, less)| Part::Choice { n, more, less }),
        ]
    })
}

pub(crate) fn parts() -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(part(3, 24), 1..5)
}

/// A few parts.
pub(crate) fn few() -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(part(2, 6), 1..3)
}

/// A graph file, and what is wrong with the world.
pub(crate) struct Random {
    pub(crate) source: String,
    /// How often a request fails before it is answered.
    pub(crate) failing: BTreeMap<String, u32>,
}

/// Writes a graph file node by node.
#[derive(Default)]
struct Printer {
    nodes: String,
    failing: BTreeMap<String, u32>,
    count: u32,
    /// The graph that calls and maps call.
    callee: &'static str,
    /// Draws what makes a graph wild.
    wild: Option<Draw>,
}

const WRITES: &str = "writes: {lanes: '=[output.lane]', total: 1, seen: '=[output.text]', most: =output.n}";

impl Printer {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("n{}", self.count)
    }

    /// Whether something wild happens, one time in `rarity`.
    fn wildly(&mut self, rarity: usize) -> bool {
        self.wild.as_mut().is_some_and(|draw| draw.below(rarity) == 0)
    }

    /// A question before or after the node, now and then.
    fn asks(&mut self) -> &'static str {
        match (self.wildly(5), self.wildly(2)) {
            (true, true) => "interrupt: {at: before, answer: bool}, ",
            (true, false) => "interrupt: {at: after, answer: bool}, ",
            _ => "",
        }
    }

    /// What a fork or a join does: a task, or wildly a map.
    fn puppet_or_map(&mut self) -> String {
        let over = if self.wildly(2) { "[]" } else { "[1, 2]" };
        if self.callee.is_empty() || !self.wildly(3) {
            return format!("kind: puppet, {WRITES}");
        }
        format!("kind: map, graph: {}, over: '{over}', failed: skip, with: {{i: =item}}", self.callee)
    }

    /// The words of a task, each request with a name of its own, and `last` after them.
    fn does(&mut self, does: &[Do], last: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for what in does {
            let name = self.name();
            words.push(match what {
                Do::Look => format!("look {name}"),
                Do::Both => format!("both {name} {}", self.name()),
                Do::Work => format!("work {name}"),
                Do::Ship => format!("ship {name}"),
                Do::Ask => format!("ask {name}"),
            });
        }
        words.extend((!last.is_empty()).then(|| last.to_owned()));
        format!("with: {{does: {words:?}}}")
    }

    /// Prints `parts` so that they lead to `next`, and returns where they begin.
    fn parts(&mut self, parts: &[Part], next: &str) -> String {
        parts.iter().rev().fold(next.to_owned(), |next, part| self.part(part, &next))
    }

    fn part(&mut self, part: &Part, next: &str) -> String {
        let name = self.name();
        let line = match part {
            Part::Step(does) => format!("kind: puppet, {}, {WRITES}, next: {next}", self.does(does, "")),
            Part::Flaky(times) => {
                let what = self.name();
                self.failing.insert(what.clone(), *times);
                format!(
                    "kind: puppet, retry: {{tries: 3, backoff: 1ms}}, with: {{does: ['work {what}']}}, {WRITES}, next: {next}"
                )
            }
            Part::Failing(does) => {
                let does = self.does(does, "fail always");
                // In a call somebody above takes it.
                let own = self.callee == "inner" || !self.wildly(2);
                let to = if own { taken(next) } else { String::new() };
                format!("kind: puppet, {does}, {to}next: {next}")
            }
            Part::Loop { until, most, does } => format!(
                "kind: puppet, {}, {WRITES}, next: [{{when: output.ok, to: {next}}}, {{retry: {name}, max_attempts: {most}, exhausted: {next}}}]",
                self.does(does, &format!("until {until}"))
            ),
            Part::Asked { after } => {
                let at = if *after { "after" } else { "before" };
                let does = self.does(&[Do::Work], "");
                let writes = "writes: {lanes: '=[output.lane]', total: '=answer ? 1 : 0'}";
                format!(
                    "interrupt: {{at: {at}, ask: go on?, answer: bool}}, kind: puppet, {does}, {writes}, next: {next}"
                )
            }
            Part::Call { fails } => {
                let (i, to, callee) = (if *fails { 9 } else { 1 }, taken(next), self.callee);
                let writes = "writes: {total: '=output.value == null ? 0 : output.value'}";
                format!("kind: subgraph, graph: {callee}, with: {{i: {i}}}, {writes}, {to}next: {next}")
            }
            Part::Map { items, parallel, failed } => {
                let list: Vec<u32> = (0..*items).collect();
                let (failed, parallel, to) = match failed {
                    Failed::Keep => ("keep", *parallel, String::new()),
                    Failed::Skip => ("skip", *parallel, String::new()),
                    Failed::Fail => ("fail", if self.wild.is_some() { *parallel } else { 1 }, taken(next)),
                };
                let writes = "writes: {total: =size(output.values)}";
                let next = if self.wildly(3) {
                    format!(
                        "[{{when: size(output.values) > 2, to: {next}}}, {{retry: {name}, max_attempts: 2, exhausted: {next}}}]"
                    )
                } else {
                    next.to_owned()
                };
                format!(
                    "kind: map, graph: {}, over: '{list:?}', parallel: {parallel}, failed: {failed}, with: {{i: =item}}, {writes}, {to}next: {next}",
                    self.callee
                )
            }
            Part::Choice { n, more, less } => {
                let (more, less) = (self.parts(more, next), self.parts(less, next));
                format!(
                    "kind: puppet, with: {{does: ['{n}']}}, {WRITES}, next: [{{when: output.n > 4, to: {more}}}, {{else: {less}}}]"
                )
            }
            Part::Fork(branches) => {
                // Every fan-out has a join of its own, so that branches never share one with what holds them.
                let (join, asks) = (self.name(), self.asks());
                let does = self.puppet_or_map();
                writeln!(self.nodes, "      {join}: {{{asks}{does}, next: {next}}}").unwrap();
                let heads: Vec<String> = branches.iter().map(|branch| self.parts(branch, &join)).collect();
                format!("{}, next: [{}]", self.puppet_or_map(), heads.join(", "))
            }
        };
        let asks = if line.starts_with("interrupt") { "" } else { self.asks() };
        writeln!(self.nodes, "      {name}: {{{asks}{line}}}").unwrap();
        name
    }

    /// A limit of steps; now and then one below `short`.
    fn steps(&mut self, short: usize) -> usize {
        match &mut self.wild {
            Some(draw) => {
                let (tight, steps) = (draw.below(3) == 0, 1 + draw.below(short));
                if tight { steps } else { 100_000 }
            }
            None => 100_000,
        }
    }

    /// What has been printed since the last time.
    fn take(&mut self) -> String {
        std::mem::take(&mut self.nodes)
    }
}

/// An error target.
fn taken(next: &str) -> String {
    format!("on_error: {{to: {next}, writes: {{lanes: ['failed'], total: 1}}}}, ")
}

/// What calls and maps call: item 2 comes to a failure end, items 3 and 9 fail.
const INNER: &str = r#"graphs:
  inner:
    inputs: {i: int}
    returns: int
    state: {own: int}
    ends: {good: {outcome: success, output: =own}, bad: failure}
    start: one
    nodes:
      one: {kind: puppet, with: {does: "=inputs.i == 3 || inputs.i == 9 ? ['work i', 'fail deep'] : ['look i']"}, writes: {own: 1}, next: [two, three]}
      two: {kind: puppet, with: {does: ['ship i']}, next: four}
      three: {kind: puppet, with: {does: ['look i', 'work j']}, next: four}
      four: {kind: puppet, next: [{when: inputs.i == 2, to: bad}, {else: good}]}
"#;

const STATE: &str = "{lanes: {type: list<string>, reduce: append}, seen: {type: list<string>, reduce: union}, total: {type: int, reduce: sum}, most: {type: int, reduce: max}}";

fn file(graphs: &str, steps: usize, start: &str, nodes: &str) -> String {
    format!(
        "format: 1
name: random
state: {STATE}
limits: {{steps: {steps}, exhausted: late}}
ends: {{done: {{outcome: success, output: =lanes}}, late: failure}}
{graphs}start: {start}
nodes:
{nodes}"
    )
}

/// The graph file of `parts`, one after another.
pub(crate) fn random(parts: &[Part]) -> Random {
    let mut printer = Printer { callee: "inner", ..Printer::default() };
    let start = printer.parts(parts, "done");
    let inner = if printer.nodes.contains("graph: inner") { INNER } else { "" };
    Random { source: file(inner, 100_000, &start, &printer.nodes), failing: printer.failing }
}

/// A graph file that knows no measure: any node may ask, graphs call graphs, their tasks fail beside others, and limits
/// may be short.
pub(crate) fn wild(parts: &[Part], inner: &[Part], leaf: &[Part], seed: u64) -> String {
    let mut printer = Printer { wild: Some(Draw(seed)), callee: "inner", ..Printer::default() };
    let start = printer.parts(parts, "done");
    let nodes = printer.take();
    let steps = printer.steps(30);
    let mut graphs = String::new();
    let mut called = nodes.contains("graph: inner");
    for (name, parts) in [("inner", inner), ("leaf", leaf)] {
        if !called {
            break;
        }
        printer.callee = if name == "inner" { "leaf" } else { "" };
        let parts: Vec<Part> = match name {
            "inner" => parts.to_vec(),
            _ => parts.iter().filter(|part| !part.calls()).cloned().collect(),
        };
        let mut start = printer.parts(&parts, "last");
        let mut nodes = printer.take();
        if parts.is_empty() || printer.wildly(2) {
            let next = std::mem::replace(&mut start, "first".to_owned());
            nodes += &format!(
                "      first: {{kind: puppet, with: {{does: \"=inputs.i == 3 || inputs.i == 9 ? ['fail deep'] : ['look i']\"}}, next: {next}}}\n"
            );
        }
        let asks = printer.asks();
        // Items that fail late leave the start of the next one free to ask or to call.
        let does = if printer.wildly(2) {
            "with: {does: \"=inputs.i == 0 ? ['fail late'] : ['look i']\"}, "
        } else {
            ""
        };
        nodes += &format!(
            "      last: {{{asks}kind: puppet, {does}next: [{{when: inputs.i == 2, to: bad}}, {{else: good}}]}}\n"
        );
        let steps = printer.steps(6);
        graphs += &format!(
            "  {name}:
    inputs: {{i: int}}
    returns: int
    state: {STATE}
    limits: {{steps: {steps}, exhausted: bad}}
    ends: {{good: {{outcome: success, output: =total}}, bad: failure}}
    start: {start}
    nodes:
{nodes}"
        );
        called = nodes.contains("graph: leaf");
    }
    let graphs = if graphs.is_empty() { graphs } else { format!("graphs:\n{graphs}") };
    file(&graphs, steps, &start, &nodes)
}

impl Part {
    /// Whether a graph is called, in it or below it.
    fn calls(&self) -> bool {
        match self {
            Self::Map { .. } | Self::Call { .. } => true,
            Self::Fork(branches) => branches.iter().flatten().any(Self::calls),
            Self::Choice { more, less, .. } => more.iter().chain(less).any(Self::calls),
            _ => false,
        }
    }
}
