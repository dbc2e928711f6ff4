//! The journal as a driver writes it: a run's records in its store, or nothing where nobody wants them.

use serde_json::Value;

use crate::Fault;
use crate::journal::{Chain, Record};
use crate::store::{Durability, Owner, RunStatus};

/// Where a run's records go.
pub(crate) enum Log {
    /// Into the store, as the run's owner; so many steps of the run's history are recorded.
    Store(Box<Owner>, u64),
    /// Nowhere: the run cannot be resumed, looked at or replayed.
    Off(String),
}

impl Log {
    /// The run's id.
    pub(crate) fn run(&self) -> &str {
        match self {
            Self::Store(owner, _) => owner.run(),
            Self::Off(run) => run,
        }
    }

    /// Whether records are kept.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self, Self::Store(..))
    }

    /// The chain hash of the last record; nothing where there is no journal.
    pub(crate) fn head(&self) -> Option<Chain> {
        match self {
            Self::Store(owner, _) => Some(owner.chain()),
            Self::Off(_) => None,
        }
    }

    /// How many records there are, the header included; 0 where there is no journal.
    pub(crate) fn records(&self) -> u64 {
        match self {
            Self::Store(owner, _) => owner.seq(),
            Self::Off(_) => 0,
        }
    }

    /// How many bytes of records this owner appended.
    pub(crate) fn recorded(&self) -> u64 {
        match self {
            Self::Store(owner, _) => owner.appended(),
            Self::Off(_) => 0,
        }
    }

    /// How many bytes of the store they take.
    pub(crate) fn stored(&self) -> u64 {
        match self {
            Self::Store(owner, _) => owner.stored(),
            Self::Off(_) => 0,
        }
    }

    /// Keeps `content`, which follows from all records so far, and gives how many bytes of the store it takes.
    pub(crate) fn snapshot(&mut self, content: &[u8]) -> Result<u64, Fault> {
        match self {
            Self::Store(owner, steps) => owner.put_snapshot(owner.seq().saturating_sub(1), *steps, content),
            Self::Off(_) => Ok(0),
        }
    }

    /// As [`Owner::append`].
    pub(crate) fn append(
        &mut self,
        records: &[Record],
        status: Option<(RunStatus, &Value)>,
        durability: Durability,
        now_ms: u64,
    ) -> Result<(), Fault> {
        match self {
            Self::Store(owner, steps) => {
                owner.append(records, status, durability, now_ms)?;
                *steps += records.iter().filter(|record| record.is_step()).count() as u64;
                Ok(())
            }
            Self::Off(_) => Ok(()),
        }
    }
}
