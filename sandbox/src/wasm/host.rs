//! The program that runs one guest and then ends. A mistake of the compiler would hurt this process, not the one that
//! holds the repository; and it can be killed.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::{Linker, Store};
use wasmtime_wasi::I32Exit;

use super::guest::{self, Guest, Halt};
use super::out::Frames;
use super::wire::{Done, Own, PROTOCOL, Spec, Stopped, Stream};
use super::{engine, load};
use crate::tree;

/// How often a guest that computes is made to look up.
const TICK: Duration = Duration::from_millis(10);
/// Largest order in bytes.
const MAX_ORDER: u64 = 64 << 20;

/// The whole `main` of the host program; never returns.
pub(crate) fn main() -> ! {
    let frames = Arc::new(Frames::new(u64::MAX));
    let done = order().and_then(|(spec, input)| run(spec, input, &frames)).unwrap_or_else(|message| Done {
        stopped: Stopped::NotStarted(message),
        wall_ms: 0,
        memory: 0,
    });
    frames.send(Stream::Done, &serde_json::to_vec(&done).unwrap_or_default());
    std::process::exit(0)
}

/// The order: in the file that is named, or first on standard input. What follows there is the guest's.
fn order() -> Result<(Spec, Vec<u8>), String> {
    let text = match std::env::args_os().next_back().filter(|argument| Path::new(argument).is_absolute()) {
        Some(path) if std::env::args_os().len() > 1 => {
            std::fs::read(path).map_err(|e| format!("order: {e}"))?
        }
        _ => {
            let mut length = [0; 8];
            let mut stdin = std::io::stdin();
            stdin.read_exact(&mut length).map_err(|e| format!("order: {e}"))?;
            let length = u64::from_le_bytes(length).min(MAX_ORDER);
            let mut text = Vec::new();
            stdin.take(length).read_to_end(&mut text).map_err(|e| format!("order: {e}"))?;
            text
        }
    };
    let spec: Spec = serde_json::from_slice(&text).map_err(|e| format!("order: {e}"))?;
    if spec.protocol != PROTOCOL {
        return Err("the host program is of another version than the sandbox".into());
    }
    let mut input = Vec::new();
    std::io::stdin().take(spec.input).read_to_end(&mut input).map_err(|e| format!("input: {e}"))?;
    Ok((spec, input))
}

fn run(spec: Spec, input: Vec<u8>, frames: &Arc<Frames>) -> Result<Done, String> {
    if let Some(own) = &spec.own {
        bound(own)?;
        let place = own.place.clone();
        std::thread::spawn(move || orphaned(&place));
    }
    frames.limit(spec.output);
    let engine = engine::engine()?;
    let mut compiled = Vec::new();
    File::open(&spec.module)
        .and_then(|mut file| file.read_to_end(&mut compiled))
        .map_err(|e| format!("the compiled module {}: {e}", spec.module.display()))?;
    let module = load::load(&engine, &compiled, &spec.blake3)?;
    drop(compiled);
    let mut linker: Linker<Guest> = Linker::new(&engine);
    guest::link(&mut linker, spec.channel).map_err(|e| format!("the guest's interface: {e:#}"))?;
    let mut store = Store::new(&engine, guest::guest(&spec, frames, input)?);
    store.limiter(|guest| &mut guest.cap);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let clock = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            clock.increment_epoch();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(2)
        .build()
        .map_err(|e| format!("a runtime: {e}"))?;
    let wall = Duration::from_millis(spec.wall_ms);
    let began = Instant::now();
    let ended = runtime.block_on(async {
        tokio::time::timeout(wall, async {
            let instance = linker.instantiate_async(&mut store, &module).await?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call_async(&mut store, ()).await
        })
        .await
    });
    let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cap = &store.data().cap;
    let stopped = match ended {
        Err(_) => Stopped::Wall,
        Ok(Ok(())) => Stopped::Exited(0),
        Ok(Err(error)) => match (error.downcast_ref::<Halt>(), error.downcast_ref::<I32Exit>()) {
            (Some(Halt::Output), _) => Stopped::Output,
            (None, Some(I32Exit(0))) => Stopped::Exited(0),
            // What a guest does that gets no memory is its own affair; that it got none is ours.
            _ if cap.refused => Stopped::Memory,
            (None, Some(I32Exit(code))) => Stopped::Exited(*code),
            (None, None) => Stopped::Trapped(format!("{:#}", error.root_cause())),
        },
    };
    let done = Done { stopped, wall_ms, memory: cap.used };
    // A blocked call of the guest's is not waited for.
    runtime.shutdown_background();
    Ok(done)
}

/// Limits that the kernel keeps, where no sandbox around this process sets them. Never the address space: the machine
/// reserves gigabytes of it.
fn bound(own: &Own) -> Result<(), String> {
    for (resource, most) in [
        (Resource::Cpu, own.cpu_seconds),
        (Resource::Fsize, own.file),
        (Resource::Core, 0),
        (Resource::Nofile, 1024),
    ] {
        let hard = getrlimit(resource).maximum;
        let within = |wanted: u64| hard.map_or(wanted, |hard| wanted.min(hard));
        // At the soft limit of CPU time a signal says what happened.
        let extra = if resource == Resource::Cpu { 2 } else { 0 };
        let limit = Rlimit { current: Some(within(most)), maximum: Some(within(most.saturating_add(extra))) };
        setrlimit(resource, limit).map_err(|e| format!("limit {resource:?}: {e}"))?;
    }
    Ok(())
}

/// Ends this process when its parent is gone, and takes away what the parent would have.
#[expect(clippy::exit, reason = "nobody is left to be told")]
fn orphaned(place: &Path) {
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    // The guest still runs, and may put something where all was taken away.
    tree::remove_firmly(place);
    std::process::exit(0)
}
