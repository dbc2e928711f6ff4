//! The graphs that ship, compiled in.

use std::path::Path;

use crate::exit;
use crate::failure::{Failure, Result};

/// A graph that ships.
pub(crate) struct Shipped {
    /// Its name on the command line.
    pub name: &'static str,
    /// When to choose it.
    pub about: &'static str,
    /// Its file.
    pub source: &'static str,
}

/// All of them.
pub(crate) const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "self-heal",
        about: "the default: turn an incident into a tested pull request, three attempts at most",
        source: include_str!("../../graphs/self-heal.yaml"),
    },
    Shipped {
        name: "agentless",
        about: "one call a patch, five patches, no loop: chosen by tests and votes",
        source: include_str!("../../graphs/agentless.yaml"),
    },
    Shipped {
        name: "ensemble",
        about: "three models at once, each patch tested, the best one taken",
        source: include_str!("../../graphs/ensemble.yaml"),
    },
    Shipped {
        name: "multi-agent",
        about: "planner, coder, tests and reviewer; a person decides under a confidence of 0.9",
        source: include_str!("../../graphs/multi-agent.yaml"),
    },
    Shipped {
        name: "mini-agent",
        about: "one agent with a shell in the sandbox; the tests judge what it made",
        source: include_str!("../../graphs/mini-agent.yaml"),
    },
    Shipped {
        name: "triage",
        about: "what broke, a test that fails, and why; nothing is changed",
        source: include_str!("../../graphs/triage.yaml"),
    },
];

/// Whether `name` is a file's and no shipped graph's.
pub(crate) fn is_file(name: &str) -> bool {
    SHIPPED.iter().all(|shipped| shipped.name != name)
}

/// A graph file's name (for messages) and text: a shipped graph by its name, else a file.
///
/// # Errors
/// Exit 5 when it is neither.
pub(crate) fn graph(name: &str) -> Result<(String, String)> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        return Ok((format!("{name}.yaml"), shipped.source.to_owned()));
    }
    if !Path::new(name).exists() && !name.contains(['/', '.']) {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        return Err(Failure::new(exit::UNREADABLE, format!("there is no graph `{name}`"))
            .help(format!("these ship: {}; anything else is the path of a graph file", names.join(", "))));
    }
    match std::fs::read(name) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(|text| (name.to_owned(), text))
            .map_err(|e| Failure::new(exit::GRAPH, format!("{name} is not UTF-8: {e}"))),
        Err(e) => Err(Failure::new(exit::UNREADABLE, format!("the graph file {name} cannot be read: {e}"))),
    }
}
