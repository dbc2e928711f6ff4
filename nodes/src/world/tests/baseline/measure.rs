//! The two runs themselves, and what to say when they prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use prunella_engine::EffectError;

use super::{BaseTest, Data, protected, suite, test_dir};
use crate::patch::is_test_file;
use crate::world::tests::canary::{Canaries, Sung};
use crate::world::tests::jobs::{Ran, Start, Step, isolation_word};
use crate::world::tests::records::{Outcome, StepRecords};
use crate::world::tests::settings::Settings;
use crate::world::tests::{Tester, UNSTARTABLE};

/// Seconds that a whole suite may take at the base.
pub(super) const SUITE_LIMIT: f64 = 900.0;
/// pytest's options that a repository's configuration may make unusable here, from none overridden to most.
const RUNGS: &[&[&str]] = &[
    &[],
    &["-o", "addopts="],
    &["-o", "addopts=", "-o", "filterwarnings="],
    &["-o", "addopts=", "-o", "filterwarnings=", "-o", "xfail_strict=false", "-o", "required_plugins="],
];

impl Tester {
    /// Both runs, over the least that has to be overridden.
    ///
    /// # Errors
    /// Exit 15 when there are tests and none passes or fails, 31 when the sandbox cannot start.
    pub(super) fn measure(
        &self,
        settings: &Settings,
        tree: &std::path::Path,
        files: &BTreeSet<String>,
        order: u32,
    ) -> Result<Data, EffectError> {
        let folder = test_dir(std::iter::empty(), files, &self.repo.subfolder);
        let protect = protected(files, &BTreeSet::new());
        let rungs =
            if settings.command.runner() == "pytest" { RUNGS } else { RUNGS.get(..1).unwrap_or_default() };
        // The second run differs in what must not matter: another hash seed, another order, and test
        // files that cannot be written.
        let again = |rung: &[String]| self.once(settings, tree, &folder, rung, Some(order), protect.clone());
        let mut best: Option<(Vec<String>, Ran, Canaries)> = None;
        let mut second = None;
        for (i, rung) in rungs.iter().enumerate() {
            let overridden: Vec<String> = rung.iter().map(|word| (*word).to_owned()).collect();
            let first = || self.once(settings, tree, &folder, &overridden, None, Vec::new());
            let (ran, canaries) = if i == 0 && two_at_once() {
                // Both runs at once, in the hope that nothing has to be overridden.
                let (one, two) = std::thread::scope(|scope| {
                    let two = scope.spawn(|| again(&overridden));
                    (first(), two.join())
                });
                second = two.ok().and_then(Result::ok).map(|ran| (0, ran));
                one?
            } else {
                first()?
            };
            let found = decisive(&ran.steps.step(0), &canaries);
            let better = best.as_ref().is_none_or(|(_, best, c)| found > decisive(&best.steps.step(0), c));
            if better {
                best = Some((overridden, ran, canaries));
                second = second.filter(|(rung, _)| *rung == i);
            }
            if found.0 > 0 {
                break;
            }
        }
        let Some((overridden, first, canaries)) = best else {
            return Err(nothing(settings, &StepRecords::default(), ""));
        };
        let one = first.steps.step(0);
        // A repository without a test is no obstacle: ours may be its first. Our canaries say whether the runner works.
        let untested = one.broken.is_empty()
            && !files.iter().any(|path| is_test_file(path))
            && canaries.listen(&one) == Sung::True;
        if decisive(&one, &canaries) == (0, 0) && !untested {
            return Err(nothing(
                settings,
                &one,
                &first
                    .incomplete()
                    .or(one.incomplete())
                    .map_or_else(String::new, |why| format!("{why}; {}", first.tail())),
            ));
        }
        let (second, canaries_two) = match second {
            Some((_, ran)) => ran,
            None => again(&overridden)?,
        };
        let two = second.steps.step(0);
        let owns = |id: &str, path: &str| canaries.owns(id, path) || canaries_two.owns(id, path);
        let mut data = both(&one, &two, &owns);
        data.overridden = overridden;
        data.canaries = canaries.listen(&one) == Sung::True && canaries_two.listen(&two) == Sung::True;
        data.order = order;
        data.isolation = isolation_word(&second.report.isolation);
        Ok(data)
    }

