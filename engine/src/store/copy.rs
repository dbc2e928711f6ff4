//! A run once more, under another id.

use serde_json::Value;

use super::lines::Line;
use super::{NewRun, Store};
use crate::{Fault, canonical, journal};

impl Store {
    /// Copies `run` as the new run `id`: the same records but for the header, which names the new run, and so with
    /// a chain of its own. The copy is created now, stands where the source stands, and holds no claims.
    ///
    /// A body that tells the world its run's id or chain (`ctx.task()`) asks for something else in the copy: where
    /// such an effect is recorded, the copy goes on from its commits and cannot replay the bodies before them.
    ///
    /// # Errors
    /// Exit 2 when there is no such run or `id` can be none, 21 when its journal is damaged, 6 when the store
    /// cannot be written; `run.exists` when `id` is taken.
    pub fn copy(&self, run: &str, id: &str, now_ms: u64) -> Result<(), Fault> {
        let source = self.row(run)?;
        let mut chain = journal::ROOT;
        let mut lines = Vec::new();
        for sealed in self.records(run)? {
            let bytes = if lines.is_empty() { renamed(&sealed.bytes, id)? } else { sealed.bytes };
            chain = journal::link(&chain, &bytes);
            lines.push(Line { bytes, chain });
        }
        let new = NewRun { id, created_ms: now_ms, graph: &source.graph, local: &source.local };
        self.insert(&new, &lines, source.status, &source.result)
    }
}

/// The header for run `id`. Whatever else it says stays as it is.
fn renamed(header: &[u8], id: &str) -> Result<Vec<u8>, Fault> {
    let mut header: Value = serde_json::from_slice(header)
        .map_err(|e| Fault::new("journal.record", 21, format!("the header is no JSON: {e}")))?;
    if let Some(run) = header.get_mut("run") {
        *run = Value::from(id);
    }
    Ok(canonical::to_string(&header).into_bytes())
}
