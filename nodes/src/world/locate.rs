//! Effect `frames.locate`: frames become files of the repository.
//!
//! A trace names files where they ran: `/var/task/shop/cart.py`, `/srv/app/src/shop/cart.py`,
//! `…/site-packages/shop/cart.py`. The longest path suffix proposes files of the repository; the functions and quoted
//! lines of all frames of a file confirm one of them, or none.

#[cfg(test)]
pub(crate) mod scratch;
mod source;

use std::collections::BTreeMap;

use prunella_engine::EffectError;
use prunella_engine::types::RepoPath;

use self::source::Source;
use super::git::GitRepo;
use crate::effects::{LocateRequest, LocateResponse};
use crate::types::Frame;

/// Most files of one base name that are looked at.
const MOST_CANDIDATES: usize = 24;

/// Most different frames of a file that are asked what speaks for it.
const MOST_WITNESSES: usize = 64;

/// Shortest quoted line that alone tells one file from another, in characters: `return x` is everywhere.
const TELLING: usize = 8;

/// Maps the frames of `request` to files and lines of its commit.
///
/// A frame outside the repository (the standard library, another package, a script of the user) stays as it is.
///
/// # Errors
/// When the commit cannot be read.
pub fn locate(repo: &GitRepo, request: &LocateRequest) -> Result<LocateResponse, EffectError> {
    let mut sources = Sources::open(repo, &request.commit)?;
    let mut by_file: BTreeMap<&str, Vec<&Frame>> = BTreeMap::new();
    for frame in request.stacks.iter().flatten() {
        let frames = by_file.entry(&frame.file).or_default();
        let same = |other: &&Frame| other.function == frame.function && other.code == frame.code;
        if frames.len() < MOST_WITNESSES && !frames.iter().any(same) {
            frames.push(frame);
        }
    }
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    for (file, frames) in &by_file {
        if let Some(path) = sources.place(file, frames)? {
            places.insert(file, path);
        }
    }
    let mut response = LocateResponse::default();
    for stack in &request.stacks {
        let mut drift = Vec::new();
        let mut mapped = Vec::with_capacity(stack.len());
        for frame in stack {
            let mut frame = frame.clone();
            if let Some(path) = places.get(frame.file.as_str())
                && let Some(source) = sources.read(path)?
            {
                let found = source.find(&frame);
                if let Some(why) = found.drift {
                    let line = format!("{path}: {why}");
                    if !drift.contains(&line) {
                        drift.push(line);
                    }
                }
                frame.path = Some(RepoPath(path.clone()));
                frame.repo_line = found.line;
            }
            mapped.push(frame);
        }
        response.stacks.push(mapped);
        response.drift.push(drift);
    }
    Ok(response)
}

/// What speaks for a file of the repository being the one that a trace names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Evidence {
    /// Frames whose function is there and whose quoted line is in it.
    both: usize,
    /// Frames whose quoted line is there.
    texts: usize,
    /// Frames whose function is there.
    functions: usize,
}

/// The files of a commit, read when they are asked for.
struct Sources<'r> {
    repo: &'r GitRepo,
    commit: String,
    by_name: BTreeMap<String, Vec<String>>,
    read: BTreeMap<String, Option<Source>>,
}

impl<'r> Sources<'r> {
    fn open(repo: &'r GitRepo, commit: &str) -> Result<Self, EffectError> {
        let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in repo.files(commit)? {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            by_name.entry(name).or_default().push(path);
        }
        Ok(Self { repo, commit: commit.to_owned(), by_name, read: BTreeMap::new() })
    }

    fn read(&mut self, path: &str) -> Result<Option<&Source>, EffectError> {
        if !self.read.contains_key(path) {
            let source = self.repo.read(&self.commit, path)?.and_then(|bytes| Source::of(&bytes));
            self.read.insert(path.to_owned(), source);
        }
        Ok(self.read.get(path).and_then(Option::as_ref))
    }

