//! Tries the playbook's proposals against the reproduction: the handler of `playbook.search`.

use std::collections::{BTreeMap, BTreeSet};

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_engine::types::RepoPath;

use crate::effects::{FailedTest, PlaybookFix, PlaybookRequest, PlaybookResponse};
use crate::playbook::{self, Failure, Proposal, Sources};
use crate::types::{Frame, Reproduction};
use crate::world::git::{FileEdit, GitRepo};

/// Most fixes that are handed out.
const MOST_FOUND: usize = 8;
/// Candidates per batch: between two batches the search may stop.
const BATCH: usize = 40;
/// After this many that pass and break nothing, the search ends.
const ENOUGH: usize = 3;
/// Most candidates whose regressions are looked for.
const MOST_CHECKED: usize = 40;
/// Failed candidates that got further than the base and are worth a second edit.
const EXTENDED: usize = 5;
/// Second edits that are tried on top of one first edit.
const SECOND: usize = 12;
/// After this many candidates without an outcome, most of them hanging, the search ends.
const MOST_HUNG: usize = 100;
/// A batch whose best is below this share of what was found is not run, and such a fix is not offered beside it.
const WORTH: f64 = 0.7;

/// A passing candidate below this is no reason to stop looking.
const DOUBTFUL: f64 = 0.5;

/// What became of one candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrialOutcome {
    /// The reproduction passed.
    pub passed: bool,
    /// How it failed, when it ran and failed.
    pub failure: Option<FailedTest>,
    /// Why there is no outcome, when there is none: it ran into the limit, it could not be collected.
    pub problem: String,
}

/// Something that runs the reproduction on candidates.
pub trait Trial {
    /// Runs the reproduction on `commit` with each candidate's edits laid over it; one outcome a candidate, in order.
    /// A candidate without edits is the base. The reproduction's own file is laid over it when it is generated.
    ///
    /// # Errors
    /// When the runner or the sandbox cannot be started at all.
    fn try_all(
        &self,
        commit: &str,
        reproduction: &Reproduction,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<TrialOutcome>, EffectError>;

    /// How many tests that pass on `commit` no longer do with each candidate's edits; nothing where it was not found
    /// out. Called for a few candidates that make the reproduction pass. The one given here finds out nothing.
    ///
    /// # Errors
    /// When the runner or the sandbox cannot be started at all.
    fn regressions(
        &self,
        commit: &str,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<Option<u64>>, EffectError> {
        let _ = commit;
        Ok(vec![None; candidates.len()])
    }
}

/// A proposal that made the reproduction pass.
struct Passing {
    proposal: Proposal,
    tree: String,
    /// The tests that passed before were asked, too.
    checked: bool,
    /// Two edits, found one after the other.
    composed: bool,
}

/// Proposes repairs, tries them against the reproduction and yields those that make it pass, best first.
///
/// Trees in `request.judged` are not tried again. At most `request.most` candidates run.
///
/// # Errors
/// When the commit cannot be read, the store not be written, or the trial not be started.
pub fn search(
    repo: &GitRepo,
    trial: &dyn Trial,
    request: &PlaybookRequest,
    blobs: &dyn Blobs,
) -> Result<PlaybookResponse, EffectError> {
    let files = Files::read(repo, &request.commit)?;
    let base = trial.try_all(&request.commit, &request.reproduction, &[Vec::new()])?;
    let failure = base_failure(request, base.first());
    if base.first().is_some_and(|o| o.passed) {
        return Ok(PlaybookResponse::default());
    }
    let sources = files.around(&failure, &request.reproduction);
    let proposals = playbook::propose(&failure, &sources);
    let mut response = PlaybookResponse { proposed: proposals.len() as u64, ..PlaybookResponse::default() };
    let most = usize::try_from(request.most).unwrap_or(usize::MAX).min(playbook::MOST * 2);
    let mut passing: Vec<Passing> = Vec::new();
    let mut further: Vec<(Proposal, Failure)> = Vec::new();
    let mut run = Run {
        repo,
        trial,
        request,
        seen: request.judged.iter().cloned().collect(),
        left: most,
        unchecked: MOST_CHECKED,
        hung: 0,
    };

    // What is likely first; then a second edit where one got further; small changes of meaning only after that,
    // because they are many and the ones in a loop run into the limit.
    let likely = proposals.partition_point(|p| p.score >= DOUBTFUL);
    let (likely, rest) = proposals.split_at(likely);
    run.batches(likely, &failure, &mut passing, &mut further)?;
    if passing.iter().all(|p| !p.checked || p.proposal.score < DOUBTFUL) {
        further.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        for (first, next) in std::mem::take(&mut further).into_iter().take(EXTENDED) {
            if run.hung > MOST_HUNG {
                break;
            }
            let extended = extend(&sources, &first, &next);
            response.proposed += extended.len() as u64;
            run.try_batch(extended, true, &next, &mut passing, &mut Vec::new())?;
        }
    }
    run.batches(rest, &failure, &mut passing, &mut further)?;
    response.tried = (most - run.left) as u64;
    response.found = rank(&sources, passing, blobs)?;
    Ok(response)
}

/// What all batches of a search share.
struct Run<'r> {
    repo: &'r GitRepo,
    trial: &'r dyn Trial,
    request: &'r PlaybookRequest,
    seen: BTreeSet<String>,
    left: usize,
    unchecked: usize,
    hung: usize,
}

impl Run<'_> {
    /// Tries proposals batch by batch, best first, until there are enough or the rest is not worth it.
    fn batches(
        &mut self,
        proposals: &[Proposal],
        failure: &Failure,
        passing: &mut Vec<Passing>,
        further: &mut Vec<(Proposal, Failure)>,
    ) -> Result<(), EffectError> {
        for batch in proposals.chunks(BATCH) {
            // Those that were not checked are no reason to stop looking: they are many when the test is weak.
            let checked: Vec<f64> = passing.iter().filter(|p| p.checked).map(|p| p.proposal.score).collect();
            let best = checked.iter().copied().fold(0.0, f64::max);
            let poor = batch.first().is_some_and(|p| p.score < best * WORTH);
            if checked.len() >= ENOUGH || poor || self.hung > MOST_HUNG {
                break;
            }
            self.try_batch(batch.to_vec(), false, failure, passing, further)?;
        }
        Ok(())
    }

