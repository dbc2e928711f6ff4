//! The graphs that ship, compiled in.

use std::path::Path;

use include_dir::{Dir, include_dir};
use prunella_engine::graph::Beside;

use crate::exit;
use crate::failure::{Failure, Result};
use crate::files;

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

/// `graphs/`, compiled in.
pub(crate) static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../graphs");

/// The file of cases of the shipped graph called `name`, with its text.
pub(crate) fn cases(name: &str) -> Option<(String, String)> {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == name)?;
    let file = format!("{}.test.yaml", shipped.name);
    let text = FOLDER.get_file(&file)?.contents_utf8()?.to_owned();
    Some((file, text))
}

/// `1 case`, `2 cases`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A graph file that was read.
pub(crate) struct GraphFile {
    /// Its name, for messages.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The folder that it stands in.
    pub beside: Box<dyn Beside>,
}

/// A graph file's name (for messages) and text: a shipped graph by its name, else a file.
///
/// # Errors
/// Exit 5 when it is neither, 3 when it is no text.
pub(crate) fn graph(name: &str) -> Result<(String, String)> {
    let file = read(name)?;
    let text = prunella_engine::graph::text(&file.name, file.bytes)
        .map_err(|found| Failure::new(exit::GRAPH, format!("{}: {}", file.name, found.message)))?;
    Ok((file.name, text))
}

/// A graph file with the files beside it: a shipped graph by its name, else a file.
///
/// # Errors
/// Exit 5 when it is neither.
pub(crate) fn read(name: &str) -> Result<GraphFile> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        let bytes = shipped.source.as_bytes().to_vec();
        return Ok(GraphFile { name: format!("{name}.yaml"), bytes, beside: Box::new(files::Shipped) });
    }
    if !Path::new(name).exists() && !name.contains(['/', '.']) {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        return Err(Failure::new(exit::UNREADABLE, format!("there is no graph `{name}`"))
            .help(format!("these ship: {}; anything else is the path of a graph file", names.join(", "))));
    }
    let path = Path::new(name);
    let bytes = files::bytes(path).map_err(|why| {
        Failure::new(exit::UNREADABLE, format!("the graph file {name} cannot be read: {why}"))
    })?;
    Ok(GraphFile { name: name.to_owned(), bytes, beside: Box::new(files::Folder::of(path)) })
}