    /// The file of the repository that the trace calls `file`, with these frames in it.
    fn place(&mut self, file: &str, frames: &[&Frame]) -> Result<Option<String>, EffectError> {
        let Some(named) = Named::of(file) else { return Ok(None) };
        let name = named.parts.last().copied().unwrap_or_default();
        let mut candidates: Vec<(usize, String)> = self
            .by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|path| {
                let shared = shared_suffix(&named.parts, path);
                // Below site-packages the whole rest names the module: less is another package's file.
                (!named.installed || shared == named.parts.len()).then(|| (shared, path.clone()))
            })
            .collect();
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        candidates.truncate(MOST_CANDIDATES);
        let longest = candidates.first().map_or(0, |c| c.0);
        let mut confirmed: Vec<(usize, Evidence, String)> = Vec::new();
        for (shared, path) in candidates {
            let Some(evidence) = self.read(&path)?.map(|source| source.evidence(frames)) else { continue };
            // The longest suffix needs one witness. A shorter one, a name alone, or one that begins in the middle of
            // a package (`django/db/models/base.py` is not our `shop/models/base.py`): function and text together.
            let enough = if shared > 1 && shared == longest && !self.inside_package(&path, shared) {
                evidence.texts > 0 || evidence.functions > 0 || frames.iter().all(|f| is_silent(f))
            } else {
                evidence.both > 0
            };
            if enough {
                confirmed.push((shared, evidence, path));
            }
        }
        // The longest suffix that is confirmed; of several, the one that more speaks for, or none.
        let Some(most) = confirmed.iter().map(|c| c.0).max() else { return Ok(None) };
        confirmed.retain(|c| c.0 == most);
        let best = confirmed.iter().map(|c| c.1).max();
        let mut winners = confirmed.into_iter().filter(|c| Some(c.1) == best);
        let winner = winners.next().map(|c| c.2);
        Ok(if winners.next().is_some() { None } else { winner })
    }

    /// Whether the folder above the last `shared` parts of `path` is a package itself.
    fn inside_package(&self, path: &str, shared: usize) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let above = &parts[..parts.len().saturating_sub(shared)];
        !above.is_empty() && {
            let marker = format!("{}/__init__.py", above.join("/"));
            self.by_name.get("__init__.py").is_some_and(|paths| paths.contains(&marker))
        }
    }
}

/// Whether nothing in `frame` could confirm a file.
fn is_silent(frame: &Frame) -> bool {
    frame.code.is_empty() && (frame.function.is_empty() || frame.function.starts_with('<'))
}

/// A file's name in a trace, taken apart.
struct Named<'a> {
    /// The parts of the path that may name a file of ours.
    parts: Vec<&'a str>,
    /// It was installed as a package: `parts` begins below `site-packages`.
    installed: bool,
}

impl<'a> Named<'a> {
    /// Takes `file` apart; nothing for what no repository holds: the standard library, generated code.
    fn of(file: &'a str) -> Option<Self> {
        if file.starts_with('<') {
            return None;
        }
        let parts: Vec<&str> =
            file.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).collect();
        if let Some(at) = parts.iter().rposition(|part| matches!(*part, "site-packages" | "dist-packages")) {
            return Some(Self { parts: parts[at + 1..].to_vec(), installed: true });
        }
        let python = |part: &str| {
            let part = part.to_ascii_lowercase();
            part.strip_prefix("python").or_else(|| part.strip_prefix("pypy")).is_some_and(|version| {
                version.starts_with(|c: char| c.is_ascii_digit())
                    && version.chars().all(|c| c.is_ascii_digit() || c == '.' || c == 't')
            })
        };
        let standard = parts.windows(2).any(|pair| {
            (matches!(pair[0], "lib" | "lib64") && python(pair[1]))
                || (python(pair[0]) && pair[1].eq_ignore_ascii_case("lib"))
        });
        // A path component that names an archive (`lib/python311.zip`) is the standard library too.
        let zipped = parts.iter().any(|part| part.strip_suffix(".zip").is_some_and(python));
        (!standard && !zipped).then_some(Self { parts, installed: false })
    }
}

/// How many parts at the end `named` and the repository's `path` share.
fn shared_suffix(named: &[&str], path: &str) -> usize {
    named.iter().rev().zip(path.rsplit('/')).take_while(|(a, b)| **a == *b).count()
}

#[cfg(test)]
#[path = "locate/tests.rs"]
mod tests;
