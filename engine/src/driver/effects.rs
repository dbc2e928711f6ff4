//! From a request to its answer: what is recorded when, what is tried again, what stops the run.

use std::sync::Arc;

use serde_json::Value;

use super::flight::{At, Landed};
use super::{Driver, Halt, Wanted};
use crate::event::{Event, Mode};
use crate::journal::{Divergence, EffectRecord, Interrupt, Payload, Phase, Record};
use crate::scheduler::Used;
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
    /// A body asked for something: the journal answers it, or the world or a person will.
    pub(super) fn asked(&mut self, lane: &Lane, ordinal: u32) -> Result<(), Fault> {
        let Some(body) = self.bodies.get_mut(lane) else { return Ok(()) };
        let records = body.recorded(ordinal).to_vec();
        if let Wanted::Answer { question, ty, expiry } = &body.asking(ordinal)?.want {
            let (question, ty, expiry) = (question.clone(), ty.clone(), expiry.clone());
            return self.body_asks(lane, ordinal, question, &ty, expiry);
        }
        let effect = body.effect(ordinal)?;
        let blobs = self.blobs.as_ref();
        match known(lane, effect.name, &effect.request, &effect.request_hash, &records, blobs)? {
            Known::Answer(response, cost_microusd) => {
                let (name, took_ms) = (effect.name.to_owned(), 0);
                // Its cost was counted when the body took the records over.
                body.answer(ordinal, response, 0)?;
                let lane = lane.clone();
                self.say(Mode::Tasks, || Event::EffectDone {
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
                effect.tries = tries;
                effect.told = records.iter().any(|record| record.request.is_some());
                let (name, hash) = (effect.name, effect.request_hash.clone());
                let inherited = self.inheritance.and_then(|known| known.answer(lane, ordinal, name, &hash));
                if tries == 0
                    && let Some(inherited) = inherited
                {
                    return self.inherit(&At { lane: lane.clone(), ordinal }, &inherited.clone());
                }
                self.attempt(At { lane: lane.clone(), ordinal })
            }
        }
    }

    /// Takes the answer that the run which this one branched off has recorded.
    fn inherit(&mut self, at: &At, known: &EffectRecord) -> Result<(), Fault> {
        let payload = known.response.clone();
        let response = payload.as_ref().map(|payload| payload.unpack(&Value::Null, self.blobs.as_ref()));
        let response = response.transpose()?.unwrap_or(Value::Null);
        let record = EffectRecord { response: payload, reused: true, ..self.part(at, Phase::Done)? };
        let name = record.name.clone();
        self.record(Record::Effect(record), Durability::Process)?;
        let (lane, ordinal) = (at.lane.clone(), at.ordinal);
        self.say(Mode::Tasks, || Event::EffectDone {
            lane,
            ordinal,
            name,
            took_ms: 0,
            cost_microusd: 0,
            recorded: true,
        });
        match self.bodies.get_mut(&at.lane) {
            Some(body) => body.answer(at.ordinal, response, 0),
            None => Ok(()),
        }
    }

    /// Makes the next try, unless it must first be found out what became of the last one.
    fn attempt(&mut self, at: At) -> Result<(), Fault> {
        if self.halt.is_some() {
            return Ok(());
        }
        let Some(body) = self.bodies.get_mut(&at.lane) else { return Ok(()) };
        let effect = body.effect(at.ordinal)?;
        if effect.class == Class::External && self.inheritance.is_some_and(|known| !known.allow_external) {
            let message = format!("{}: `{}` changes the world, and this run is a fork", at.lane, effect.name);
            let fault = Fault::new("fork.external", 2, message)
                .help("fork again with `--allow-external` where it may happen once more");
            self.halt.get_or_insert(Halt::Failed(fault));
            return Ok(());
        }
        if effect.class == Class::External && effect.tries > 0 {
            let (world, clock, call) = (self.tools.world.clone(), self.tools.clock.clone(), self.call(&at)?);
            self.flights.send(&at.lane.clone(), async move {
                let began = clock.ticks_ms();
                let found = world.reconcile(call).await;
                Landed::Reconciled(at, found, clock.ticks_ms().saturating_sub(began))
            });
            return Ok(());
        }
        self.perform(at)
    }

    fn perform(&mut self, at: At) -> Result<(), Fault> {
        if self.halt.is_some() || !self.bodies.contains_key(&at.lane) {
            return Ok(());
        }
        let call = self.call(&at)?;
        if self.tools.world.class(&call.name).is_none() {
            let message = format!("{}: nothing here performs the effect `{}`", at.lane, call.name);
            return Err(Fault::new("effect.unknown", 1, message));
        }
        let Some(body) = self.bodies.get_mut(&at.lane) else { return Ok(()) };
        let effect = body.effect(at.ordinal)?;
        effect.tries = effect.tries.saturating_add(1);
        let (class, r#try) = (effect.class, effect.tries);
        if class != Class::Read {
            let record = self.part(&at, Phase::Start)?;
            if class == Class::External {
                self.externals.insert(at.clone(), record.clone());
                self.log.append(
                    &[Record::Effect(record)],
                    None,
                    Durability::Disk,
                    self.tools.clock.now_ms(),
                )?;
            } else {
                self.record(Record::Effect(record), Durability::Process)?;
            }
        }
        let (lane, ordinal, name) = (at.lane.clone(), at.ordinal, call.name.clone());
        self.say(Mode::Tasks, || Event::EffectStarted { lane, ordinal, name, class, r#try });
        let (world, clock) = (self.tools.world.clone(), self.tools.clock.clone());
        let of = at.lane.clone();
        let work = async move {
            let began = clock.ticks_ms();
            let done = world.perform(call).await;
            Landed::Performed(at, done, clock.ticks_ms().saturating_sub(began))
        };
        if class == Class::External {
            self.flights.send_firm(work)
        } else {
            self.flights.send(&of, work)
        }
        Ok(())
    }

    /// Something came back from the pool.
    pub(super) fn land(&mut self, landed: Landed) -> Result<(), Fault> {
        match landed {
            Landed::Performed(at, done, took_ms) => self.performed(at, done, took_ms)?,
            Landed::TimedOut(lane) => self.timed_out(&lane)?,
            Landed::Rested(at) => self.attempt(at)?,
            // Looked for below, like everything that is due.
            Landed::Due => {}
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
        self.look_around()
    }

    /// A try came back. Of a task that is gone, what may have changed the world is recorded.
    fn performed(&mut self, at: At, done: Result<Done, EffectError>, took_ms: u64) -> Result<(), Fault> {
        let external = self.externals.remove(&at);
        self.last_piece(&at);
        if self.bodies.contains_key(&at.lane) {
            return match done {
                Ok(done) => self.done(&at, done, took_ms),
                Err(error) => self.failed(at, error, took_ms),
            };
        }
        let Some(start) = external else { return Ok(()) };
        let mut record = EffectRecord { request: None, took_ms, at_ms: self.tools.clock.now_ms(), ..start };
        match done {
            Ok(done) => {
                let response = self.tools.redactor.value(done.response);
                record.phase = Phase::Done;
                record.response = Some(Payload::pack(&response, self.blobs.as_ref())?);
                record.cost_microusd = done.cost_microusd;
            }
            Err(error) => {
                record.phase = Phase::Failed;
                record.error = Some(self.clean(error));
            }
        }
        self.record(Record::Effect(record), Durability::Disk)
    }

    fn done(&mut self, at: &At, done: Done, took_ms: u64) -> Result<(), Fault> {
        let response = self.tools.redactor.value(done.response);
        let mut record = self.part(at, Phase::Done)?;
        record.response = Some(Payload::pack(&response, self.blobs.as_ref())?);
        (record.cost_microusd, record.took_ms) = (done.cost_microusd, took_ms);
        let name = record.name.clone();
        if record.class == Class::External {
            self.log.append(&[Record::Effect(record)], None, Durability::Disk, self.tools.clock.now_ms())?;
        } else {
            self.record(Record::Effect(record), Durability::Process)?;
        }
        let (lane, ordinal, cost_microusd) = (at.lane.clone(), at.ordinal, done.cost_microusd);
        self.say(Mode::Tasks, || Event::EffectDone {
            lane,
            ordinal,
            name,
            took_ms,
            cost_microusd,
            recorded: false,
        });
        if let Some(body) = self.bodies.get_mut(&at.lane) {
            body.answer(at.ordinal, response, done.cost_microusd)?;
        }
        self.wake(&at.lane);
        Ok(())
    }

    fn failed(&mut self, at: At, error: EffectError, took_ms: u64) -> Result<(), Fault> {
        let error = self.clean(error);
        let mut record = self.part(&at, Phase::Failed)?;
        record.error = Some(error.clone());
        record.took_ms = took_ms;
        let (name, r#try) = (record.name.clone(), record.r#try);
        self.record(Record::Effect(record), Durability::Process)?;
        let policy = self.bodies.get(&at.lane).map(|body| body.prepared.retry).unwrap_or_default();
        // A run that was stopped by its last try begins a new round of tries when it is resumed.
        let round = r#try % policy.tries.max(1);
        let again = (error.retryable && round != 0 && self.halt.is_none())
            .then(|| policy.backoff_ms.saturating_mul(1 << (round - 1).min(16)).min(LONGEST_PAUSE_MS));
        let (lane, ordinal, message) = (at.lane.clone(), at.ordinal, error.message.clone());
        self.say(Mode::Tasks, || Event::EffectFailed {
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
                self.flights.send(&at.lane.clone(), async move {
                    clock.sleep(pause).await;
                    Landed::Rested(at)
                });
            }
            None => {
                let fault = Fault::from(error).at(format!("{}: {name}", at.lane));
                return self.task_failed(&at.lane, fault);
            }
        }
        Ok(())
    }

    fn ask_person(&mut self, at: &At, why: &str) -> Result<(), Fault> {
        if !self.bodies.contains_key(&at.lane) {
            return Ok(());
        }
        let why = self.tools.redactor.text(why);
        let question =
            format!("{}: it cannot be told whether effect {} happened: {why}", at.lane, at.ordinal);
        let at_ms = self.tools.clock.now_ms();
        let interrupt = Interrupt {
            lane: at.lane.clone(),
            id: None,
            ordinal: Some(at.ordinal),
            when: None,
            question: question.clone(),
            answer: None,
            output: None,
            used: Used::default(),
            until_ms: None,
            at_ms,
        };
        self.record(Record::Interrupt(interrupt), Durability::Disk)?;
        let fault =
            Fault::new("effect.unknown_outcome", 12, question).help("look there, put it right, and resume");
        self.halt.get_or_insert(Halt::Waiting(fault));
        Ok(())
    }

    /// A record about the effect at `at`, with its request when no earlier one has it.
    fn part(&mut self, at: &At, phase: Phase) -> Result<EffectRecord, Fault> {
        let at_ms = self.tools.clock.now_ms();
        let blobs = Arc::clone(&self.blobs);
        let body =
            self.bodies.get_mut(&at.lane).ok_or_else(|| Fault::bug(format!("{} is not at work", at.lane)))?;
        let effect = body.effect(at.ordinal)?;
        let request = if effect.told { None } else { Some(Payload::pack(&effect.request, blobs.as_ref())?) };
        effect.told = true;
        Ok(EffectRecord {
            lane: at.lane.clone(),
            ordinal: at.ordinal,
            r#try: effect.tries,
            phase,
            name: effect.name.to_owned(),
            class: effect.class,
            request_hash: effect.request_hash.clone(),
            request,
            response: None,
            error: None,
            cost_microusd: 0,
            at_ms,
            took_ms: 0,
            reused: false,
        })
    }

    fn call(&mut self, at: &At) -> Result<Call, Fault> {
        let run = self.log.run().to_owned();
        let progress = self.progress(at);
        let blobs = self.tools.redactor.blobs(Arc::clone(&self.blobs));
        let body =
            self.bodies.get_mut(&at.lane).ok_or_else(|| Fault::bug(format!("{} is not at work", at.lane)))?;
        let effect = body.effect(at.ordinal)?;
        Ok(Call {
            key: format!("{run}/{}/{}", at.lane, at.ordinal),
            run,
            lane: at.lane.clone(),
            ordinal: at.ordinal,
            name: effect.name.to_owned(),
            request: effect.request.clone(),
            blobs,
            progress,
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
