//! What a guest is given: WASI preview 1 over the order's folders and environment, a cap on its memory, and a channel.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use wasmtime::{Linker, ResourceLimiter};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::channel;
use super::out::{Frames, Printed};
use super::wire::{Spec, Stream};

/// Most elements of a guest's tables.
const MAX_TABLE: usize = 1 << 20;

/// Everything that belongs to one guest.
pub(super) struct Guest {
    /// What it reaches by WASI.
    pub(super) wasi: WasiP1Ctx,
    /// The way to the parent.
    pub(super) frames: Arc<Frames>,
    /// Its descriptors that are the channel.
    pub(super) channels: BTreeSet<i32>,
    /// Its memory.
    pub(super) cap: Cap,
}

/// Why the host ends a guest in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Halt {
    /// It printed too much.
    #[error("too much was printed")]
    Output,
}

/// A cap on the memory of a guest.
#[derive(Debug)]
pub(super) struct Cap {
    most: usize,
    /// How much it has.
    pub(super) used: u64,
    /// Whether it wanted more than it may have.
    pub(super) refused: bool,
}

impl ResourceLimiter for Cap {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.most {
            self.refused = true;
            return Ok(false);
        }
        self.used = desired as u64;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }

    fn memories(&self) -> usize {
        1
    }

    fn instances(&self) -> usize {
        1
    }
}

/// The guest of an order.
pub(super) fn guest(spec: &Spec, frames: &Arc<Frames>, input: Vec<u8>) -> Result<Guest, String> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&spec.args);
    for (name, value) in &spec.env {
        wasi.env(name, value);
    }
    if spec.channel {
        wasi.env("PRUNELLA_CHANNEL", format!("/dev/{}", channel::NAME));
    }
    wasi.stdin(MemoryInputPipe::new(input));
    wasi.stdout(Printed::new(frames, Stream::Out)).stderr(Printed::new(frames, Stream::Err));
    // No address is allowed by itself; this leaves no socket to ask for one.
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    // The one thread has nothing else to do but to keep the time, which the parent keeps too.
    wasi.allow_blocking_current_thread(true);
    for folder in &spec.folders {
        let perms = if folder.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        wasi.preopened_dir(&folder.host, &folder.guest, perms)
            .map_err(|e| format!("folder {}: {e:#}", folder.guest))?;
    }
    // Programs expect a place that swallows everything; here it is a file like any other.
    let devices = spec.scratch.join(".dev");
    fs::create_dir_all(&devices)
        .and_then(|()| fs::write(devices.join("null"), b""))
        .and_then(|()| if spec.channel { fs::write(devices.join(channel::NAME), b"") } else { Ok(()) })
        .map_err(|e| format!("folder /dev: {e}"))?;
    wasi.preopened_dir(&devices, "/dev", FsPerms::ReadWrite).map_err(|e| format!("folder /dev: {e:#}"))?;
    let most = usize::try_from(spec.memory).unwrap_or(usize::MAX);
    let cap = Cap { most, used: 0, refused: false };
    Ok(Guest { wasi: wasi.build_p1(), frames: Arc::clone(frames), channels: BTreeSet::new(), cap })
}

/// Offers preview 1, and with it the channel where the guest has one.
pub(super) fn link(linker: &mut Linker<Guest>, channel: bool) -> wasmtime::Result<()> {
    p1::add_to_linker_async(linker, |guest: &mut Guest| &mut guest.wasi)?;
    if channel { channel::link(linker) } else { Ok(()) }
}
