//! Reads what came over the channel. Each line is JSON of our harness; what does not fit is a problem, never a pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most tests of one step.
const MAX_TESTS: usize = 200_000;

/// What became of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It passed.
    Passed,
    /// It was skipped, or marked to fail (whether it did or not).
    Skipped,
    /// It failed or broke.
    Failed,
}

/// How a test failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The exception's type as printed.
    pub(crate) exception: String,
    /// Its message.
    pub(crate) message: String,
    /// Its frames, outermost first.
    #[serde(default)]
    pub(crate) frames: Vec<RawFrame>,
}

/// A frame as the harness saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RawFrame {
    /// The file's name for a person.
    pub(crate) file: String,
    /// Its path in the repository.
    pub(crate) path: Option<String>,
    /// The line.
    pub(crate) line: u64,
    /// The function.
    pub(crate) function: String,
    /// The line's text.
    pub(crate) code: String,
}

/// One test of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Test {
    /// Its file, relative to the top.
    pub(crate) path: String,
    /// What became of it; nothing when it has no result.
    pub(crate) outcome: Option<Outcome>,
    /// How it failed.
    pub(crate) failure: Option<Failure>,
    /// How often it started.
    pub(crate) starts: u32,
    /// Whether its end was recorded as often as its start.
    pub(crate) finished: bool,
    /// How long it took, in milliseconds, where the runner says it.
    #[serde(default)]
    pub(crate) ms: Option<u64>,
}

/// A module that cannot be collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Broken {
    /// Its file, or its dotted name.
    pub(crate) path: String,
    /// One line on why.
    pub(crate) why: String,
    /// The end of what was printed about it.
    pub(crate) text: String,
}

/// How a step's process ended, as its parent saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Its exit status.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Whether its time was used up.
    pub(crate) late: bool,
    /// How long it took, in milliseconds.
    pub(crate) wall_ms: u64,
    /// Writes to its pipe that did not come from our reporter.
    pub(crate) foreign: u64,
    /// Whether numbers of its records were missing or twice.
    pub(crate) gap: bool,
    /// Whether another step of the same start may have had a hand in it.
    #[serde(default)]
    pub(crate) shared: bool,
}

/// What a test's process says of the code's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Apart {
    /// How often the code was asked.
    pub(crate) calls: u64,
    /// Why the test cannot be told over a socket, when it cannot.
    pub(crate) undetermined: Option<String>,
    /// The last exception that the code raised.
    pub(crate) raised: Option<Failure>,
    /// Whether that one is of a kind that the place where the code ran can be to blame for.
    #[serde(default)]
    pub(crate) surroundings: bool,
    /// Whether the code's process ended before it had answered.
    pub(crate) ended: bool,
}

/// The records of one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRecords {
    /// Tests by id.
    pub(crate) tests: BTreeMap<String, Test>,
    /// Modules that cannot be collected.
    pub(crate) broken: Vec<Broken>,
    /// Lines that ran, by file.
    pub(crate) lines: BTreeMap<String, Vec<u64>>,
    /// What the test's own process says, when the code under test had another.
    pub(crate) apart: Option<Apart>,
    /// The runner's own status, when it came to its end.
    pub(crate) end: Option<i64>,
    /// How the process ended.
    pub(crate) done: Option<Done>,
    /// Records that make no sense.
    pub(crate) nonsense: u64,
    /// What the compiler said, when there was nothing to run.
    #[serde(default)]
    pub(crate) unbuilt: Option<String>,
    /// Why a runner's own report cannot be the whole story.
    #[serde(default)]
    pub(crate) problem: Option<String>,
}

/// The records of one start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Steps {
    /// One a step, in order.
    pub(crate) steps: Vec<StepRecords>,
    /// Whether the harness came to its end.
    pub(crate) ended: bool,
}

impl Steps {
    /// The records of step `number`; empty when there are none.
    pub(crate) fn step(&self, number: usize) -> StepRecords {
        self.steps.get(number).cloned().unwrap_or_default()
    }
}

