//! Counts what a log holds several times, and makes incidents of it once its frames are mapped.

use super::{MOST_TRACES, Parsed, Trace, fingerprint, template};
use crate::types::{Frame, Incident};

/// Most frames of all groups together: what the world is asked about stays small.
const MOST_FRAMES_OF_ALL: usize = 4000;

/// Sightings of one trace with the same text but for its message.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The last sighting.
    pub trace: Trace,
    /// Its message's template.
    pub template: String,
    /// How often the log holds it.
    pub count: u64,
    /// The first sighting's time stamp, as printed.
    pub first_seen: String,
}

/// The groups of a log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gathered {
    /// In order of their last sighting, the newest last; at most [`MOST_TRACES`].
    pub groups: Vec<Group>,
    /// Groups left out because there were more: older ones.
    pub left_out: u64,
    /// Tracebacks that break off before they name an exception.
    pub broken_off: u64,
}

/// An incident of the log, with the excerpt that becomes its blob.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighted {
    /// The incident; its `excerpt` is still empty.
    pub incident: Incident,
    /// The part of the log.
    pub excerpt: String,
    /// Whether a frame is in the repository.
    pub in_repo: bool,
}

/// Puts traces of the same text together.
#[must_use]
pub fn gather(parsed: Parsed) -> Gathered {
    // From the newest to the oldest, so that the bound keeps the newest.
    let mut groups: Vec<Group> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    let mut left_out = std::collections::BTreeSet::new();
    let mut frames = 0;
    for trace in parsed.traces.into_iter().rev() {
        let template = template(&trace.message);
        let key = key(&trace, &template);
        if let Some(&at) = places.get(&key) {
            let group: &mut Group = &mut groups[at];
            group.count += 1;
            if !trace.stamp.is_empty() {
                group.first_seen = trace.stamp;
            }
        } else if groups.len() < MOST_TRACES && frames < MOST_FRAMES_OF_ALL {
            frames += trace.frames.len();
            places.insert(key, groups.len());
            groups.push(Group { first_seen: trace.stamp.clone(), trace, template, count: 1 });
        } else {
            left_out.insert(key);
        }
    }
    groups.reverse();
    Gathered { groups, left_out: left_out.len() as u64, broken_off: parsed.broken_off }
}

fn key(trace: &Trace, template: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [trace.exception.as_str(), template] {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    for frame in &trace.frames {
        hasher.update(format!("{}\0{}\0{}\0", frame.file, frame.line, frame.function).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Makes incidents of `groups`, whose frames the world mapped to `stacks`, with what `drift` says of each. Groups
/// with the same fingerprint become one. The newest incident comes last.
#[must_use]
pub fn sightings(groups: Vec<Group>, stacks: Vec<Vec<Frame>>, drift: Vec<Vec<String>>) -> Vec<Sighted> {
    let mut sighted: Vec<Sighted> = Vec::new();
    let mut drift = drift.into_iter();
    let mut stacks = stacks.into_iter();
    for group in groups {
        let Group { trace, template, count, first_seen } = group;
        let frames = stacks.next().unwrap_or_else(|| trace.frames.clone());
        let mut incident = Incident {
            language: "python".to_owned(),
            fingerprint: fingerprint("python", &trace.exception, &template, &frames),
            exception: trace.exception,
            message: trace.message,
            template,
            frames,
            causes: trace.causes,
            count,
            first_seen,
            last_seen: trace.stamp,
            drift: drift.next().unwrap_or_default(),
            ..Incident::default()
        };
        if let Some(at) = sighted.iter().position(|s| s.incident.fingerprint == incident.fingerprint) {
            let older = sighted.remove(at).incident;
            incident.count += older.count;
            if !older.first_seen.is_empty() {
                incident.first_seen = older.first_seen;
            }
        }
        let in_repo = incident.frames.iter().any(|frame| frame.path.is_some());
        sighted.push(Sighted { incident, excerpt: trace.excerpt, in_repo });
    }
    sighted
}
