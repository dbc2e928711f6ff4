//! The journal: the durable list of what happened in a run, and the only recording there is.
//!
//! A record is canonical JSON. Its chain hash is BLAKE3 over the previous chain hash and its bytes, so that no
//! record can be changed, dropped or moved without every later hash telling. State is the fold of the commits.

mod fold;
mod past;
mod payload;
mod record;

pub use fold::{Divergence, Folded, Look, Pending, PendingAsk, Question, fold};
pub(crate) use fold::{TIMED_OUT, end_record, fold_on, superstep_records};
pub use past::{Past, Sealed};
pub use payload::Payload;
pub use record::{
    Answer, Commit, EffectRecord, EndRecord, GraphPin, Header, Interrupt, LogLine, Origin, Phase, Record,
    Resume, Route, To, UpdateRecord,
};

pub(crate) use record::payloads;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{Fault, canonical};

/// A chain hash.
pub type Chain = [u8; 32];

/// What the first record's chain hash is made from.
pub const ROOT: Chain = [0; 32];

/// The chain hash of a record with these `bytes` after `previous`.
#[must_use]
pub fn link(previous: &Chain, bytes: &[u8]) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous).update(bytes);
    *hasher.finalize().as_bytes()
}

/// A chain hash in lower-case hex.
#[must_use]
pub fn hex(chain: &Chain) -> String {
    blake3::Hash::from_bytes(*chain).to_hex().to_string()
}

/// The canonical bytes of `record`.
///
/// # Errors
/// Never for a record of ours; a [`Fault`] beats a panic if serde disagrees.
pub fn encode(record: &Record) -> Result<Vec<u8>, Fault> {
    let value = serde_json::to_value(record).map_err(|e| Fault::bug(format!("a record is no JSON: {e}")))?;
    Ok(canonical::to_bytes(&value))
}

/// The record that `bytes` are.
///
/// # Errors
/// When they are no record, or not its canonical bytes (exit 21).
pub fn decode(bytes: &[u8]) -> Result<Record, Fault> {
    let damaged = |why: String| Fault::new("journal.record", 21, why);
    let mut value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(format!("no JSON: {e}")))?;
    if !canonical::is(&value, bytes) {
        return Err(damaged("not in canonical form".to_owned()));
    }
    let kind = value.as_object_mut().and_then(|fields| fields.remove("kind"));
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    typed(kind, value).map_err(|e| damaged(format!("no record: {e}")))
}

/// The same for whoever only looks at what a verified chain holds: at half the price, for whether the bytes are
/// canonical is not asked.
pub(crate) fn glance(bytes: &[u8]) -> Result<Record, Fault> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: Cow<'a, str>,
    }
    let read = || {
        let Kind { kind } = serde_json::from_slice(bytes)?;
        typed(&kind, &mut serde_json::Deserializer::from_slice(bytes))
    };
    read().map_err(|e: serde_json::Error| Fault::new("journal.record", 21, format!("no record: {e}")))
}

/// The record of this kind. What the derived reader of a tagged enum would do, without its copy of every field.
fn typed<'d, D: Deserializer<'d>>(kind: &str, from: D) -> Result<Record, D::Error> {
    Ok(match kind {
        "header" => Record::Header(Deserialize::deserialize(from)?),
        "effect" => Record::Effect(Deserialize::deserialize(from)?),
        "commit" => Record::Commit(Deserialize::deserialize(from)?),
        "route" => Record::Route(Deserialize::deserialize(from)?),
        "log" => Record::Log(Deserialize::deserialize(from)?),
        "interrupt" => Record::Interrupt(Deserialize::deserialize(from)?),
        "answer" => Record::Answer(Deserialize::deserialize(from)?),
        "update" => Record::Update(Deserialize::deserialize(from)?),
        "resume" => Record::Resume(Deserialize::deserialize(from)?),
        "end" => Record::End(Deserialize::deserialize(from)?),
        _ => return Err(serde::de::Error::custom("its `kind` is none of a record")),
    })
}
