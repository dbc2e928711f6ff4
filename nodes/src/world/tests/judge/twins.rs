//! Twins of the reproduction: the same test, changed so that it must fail. A candidate that makes one pass does not
//! mend the code, it bends the test.

use std::collections::BTreeMap;
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::Limits;
use serde::Deserialize;
use serde_json::json;

use super::change::{changed_lines, executed};
use super::{ALONE, Case, Fall, Side, Target, describe, meddled};
use crate::types::VerdictStatus;
use crate::world::git::FileEdit;
use crate::world::tests::Tester;
use crate::world::tests::canary::token;
use crate::world::tests::jobs::Plan;
use crate::world::tests::records::{Failure, Outcome};

/// Most mutants of a target.
const MAX_MUTANTS: usize = 2;

/// What the twins, the mutants and the traced run showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Twins that did what they must.
    pub(super) twins: usize,
    /// Mutants of the candidate that the target noticed.
    pub(super) mutants: usize,
    /// Whether the test only calls functions and looks at what comes back.
    pub(super) simple: bool,
    /// Changed lines that ran, and changed lines.
    pub(super) lines: Option<(usize, usize)>,
}

#[derive(Deserialize)]
struct Made {
    ends: Option<String>,
    contradicts: Option<String>,
    differs: Option<String>,
    copy: Option<String>,
    simple: bool,
    mutants: Vec<Option<String>>,
}

impl Tester {
    /// Runs the target's twins; the target over mutants of the candidate; and the target once more with its lines
    /// traced. `red` is how it fails at the base.
    pub(super) fn twins(
        &self,
        case: &Case<'_>,
        target: &Target,
        red: &Failure,
    ) -> Result<Result<Seen, Fall>, EffectError> {
        let settings = &case.base.settings;
        if settings.command.foreign().is_some() {
            return self.control(case, target);
        }
        // The copy's function has a name of its own; parameters keep theirs.
        let own_name = format!("test_{}", token());
        let mutated = mutable(case, red);
        let wanted = json!({
            "mutate": mutated
                .iter()
                .map(|(_, function, source)| json!({"function": function, "source": source}))
                .collect::<Vec<_>>(),
            "path": target.path,
            "names": names(&target.id, settings.command.runner()),
            "token": token(),
            "name": own_name,
            "source": target.source,
            "roots": settings.pythonpath,
            "helpers": case.test_modules(),
        });
        let made = self.make(case, wanted)?;
        let mut files: Vec<FileEdit> = Vec::new();
        let mut steps = Vec::new();
        let mut twins = Vec::new();
        let mut seen = Seen::default();
        let mut mutants = Vec::new();
        let made = made.map_or([None, None, None, None], |made| {
            seen.simple = made.simple;
            mutants = made.mutants;
            [made.ends, made.contradicts, made.differs, made.copy]
        });
        let must = [Outcome::Failed, Outcome::Failed, Outcome::Failed, Outcome::Passed];
        for (source, must) in made.into_iter().zip(must) {
            let Some(source) = source else { continue };
            let (path, mut id) = twin_of(target);
            if must == Outcome::Passed {
                id = renamed(&id, &own_name);
            }
            files.push((path.clone(), Some(source.into_bytes())));
            steps.push(case.base.one_file(&path, Some(vec![id.clone()]), ALONE));
            twins.push((id, must));
        }
        let mut changed = BTreeMap::new();
        for (path, content) in case.laid.iter().filter(|(path, _)| path.ends_with(".py")) {
            let before = self.repo.read(case.commit, path)?.unwrap_or_default();
            let after = content.clone().unwrap_or_default();
            let lines = changed_lines(&String::from_utf8_lossy(&before), &String::from_utf8_lossy(&after));
            changed.insert(path.clone(), lines);
        }
        // A mutant that only raises, where the base's failure came through: the target has to fail again.
        let from = steps.len();
        for ((path, ..), source) in mutated.iter().zip(mutants) {
            let Some(source) = source else { continue };
            let mut step = case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
            step.files = vec![(path.clone(), serde_json::Value::String(source))];
            steps.push(step);
        }
        let mut traced = case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
        traced.trace = changed.keys().cloned().collect();
        steps.push(traced);
        let last = steps.len() - 1;
        let ran = self.over_with(case, Side::Candidate, steps, files, 0)?;
        for (i, (id, must)) in twins.iter().enumerate() {
            let step = ran.steps.step(i);
            if let Some(fall) = meddled(case, &ran, &step) {
                return Ok(Err(fall));
            }
            match step.outcome(id) {
                Some(outcome) if outcome == *must => seen.twins += 1,
                Some(_) if *must == Outcome::Passed => {
                    let reason = format!(
                        "a copy of the reproduction under another name does not pass: {}",
                        describe(&step, id)
                    );
                    return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
                }
                Some(outcome) => {
                    let reason =
                        format!("the reproduction's twin, which must fail, was reported {outcome:?}")
                            .to_lowercase();
                    return Ok(Err(Fall::new(VerdictStatus::Tampered, reason)));
                }
                None if step.incomplete().is_some() => {
                    let why = step.incomplete().unwrap_or_default();
                    let reason = format!("the reproduction's twin did not run to its end: {why}");
                    return Ok(Err(Fall::new(VerdictStatus::Incomplete, reason)));
                }
                None => {}
            }
        }
        for number in from..last {
            let step = ran.steps.step(number);
            if let Some(fall) = meddled(case, &ran, &step) {
                return Ok(Err(fall));
            }
            match step.outcome(&target.id) {
                Some(Outcome::Passed) => {
                    let reason = "the reproduction passes although the function that failed at the base does nothing but raise an error: it does not test the patch";
                    return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
                }
                Some(_) => seen.mutants += 1,
                None => {}
            }
        }
        let step = ran.steps.step(last);
        if step.outcome(&target.id) == Some(Outcome::Passed) {
            seen.lines = Some(executed(&changed, &step.lines));
        }
        Ok(Ok(seen))
    }
}

