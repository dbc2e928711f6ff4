//! The gate: what a patch may touch, decided from its text and the base commit alone, before anything of it runs.
//!
//! Pure. A [`Refusal`] says why and what to do; one that [reaches for the judge](Refusal::tampering) makes the
//! verdict `tampered`, any other is a lesson and the verdict `not_fixed`.
//!
//! - [`parse`] reads a unified diff strictly: every header must agree with the others, every hunk with its counts.
//! - [`check`] holds its paths and added lines against what is protected.
//! - [`apply`] lays it over the base content.

//! - [`Policy`] is what the repository's owners allow and protect beyond that.

mod apply;
mod flags;
mod manifest;
mod names;
mod parse;
mod paths;
mod policy;
mod protect;

pub use apply::{NewFile, apply};
pub use flags::flags;
pub use names::is_test_module;
pub use parse::{FilePatch, Hunk, Line, parse, parse_within};
pub use paths::check_path;
pub use policy::{Limits, Policy, Protected};
pub use protect::{Admitted, Base, check};

/// Most bytes of a diff, unless the repository's policy says otherwise.
pub const MAX_BYTES: usize = 1 << 20;
/// Most lines of a diff, unless the policy says otherwise.
pub const MAX_LINES: usize = 20_000;
/// Most files of a diff, unless the policy says otherwise.
pub const MAX_FILES: usize = 50;
/// Longest line of a diff, in bytes.
pub const MAX_LINE: usize = 20_000;

/// Why a patch is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: Refused,
    /// The path it is about; empty when it is about the whole.
    pub path: String,
    /// What is wrong, a lowercase fragment that names the place.
    pub reason: String,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// Nothing in it.
    Empty,
    /// No unified diff, or one that contradicts itself.
    Malformed,
    /// Too many bytes, lines or files.
    TooLarge,
    /// It does not fit the base commit.
    DoesNotApply,
    /// The same file twice, or a file where a folder is.
    Clash,
    /// Binary content.
    Binary,
    /// A file mode that is not a plain file's, or a change of mode.
    Mode,
    /// A submodule.
    Submodule,
    /// A symbolic link, or a path through one.
    Symlink,
    /// A path outside the tree, inside `.git`, or one that reads as another.
    Outside,
    /// A file of the tests: one that the baseline collected, or their data.
    Tests,
    /// Configuration of the tests.
    Config,
    /// A module that the interpreter or the runner would load by itself, or instead of its own.
    Runner,
    /// Continuous integration.
    Ci,
    /// A lock file.
    Lock,
    /// A list of dependencies.
    Dependencies,
    /// A path that the repository's policy protects.
    Protected,
    /// A file that holds secrets.
    Secret,
    /// Code that runs when the package is built or installed.
    BuildHook,
    /// Instructions for tools that write code.
    Instructions,
}

impl Refusal {
    pub(crate) fn new(kind: Refused, path: &str, reason: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), reason: reason.into() }
    }

    /// Whether the patch reaches for the judge: the tests, their configuration, their runner, or out of the tree.
    /// No honest fix does any of that.
    #[must_use]
    pub fn tampering(&self) -> bool {
        matches!(
            self.kind,
            Refused::Tests | Refused::Config | Refused::Runner | Refused::Outside | Refused::Symlink
        )
    }
}

#[cfg(test)]
pub(crate) mod trials;
