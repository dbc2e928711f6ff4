//! The outside world. Nothing else in this crate touches files, processes, sockets, clocks or randomness.
//!
//! [`LocalWorld`] performs effects by name; each one's handler is a plain function in the module of what it touches.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the module that the ban leads to")]

pub mod apply;
pub mod claims;
pub mod components;
pub mod evidence;
pub mod forge;
pub mod git;
pub mod intake;
pub mod ledger;
pub mod locate;
pub mod models;
pub mod notify;
pub mod resolve;
pub mod search;
pub mod tests;
pub mod tools;
pub mod trial;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::blob::Blobs;
use prunella_engine::store::Store;
use prunella_engine::{Call, Class, Done, Effect, EffectError, Reconciled, World};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::effects::{
    Apply, AskModel, Baseline, Claim, Commit, Gather, Judge, LoadComponent, Locate, Lookup, Notify, OpenPull,
    Probe, Resolve, RunCommand, SearchPlaybook, UseTool,
};
use claims::StoreClaims;
use forge::LocalForge;
use git::GitRepo;
use models::Providers;
use notify::Channels;
use tests::Tester;

/// What the world of a run is made of.
pub struct Parts {
    /// The repository.
    pub repo: Arc<GitRepo>,
    /// Its tests.
    pub tester: Arc<Tester>,
    /// The configured models.
    pub providers: Providers,
    /// The configured channels for messages.
    pub channels: Channels,
    /// Where claims are kept.
    pub store: Arc<Store>,
    /// Where pull requests are kept.
    pub store_dir: PathBuf,
    /// The folder of the graph file; nothing for a graph that ships.
    pub graph_dir: Option<PathBuf>,
}

/// The world of a run over one local repository.
pub struct LocalWorld(Arc<Inside>);

struct Inside {
    repo: Arc<GitRepo>,
    tester: Arc<Tester>,
    providers: Providers,
    channels: Channels,
    claims: StoreClaims,
    forge: LocalForge,
    graph_dir: Option<PathBuf>,
}

impl LocalWorld {
    /// A world of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let forge = LocalForge::new(&parts.store_dir, Arc::clone(&parts.repo));
        Self(Arc::new(Inside {
            repo: parts.repo,
            tester: parts.tester,
            providers: parts.providers,
            channels: parts.channels,
            claims: StoreClaims(parts.store),
            forge,
            graph_dir: parts.graph_dir,
        }))
    }
}

/// Every effect that this world performs, with its class.
const EFFECTS: &[(&str, Class)] = &[
    (Apply::NAME, Apply::CLASS),
    (AskModel::NAME, AskModel::CLASS),
    (Baseline::NAME, Baseline::CLASS),
    (Claim::NAME, Claim::CLASS),
    (Commit::NAME, Commit::CLASS),
    (Gather::NAME, Gather::CLASS),
    (Judge::NAME, Judge::CLASS),
    (LoadComponent::NAME, LoadComponent::CLASS),
    (Locate::NAME, Locate::CLASS),
    (Lookup::NAME, Lookup::CLASS),
    (Notify::NAME, Notify::CLASS),
    (OpenPull::NAME, OpenPull::CLASS),
    (Probe::NAME, Probe::CLASS),
    (Resolve::NAME, Resolve::CLASS),
    (RunCommand::NAME, RunCommand::CLASS),
    (SearchPlaybook::NAME, SearchPlaybook::CLASS),
    (UseTool::NAME, UseTool::CLASS),
];

#[async_trait]
impl World for LocalWorld {
    fn class(&self, name: &str) -> Option<Class> {
        EFFECTS.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        if call.name == AskModel::NAME {
            return self.0.providers.ask(&request::<AskModel>(&call)?, call.blobs.as_ref()).await;
        }
        if call.name == Notify::NAME {
            return self.0.channels.send(&request::<Notify>(&call)?, &call).await;
        }
        let inside = Arc::clone(&self.0);
        blocking(move || inside.perform(&call)).await
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        let inside = Arc::clone(&self.0);
        blocking(move || inside.reconcile(&call)).await
    }
}

/// Runs `work`, which waits for disks and processes, where it blocks nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EffectError> + Send + 'static,
) -> Result<T, EffectError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(EffectError::new("effect.broke", 1, format!("an effect's thread broke: {e}")))
    })
}

fn request<E: Effect>(call: &Call) -> Result<E::Request, EffectError> {
    parse(call.request.clone(), E::NAME)
}

