//! Effect `agent.tool`: what an agent may do, one call at a time, over the base commit and its own changes so far.
//!
//! `read`, `search` and `edit` look at git's objects and at the changes, never at a folder of this machine; `run` is a
//! command in a fresh sandbox. What does not work is told to the model, as text.

use std::collections::BTreeMap;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_engine::types::RepoPath;
use regex::RegexBuilder;
use serde_json::Value;

use crate::effects::{ToolRequest, ToolResponse};
use crate::gate::check_path;
use crate::patch::{is_test_file, prefix};
use crate::prompt::clipped;
use crate::world::git::{FileEdit, GitRepo};
use crate::world::tests::exec::{Exec, ended};
use crate::world::tests::{Tester, apply_diff};

/// Exit code of our own store.
const STORE: u8 = 6;
/// Most bytes of what the model is told of one call.
const TOLD: usize = 16 << 10;
/// Most lines that a search finds.
const FOUND: usize = 100;
/// Most bytes of a line that a search shows.
const LINE: usize = 300;
/// Largest file that is searched or edited, in bytes.
const MAX_FILE: usize = 1 << 20;
/// Lines that are read where the model does not say how many.
const LINES: usize = 400;

/// The tree as the agent has it.
struct Tree<'a> {
    repo: &'a GitRepo,
    commit: &'a str,
    /// By path: the new content, or nothing for a file that is gone.
    changes: BTreeMap<String, Option<Vec<u8>>>,
}

impl Tree<'_> {
    fn files(&self) -> Result<Vec<String>, EffectError> {
        let gone = |path: &String| self.changes.contains_key(path);
        let mut files: Vec<String> =
            self.repo.files(self.commit)?.into_iter().filter(|path| !gone(path)).collect();
        files.extend(
            self.changes.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path.clone()),
        );
        files.sort();
        Ok(files)
    }

    /// The text of a file; the inner error is for the model.
    fn text(&self, path: &str) -> Result<Result<String, String>, EffectError> {
        let content = match self.changes.get(path) {
            Some(content) => content.clone(),
            None => self.repo.read(self.commit, path)?,
        };
        Ok(match content {
            None => Err(format!("there is no file {path}")),
            Some(bytes) if bytes.len() > MAX_FILE => Err(format!("{path} is larger than {MAX_FILE} bytes")),
            Some(bytes) => String::from_utf8(bytes).map_err(|_| format!("{path} is no text")),
        })
    }

    fn edits(&self) -> Vec<FileEdit> {
        self.changes.iter().map(|(path, content)| (path.clone(), content.clone())).collect()
    }
}

/// Performs one call.
///
/// # Errors
/// When the repository, the store or the sandbox cannot be used. What the model did wrong is no error.
pub fn call(
    repo: &GitRepo,
    tester: &Tester,
    request: &ToolRequest,
    blobs: &dyn Blobs,
) -> Result<ToolResponse, EffectError> {
    let stored = |e: prunella_engine::NodeError| EffectError::new(&e.code, STORE, e.message);
    let mut tree = Tree { repo, commit: &request.commit, changes: BTreeMap::new() };
    if let Some(diff) = &request.diff {
        let text = blobs.get(diff).map_err(stored)?;
        let edits =
            apply_diff(repo, &request.commit, &String::from_utf8_lossy(&text)).map_err(|refusal| {
                EffectError::new("agent.diff", 1, format!("the agent's own changes do not apply: {refusal}"))
            })?;
        tree.changes = edits.into_iter().collect();
    }
    let done = match request.tool.as_str() {
        "read" => read(&tree, &request.args)?,
        "search" => search(&tree, &request.args)?,
        "edit" => edit(&mut tree, &request.args)?,
        "run" => run(&mut tree, tester, request)?,
        other => Err(format!("there is no tool `{other}`")),
    };
    let (text, worked) = match &done {
        Ok(text) => (text, true),
        Err(why) => (why, false),
    };
    let edits = tree.edits();
    let diff = tester.rendered(&request.commit, &edits)?;
    Ok(ToolResponse {
        text: blobs.put(clipped(text, TOLD).as_bytes()).map_err(stored)?,
        done: worked,
        diff: blobs.put(diff.as_bytes()).map_err(stored)?,
        files: edits.iter().map(|(path, _)| RepoPath(path.clone())).collect(),
        tree: if edits.is_empty() { String::new() } else { repo.tree_with(&request.commit, &edits)? },
    })
}