    /// Tries what was not seen before. Those that pass, and those that fail in a later place, are sorted out.
    fn try_batch(
        &mut self,
        batch: Vec<Proposal>,
        composed: bool,
        before: &Failure,
        passing: &mut Vec<Passing>,
        further: &mut Vec<(Proposal, Failure)>,
    ) -> Result<(), EffectError> {
        let mut fresh = Vec::new();
        for proposal in batch {
            if fresh.len() >= self.left {
                break;
            }
            let tree = self.repo.tree_with(&self.request.commit, &proposal.edits)?;
            if self.seen.insert(tree.clone()) {
                fresh.push((proposal, tree));
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let edits: Vec<Vec<FileEdit>> = fresh.iter().map(|(p, _)| p.edits.clone()).collect();
        self.left -= edits.len();
        let outcomes = self.trial.try_all(&self.request.commit, &self.request.reproduction, &edits)?;
        let mut survivors = Vec::new();
        for ((proposal, tree), outcome) in fresh.into_iter().zip(outcomes) {
            self.hung += usize::from(!outcome.problem.is_empty());
            if outcome.passed {
                survivors.push(Passing { proposal, tree, checked: false, composed });
            } else if let Some(failed) = outcome.failure {
                let failure = Failure::from(&failed);
                if got_further(before, &failure) {
                    further.push((proposal, failure));
                }
            }
        }
        self.check(survivors, passing)
    }

    /// Asks the tests that passed before, the best candidates first, until enough have broken none. One that
    /// breaks any is no repair.
    fn check(&mut self, survivors: Vec<Passing>, passing: &mut Vec<Passing>) -> Result<(), EffectError> {
        let mut survivors = survivors.into_iter().peekable();
        while survivors.peek().is_some() {
            let mut group: Vec<Passing> = survivors.by_ref().take(ENOUGH + 1).collect();
            let checked = passing.iter().filter(|p| p.checked).count();
            if checked < ENOUGH && self.unchecked > 0 {
                self.unchecked = self.unchecked.saturating_sub(group.len());
                let edits: Vec<Vec<FileEdit>> = group.iter().map(|p| p.proposal.edits.clone()).collect();
                let broken = self.trial.regressions(&self.request.commit, &edits)?;
                let mut broken = broken.into_iter().map(|b| b.unwrap_or(0) == 0);
                group.retain_mut(|candidate| {
                    candidate.checked = broken.next().unwrap_or(true);
                    candidate.checked
                });
            }
            passing.extend(group);
        }
        Ok(())
    }
}

/// How the base fails: as the trial saw it, with the marks of the incident's trace where it has none.
fn base_failure(request: &PlaybookRequest, base: Option<&TrialOutcome>) -> Failure {
    let incident = Failure::from(&request.incident);
    let mut failure = match base.and_then(|o| o.failure.as_ref()) {
        Some(failed) => Failure::from(failed),
        None if !incident.frames.is_empty() => incident.clone(),
        // It ran into the limit: there is no trace, only the test.
        None => Failure { exception: "Timeout".into(), ..Failure::default() },
    };
    if failure.frames.iter().all(|f| f.path.is_none()) && failure.exception == incident.exception {
        failure = incident.clone();
    }
    for frame in failure.frames.iter_mut().filter(|f| f.mark_start.is_none()) {
        let same = |o: &&Frame| o.path == frame.path && o.code.trim() == frame.code.trim();
        if let Some(other) = incident.frames.iter().find(same) {
            frame.mark_start = other.mark_start;
            frame.mark_end = other.mark_end;
        }
    }
    let test = &request.reproduction;
    if !failure.frames.iter().any(|f| f.path.as_ref() == Some(&test.path)) {
        let function =
            test.test_id.rsplit("::").next().unwrap_or("").split('[').next().unwrap_or("").to_owned();
        let frame =
            Frame { file: test.path.0.clone(), function, path: Some(test.path.clone()), ..Frame::default() };
        failure.frames.insert(0, frame);
    }
    failure
}

/// Whether a candidate's failure is another one than the base's, inside the program: not the same place and
/// message again, and not an error that the edit itself brought in.
fn got_further(before: &Failure, after: &Failure) -> bool {
    let place = |f: &Failure| {
        f.frames.iter().rev().find_map(|f| f.path.clone().map(|p| (p, f.code.trim().to_owned())))
    };
    let own_fault = matches!(
        after.exception.rsplit('.').next().unwrap_or(""),
        "NameError"
            | "UnboundLocalError"
            | "SyntaxError"
            | "IndentationError"
            | "ImportError"
            | "AssertionError"
    );
    !own_fault && place(after).is_some() && (place(before), &before.message) != (place(after), &after.message)
}

/// Repairs of the failure that is left, on top of a first repair.
fn extend(sources: &Sources, first: &Proposal, next: &Failure) -> Vec<Proposal> {
    let mut patched = sources.clone();
    for (path, content) in &first.edits {
        if let Some(text) = content.as_ref().and_then(|c| String::from_utf8(c.clone()).ok()) {
            patched.insert(path.clone(), text);
        }
    }
    playbook::propose(next, &patched)
        .into_iter()
        .take(SECOND)
        .map(|second| {
            let mut edits: BTreeMap<String, Option<Vec<u8>>> = first.edits.iter().cloned().collect();
            edits.extend(second.edits);
            Proposal {
                template: second.template,
                summary: format!("{}; {}", first.summary, second.summary),
                edits: edits.into_iter().collect(),
                score: first.score * second.score,
            }
        })
        .collect()
}

/// The size of a change: inserted and removed characters that are no white space.
fn size(sources: &Sources, proposal: &Proposal) -> usize {
    let mut total = 0;
    for (path, content) in &proposal.edits {
        let (Some(old), Some(new)) = (sources.get(path), content.as_ref()) else { continue };
        let new = String::from_utf8_lossy(new);
        let diff = similar::TextDiff::from_lines(old.as_str(), new.as_ref());
        for change in diff.iter_all_changes() {
            if change.tag() != similar::ChangeTag::Equal {
                total += change.value().chars().filter(|c| !c.is_whitespace()).count();
            }
        }
    }
    total
}

/// Best first: what the template and the place are worth, then the smaller change, then the text.
fn rank(
    sources: &Sources,
    passing: Vec<Passing>,
    blobs: &dyn Blobs,
) -> Result<Vec<PlaybookFix>, EffectError> {
    let mut sized: Vec<(f64, usize, Passing)> = passing
        .into_iter()
        .map(|p| {
            let size = size(sources, &p.proposal);
            let long = 1.0 + (size.saturating_sub(120) as f64) / 2000.0;
            let score = p.proposal.score / long
                * if p.composed { 0.9 } else { 1.0 }
                * if p.checked { 1.0 } else { 0.5 };
            (score, size, p)
        })
        .collect();
    sized.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then_with(|| a.2.tree.cmp(&b.2.tree)));
    let mut found: Vec<PlaybookFix> = Vec::new();
    for (score, _, p) in sized {
        let best = found.first().map_or(0.0, |f| f.score);
        // The same repair without what it also mends next door is no alternative of its own.
        let part = found.iter().any(|f| f.summary.starts_with(&format!("{};", p.proposal.summary)));
        if found.len() >= MOST_FOUND || score < best * WORTH || part {
            continue;
        }
        let diff = diff(sources, &p.proposal.edits);
        let diff = blobs
            .put(diff.as_bytes())
            .map_err(|e| EffectError::new("store.failed", 6, format!("store a candidate's diff: {e}")))?;
        found.push(PlaybookFix {
            template: p.proposal.template.to_owned(),
            summary: p.proposal.summary,
            diff,
            files: p.proposal.edits.iter().map(|(path, _)| RepoPath(path.clone())).collect(),
            tree: p.tree,
            score,
        });
    }
    Ok(found)
}

/// The unified diff of edits against the sources, with `a/` and `b/` headers.
fn diff(sources: &Sources, edits: &[FileEdit]) -> String {
    let mut text = String::new();
    for (path, content) in edits {
        let old = sources.get(path).map_or("", String::as_str);
        let new = content.as_ref().map(|c| String::from_utf8_lossy(c)).unwrap_or_default();
        let diff = similar::TextDiff::from_lines(old, new.as_ref());
        text.push_str(
            &diff
                .unified_diff()
                .context_radius(3)
                .header(&format!("a/{path}"), &format!("b/{path}"))
                .to_string(),
        );
    }
    text
}

/// The Python files of a commit, read when they are asked for.
struct Files<'r> {
    repo: &'r GitRepo,
    commit: &'r str,
    paths: Vec<String>,
}

