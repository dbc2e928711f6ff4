//! `prunella judge`: the verdict on somebody's patch, or on several.

use std::io::Read;
use std::path::{Path, PathBuf};

use prunella_nodes::gate::Limits;
use prunella_nodes::types::{Counts, VerdictStatus};
use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::tests::{Judgement, SeenTest, Wanted};
use serde_json::{Value, json};

use crate::args::JudgeArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session::{self, Local};
use crate::terminal::{json, out, say};

/// A patch as it is judged.
struct Patch {
    name: String,
    commit: String,
    diff: String,
    /// Whether the failing test that it is judged by came with it.
    brought: bool,
}

/// Judges patches by the repository's own tests: those that fail at the base must pass, the others stay.
pub(super) fn judge(args: &JudgeArgs, store: Option<PathBuf>) -> Result {
    let local = Local::new(&args.repo, &args.tests)?;
    let (repo, tester) = session::tester(&local, &session::store_dir(store)?)?;
    let command = session::test_command(&args.tests)?;
    let mut patches = Vec::new();
    for name in &args.patches {
        patches.push(patch(name, args.at.as_deref(), &repo)?);
    }
    let Some(first) = patches.first() else { return Err(Failure::usage("no patch is named")) };
    let commit = first.commit.clone();
    if let Some(other) = patches.iter().find(|patch| patch.commit != commit) {
        let why = format!("{} and {} are against different commits", first.name, other.name);
        return Err(Failure::usage(why).help("judge them one by one, or name the commit with --at"));
    }
    let wanted = Wanted {
        fail_to_pass: args.fail_to_pass.clone(),
        pass_to_pass: args.pass_to_pass.clone(),
        fresh: args.fresh,
        brought: patches.iter().any(|patch| patch.brought),
    };
    let diffs: Vec<&str> = patches.iter().map(|patch| patch.diff.as_str()).collect();
    say(format!("judging {} on {}", args.patches.join(", "), &commit[..12.min(commit.len())]));
    let judged = tester.judge_many(&commit, command.as_deref(), &diffs, &wanted)?;
    if let ([patch], [one]) = (patches.as_slice(), judged.as_slice()) {
        if args.json {
            let mut whole = told(&patch.name, one)?;
            whole["format"] = json!(1);
            whole["commit"] = json!(commit);
            json(&whole);
        } else {
            show(one);
        }
        return Ok(code(one.verdict.status));
    }
    if args.json {
        let all: Result<Vec<Value>> =
            patches.iter().zip(&judged).map(|(patch, one)| told(&patch.name, one)).collect();
        json(&json!({"format": 1, "commit": commit, "judged": all?}));
    } else {
        for (patch, one) in patches.iter().zip(&judged) {
            out(format!("{}:", patch.name));
            show(one);
        }
    }
    let fixed = judged.iter().any(|one| one.verdict.status == VerdictStatus::Fixed);
    Ok(if fixed { exit::OK } else { exit::UNHEALED })
}

fn code(status: VerdictStatus) -> u8 {
    match status {
        VerdictStatus::Fixed => exit::OK,
        VerdictStatus::Regressed => exit::REGRESSED,
        VerdictStatus::Tampered => exit::TAMPERED,
        VerdictStatus::Incomplete => exit::INCOMPLETE,
        VerdictStatus::NotFixed | VerdictStatus::NoEvidence => exit::UNHEALED,
    }
}

/// A judgement as JSON, with the name of its patch.
fn told(name: &str, judged: &Judgement) -> Result<Value> {
    let mut value = serde_json::to_value(judged)
        .map_err(|e| Failure::new(exit::BUG, format!("the judgement cannot be written: {e}")))?;
    value["patch"] = json!(name);
    Ok(value)
}

/// The base commit and the diff: a file's text, or what a branch changes.
fn patch(name: &str, at: Option<&str>, repo: &GitRepo) -> Result<Patch> {
    let file = Path::new(name);
    if file.is_file() {
        let unreadable =
            |why: String| Failure::new(exit::UNREADABLE, format!("the patch {} {why}", file.display()));
        // What is larger than any policy allows is not read to its end: the gate refuses the beginning of it, too.
        let most = Limits::most().bytes as u64 + 1;
        let mut bytes = Vec::new();
        std::fs::File::open(file)
            .and_then(|open| open.take(most).read_to_end(&mut bytes))
            .map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        let diff = match String::from_utf8(bytes) {
            Ok(text) => text,
            // The cut may go through a character.
            Err(e) if e.utf8_error().error_len().is_none() && e.as_bytes().len() as u64 == most => {
                String::from_utf8_lossy(e.as_bytes()).into_owned()
            }
            Err(_) => return Err(unreadable("is not UTF-8".to_owned())),
        };
        let commit = repo.resolve(at.unwrap_or("HEAD"))?;
        return Ok(Patch { name: name.to_owned(), commit, diff, brought: false });
    }
    let found = repo.branch_patch(name, at).map_err(|e| {
        Failure::from(e).help("name a file with a unified diff, or a branch of the repository")
    })?;
    Ok(Patch { name: name.to_owned(), commit: found.base, diff: found.diff, brought: found.brought })
}

fn show(judged: &Judgement) {
    let verdict = &judged.verdict;
    let line = |text: String| out(plain(&text));
    line(format!("{}: {}", verdict.status.word(), verdict.reason));
    let counts = |counts: &Counts| {
        format!(
            "{} passed, {} failed, {} skipped, {} missing",
            counts.passed, counts.failed, counts.skipped, counts.missing
        )
    };
    line(format!("  before      {}", counts(&verdict.before)));
    line(format!("  after       {}", counts(&verdict.after)));
    let turned = |test: &&SeenTest| test.role == "fail_to_pass";
    for test in judged.tests.iter().filter(turned).take(20) {
        line(format!("  decisive    {}: {}, then {}", test.id, test.before, test.after));
    }
    for regression in &verdict.regressions {
        line(format!("  regressed   {regression}"));
    }
    for flaky in &verdict.flaky {
        line(format!("  set aside   {flaky} (two runs disagree)"));
    }
    if !judged.own_tests.is_empty() {
        let passed = judged.own_tests.iter().filter(|test| test.after == "passed").count();
        line(format!(
            "  candidate's tests  {passed} of {} pass, run apart and not counted",
            judged.own_tests.len()
        ));
    }
    line(format!("  confidence  {:.2}", verdict.confidence));
    for evidence in &verdict.evidence {
        line(format!("              {evidence}"));
    }
    line(format!("  isolation   {}", verdict.isolation));
    line(format!("  command     {}", verdict.command.join(" ")));
    if judged.policy != "default" {
        line(format!("  policy      {}", judged.policy));
    }
    if !judged.formatter.is_empty() {
        line(format!("  formatter   {}", judged.formatter));
    }
    line(format!("  trees       {} to {}", short(&verdict.base_tree), short(&verdict.candidate_tree)));
    if judged.remembered {
        line("  known from an earlier time; --fresh runs the tests again".to_owned());
    }
}

fn short(tree: &str) -> &str {
    tree.get(..12).unwrap_or("none")
}

/// One line that a terminal may print: what tests said must not move its cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
