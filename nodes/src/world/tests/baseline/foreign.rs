//! The two runs of a runner that is not ours.

use std::collections::BTreeSet;

use prunella_engine::EffectError;

use super::measure::{SUITE_LIMIT, both, decisive};
use super::{Data, protected, suite};
use crate::world::tests::canary::Canaries;
use crate::world::tests::jobs::{Ran, Start, Step, isolation_word};
use crate::world::tests::records::StepRecords;
use crate::world::tests::runners::Foreign;
use crate::world::tests::settings::Settings;
use crate::world::tests::{Tester, UNSTARTABLE};

impl Tester {
    /// Both runs, with tests of ours where the suite stands them.
    ///
    /// # Errors
    /// Exit 15 when no test passes or fails, 31 when the sandbox cannot start.
    pub(super) fn measure_foreign(
        &self,
        settings: &Settings,
        foreign: &Foreign,
        tree: &std::path::Path,
        files: &BTreeSet<String>,
        order: u32,
    ) -> Result<Data, EffectError> {
        let read = |path: &str| std::fs::read(tree.join(path)).ok();
        let mut canaries = Canaries::among(foreign.tool, files.iter().map(String::as_str), &read);
        let mut first = self.with(settings, tree, &canaries, None, Vec::new())?;
        let mut one = first.steps.step(0);
        if !clean(&one) && !canaries.edits().is_empty() {
            // Not every file bears a few lines more at its end; then there are none.
            let none = Canaries::among(foreign.tool, std::iter::empty(), &read);
            let ran = self.with(settings, tree, &none, None, Vec::new())?;
            let plain = ran.steps.step(0);
            let worth = |step: &StepRecords, canaries| (clean(step), decisive(step, canaries));
            if worth(&plain, &none) > worth(&one, &canaries) {
                (canaries, first, one) = (none, ran, plain);
            }
        }
        if decisive(&one, &canaries) == (0, 0) || one.incomplete().is_some() {
            return Err(nothing(settings, &one, &first));
        }
        // The second run differs in what must not matter: another seed, another order
        // where the runner has one, and test files that cannot be written.
        let heard = canaries.heard(&one);
        let again = Canaries::among(foreign.tool, heard.iter().map(String::as_str), &read);
        let second = self.with(settings, tree, &again, Some(order), protected(files, &BTreeSet::new()))?;
        let two = second.steps.step(0);
        let mut data = both(&one, &two, &|id, path| canaries.owns(id, path) || again.owns(id, path));
        data.canary_files = again.heard(&two).into_iter().collect();
        data.canaries = !data.canary_files.is_empty();
        data.order = order;
        data.isolation = isolation_word(&second.report.isolation);
        Ok(data)
    }

    fn with(
        &self,
        settings: &Settings,
        tree: &std::path::Path,
        canaries: &Canaries,
        order: Option<u32>,
        protect: Vec<String>,
    ) -> Result<Ran, EffectError> {
        let edits = canaries
            .edits()
            .into_iter()
            .map(|(path, content)| prunella_sandbox::Edit { path, content, executable: false })
            .collect();
        let step = Step { order, ..suite(settings, &[], canaries.extra(), SUITE_LIMIT) };
        let seed = u32::from(order.is_some());
        self.launcher.run(Start { tree, settings, edits, protect, steps: vec![step], seed, warm: None })
    }
}

/// Whether everything could be built, loaded and told.
fn clean(step: &StepRecords) -> bool {
    step.unbuilt.is_none() && step.broken.is_empty() && step.incomplete().is_none()
}

/// The error of a baseline that proves nothing.
fn nothing(settings: &Settings, step: &StepRecords, ran: &Ran) -> EffectError {
    if let Some(missing) = &settings.kit.missing {
        return missing.clone();
    }
    let why = match (&step.unbuilt, step.broken.first()) {
        (Some(compiler), _) => format!("it does not build: {compiler}"),
        (None, Some(broken)) => format!("{}: {}", broken.path, broken.why),
        (None, None) => {
            let why = ran.incomplete().or(step.incomplete()).unwrap_or("no test was reported".to_owned());
            format!("{why}\n{}", ran.tail())
        }
    };
    let mut looked = settings.kit.dependencies.clone();
    if looked.is_empty() {
        looked.push("nowhere: none were found".to_owned());
    }
    let version = &settings.interpreter.facts.version;
    EffectError::new(
        "tests.nothing",
        UNSTARTABLE,
        format!(
            "no test passes or fails here with `{}` ({}{}): {}; dependencies were looked for in {}",
            settings.command.words().join(" "),
            settings.command.runner(),
            if version.is_empty() { String::new() } else { format!(", {version}") },
            why.chars().take(3000).collect::<String>(),
            looked.join(", ")
        ),
    )
    .help("name the runner or the command: --runner, --test-command, or `tests: {runner: …, command: […], report: junit, path: …}` in prunella.yaml at the repository's top; dependencies can be prepared with --allow-network-prepare")
}