fn parse<T: DeserializeOwned>(value: Value, name: &str) -> Result<T, EffectError> {
    serde_json::from_value(value)
        .map_err(|e| EffectError::new("effect.request", 1, format!("the request of {name}: {e}")))
}

fn done<T: Serialize>(response: T) -> Result<Done, EffectError> {
    let response =
        serde_json::to_value(response).map_err(|e| EffectError::new("effect.response", 1, e.to_string()))?;
    Ok(Done::free(response))
}

impl Inside {
    fn perform(&self, call: &Call) -> Result<Done, EffectError> {
        let blobs: &dyn Blobs = call.blobs.as_ref();
        let (repo, tester) = (&*self.repo, &*self.tester);
        match call.name.as_str() {
            Locate::NAME => done(locate::locate(repo, &request::<Locate>(call)?)?),
            Lookup::NAME => {
                let request = request::<Lookup>(call)?;
                done(ledger::lookup(repo, &self.forge, &self.claims, self.forge.key(), &call.run, &request)?)
            }
            Claim::NAME => {
                done(ledger::claim(&self.claims, self.forge.key(), &call.run, &request::<Claim>(call)?)?)
            }
            Baseline::NAME => done(tester.baseline(&request::<Baseline>(call)?)?),
            Probe::NAME => done(tester.probe(&request::<Probe>(call)?)?),
            Resolve::NAME => done(resolve::resolve(repo, &request::<Resolve>(call)?)?),
            Gather::NAME => done(evidence::gather(repo, &request::<Gather>(call)?, blobs)?),
            Apply::NAME => done(apply::apply(repo, &request::<Apply>(call)?, blobs)?),
            SearchPlaybook::NAME => {
                let request = request::<SearchPlaybook>(call)?;
                let trial = trial::TesterTrial {
                    tester,
                    command: request.command.clone(),
                    patience: Default::default(),
                };
                done(search::search(repo, &trial, &request, blobs)?)
            }
            LoadComponent::NAME => {
                let request = request::<LoadComponent>(call)?;
                done(components::load(self.graph_dir.as_deref(), &request, blobs)?)
            }
            RunCommand::NAME => done(tester.command(&request::<RunCommand>(call)?, blobs)?),
            UseTool::NAME => done(tools::call(repo, tester, &request::<UseTool>(call)?, blobs)?),
            Judge::NAME => done(tester.judge(&request::<Judge>(call)?, blobs)?),
            Commit::NAME => done(git::commit(repo, &self.forge, &request::<Commit>(call)?, blobs)?),
            OpenPull::NAME => done(forge::open_pull(&self.forge, &request::<OpenPull>(call)?, blobs)?),
            other => Err(EffectError::new("effect.unknown", 1, format!("nobody performs `{other}` here"))),
        }
    }

    fn reconcile(&self, call: &Call) -> Result<Reconciled, EffectError> {
        let blobs: &dyn Blobs = call.blobs.as_ref();
        match call.name.as_str() {
            Claim::NAME => {
                let request = request::<Claim>(call)?;
                happened(ledger::reconcile_claim(&self.claims, self.forge.key(), &call.run, &request)?)
            }
            Commit::NAME => {
                happened(git::reconcile_commit(&self.repo, &self.forge, &request::<Commit>(call)?, blobs)?)
            }
            // Nothing tells what a receiver got; it is sent again under the same key.
            Notify::NAME => Ok(Reconciled::DidNot),
            OpenPull::NAME => happened(forge::reconcile_pull(&self.forge, &request::<OpenPull>(call)?)?),
            other => Ok(Reconciled::Unknown(format!("`{other}` may have happened before the crash"))),
        }
    }
}

fn happened<T: Serialize>(response: Option<T>) -> Result<Reconciled, EffectError> {
    Ok(match response {
        Some(response) => Reconciled::Happened(done(response)?),
        None => Reconciled::DidNot,
    })
}

#[cfg(test)]
mod table {
    use super::*;

    /// `ARCHITECTURE.md` lists the effects by name with their class, and no others.
    #[test]
    fn the_architecture_lists_these_effects() {
        let text = include_str!("../../ARCHITECTURE.md");
        let (_, after) = text.split_once("| effect | class |").unwrap();
        let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
        let listed: Vec<(String, String)> = rows
            .map(|row| {
                let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
                (cells.next().unwrap(), cells.next().unwrap())
            })
            .collect();
        let mut known: Vec<(String, String)> = EFFECTS
            .iter()
            .map(|(name, class)| ((*name).to_owned(), format!("{class:?}").to_lowercase()))
            .collect();
        known.sort();
        assert_eq!(listed, known);
    }
}
