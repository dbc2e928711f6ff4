//! The channel of a guest's records, as a pipe would be: what was written can be neither read nor changed.
//!
//! A guest can be handed no descriptor, and its library knows only those that it opened itself. So there is a file of
//! a name of ours that it opens, and what it writes to the descriptors that come of that goes to the parent instead.
//! The file stays empty. Somebody else who opens the name writes to the channel too, as somebody who found a pipe would.

use wasmtime::{AsContextMut, Caller, Extern, Linker};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as wasi, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use super::guest::Guest;
use super::wire::Stream;

/// The file's name, in `/dev` of the guest.
pub(super) const NAME: &str = "prunella-channel";
/// WASI's numbers of success and of an address outside of memory.
const SUCCESS: i32 = 0;
const FAULT: i32 = 21;

/// Puts the four functions that know of the channel in the place of those of preview 1, which they call.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let module = "wasi_snapshot_preview1";
    linker.allow_shadowing(true);
    linker.func_wrap_async(module, "path_open", |caller: Caller<'_, Guest>, words: Open| {
        Box::new(path_open(caller, words))
    })?;
    linker.func_wrap_async(
        module,
        "fd_write",
        |caller: Caller<'_, Guest>, words: (i32, i32, i32, i32)| Box::new(fd_write(caller, words)),
    )?;
    linker.func_wrap_async(module, "fd_close", |caller: Caller<'_, Guest>, (fd,): (i32,)| {
        Box::new(fd_close(caller, fd))
    })?;
    linker.func_wrap_async(module, "fd_renumber", |caller: Caller<'_, Guest>, (from, to): (i32, i32)| {
        Box::new(fd_renumber(caller, from, to))
    })?;
    Ok(())
}

/// Folder, flags, the name's place and length, flags, two sets of rights, flags, where the descriptor goes.
type Open = (i32, i32, i32, i32, i32, i64, i64, i32, i32);

async fn path_open(mut caller: Caller<'_, Guest>, words: Open) -> wasmtime::Result<i32> {
    let (folder, follow, at, length, how, base, inheriting, flags, out) = words;
    let (memory, guest) = parts(&mut caller)?;
    let ours = part(memory, at.cast_unsigned(), length.cast_unsigned()) == Some(NAME.as_bytes());
    let mut shared = GuestMemory::Unshared(memory);
    let errno = wasi::path_open(
        &mut guest.wasi,
        &mut shared,
        folder,
        follow,
        at,
        length,
        how,
        base,
        inheriting,
        flags,
        out,
    )
    .await?;
    let (memory, guest) = parts(&mut caller)?;
    if errno == SUCCESS
        && ours
        && let Some(fd) = word(memory, out.cast_unsigned())
    {
        guest.channels.insert(fd.cast_signed());
    }
    Ok(errno)
}

async fn fd_write(
    mut caller: Caller<'_, Guest>,
    (fd, at, count, written): (i32, i32, i32, i32),
) -> wasmtime::Result<i32> {
    let (memory, guest) = parts(&mut caller)?;
    if !guest.channels.contains(&fd) {
        let mut memory = GuestMemory::Unshared(memory);
        return wasi::fd_write(&mut guest.wasi, &mut memory, fd, at, count, written).await;
    }
    let (mut at, mut total) = (at.cast_unsigned(), 0u32);
    for _ in 0..count.cast_unsigned() {
        let bytes = match (word(memory, at), at.checked_add(4).and_then(|at| word(memory, at))) {
            (Some(from), Some(length)) => part(memory, from, length),
            _ => None,
        };
        let Some(bytes) = bytes else { return Ok(FAULT) };
        guest.frames.print(Stream::Records, bytes).map_err(wasmtime::Error::from)?;
        total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        at = at.saturating_add(8);
    }
    let place =
        memory.get_mut(written.cast_unsigned() as usize..).and_then(|rest| rest.first_chunk_mut::<4>());
    let Some(place) = place else { return Ok(FAULT) };
    *place = total.to_le_bytes();
    Ok(SUCCESS)
}

async fn fd_close(mut caller: Caller<'_, Guest>, fd: i32) -> wasmtime::Result<i32> {
    let (memory, guest) = parts(&mut caller)?;
    guest.channels.remove(&fd);
    wasi::fd_close(&mut guest.wasi, &mut GuestMemory::Unshared(memory), fd).await
}

async fn fd_renumber(mut caller: Caller<'_, Guest>, from: i32, to: i32) -> wasmtime::Result<i32> {
    let (memory, guest) = parts(&mut caller)?;
    let errno = wasi::fd_renumber(&mut guest.wasi, &mut GuestMemory::Unshared(memory), from, to).await?;
    if errno == SUCCESS && from != to {
        if guest.channels.remove(&from) {
            guest.channels.insert(to);
        } else {
            guest.channels.remove(&to);
        }
    }
    Ok(errno)
}

/// The guest's memory and what belongs to it, ready for a call of preview 1.
fn parts<'a>(caller: &'a mut Caller<'_, Guest>) -> wasmtime::Result<(&'a mut [u8], &'a mut Guest)> {
    let fuel = caller.as_context_mut().hostcall_fuel();
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(wasmtime::Error::msg("the guest has no memory to call with"));
    };
    let (memory, guest) = memory.data_and_store_mut(caller);
    guest.wasi.set_hostcall_fuel(fuel);
    Ok((memory, guest))
}

fn part(memory: &[u8], at: u32, length: u32) -> Option<&[u8]> {
    memory.get(at as usize..(at as usize).checked_add(length as usize)?)
}

fn word(memory: &[u8], at: u32) -> Option<u32> {
    let (word, _) = memory.get(at as usize..)?.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word))
}
