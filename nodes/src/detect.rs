//! Kind `detect`: a log becomes an incident.
//!
//! Settings that the driver adds (the shipped graph passes only `log` and `repo`): `options.fingerprint` picks one
//! incident of several, whole or by a prefix of at least eight digits; `options.again` works on it though it is known.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Text, Typed};
use prunella_engine::{Ctx, EffectError, Field, Kind, Node, NodeError, Output, record};
use serde::Deserialize;
use serde_json::Value;

use crate::effects::{
    Claim, ClaimRequest, Known, Locate, LocateRequest, LocateResponse, Lookup, LookupRequest,
};
use crate::incident::{Gathered, Sighted, gather, parse, sightings};
use crate::types::{Incident, IncidentStatus, Log, Repo};
use crate::world::git::GitRepo;
use crate::world::locate::locate;

/// Fewest digits that pick an incident.
const FEWEST_DIGITS: usize = 8;

/// Most other incidents that are listed.
const MOST_OTHERS: usize = 50;

record! {
    /// An incident that the log holds beside the one that is worked on.
    pub struct Sighting {
        /// What picks it: `--fingerprint`.
        pub fingerprint: String,
        /// The exception's type.
        pub exception: String,
        /// Its message's template.
        pub template: String,
        /// How often the log holds it.
        pub count: u64,
        /// Its last time stamp, as printed.
        pub last_seen: String,
        /// Whether it needs work.
        pub status: IncidentStatus,
        /// Whether a frame of it is in the repository.
        pub in_repo: bool,
    }
}

record! {
    /// What `detect` found.
    pub struct Detected {
        /// Whether there is work to do.
        pub status: IncidentStatus,
        /// The incident; blank when there is none.
        pub incident: Incident,
        /// Why there is no work, when there is none.
        pub known: String,
        /// The log's other incidents, newest first.
        pub others: Vec<Sighting>,
    }
}

/// Settings of the run that concern this kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    fingerprint: Option<String>,
    again: bool,
}

#[derive(Deserialize)]
struct Input {
    log: Log,
    repo: Repo,
}

/// The kind `detect`.
#[must_use]
pub fn kind() -> Kind {
    Kind {
        name: "detect",
        version: 1,
        doc: "Finds the incident in a log, maps its frames to the repository, and says whether it is known.",
        with: vec![
            Field { name: "log", ty: Log::ty(), doc: "The log." },
            Field { name: "repo", ty: Repo::ty(), doc: "The repository that the log's program comes from." },
        ],
        variables: false,
        output: Output::Fixed(Detected::ty()),
        settings: Vec::new(),
        needs: &[],
        one_of: &[],
        effects: &["frames.locate", "ledger.lookup", "ledger.claim"],
        node: Arc::new(Detect),
    }
}

/// All incidents of `log`, with their frames mapped to `commit` of `repo`: what `prunella detect` prints. The
/// newest comes first; excerpts are left empty. Also gives the number of tracebacks that break off before they name an
/// exception.
///
/// # Errors
/// When the commit cannot be read.
pub fn survey(repo: &GitRepo, commit: &str, log: &str) -> Result<(Vec<Sighted>, u64), EffectError> {
    let Gathered { groups, broken_off, .. } = gather(parse(log));
    let stacks = groups.iter().map(|group| group.trace.frames.clone()).collect();
    let LocateResponse { stacks, drift } =
        locate(repo, &LocateRequest { commit: commit.to_owned(), stacks })?;
    let mut found = sightings(groups, stacks, drift);
    found.reverse();
    Ok((found, broken_off))
}

struct Detect;

#[async_trait(?Send)]
impl Node for Detect {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|e| NodeError::new("node.input", format!("detect takes a log and a repository: {e}")))?;
        let options: Options = match ctx.task().settings.get("options") {
            None | Some(Value::Null) => Options::default(),
            Some(options) => serde_json::from_value(options.clone())
                .map_err(|e| NodeError::new("node.input", format!("the options of detect: {e}")))?,
        };
        let detected = detect(ctx, &input, &options).await?;
        serde_json::to_value(detected).map_err(|e| NodeError::new("node.output", e.to_string()))
    }
}

