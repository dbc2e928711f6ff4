//! What a guest prints, on its way to the parent.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::guest::Halt;
use super::wire::{Stream, frame};

/// Bytes that a guest may write at once.
const CHUNK: usize = 64 << 10;

/// The way to the parent: frames on this process's standard output.
#[derive(Debug)]
pub(super) struct Frames {
    writing: Mutex<()>,
    left: AtomicU64,
}

impl Frames {
    /// Lets `limit` bytes of all streams pass.
    pub(super) fn new(limit: u64) -> Self {
        Self { writing: Mutex::new(()), left: AtomicU64::new(limit) }
    }

    /// Lets so many bytes pass from now on.
    pub(super) fn limit(&self, limit: u64) {
        self.left.store(limit, Ordering::Relaxed);
    }

    /// Sends `bytes` of a guest's stream.
    ///
    /// # Errors
    /// When it has printed more than it may.
    pub(super) fn print(&self, stream: Stream, bytes: &[u8]) -> Result<(), Halt> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes.len() as u64));
        if taken.is_err() {
            self.left.store(0, Ordering::Relaxed);
            return Err(Halt::Output);
        }
        self.send(stream, bytes);
        Ok(())
    }

    /// Sends a frame. Without a parent there is nobody to miss it.
    pub(super) fn send(&self, stream: Stream, bytes: &[u8]) {
        let frame = frame(stream, bytes);
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(rustix::stdio::stdout(), rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Standard output or standard error of a guest.
#[derive(Clone)]
pub(super) struct Printed {
    frames: Arc<Frames>,
    stream: Stream,
}

impl Printed {
    /// The stream `stream` over `frames`.
    pub(super) fn new(frames: &Arc<Frames>, stream: Stream) -> Self {
        Self { frames: Arc::clone(frames), stream }
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.frames.print(self.stream, &bytes).map_err(|halt| StreamError::Trap(halt.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(
            self.frames.print(self.stream, bytes).map(|()| bytes.len()).map_err(std::io::Error::other),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