/// Most files that the playbook looks at.
const MOST_FILES: usize = 120;

impl<'r> Files<'r> {
    fn read(repo: &'r GitRepo, commit: &'r str) -> Result<Self, EffectError> {
        let mut paths = repo.files(commit)?;
        paths.retain(|p| p.ends_with(".py"));
        Ok(Self { repo, commit, paths })
    }

    fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.repo.read(self.commit, path).ok()??).ok()
    }

    /// The files on the stack, the test, and then what those import or stand beside, as far as the bound goes.
    fn around(&self, failure: &Failure, reproduction: &Reproduction) -> Sources {
        let mut sources = Sources::new();
        let mut queue: Vec<String> =
            failure.frames.iter().rev().filter_map(|f| f.path.as_ref().map(|p| p.0.clone())).collect();
        queue.push(reproduction.path.0.clone());
        if !reproduction.source.is_empty() {
            sources.insert(reproduction.path.0.clone(), reproduction.source.clone());
        }
        let mut at = 0;
        let mut hops: Vec<usize> = vec![0; queue.len()];
        while at < queue.len() && sources.len() < MOST_FILES {
            let (path, hop) = (queue[at].clone(), hops[at]);
            at += 1;
            let Some(text) = sources.get(&path).cloned().or_else(|| self.text(&path)) else { continue };
            if hop < 2 {
                for next in self.imports(&path, &text) {
                    if !queue.contains(&next) {
                        queue.push(next);
                        hops.push(hop + 1);
                    }
                }
            }
            sources.insert(path, text);
        }
        sources
    }

    /// Files of the repository that a file imports or that stand in its package.
    fn imports(&self, path: &str, text: &str) -> Vec<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim).filter(|l| l.starts_with("from ") || l.starts_with("import "))
        {
            for word in line.split(|c: char| c.is_whitespace() || c == ',' || c == '(' || c == ')').skip(1) {
                let module = word.trim_start_matches('.').replace('.', "/");
                if module.is_empty() || matches!(word, "import" | "as") {
                    continue;
                }
                let wanted = [format!("{module}.py"), format!("{module}/__init__.py")];
                for p in &self.paths {
                    let whole = wanted.iter().any(|w| p == w || p.ends_with(&format!("/{w}")));
                    let beside =
                        wanted.iter().any(|w| *p == format!("{folder}/{w}") || (folder.is_empty() && p == w));
                    if (whole || beside) && !found.contains(p) {
                        found.push(p.clone());
                    }
                }
            }
        }
        if !playbook::is_test(path) {
            found.extend(
                self.paths
                    .iter()
                    .filter(|p| p.rsplit_once('/').map_or("", |(f, _)| f) == folder && *p != path)
                    .take(40)
                    .cloned(),
            );
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests;