async fn detect(ctx: &Ctx, input: &Input, options: &Options) -> Result<Detected, NodeError> {
    let commit = &input.repo.commit;
    let Gathered { groups, left_out, broken_off } = gather(parse(&ctx.text(&input.log.text.0)?));
    if broken_off > 0 {
        ctx.log(format!("{broken_off} tracebacks break off before they name an exception and are left out"));
    }
    if left_out > 0 {
        ctx.log(format!("{left_out} older incidents are left out: the log holds too many different ones"));
    }
    if groups.is_empty() {
        let known = match broken_off {
            0 => format!("{} holds no traceback", input.log.name),
            n => format!(
                "{} holds no whole traceback: {n} break off before they name an exception",
                input.log.name
            ),
        };
        return Ok(Detected { known, ..Detected::default() });
    }
    let stacks = groups.iter().map(|group| group.trace.frames.clone()).collect();
    let located = ctx.call::<Locate>(&LocateRequest { commit: commit.clone(), stacks }).await?;
    let mut found = sightings(groups, located.stacks, located.drift);
    found.reverse();
    let fingerprints = found.iter().map(|one| one.incident.fingerprint.clone()).collect();
    let mut known = ctx.call::<Lookup>(&LookupRequest { commit: commit.clone(), fingerprints }).await?.known;
    known.resize(found.len(), Known::default());
    // The claim may go to another run in the meantime: then the next one is taken.
    loop {
        let picked = pick(&found, &known, options)?;
        let chosen = match picked {
            Picked::Work(at) => at,
            Picked::Nothing(at, why) => {
                let status = match at {
                    Some(_) => IncidentStatus::Known,
                    None => IncidentStatus::None,
                };
                let incident = match at {
                    Some(at) => whole(ctx, &found[at], &known[at])?,
                    None => Incident::default(),
                };
                return Ok(Detected { status, incident, known: why, others: others(&found, &known, at) });
            }
        };
        let fingerprint = found[chosen].incident.fingerprint.clone();
        let owner = ctx.call::<Claim>(&ClaimRequest { fingerprint }).await?.owner;
        if owner != ctx.task().run.as_str() {
            known[chosen].why = format!("run {owner} is at work");
            if options.again {
                // `--again` overrides what is known, never a run that is alive.
                return Ok(Detected {
                    status: IncidentStatus::Known,
                    incident: whole(ctx, &found[chosen], &known[chosen])?,
                    known: known[chosen].why.clone(),
                    others: others(&found, &known, Some(chosen)),
                });
            }
            continue;
        }
        let incident = whole(ctx, &found[chosen], &known[chosen])?;
        for line in &incident.drift {
            ctx.log(format!("drift: {line}"));
        }
        let others = others(&found, &known, Some(chosen));
        if !others.is_empty() {
            ctx.log(format!("the log holds {} other incidents; --fingerprint picks one", others.len()));
        }
        return Ok(Detected { status: IncidentStatus::New, incident, known: String::new(), others });
    }
}

/// What is to be done.
enum Picked {
    /// Work on this one.
    Work(usize),
    /// Nothing, and why; the known incident that is meant, when there is one.
    Nothing(Option<usize>, String),
}

/// The newest new incident with a frame in the repository, or the one that was asked for.
fn pick(found: &[Sighted], known: &[Known], options: &Options) -> Result<Picked, NodeError> {
    let free = |at: usize| options.again || known[at].why.is_empty();
    if let Some(digits) = &options.fingerprint {
        let matching: Vec<usize> = (0..found.len())
            .filter(|&at| found[at].incident.fingerprint.starts_with(digits.as_str()))
            .collect();
        return match (digits.len() >= FEWEST_DIGITS, matching.as_slice()) {
            (true, &[at]) if free(at) => Ok(Picked::Work(at)),
            (true, &[at]) => Ok(Picked::Nothing(Some(at), known[at].why.clone())),
            (true, []) => Ok(Picked::Nothing(None, format!("the log holds no incident {digits}"))),
            _ => Err(NodeError::new(
                "detect.fingerprint",
                format!(
                    "`{digits}` picks no single incident: give at least {FEWEST_DIGITS} digits of its fingerprint"
                ),
            )),
        };
    }
    let ours: Vec<usize> = (0..found.len()).filter(|&at| found[at].in_repo).collect();
    if let Some(&at) = ours.iter().find(|&&at| free(at)) {
        return Ok(Picked::Work(at));
    }
    Ok(match ours.first() {
        Some(&at) => Picked::Nothing(Some(at), known[at].why.clone()),
        None => Picked::Nothing(
            None,
            "the log holds incidents, but none with a frame in the repository: is it this repository's log?"
                .to_owned(),
        ),
    })
}

/// The incident with its excerpt stored.
fn whole(ctx: &Ctx, sighted: &Sighted, known: &Known) -> Result<Incident, NodeError> {
    let mut incident = sighted.incident.clone();
    incident.excerpt = Text(ctx.put_text(&sighted.excerpt)?);
    incident.regression = known.regression;
    Ok(incident)
}

/// All but the `chosen` one.
fn others(found: &[Sighted], known: &[Known], chosen: Option<usize>) -> Vec<Sighting> {
    found
        .iter()
        .zip(known)
        .enumerate()
        .filter(|(at, _)| Some(*at) != chosen)
        .take(MOST_OTHERS)
        .map(|(_, (one, known))| Sighting {
            fingerprint: one.incident.fingerprint.clone(),
            exception: one.incident.exception.clone(),
            template: one.incident.template.clone(),
            count: one.incident.count,
            last_seen: one.incident.last_seen.clone(),
            status: if known.why.is_empty() { IncidentStatus::New } else { IncidentStatus::Known },
            in_repo: one.in_repo,
        })
        .collect()
}

#[cfg(test)]
mod tests;