impl StepRecords {
    /// Why the step did not come to an honest end, when it did not.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let Some(done) = &self.done else { return Some("its process has no recorded end".to_owned()) };
        if done.late {
            return Some("its time was used up".to_owned());
        }
        if let Some(problem) = &self.problem {
            return Some(problem.clone());
        }
        if let Some(signal) = done.signal {
            return Some(format!("its process was ended by signal {signal}"));
        }
        let Some(end) = self.end else {
            return Some(format!(
                "its process ended with status {} before the runner was done",
                done.code.unwrap_or(-1)
            ));
        };
        if done.code.map(i64::from) != Some(end) {
            return Some("its process ended with another status than the runner's".to_owned());
        }
        None
    }

    /// Signs that somebody else wrote records.
    pub(crate) fn forged(&self) -> Option<String> {
        let done = self.done.as_ref();
        if done.is_some_and(|done| done.foreign > 0) {
            return Some("something other than our reporter wrote to the record channel".to_owned());
        }
        if done.is_some_and(|done| done.gap) || self.nonsense > 0 {
            return Some("the records contradict each other".to_owned());
        }
        None
    }

    /// The outcome of `id`.
    pub(crate) fn outcome(&self, id: &str) -> Option<Outcome> {
        self.tests.get(id).filter(|test| test.finished).and_then(|test| test.outcome)
    }

    /// How `id` failed.
    pub(crate) fn failure(&self, id: &str) -> Option<&Failure> {
        self.tests.get(id).and_then(|test| test.failure.as_ref())
    }
}

/// The JSON objects of a channel, one a line; others are left out.
pub(crate) fn lines(channel: &[u8]) -> impl Iterator<Item = Value> + '_ {
    channel
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|line| serde_json::from_slice(line).ok())
}

#[derive(Deserialize)]
struct Line {
    step: Option<usize>,
    record: Option<Record>,
    done: Option<Done>,
    end: Option<u64>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Collected { id: String, path: String },
    Start { id: String },
    Result { id: String, outcome: String, failure: Option<Failure>, ms: Option<f64> },
    Finish { id: String },
    Broken(Broken),
    Lines { hit: BTreeMap<String, Vec<u64>> },
    Apart(Apart),
    End { code: i64 },
}

/// Reads the records of `count` steps.
pub(crate) fn read(channel: &[u8], count: usize) -> Steps {
    let mut out = Steps { steps: vec![StepRecords::default(); count], ended: false };
    // Starts and ends in progress.
    let mut open: Vec<BTreeMap<String, u32>> = vec![BTreeMap::new(); count];
    for line in channel.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            // Whose it is cannot be told; a step without a fitting end is incomplete anyway.
            if let Some(step) = out.steps.last_mut() {
                step.nonsense += 1;
            }
            continue;
        };
        if let Some(steps) = line.end {
            out.ended = steps == count as u64;
            continue;
        }
        let Some(number) = line.step else { continue };
        let (Some(step), Some(open)) = (out.steps.get_mut(number), open.get_mut(number)) else { continue };
        if line.done.is_some() {
            step.done = line.done;
        }
        if let Some(record) = line.record {
            take(step, open, record);
        }
    }
    for (step, open) in out.steps.iter_mut().zip(open) {
        for (id, count) in open {
            if count > 0
                && let Some(test) = step.tests.get_mut(&id)
            {
                test.finished = false;
            }
        }
    }
    out
}

