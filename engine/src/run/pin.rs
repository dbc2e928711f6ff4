//! What a run is pinned to: its graph and the versions of its kinds. Who differs is refused by name.

use std::sync::Arc;

use serde_json::Value;

use super::{KindVersions, Loader};
use crate::blob::Blobs;
use crate::driver::Facts;
use crate::graph::{Does, Graph};
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
    let source = blobs.get(&header.graph.source).map_err(|e| Fault::new("blob.missing", 21, e.message))?;
    let source = String::from_utf8(source)
        .map_err(|_| Fault::new("graph.source", 21, "the stored graph is no text"))?;
    let mut graph = load(&source).map_err(|fault| fault.at("the run's stored graph"))?;
    if graph.hash != header.graph.hash {
        let (pinned, ours) = (&header.graph.hash, &graph.hash);
        return Err(differs(format!(
            "the run is pinned to graph {pinned}; this program reads its source as {ours}"
        )));
    }
    let settings = header.settings.unpack(&Value::Null, blobs)?;
    lower_limits(&mut graph, &settings);
    Facts::new(&header.run, header.created_ms, Arc::new(graph), settings)
}

/// A run may be held to less than its graph allows: `limits.cost_microusd` of its settings. It is pinned with them,
/// so resume and replay stop where the run did. It never raises what the graph says.
fn lower_limits(graph: &mut Graph, settings: &Value) {
    if let Some(most) = settings["limits"]["cost_microusd"].as_u64() {
        graph.limits.cost_microusd = Some(graph.limits.cost_microusd.map_or(most, |own| own.min(most)));
    }
}

fn same_versions(header: &Header, known: &Kinds) -> Result<(), Fault> {
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