impl Tester {
    /// Whether the module of `target` only calls functions and looks at what comes back.
    pub(super) fn is_simple(&self, case: &Case<'_>, target: &Target) -> Result<bool, EffectError> {
        let settings = &case.base.settings;
        let wanted = json!({
            "mutate": [],
            "path": target.path,
            "names": names(&target.id, settings.command.runner()),
            "token": token(),
            "name": token(),
            "source": target.source,
            "roots": settings.pythonpath,
            "helpers": case.test_modules(),
        });
        Ok(self.make(case, wanted)?.is_some_and(|made| made.simple))
    }

    /// What the harness makes of a test, from the base commit alone, where nothing of the candidate is.
    fn make(&self, case: &Case<'_>, wanted: serde_json::Value) -> Result<Option<Made>, EffectError> {
        let settings = &case.base.settings;
        let plan = Plan { wanted: vec![wanted], ..Plan::asking("twins") };
        let limits = Limits { wall: Duration::from_secs(60), ..Limits::default() };
        let (exe, mounts) = (&settings.interpreter.exe, settings.mounts.clone());
        let answer = self.launcher.ask_over(&case.base.tree, exe, mounts, &plan, limits, "twins")?;
        Ok(answer
            .ok()
            .and_then(|value| serde_json::from_value::<Vec<Made>>(value).ok())
            .and_then(|mut all| all.pop()))
    }
}

/// Functions that the base's failure came through, in files that the patch changes: path, name, the candidate's
/// source. Innermost first.
fn mutable(case: &Case<'_>, red: &Failure) -> Vec<(String, String, String)> {
    let mut out: Vec<(String, String, String)> = Vec::new();
    for frame in red.frames.iter().rev() {
        let Some(path) = &frame.path else { continue };
        let file = case.laid.iter().find(|(one, _)| one == path && path.ends_with(".py"));
        let Some(source) = file.and_then(|(_, content)| content.as_ref()) else { continue };
        let known = out.iter().any(|(one, function, _)| one == path && *function == frame.function);
        if out.len() < MAX_MUTANTS && !known && !frame.function.starts_with('<') {
            let source = String::from_utf8_lossy(source).into_owned();
            out.push((path.clone(), frame.function.clone(), source));
        }
    }
    out
}

/// Classes and function of a test's id.
fn names(id: &str, runner: &str) -> Vec<String> {
    if runner == "pytest" {
        let plain = id.split('[').next().unwrap_or(id);
        return plain.split("::").skip(1).map(str::to_owned).collect();
    }
    let parts: Vec<&str> = id.split('.').collect();
    parts
        .get(parts.len().saturating_sub(2)..)
        .unwrap_or_default()
        .iter()
        .map(|part| (*part).to_owned())
        .collect()
}

/// `id` with another function, in either runner's form.
fn renamed(id: &str, function: &str) -> String {
    let (whole, parameters) = match id.find('[').filter(|_| id.contains("::")) {
        Some(at) => id.split_at(at),
        None => (id, ""),
    };
    let at = whole.rfind([':', '.']).map_or(0, |at| at + 1);
    format!("{}{function}{parameters}", whole.get(..at).unwrap_or_default())
}

/// Path and test id of a twin beside its test.
fn twin_of(target: &Target) -> (String, String) {
    let stem = format!("test_{}", token());
    let path = match target.path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{stem}.py"),
        None => format!("{stem}.py"),
    };
    let id = match target.id.split_once("::") {
        Some((_, rest)) => format!("{path}::{rest}"),
        None => {
            let mut parts: Vec<&str> = target.id.split('.').collect();
            let module = parts.len().saturating_sub(3);
            if let Some(part) = parts.get_mut(module) {
                *part = &stem;
            }
            parts.join(".")
        }
    };
    (path, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_lies_beside_its_test_under_another_name() {
        let target = |id: &str, path: &str| Target {
            id: id.to_owned(),
            path: path.to_owned(),
            source: None,
            exception: String::new(),
        };
        let (path, id) = twin_of(&target("tests/test_a.py::TestA::test_x[1::2]", "tests/test_a.py"));
        assert!(path.starts_with("tests/test_n"));
        assert_eq!(id, format!("{path}::TestA::test_x[1::2]"));
        assert_eq!(names("tests/test_a.py::TestA::test_x[1::2]", "pytest"), ["TestA", "test_x"]);
        let (path, id) = twin_of(&target("tests.test_a.TestA.test_x", "tests/test_a.py"));
        assert_eq!(
            id,
            format!("tests.{}.TestA.test_x", path.trim_start_matches("tests/").trim_end_matches(".py"))
        );
        assert_eq!(names("tests.test_a.TestA.test_x", "unittest"), ["TestA", "test_x"]);
        assert_eq!(renamed("t.py::A::x[a.b::c]", "y"), "t.py::A::y[a.b::c]");
        assert_eq!(renamed("t.py::x", "y"), "t.py::y");
        assert_eq!(renamed("t.A.x", "y"), "t.A.y");
    }
}