fn take(step: &mut StepRecords, open: &mut BTreeMap<String, u32>, record: Record) {
    match record {
        Record::Collected { id, path } => {
            if step.tests.len() < MAX_TESTS {
                step.tests.entry(id).or_insert(Test {
                    path,
                    outcome: None,
                    failure: None,
                    starts: 0,
                    finished: false,
                    ms: None,
                });
            }
        }
        Record::Start { id } => match step.tests.get_mut(&id) {
            Some(test) => {
                test.starts += 1;
                *open.entry(id).or_default() += 1;
            }
            None => step.nonsense += 1,
        },
        Record::Result { id, outcome, failure, ms } => {
            let under_way = open.get(&id).is_some_and(|count| *count > 0);
            let outcome = match outcome.as_str() {
                "passed" => Some(Outcome::Passed),
                "failed" => Some(Outcome::Failed),
                "skipped" | "xpassed" => Some(Outcome::Skipped),
                _ => None,
            };
            match (step.tests.get_mut(&id), outcome) {
                (Some(test), Some(outcome)) if under_way => {
                    // The worst of a test's phases and repetitions counts.
                    test.outcome = test.outcome.max(Some(outcome));
                    let ms = ms.filter(|ms| (0.0..1e9).contains(ms)).map(|ms| ms.round() as u64);
                    test.ms = test.ms.max(ms);
                    if outcome == Outcome::Failed && test.failure.is_none() {
                        test.failure = failure;
                    }
                }
                _ => step.nonsense += 1,
            }
        }
        Record::Finish { id } => match (step.tests.get_mut(&id), open.get_mut(&id)) {
            (Some(test), Some(count)) if *count > 0 => {
                *count -= 1;
                test.finished = true;
            }
            _ => step.nonsense += 1,
        },
        Record::Broken(broken) => {
            if step.broken.len() < 1000 {
                step.broken.push(broken);
            }
        }
        Record::Lines { hit } => step.lines = hit,
        Record::Apart(apart) => step.apart = Some(apart),
        Record::End { code } => {
            if step.end.is_some() {
                step.nonsense += 1;
            }
            step.end = Some(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HONEST: &str = r#"{"step":0,"record":{"kind":"collected","id":"t.py::a","path":"t.py"}}
{"step":0,"record":{"kind":"start","id":"t.py::a"}}
{"step":0,"record":{"kind":"result","id":"t.py::a","when":"call","outcome":"passed","ms":1}}
{"step":0,"record":{"kind":"finish","id":"t.py::a"}}
{"step":0,"record":{"kind":"end","code":0}}
{"step":0,"done":{"code":0,"signal":null,"late":false,"wall_ms":9,"foreign":0,"gap":false}}
{"end":1}
"#;

    #[test]
    fn an_honest_record_is_complete() {
        let steps = read(HONEST.as_bytes(), 1);
        assert!(steps.ended);
        let step = steps.step(0);
        assert_eq!((step.incomplete(), step.forged()), (None, None));
        assert_eq!(step.outcome("t.py::a"), Some(Outcome::Passed));
    }

    #[test]
    fn records_that_contradict_each_other_are_no_pass() {
        let lines: Vec<&str> = HONEST.lines().collect();
        // Without its finish, its start or its collection, a result does not count.
        for left_out in [0, 1, 3] {
            let text: Vec<&str> =
                lines.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, l)| *l).collect();
            let step = read(text.join("\n").as_bytes(), 1).step(0);
            assert!(step.outcome("t.py::a").is_none() || step.forged().is_some(), "without line {left_out}");
        }
        // Without the runner's end or the parent's word, the step is incomplete.
        for left_out in [4, 5] {
            let text: Vec<&str> =
                lines.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, l)| *l).collect();
            assert!(
                read(text.join("\n").as_bytes(), 1).step(0).incomplete().is_some(),
                "without line {left_out}"
            );
        }
        // A failure beside a pass is a failure.
        let failed = lines[2].replace("passed", "failed");
        let text = [lines[0], lines[1], lines[2], &failed, lines[3]].join("\n");
        assert_eq!(read(text.as_bytes(), 1).step(0).outcome("t.py::a"), Some(Outcome::Failed));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), cut in 0usize..600) {
            let _ = read(&bytes, 2);
            let mut torn = HONEST.as_bytes().get(..cut.min(HONEST.len())).unwrap_or_default().to_vec();
            torn.extend(bytes);
            let _ = read(&torn, 1);
        }
    }
}
