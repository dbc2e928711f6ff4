//! Deterministic repair: templates over the syntax tree, without a model. Pure.
//!
//! [`propose`] reads a failure and the sources around it and yields candidate patches, best first. It runs
//! nothing: [`crate::world::search`] tries the candidates against the reproduction.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::FailedTest;
use crate::types::{Frame, Incident};
use crate::world::git::FileEdit;

mod calls;
mod case;
mod contract;
mod convert;
mod edit;
mod empty;
#[cfg(test)]
mod fixture;
mod forgotten;
mod guards;
mod handler;
mod index;
mod keys;
mod kinds;
mod mutate;
mod none;
mod rules;
mod scope;
mod siblings;
mod source;
mod stale;
mod zero;

use case::{Case, Draft, Drafts};
pub(crate) use source::is_test;

/// Most proposals that are handed out.
pub const MOST: usize = 600;

/// Python files by path: those on the stack, what they import, and the failing test (read, never edited).
pub type Sources = BTreeMap<String, String>;

/// How the reproduction fails.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Failure {
    /// The exception's type as printed.
    pub exception: String,
    /// Its message.
    pub message: String,
    /// The frames, outermost first, with `path` and `repo_line` where they are in the repository.
    pub frames: Vec<Frame>,
}

impl From<&FailedTest> for Failure {
    fn from(test: &FailedTest) -> Self {
        Self { exception: test.exception.clone(), message: test.message.clone(), frames: test.frames.clone() }
    }
}

impl From<&Incident> for Failure {
    fn from(incident: &Incident) -> Self {
        Self {
            exception: incident.exception.clone(),
            message: incident.message.clone(),
            frames: incident.frames.clone(),
        }
    }
}

/// A repair that nothing has run yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The template's name, such as `none-guard`.
    pub template: &'static str,
    /// One line on what it does, with file and line.
    pub summary: String,
    /// New contents of the files it touches, sorted by path.
    pub edits: Vec<FileEdit>,
    /// How much it is believed before anything ran, 0 to 1 and comparable among proposals of one call.
    pub score: f64,
}

/// Proposes repairs for a failure, best first, at most [`MOST`], in an order that depends on nothing but the input.
///
/// Every proposal parses, differs from the base and from every other one, and breaks none of the rules of what
/// is never a fix: no bare or broad `except`, no `pass`, no dropped work, no touched test, no special case for
/// the failing input, no raised limit.
#[must_use]
pub fn propose(failure: &Failure, sources: &Sources) -> Vec<Proposal> {
    let code = source::Code::parse(sources);
    let case = Case::new(failure, &code);
    let mut drafts = Drafts::default();
    for template in [
        handler::propose,
        none::propose,
        keys::propose,
        empty::propose,
        index::propose,
        zero::propose,
        kinds::propose,
        convert::propose,
        stale::propose,
        calls::propose,
        scope::propose,
        forgotten::propose,
        mutate::propose,
    ] {
        template(&case, &mut drafts);
    }
    let more = siblings::extend(&case, &drafts.list);
    drafts.list.extend(more);
    select(&case, sources, drafts.list)
}

/// Keeps the drafts that are sound, once each, best first.
fn select(case: &Case, sources: &Sources, mut drafts: Vec<Draft>) -> Vec<Proposal> {
    // Stable: equal scores stay in the order of the templates and of the source.
    drafts.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut seen = BTreeSet::new();
    let mut proposals = Vec::new();
    for draft in drafts {
        if proposals.len() >= MOST {
            break;
        }
        let Some(edits) = contents(&draft, sources) else { continue };
        if seen.contains(&edits) || !rules::sound(case, sources, &edits) {
            continue;
        }
        seen.insert(edits.clone());
        proposals.push(Proposal {
            template: draft.template,
            summary: format!("{}: {}", draft.place, draft.what),
            edits,
            score: draft.score.clamp(0.0, 1.0),
        });
    }
    proposals
}

/// The new contents of the files that a draft touches; nothing when it changes none.
fn contents(draft: &Draft, sources: &Sources) -> Option<Vec<FileEdit>> {
    let mut files = BTreeMap::new();
    for (path, edits) in &draft.patches {
        let base = sources.get(path)?;
        let text = edit::apply(base, edits)?;
        if text != *base {
            files.insert(path.clone(), text);
        }
    }
    (!files.is_empty())
        .then(|| files.into_iter().map(|(path, text)| (path, Some(text.into_bytes()))).collect())
}

#[cfg(test)]
mod tests;
