//! Claims kept in the engine's store, where all runs of a machine see them.

use std::sync::Arc;

use prunella_engine::store::{RunStatus, Store};
use prunella_engine::{EffectError, Fault};

use super::ledger::Claims;

/// The claims of a store.
pub struct StoreClaims(pub Arc<Store>);

fn unusable(fault: Fault) -> EffectError {
    EffectError::new(&fault.code, fault.exit, fault.message)
}

impl Claims for StoreClaims {
    fn claim(&self, key: &str, run: &str) -> Result<String, EffectError> {
        self.0.claim(key, run).map_err(unusable)
    }

    fn take_over(&self, key: &str, from: &str, run: &str) -> Result<String, EffectError> {
        self.0.take_over_claim(key, from, run).map_err(unusable)
    }

    fn owner(&self, key: &str) -> Result<Option<String>, EffectError> {
        self.0.claimed(key).map_err(unusable)
    }

    fn release(&self, key: &str, run: &str) -> Result<(), EffectError> {
        self.0.release_claim(key, run).map_err(unusable)
    }

    /// A run is live while a process is at work on it or it waits for a person. One that was killed or stopped is
    /// not: whoever starts anew on its incident takes the claim over, so a dead run never blocks an incident.
    fn live(&self, run: &str) -> Result<bool, EffectError> {
        match self.0.row(run) {
            Ok(row) if row.status.is_over() => Ok(false),
            Ok(row) if row.status == RunStatus::Waiting => Ok(true),
            Ok(_) => self.0.is_live(run).map_err(unusable),
            // The run was deleted from the store.
            Err(_) => Ok(false),
        }
    }
}
