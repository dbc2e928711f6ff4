//! Runners that our harness is not part of: `cargo test`, nextest, node's, go's, and every command that writes JUnit
//! XML or TAP.
//!
//! Their records are the runner's own report, written by the process that runs the tests (or its parent, where the
//! runner gives each test file or test a process of its own). What is done about that: the oracle comes from the base
//! commit and is read-only, reports are removed before the command starts, a report must be whole and agree with the
//! exit status, tests of ours stand in the same processes ([`canary`]), the reproduction is run once more with a
//! failing end ([`control`]), and a verdict that rests on such records says so and makes a draft.

pub(super) mod canary;
mod cargo;
pub(super) mod control;
pub(super) mod detect;
mod job;
mod launch;
pub(super) mod names;
pub(super) mod prepare;
mod sent;
pub(super) mod toolchain;

pub(crate) use job::DRIVERS;
use serde::{Deserialize, Serialize};

use crate::reports::Format;

/// A runner by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tool {
    /// `cargo test`
    Cargo,
    /// `cargo nextest run`
    Nextest,
    /// `node --test`
    Node,
    /// `go test`
    Go,
    /// `jest`
    Jest,
    /// `vitest run`
    Vitest,
    /// `mocha`
    Mocha,
    /// `mvn test`
    Maven,
    /// `gradle test`
    Gradle,
    /// Any command that writes JUnit XML.
    Junit,
    /// Any command that writes TAP.
    Tap,
}

impl Tool {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Cargo,
        Self::Nextest,
        Self::Node,
        Self::Go,
        Self::Jest,
        Self::Vitest,
        Self::Mocha,
        Self::Maven,
        Self::Gradle,
        Self::Junit,
        Self::Tap,
    ];

    /// Its name on the command line and in `prunella.yaml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Nextest => "nextest",
            Self::Node => "node",
            Self::Go => "go",
            Self::Jest => "jest",
            Self::Vitest => "vitest",
            Self::Mocha => "mocha",
            Self::Maven => "maven",
            Self::Gradle => "gradle",
            Self::Junit => "junit",
            Self::Tap => "tap",
        }
    }

    /// The runner of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Whether it runs on node.
    pub(crate) fn on_node(self) -> bool {
        matches!(self, Self::Node | Self::Jest | Self::Vitest | Self::Mocha)
    }

    /// The words that start it when nobody says others.
    pub(crate) fn words(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Cargo => &["cargo", "test"],
            Self::Nextest => &["cargo", "nextest", "run"],
            Self::Node => &["node", "--test"],
            Self::Go => &["go", "test", "./..."],
            Self::Jest => &["jest"],
            Self::Vitest => &["vitest", "run"],
            Self::Mocha => &["mocha"],
            Self::Maven => &["mvn", "test"],
            Self::Gradle => &["gradle", "test"],
            Self::Junit | Self::Tap => &[],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

/// A command of a foreign runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Foreign {
    /// The runner.
    pub(crate) tool: Tool,
    /// The command as a person types it, without what we add to get at the report.
    pub(crate) words: Vec<String>,
    /// Where the command writes its reports, relative to where the tests are started; a star stands for anything.
    /// Empty: what the tool is known for, or the command's output.
    pub(crate) reports: Vec<String>,
}

impl Foreign {
    /// How its reports are written.
    pub(crate) fn format(&self) -> Format {
        match self.tool {
            Tool::Cargo | Tool::Nextest => Format::Libtest,
            Tool::Node => Format::Node,
            Tool::Go => Format::Go,
            Tool::Jest => Format::Jest,
            Tool::Tap => Format::Tap,
            Tool::Vitest | Tool::Mocha | Tool::Maven | Tool::Gradle | Tool::Junit => Format::Junit,
        }
    }
}
