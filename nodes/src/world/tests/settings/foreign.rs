//! Which runner that is not ours is meant, and what it needs.

use std::path::PathBuf;

use prunella_engine::EffectError;

use super::surroundings::paths;
use super::{HostSettings, Settings};
use crate::world::git::GitRepo;
use crate::world::tests::command::Command;
use crate::world::tests::interpreter::{Facts, Interpreter};
use crate::world::tests::runners::detect::{self, detect};
use crate::world::tests::runners::toolchain::{Kit, Places};
use crate::world::tests::runners::{Foreign, Tool};

/// The runner that is not ours, when it is one, and the others that the repository speaks of.
pub(super) fn choose(
    repo: &GitRepo,
    files: &[String],
    given: &HostSettings,
    places: &Places<'_>,
) -> Result<(Option<Foreign>, Vec<String>), String> {
    let found =
        detect(files, &repo.subfolder, &|path| places.read(path), &|name| places.program(name).is_some());
    let mut seen = found.others.clone();
    let script = || places.read("package.json").and_then(|text| detect::script(&text));
    let report = match given.report.as_deref() {
        None => None,
        Some(word) => match Tool::named(word).filter(|tool| matches!(tool, Tool::Junit | Tool::Tap)) {
            Some(tool) => Some(tool),
            None => return Err(format!("report `{word}` is neither `junit` nor `tap`")),
        },
    };
    let named = match given.runner.as_deref() {
        None => None,
        Some("pytest" | "unittest") => {
            seen.extend(found.foreign.map(|foreign| format!("{} ({})", foreign.tool.name(), found.by)));
            return Ok((None, seen));
        }
        Some(name) => Some(Tool::named(name).ok_or_else(|| {
            let names: Vec<&str> = Tool::ALL.iter().map(|tool| tool.name()).collect();
            format!("runner `{name}` is not known; there are pytest, unittest, {}", names.join(", "))
        })?),
    };
    if named.is_some() && named != found.foreign.as_ref().map(|foreign| foreign.tool) {
        let by = found.foreign.as_ref().map(|foreign| format!("{} ({})", foreign.tool.name(), found.by));
        seen.extend(by);
    }
    let npm = |argv: &[String]| {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        matches!(words.as_slice(), ["npm" | "yarn" | "pnpm", "test" | "t", ..] | ["npm", "run", "test", ..])
    };
    let (tool, words) = match (&given.command, named, report) {
        // The command's own report comes before what the command looks like.
        (Some(argv), None, Some(tool)) => (tool, argv.clone()),
        (Some(argv), Some(tool), _) => match detect::typed(argv) {
            Some((same, words)) if same == tool => (tool, words),
            _ => (tool, argv.clone()),
        },
        (Some(argv), None, None) => {
            let typed = if npm(argv) { script() } else { detect::typed(argv) };
            match typed {
                Some(typed) => typed,
                None => return Ok((None, seen)),
            }
        }
        (None, Some(tool), _) => match script().filter(|(other, _)| *other == tool) {
            Some(typed) if tool.on_node() => typed,
            _ => (tool, tool.words()),
        },
        (None, None, _) => return Ok((found.foreign, seen)),
    };
    if words.is_empty() {
        return Err(format!(
            "runner `{}` needs the command that writes the report: --test-command, or `tests: {{command: […]}}` in prunella.yaml",
            tool.name()
        ));
    }
    if tool == Tool::Junit && given.report_paths.is_empty() {
        return Err("runner `junit` needs to know where the report is: `tests: {report: junit, path: build/*.xml}` in prunella.yaml".to_owned());
    }
    for path in &given.report_paths {
        if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\n') {
            return Err(format!("report path `{path}` does not lie below where the tests are started"));
        }
    }
    let own = matches!(tool, Tool::Junit | Tool::Tap) || report.is_some();
    let reports = if own { given.report_paths.clone() } else { Vec::new() };
    if words.iter().chain(&reports).any(|word| word.contains('\n')) {
        return Err("a word of the test command goes over more than one line".to_owned());
    }
    Ok((Some(Foreign { tool, words, reports }), seen))
}

/// The settings of a runner that is not ours.
pub(super) fn foreign_settings(
    foreign: Foreign,
    others: Vec<String>,
    given: &HostSettings,
    files: &[String],
    places: &Places<'_>,
) -> Result<Settings, EffectError> {
    let repo = places.repo;
    let (_, mut mounts) =
        paths(repo, files, given).map_err(|why| EffectError::new("tests.settings", 2, why))?;
    let kit = Kit::find(&foreign, places)?;
    mounts.extend(kit.mounts.iter().cloned());
    mounts.sort();
    mounts.dedup();
    let program = foreign.words.first().map(PathBuf::from).unwrap_or_default();
    Ok(Settings {
        interpreter: Interpreter {
            exe: kit.program.clone().unwrap_or(program),
            facts: Facts { version: kit.version.clone(), ..Facts::default() },
            ..Interpreter::default()
        },
        command: Command::Foreign(foreign),
        env: given.env.clone(),
        pythonpath: Vec::new(),
        mounts,
        subfolder: repo.subfolder.clone(),
        kit,
        files: files.iter().cloned().collect(),
        others,
    })
}