    fn once(
        &self,
        settings: &Settings,
        tree: &std::path::Path,
        folder: &str,
        overridden: &[String],
        order: Option<u32>,
        protect: Vec<String>,
    ) -> Result<(Ran, Canaries), EffectError> {
        let canaries = Canaries::new(folder, settings.command.runner());
        let edit = prunella_sandbox::Edit {
            path: canaries.path.clone(),
            content: Some(canaries.source.clone().into_bytes()),
            executable: false,
        };
        let step = suite(settings, overridden, vec![canaries.path.clone()], SUITE_LIMIT);
        let (seed, step) = (u32::from(order.is_some()), Step { order, ..step });
        let ran = self.launcher.run(Start {
            tree,
            settings,
            edits: vec![edit],
            protect,
            steps: vec![step],
            seed,
            warm: None,
        })?;
        Ok((ran, canaries))
    }
}

/// What two runs say together, without tests of ours.
pub(super) fn both(one: &StepRecords, two: &StepRecords, owns: &dyn Fn(&str, &str) -> bool) -> Data {
    let mut tests = BTreeMap::new();
    for (id, test) in one.tests.iter().filter(|(id, test)| !owns(id, &test.path)) {
        let (a, b) = (one.outcome(id), two.outcome(id));
        let base = BaseTest {
            path: test.path.clone(),
            outcome: a.filter(|_| a == b),
            failure: test.failure.clone(),
            starts: test.starts,
            ms: test.ms,
        };
        tests.insert(id.clone(), base);
    }
    for (id, test) in two.tests.iter().filter(|(id, test)| !owns(id, &test.path)) {
        tests.entry(id.clone()).or_insert_with(|| BaseTest {
            path: test.path.clone(),
            outcome: None,
            failure: test.failure.clone(),
            starts: test.starts,
            ms: test.ms,
        });
    }
    let wall = |step: &StepRecords| step.done.as_ref().map_or(0, |done| done.wall_ms);
    let mut broken = one.broken.clone();
    broken.sort();
    broken.dedup();
    Data { tests, broken, seconds: wall(one).max(wall(two)) as f64 / 1000.0, ..Data::default() }
}

/// Whether two suites can run beside each other without slowing each other down.
fn two_at_once() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

/// Tests that passed and tests that failed, without ours.
pub(super) fn decisive(step: &StepRecords, canaries: &Canaries) -> (usize, usize) {
    let count = |outcome| {
        step.tests
            .iter()
            .filter(|(id, test)| {
                test.finished && test.outcome == Some(outcome) && !canaries.owns(id, &test.path)
            })
            .count()
    };
    (count(Outcome::Passed), count(Outcome::Failed))
}

/// The error of a baseline that proves nothing: which modules are missing, and where was looked.
fn nothing(settings: &Settings, step: &StepRecords, more: &str) -> EffectError {
    if let Some(missing) = &settings.kit.missing {
        return missing.clone();
    }
    let mut why: Vec<String> = step.broken.iter().map(|b| format!("{}: {}", b.path, b.why)).collect();
    why.sort();
    why.dedup();
    let count = why.len();
    why.truncate(5);
    if count > 5 {
        why.push(format!("and {} more", count - 5));
    }
    if why.is_empty() {
        let nothing = if more.is_empty() { "no test was collected" } else { more };
        why.push(nothing.chars().take(2000).collect());
    }
    let facts = &settings.interpreter.facts;
    let looked: Vec<String> = settings
        .pythonpath
        .iter()
        .map(|entry| if entry.is_empty() { "the repository's top".to_owned() } else { entry.clone() })
        .chain(facts.sites.iter().cloned())
        .collect();
    EffectError::new(
        "tests.nothing",
        UNSTARTABLE,
        format!(
            "no test passes or fails here with `{}` under Python {} ({}): {}; modules were looked for in {}",
            settings.command.words().join(" "),
            facts.version,
            settings.interpreter.exe.display(),
            why.join("; "),
            looked.join(", ")
        ),
    )
    .help("name the environment or the command: --python, --test-command, --pythonpath, or `tests: {command: […], python: …, pythonpath: […]}` in prunella.yaml at the repository's top")
}
