//! What a run is pinned to: its graph and the versions of its kinds. Who differs is refused by name.

use std::sync::Arc;

use serde_json::Value;

use super::{KindVersions, Loader};
use crate::blob::Blobs;
use crate::driver::Facts;
use crate::graph::{Change, Does, Graph, changes_of};
use crate::journal::Header;
use crate::{Fault, Kinds};

/// The versions of the kinds that `graph` uses.
pub(super) fn kinds(graph: &Graph, kinds: &Kinds) -> Result<KindVersions, Fault> {
    let version = |name: &String| {
        let kind = kinds.kinds.get(name.as_str());
        let unknown = || Fault::new("kind.unknown", 3, format!("there is no kind `{name}`"));
        Ok((name.clone(), kind.ok_or_else(unknown)?.version))
    };
    let graphs = std::iter::once(graph).chain(graph.graphs.values().map(AsRef::as_ref));
    let nodes = graphs.flat_map(|graph| graph.nodes.values());
    nodes.filter(|node| matches!(node.does, Does::Run)).map(|node| version(&node.kind)).collect()
}

/// The facts of the run with this header, for a program with these kinds, or with none when no body will run.
///
/// # Errors
/// Exit 7 when the graph or a kind's version is another than the run was started with, 21 when a blob is missing.
pub(crate) fn facts(
    header: &Header,
    known: Option<&Kinds>,
    load: &Loader,
    blobs: &dyn Blobs,
) -> Result<Facts, Fault> {
    if let Some(known) = known {
        same_versions(header, known)?;
    }
    facts_of(header, Arc::new(graph(header, load, blobs)?), blobs)
}

/// The facts of the run with this header and graph.
///
/// # Errors
/// Exit 21 when a blob is missing.
pub(super) fn facts_of(header: &Header, mut graph: Arc<Graph>, blobs: &dyn Blobs) -> Result<Facts, Fault> {
    let settings = header.settings.unpack(&Value::Null, blobs)?;
    if let Some(most) = settings["limits"]["cost_microusd"].as_u64() {
        // A run may be held to less than its graph allows. It is pinned with its settings, so resume and replay stop
        // where the run did. It never raises what the graph says.
        let limit = &mut Arc::make_mut(&mut graph).limits.cost_microusd;
        *limit = Some(limit.map_or(most, |own| own.min(most)));
    }
    Facts::new(&header.run, header.created_ms, graph, settings)
}

/// The graph of the run with this header.
///
/// # Errors
/// Exit 7 when this program reads it as another, 21 when a blob is missing.
pub(super) fn graph(header: &Header, load: &Loader, blobs: &dyn Blobs) -> Result<Graph, Fault> {
    let stored = header.graph.stored(blobs)?;
    let graph = load(&stored).map_err(|fault| fault.at("the run's stored graph"))?;
    if graph.hash == header.graph.hash {
        return Ok(graph);
    }
    let (pinned, ours) = (&header.graph.hash, &graph.hash);
    let what = what_changed(header, &graph, blobs);
    Err(differs(format!(
        "the run is pinned to graph {pinned}; this program reads its source as {ours}{what}"
    )))
}

/// Refuses a graph that is not the one that the run with this header is pinned to.
///
/// # Errors
/// Exit 7, with what changed.
pub(super) fn same_graph(header: &Header, graph: &Graph, blobs: &dyn Blobs) -> Result<(), Fault> {
    if header.graph.hash == graph.hash {
        return Ok(());
    }
    let what = what_changed(header, graph, blobs);
    let fault = differs(format!("run {} is pinned to another graph{what}", header.run));
    Err(fault.help("resume it without a graph, fork it with this one, or start a new run"))
}

/// How `graph` differs from the pinned one, as far as that one's form was stored: at most a few lines.
fn what_changed(header: &Header, graph: &Graph, blobs: &dyn Blobs) -> String {
    const MOST: usize = 12;
    let stored = header.graph.form.as_ref().and_then(|form| blobs.get(form).ok());
    let stored = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let now = serde_json::from_str(&graph.form()).ok();
    let Some((stored, now)) = stored.zip(now) else { return String::new() };
    let changes: Vec<Change> = changes_of(&stored, &now);
    let more = changes.len().saturating_sub(MOST);
    let mut told: String = changes.iter().take(MOST).map(|change| format!("\n  {change}")).collect();
    if more > 0 {
        told.push_str(&format!("\n  and {more} more"));
    }
    told
}

/// Refuses a run of other versions of kinds than those that are known.
///
/// # Errors
/// Exit 7, with the kind.
pub(super) fn same_versions(header: &Header, known: &Kinds) -> Result<(), Fault> {
    for (name, version) in &header.kinds {
        match known.kinds.get(name.as_str()).map(|kind| kind.version) {
            Some(ours) if ours == *version => {}
            Some(ours) => {
                return Err(differs(format!(
                    "the run is pinned to version {version} of kind `{name}`; this is {ours}"
                )));
            }
            None => {
                return Err(differs(format!(
                    "the run needs kind `{name}`, which this program does not have"
                )));
            }
        }
    }
    Ok(())
}

fn differs(message: String) -> Fault {
    Fault::new("run.pinned", 7, message).help("use the prunella that started the run, or start a new run")
}
