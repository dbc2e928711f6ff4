//! From a request to its answer: what is recorded when, what is tried again, what stops the run.

use serde_json::Value;

use super::flight::{At, Landed};
use super::{Driver, Halt};
use crate::event::Event;
use crate::journal::{Divergence, EffectRecord, Interrupt, Payload, Phase, Record};
use crate::run::StopWish;
use crate::store::Durability;
use crate::{Call, Class, Done, EffectError, Fault, Lane, Reconciled};

/// The longest pause before a try.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// What the journal says of an effect that is asked for again.
pub(crate) enum Known {
    /// Its answer and cost.
    Answer(Value, u64),
    /// That many tries began and none was answered.
    Tries(u32),
}

/// Looks `records` of one effect up for a request of this name and hash.
///
/// # Errors
/// Exit 20 when the request is not the one that was recorded.
pub(crate) fn known(
    lane: &Lane,
    name: &str,
    request: &Value,
    request_hash: &str,
    records: &[EffectRecord],
    blobs: &dyn crate::blob::Blobs,
) -> Result<Known, Fault> {
    if let Some(other) =
        records.iter().find(|record| record.name != name || record.request_hash != request_hash)
    {
        let recorded = records.iter().find_map(|record| record.request.as_ref());
        let recorded = recorded.map(|payload| payload.unpack(&Value::Null, blobs)).transpose()?;
        let side =
            |name: &str, request: Option<&Value>| serde_json::json!({"name": name, "request": request});
        let sides = (side(&other.name, recorded.as_ref()), side(name, Some(request)));
        let key = format!("{name} (effect {})", other.ordinal);
        return Err(Divergence::new(Some(lane), "request", Some(&key), sides.0, sides.1).into());
    }
    match records.iter().find(|record| record.phase == Phase::Done) {
        Some(done) => {
            let response =
                done.response.as_ref().map(|payload| payload.unpack(&Value::Null, blobs)).transpose()?;
            Ok(Known::Answer(response.unwrap_or(Value::Null), done.cost_microusd))
        }
        None => Ok(Known::Tries(records.iter().map(|record| record.r#try).max().unwrap_or(0))),
    }
}

impl Driver<'_> {
    /// A body asked for an effect: the journal answers it, or the world will.
    pub(super) fn asked(&mut self, lane: &Lane, ordinal: u32) -> Result<(), Fault> {
        let Some(body) = self.bodies.get_mut(lane) else { return Ok(()) };
        let records = body.recorded(ordinal).to_vec();
        let asking = body.asking(ordinal)?;
        let store = self.tools.store.as_ref();
        match known(lane, asking.name, &asking.request, &asking.request_hash, &records, store)? {
            Known::Answer(response, cost_microusd) => {
                let (name, took_ms) = (asking.name.to_owned(), 0);
                // Its cost was counted when the body took the records over.
                body.answer(ordinal, response, 0)?;
                let lane = lane.clone();
                (self.sink)(Event::EffectDone {
                    lane,
                    ordinal,
                    name,
                    took_ms,
                    cost_microusd,
                    recorded: true,
                });
                Ok(())
            }
            Known::Tries(tries) => {
                asking.tries = tries;
                asking.told = records.iter().any(|record| record.request.is_some());
                self.attempt(At { lane: lane.clone(), ordinal })
            }
        }
    }

    /// Makes the next try, unless it must first be found out what became of the last one.
    fn attempt(&mut self, at: At) -> Result<(), Fault> {
        if self.halt.is_some() {
            return Ok(());
        }
        let Some(body) = self.bodies.get_mut(&at.lane) else { return Ok(()) };
        let asking = body.asking(at.ordinal)?;
        if asking.class == Class::External && asking.tries > 0 {
            let (world, clock, call) = (self.tools.world.clone(), self.tools.clock.clone(), self.call(&at)?);
            self.flights.spawn(async move {
                let began = clock.ticks_ms();
                let found = world.reconcile(call).await;
                Landed::Reconciled(at, found, clock.ticks_ms().saturating_sub(began))
            });
            return Ok(());
        }
        self.perform(at)
    }

    fn perform(&mut self, at: At) -> Result<(), Fault> {
        let call = self.call(&at)?;
        if self.tools.world.class(&call.name).is_none() {
            let message = format!("{}: nothing here performs the effect `{}`", at.lane, call.name);
            return Err(Fault::new("effect.unknown", 1, message));
        }
        let Some(body) = self.bodies.get_mut(&at.lane) else { return Ok(()) };
        let asking = body.asking(at.ordinal)?;
        asking.tries = asking.tries.saturating_add(1);
        let (class, r#try) = (asking.class, asking.tries);
        if class != Class::Read {
            let record = self.part(&at, Phase::Start)?;
            let durability = if class == Class::External { Durability::Disk } else { Durability::Process };
            self.record(Record::Effect(record), durability)?;
        }
        let (lane, ordinal, name) = (at.lane.clone(), at.ordinal, call.name.clone());
        (self.sink)(Event::EffectStarted { lane, ordinal, name, class, r#try });
        let (world, clock) = (self.tools.world.clone(), self.tools.clock.clone());
        self.flights.spawn(async move {
            let began = clock.ticks_ms();
            let done = world.perform(call).await;
            Landed::Performed(at, done, clock.ticks_ms().saturating_sub(began))
        });
        Ok(())
    }

    /// Something came back from the pool.
    pub(super) fn land(&mut self, landed: Landed) -> Result<(), Fault> {
        match landed {
            Landed::Performed(at, Ok(done), took_ms) => self.done(&at, done, took_ms)?,
            Landed::Performed(at, Err(error), took_ms) => self.failed(at, error, took_ms)?,
            Landed::Rested(at) => self.attempt(at)?,
            Landed::Reconciled(at, Ok(Reconciled::Happened(done)), took_ms) => {
                self.done(&at, done, took_ms)?
            }
            Landed::Reconciled(at, Ok(Reconciled::DidNot), _) => self.perform(at)?,
            Landed::Reconciled(at, Ok(Reconciled::Unknown(why)), _) => self.ask_person(&at, &why)?,
            // Nothing is recorded: that a try began stays the last thing known of it.
            Landed::Reconciled(at, Err(error), _) => {
                let fault = Fault::from(self.clean(error)).at(&at.lane);
                self.halt.get_or_insert(Halt::Failed(fault));
            }
        }
        if self.halt.is_none() && self.cancel_wanted()? {
            return self.cancel();
        }
        if self.tools.stop.wish() == StopWish::Now {
            self.halt.get_or_insert(Halt::Asked);
        }
        Ok(())
    }

    fn done(&mut self, at: &At, done: Done, took_ms: u64) -> Result<(), Fault> {
        let response = self.tools.redactor.value(done.response);
        let mut record = self.part(at, Phase::Done)?;
        record.response = Some(Payload::pack(&response, self.tools.store.as_ref())?);
        (record.cost_microusd, record.took_ms) = (done.cost_microusd, took_ms);
        let durability = if record.class == Class::External { Durability::Disk } else { Durability::Process };
        let name = record.name.clone();
        self.record(Record::Effect(record), durability)?;
        let (lane, ordinal, cost_microusd) = (at.lane.clone(), at.ordinal, done.cost_microusd);
        (self.sink)(Event::EffectDone { lane, ordinal, name, took_ms, cost_microusd, recorded: false });
        if let Some(body) = self.bodies.get_mut(&at.lane) {
            body.answer(at.ordinal, response, done.cost_microusd)?;
        }
        if self.halt.is_none() {
            self.wake(&at.lane);
        }
        Ok(())
    }

    fn failed(&mut self, at: At, error: EffectError, took_ms: u64) -> Result<(), Fault> {
        let error = self.clean(error);
        let mut record = self.part(&at, Phase::Failed)?;
        record.error = Some(error.clone());
        record.took_ms = took_ms;
        let (name, r#try) = (record.name.clone(), record.r#try);
        self.record(Record::Effect(record), Durability::Process)?;
        let policy = self.facts.graph.nodes.get(&at.lane.node).map(|node| node.retry).unwrap_or_default();
        // A run that was stopped by its last try begins a new round of tries when it is resumed.
        let round = r#try % policy.tries.max(1);
        let again = (error.retryable && round != 0 && self.halt.is_none())
            .then(|| policy.backoff_ms.saturating_mul(1 << (round - 1).min(16)).min(LONGEST_PAUSE_MS));
        let (lane, ordinal, message) = (at.lane.clone(), at.ordinal, error.message.clone());
        (self.sink)(Event::EffectFailed {
            lane,
            ordinal,
            name: name.clone(),
            r#try,
            message,
            again_in_ms: again,
        });
        match again {
            Some(pause) => {
                let clock = self.tools.clock.clone();
                self.flights.spawn(async move {
                    clock.sleep(pause).await;
                    Landed::Rested(at)
                });
            }
            None => {
                let fault = Fault::from(error).at(format!("{}: {name}", at.lane));
                self.halt.get_or_insert(Halt::Failed(fault));
            }
        }
        Ok(())
    }

    fn ask_person(&mut self, at: &At, why: &str) -> Result<(), Fault> {
        let why = self.tools.redactor.text(why);
        let question =
            format!("{}: it cannot be told whether effect {} happened: {why}", at.lane, at.ordinal);
        let at_ms = self.tools.clock.now_ms();
        let interrupt =
            Interrupt { lane: at.lane.clone(), ordinal: at.ordinal, question: question.clone(), at_ms };
        self.record(Record::Interrupt(interrupt), Durability::Disk)?;
        let fault =
            Fault::new("effect.unknown_outcome", 12, question).help("look there, put it right, and resume");
        self.halt.get_or_insert(Halt::Waiting(fault));
        Ok(())
    }

    /// A record about the effect at `at`, with its request when no earlier one has it.
    fn part(&mut self, at: &At, phase: Phase) -> Result<EffectRecord, Fault> {
        let at_ms = self.tools.clock.now_ms();
        let store = self.tools.store.clone();
        let body =
            self.bodies.get_mut(&at.lane).ok_or_else(|| Fault::bug(format!("{} is not at work", at.lane)))?;
        let asking = body.asking(at.ordinal)?;
        let request = if asking.told { None } else { Some(Payload::pack(&asking.request, store.as_ref())?) };
        asking.told = true;
        Ok(EffectRecord {
            lane: at.lane.clone(),
            ordinal: at.ordinal,
            r#try: asking.tries,
            phase,
            name: asking.name.to_owned(),
            class: asking.class,
            request_hash: asking.request_hash.clone(),
            request,
            response: None,
            error: None,
            cost_microusd: 0,
            at_ms,
            took_ms: 0,
        })
    }

    fn call(&mut self, at: &At) -> Result<Call, Fault> {
        let run = self.owner.run().to_owned();
        let blobs = self.tools.redactor.blobs(self.tools.store.clone());
        let body =
            self.bodies.get_mut(&at.lane).ok_or_else(|| Fault::bug(format!("{} is not at work", at.lane)))?;
        let asking = body.asking(at.ordinal)?;
        Ok(Call {
            key: format!("{run}/{}/{}", at.lane, at.ordinal),
            run,
            lane: at.lane.clone(),
            ordinal: at.ordinal,
            name: asking.name.to_owned(),
            request: asking.request.clone(),
            blobs,
        })
    }

    fn clean(&self, error: EffectError) -> EffectError {
        let redactor = &self.tools.redactor;
        EffectError {
            message: redactor.text(&error.message),
            help: error.help.as_deref().map(|help| redactor.text(help)),
            ..error
        }
    }
}
