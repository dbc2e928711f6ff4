//! What a guest has used of its limits.

use prunella_engine::NodeError;
use wasmtime::ResourceLimiter;

use super::Limits;

/// Entries of a guest's tables together.
const TABLE_ENTRIES: usize = 200_000;
/// Core instances, memories and tables of a guest: a component holds a few.
const PARTS: usize = 128;

/// Counts what a guest uses.
pub(super) struct Meter {
    limits: Limits,
    memory_bytes: u64,
    table_entries: usize,
    host_calls: u32,
    host_bytes: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, memory_bytes: 0, table_entries: 0, host_calls: 0, host_bytes: 0 }
    }

    /// One more call of a host function.
    pub(super) fn call(&mut self) -> Result<(), NodeError> {
        self.host_calls = self.host_calls.saturating_add(1);
        let most = self.limits.host_calls;
        if self.host_calls > most {
            return Err(NodeError::new(
                "wasm.host",
                format!("the component called its host more than {most} times"),
            ));
        }
        Ok(())
    }

    /// Text that crosses between guest and host.
    pub(super) fn text(&mut self, text: &str) -> Result<(), NodeError> {
        self.host_bytes = self.host_bytes.saturating_add(text.len() as u64);
        let most = self.limits.host_bytes;
        if self.host_bytes > most {
            let message =
                format!("the component and its host passed each other more than {most} bytes of text");
            return Err(NodeError::new("wasm.host", message));
        }
        Ok(())
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = wanted.saturating_sub(now) as u64;
        let total = self.memory_bytes.saturating_add(more);
        let most = self.limits.memory_bytes;
        if total > most {
            // An error rather than a failed growth: it says why, where a guest's allocator would only abort.
            let message = format!("the component wants {total} bytes of memory and may have {most}");
            return Err(wasmtime::Error::new(NodeError::new("wasm.memory", message)));
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_entries.saturating_add(wanted.saturating_sub(now));
        if total > TABLE_ENTRIES {
            let message =
                format!("the component wants tables of {total} entries and may have {TABLE_ENTRIES}");
            return Err(wasmtime::Error::new(NodeError::new("wasm.memory", message)));
        }
        self.table_entries = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