/// What a tool says to the model: the outer error is ours, the inner one its own.
type Told = Result<Result<String, String>, EffectError>;

/// An argument that is a text.
fn text<'a>(args: &'a Value, name: &str) -> Result<&'a str, String> {
    args.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing, or no text"))
}

/// An argument that is a path inside the tree.
fn path<'a>(args: &'a Value, name: &str) -> Result<&'a str, String> {
    let given = text(args, name)?;
    let plain = given.strip_prefix("./").unwrap_or(given).trim_end_matches('/');
    if matches!(plain, "" | ".") {
        return Ok("");
    }
    check_path(plain).map(|()| plain).map_err(|refusal| refusal.to_string())
}

/// `read {path, from?, lines?}`: lines of a file with their numbers, or the entries of a folder.
fn read(tree: &Tree<'_>, args: &Value) -> Told {
    let path = match path(args, "path") {
        Ok(path) => path,
        Err(why) => return Ok(Err(why)),
    };
    let files = tree.files()?;
    if files.binary_search(&path.to_owned()).is_err() {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut entries: Vec<String> = files
            .iter()
            .filter_map(|file| file.strip_prefix(&below))
            .map(|rest| rest.split_once('/').map_or(rest.to_owned(), |(folder, _)| format!("{folder}/")))
            .collect();
        entries.dedup();
        return Ok(if entries.is_empty() {
            Err(format!("there is no file {path}"))
        } else {
            Ok(entries.join("\n"))
        });
    }
    let text = match tree.text(path)? {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    let number = |name: &str, other: usize| {
        args.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(other)
    };
    let (from, lines) = (number("from", 1).max(1), number("lines", LINES));
    let all = text.lines().count();
    let shown: String = text
        .lines()
        .enumerate()
        .skip(from - 1)
        .take(lines)
        .map(|(i, line)| format!("{:>5}  {line}\n", i + 1))
        .collect();
    let end = from.saturating_add(lines).saturating_sub(1).min(all);
    Ok(Ok(format!("{path}, lines {from} to {end} of {all}:\n{shown}")))
}

/// `search {pattern, path?}`: the lines that a regular expression finds, below a folder or in a file.
fn search(tree: &Tree<'_>, args: &Value) -> Told {
    let below = match args.get("path").filter(|path| !path.is_null()).map(|_| path(args, "path")).transpose()
    {
        Ok(below) => below.unwrap_or_default(),
        Err(why) => return Ok(Err(why)),
    };
    let pattern = match text(args, "pattern") {
        Ok(pattern) => pattern,
        Err(why) => return Ok(Err(why)),
    };
    let regex = match RegexBuilder::new(pattern).size_limit(1 << 20).build() {
        Ok(regex) => regex,
        Err(e) => return Ok(Err(format!("`{pattern}` is no regular expression: {e}"))),
    };
    let folder = format!("{below}/");
    let mut found = Vec::new();
    for file in tree.files()? {
        if !below.is_empty() && file != below && !file.starts_with(&folder) {
            continue;
        }
        let Ok(text) = tree.text(&file)? else { continue };
        for (i, line) in text.lines().enumerate().filter(|(_, line)| regex.is_match(line)) {
            found.push(format!("{file}:{}: {}", i + 1, prefix(line, LINE)));
            if found.len() >= FOUND {
                found.push(format!("(more than {FOUND} lines; narrow the pattern or name a path)"));
                return Ok(Ok(found.join("\n")));
            }
        }
    }
    Ok(Ok(if found.is_empty() { "nothing was found".to_owned() } else { found.join("\n") }))
}

/// `edit {path, search, replace}`: replaces text that stands in the file exactly once; an empty `search` makes a file.
fn edit(tree: &mut Tree<'_>, args: &Value) -> Told {
    let parts = || Ok::<_, String>((path(args, "path")?, text(args, "search")?, text(args, "replace")?));
    let (path, search, replace) = match parts() {
        Ok(parts) => parts,
        Err(why) => return Ok(Err(why)),
    };
    if path.is_empty() {
        return Ok(Err("`path` names no file".to_owned()));
    }
    if is_test_file(path) {
        return Ok(Err(format!("{path} belongs to the tests, which a fix never changes")));
    }
    let there = tree.text(path)?;
    let after = match (there, search.is_empty()) {
        (Ok(_), true) => return Ok(Err(format!("{path} is there already; say what to `search` for in it"))),
        (Err(_), true) => replace.to_owned(),
        (Err(why), false) => return Ok(Err(why)),
        (Ok(text), false) => match text.matches(search).count() {
            1 => text.replacen(search, replace, 1),
            0 => return Ok(Err(format!("the text to search for is not in {path}; read it again"))),
            n => {
                return Ok(Err(format!(
                    "the text to search for is {n} times in {path}; give more of its surroundings"
                )));
            }
        },
    };
    if after.len() > MAX_FILE {
        return Ok(Err(format!("{path} would be larger than {MAX_FILE} bytes")));
    }
    let same = tree.repo.read(tree.commit, path)?.as_deref() == Some(after.as_bytes());
    if same {
        tree.changes.remove(path);
    } else {
        tree.changes.insert(path.to_owned(), Some(after.clone().into_bytes()));
    }
    let broken = path.ends_with(".py").then(|| crate::patch::python_error(&after)).flatten();
    Ok(Ok(match broken {
        Some(line) => format!("{path} is changed; line {line} is no valid Python now"),
        None => format!("{path} is changed"),
    }))
}

/// `run {argv}`: a command over the tree in a fresh sandbox. What it writes is kept, but for the tests' files.
fn run(tree: &mut Tree<'_>, tester: &Tester, request: &ToolRequest) -> Told {
    let words = request.args.get("argv").and_then(Value::as_array);
    let argv: Option<Vec<String>> =
        words.and_then(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
    let Some(argv) = argv.filter(|argv| !argv.is_empty()) else {
        return Ok(Err("`argv` is the command as a list of words".to_owned()));
    };
    if let Some(why) = tester.refuses(&request.commit, &argv, Some(&request.allow))? {
        return Ok(Err(why));
    }
    let edits = tree.edits();
    let ran = tester.exec(&Exec {
        commit: &request.commit,
        edits: &edits,
        argv: &argv,
        env: &BTreeMap::new(),
        bounds: &request.bounds,
        keep: true,
    })?;
    let ran = match ran {
        Ok(ran) => ran,
        Err(why) => return Ok(Err(why)),
    };
    let (how, why, status) = ended(&ran.report.end);
    let mut told = match status {
        Some(status) => format!("exit status {status}\n"),
        None => format!("{how}: {why}\n"),
    };
    for (name, stream) in [("stdout", &ran.report.stdout), ("stderr", &ran.report.stderr)] {
        if !stream.kept.is_empty() {
            told.push_str(&format!("--- {name}\n{}\n", clipped(&stream.text(), TOLD / 3)));
        }
    }
    let (tests, kept): (Vec<FileEdit>, Vec<FileEdit>) =
        ran.edits.into_iter().partition(|(path, _)| is_test_file(path) && !tree.changes.contains_key(path));
    for (path, _) in &tests {
        told.push_str(&format!("({path} belongs to the tests: what was written there is not kept)\n"));
    }
    for left_out in &ran.left_out {
        told.push_str(&format!("(not kept: {left_out})\n"));
    }
    tree.changes = kept.into_iter().collect();
    Ok(Ok(told))
}
