//! Effect `source.resolve`: how a name can be imported, by what the repository's own sources say.
//!
//! Answers come from four places: modules and packages of the repository, what they define or pass on at their top
//! level, import statements anywhere in the repository (that is how third-party names are found), and the standard library.

mod python;
mod stdlib;

use std::collections::BTreeMap;

use prunella_engine::EffectError;
use prunella_engine::types::RepoPath;

use self::python::{Module, modules};
use super::git::GitRepo;
use crate::effects::{Importable, ResolveRequest, ResolveResponse};

/// Most source files that are read.
const MOST_FILES: usize = 5000;

/// Largest source file that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// Most functions that are asked for their errors.
const MOST_PLACES: usize = 5;

/// Most errors of these.
const MOST_ERRORS: usize = 5;

/// Most test files that are looked at for their style.
const MOST_TESTS: usize = 200;
/// Most answers a name.
const MOST_WAYS: usize = 4;

/// Finds import statements for the names of `request`, best first, at most four each. A name that nothing in the repository
/// or the standard library explains gets none.
///
/// # Errors
/// When the commit cannot be read.
pub fn resolve(repo: &GitRepo, request: &ResolveRequest) -> Result<ResolveResponse, EffectError> {
    let files = repo.files(&request.commit)?;
    let sources: Vec<&String> = files.iter().filter(|path| path.ends_with(".py")).take(MOST_FILES).collect();
    let raised = raised(repo, request)?;
    let roots: Vec<&str> = request.names.iter().chain(&raised).map(|name| root(name)).collect();
    let mut read = Vec::new();
    for path in &sources {
        let Some(bytes) = repo.read(&request.commit, path)? else { continue };
        if bytes.len() <= LARGEST {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // A file that does not hold any of the names says nothing about them.
            if roots.iter().any(|root| text.contains(root)) {
                read.push(((*path).clone(), text));
            }
        }
    }
    let modules = modules(&files, &read, &repo.subfolder);
    let near: Vec<&str> = request.near.iter().map(|path| path.0.as_str()).collect();
    let imports = request.names.iter().map(|name| ways(name, &modules, &near)).collect();
    // Only a class of the repository is its own error: `ValueError` or another package's says nothing.
    let ours = |name: &String| modules.iter().any(|module| !module.is_test && module.defines(name));
    let errors = raised
        .iter()
        .filter(|name| ours(name))
        .filter_map(|name| {
            let statement = ways(name, &modules, &near).into_iter().find(|way| way.starts_with("from "))?;
            Some(Importable { name: name.clone(), statement })
        })
        .collect();
    let unittest = unittest_style(repo, &request.commit, &request.path, &files)?;
    Ok(ResolveResponse { imports, path: RepoPath(free(&request.path, &files)), errors, unittest })
}

/// Whether the tests in the folder of `path` are classes of `unittest`, and none is a plain function.
fn unittest_style(repo: &GitRepo, commit: &str, path: &str, files: &[String]) -> Result<bool, EffectError> {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let here = folder(path);
    let mut classes = false;
    for file in files.iter().filter(|file| folder(file) == here && file.ends_with(".py")).take(MOST_TESTS) {
        let name = file.rsplit('/').next().unwrap_or(file);
        if !name.starts_with("test") {
            continue;
        }
        let text = repo
            .read(commit, file)?
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        if text.lines().any(|line| line.starts_with("def test") || line.starts_with("async def test")) {
            return Ok(false);
        }
        classes |= text.contains("TestCase)");
    }
    Ok(classes)
}

/// The names of the classes that the functions in question raise, sorted.
fn raised(repo: &GitRepo, request: &ResolveRequest) -> Result<Vec<String>, EffectError> {
    let mut names = Vec::new();
    for place in request.raising.iter().take(MOST_PLACES) {
        if let Some(bytes) = repo.read(&request.commit, &place.path)?
            && bytes.len() <= LARGEST
        {
            names.extend(python::raised(&String::from_utf8_lossy(&bytes), &place.function));
        }
    }
    names.sort();
    names.dedup();
    names.truncate(MOST_ERRORS);
    Ok(names)
}

/// `path`, or with a number at the end of its stem where `files`, sorted, hold it: an earlier incident's test stays.
fn free(path: &str, files: &[String]) -> String {
    let taken = |path: &String| files.binary_search(path).is_ok();
    let stem = path.strip_suffix(".py").unwrap_or(path);
    std::iter::once(path.to_owned())
        .chain((2..100).map(|n| format!("{stem}_{n}.py")))
        .find(|path| !taken(path))
        .unwrap_or_else(|| path.to_owned())
}

fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The import statements for `name`, best first.
fn ways(name: &str, modules: &[Module], near: &[&str]) -> Vec<String> {
    let root = root(name);
    if root.is_empty() || !root.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Vec::new();
    }
    let attribute = name.split('.').nth(1);
    let mut scores: BTreeMap<String, i64> = BTreeMap::new();
    let mut offer = |statement: String, score: i64| {
        let entry = scores.entry(statement).or_insert(score);
        *entry = (*entry).max(score);
    };
    for module in modules.iter().filter(|module| !module.is_test) {
        let depth = module.name.matches('.').count() as i64;
        let private =
            i64::from(module.name.split('.').any(|part| part.starts_with('_') && part != "__init__")) * 20;
        let last = module.name.rsplit('.').next().unwrap_or(&module.name);
        // The module itself goes by this name, and what is asked of it is there.
        if last == root {
            let has = attribute.is_some_and(|a| {
                module.defines(a)
                    || module.passes_on(a)
                    || modules.iter().any(|m| m.name == format!("{}.{a}", module.name))
            });
            // A module is not called, nor is it handed on often: without an attribute it is hardly meant.
            let score = 80 - 5 * depth - private
                + if has {
                    40
                } else if attribute.is_none() {
                    -70
                } else {
                    0
                };
            match module.name.rsplit_once('.') {
                Some((package, _)) => offer(format!("from {package} import {root}"), score),
                None => offer(format!("import {root}"), score + 5),
            }
        }
        let near = i64::from(near.contains(&module.path.as_str())) * 20;
        if module.defines(root) && !module.name.is_empty() {
            let known = i64::from(module.class_has(root, attribute)) * 10;
            offer(format!("from {} import {root}", module.name), 70 - 5 * depth - private + near + known);
        }
        // A package that passes a name on is where its users are meant to get it.
        if module.is_package && module.passes_on(root) {
            offer(format!("from {} import {root}", module.name), 105 - 5 * depth - private + near);
        }
    }
    // How the repository itself imports the name, tests included.
    let mut used: BTreeMap<&str, i64> = BTreeMap::new();
    for statement in modules.iter().flat_map(|module| module.imports_of(root)) {
        *used.entry(statement).or_default() += 1;
    }
    for (statement, count) in used {
        let count = count.min(10);
        match scores.get_mut(statement) {
            Some(score) => *score += count,
            None => {
                scores.insert(statement.to_owned(), 45 + count);
            }
        }
    }
    let ours = modules.iter().any(|module| module.name == root);
    if stdlib::is_module(root) && attribute.is_some() && !ours {
        *scores.entry(format!("import {root}")).or_insert(0) += 90;
    }
    if let Some(module) = stdlib::home(root) {
        scores.entry(format!("from {module} import {root}")).or_insert(40);
    }
    let mut ways: Vec<(i64, String)> =
        scores.into_iter().map(|(statement, score)| (score, statement)).collect();
    ways.retain(|(score, _)| *score > 0);
    ways.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ways.into_iter().map(|(_, statement)| statement).take(MOST_WAYS).collect()
}

#[cfg(test)]
mod tests;
