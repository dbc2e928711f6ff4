//! Reads a job's streams without ever waiting for them to end.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;

use crate::capture::Capture;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// What a process finds on its standard input: `bytes`, in a file that nobody else can open.
pub(crate) fn input(bytes: &[u8]) -> std::io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// The streams of a job.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
    chunk: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    source: Option<File>,
    capture: Capture,
}

impl Streams {
    /// Takes the reading ends, with how many bytes to keep of each.
    pub(crate) fn new(sources: Vec<(OwnedFd, usize)>) -> std::io::Result<Self> {
        let mut streams = Vec::new();
        for (source, keep) in sources {
            let flags = rustix::fs::fcntl_getfl(&source)?;
            rustix::fs::fcntl_setfl(&source, flags | OFlags::NONBLOCK)?;
            streams.push(Stream { source: Some(source.into()), capture: Capture::new(keep) });
        }
        Ok(Self { streams, chunk: vec![0; CHUNK] })
    }

    /// What to poll for.
    pub(crate) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let open = self.streams.iter().filter_map(|stream| stream.source.as_ref());
        open.map(|source| PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN))
    }

    /// Reads what is there, one chunk a stream; says whether there was anything.
    pub(crate) fn read(&mut self) -> bool {
        let mut any = false;
        for stream in &mut self.streams {
            let Some(source) = &mut stream.source else { continue };
            match source.read(&mut self.chunk) {
                Ok(0) => stream.source = None,
                Ok(length) => {
                    stream.capture.push(self.chunk.get(..length).unwrap_or_default());
                    any = true;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => stream.source = None,
            }
        }
        any
    }

    /// Bytes read so far, all streams together.
    pub(crate) fn total(&self) -> u64 {
        self.streams.iter().map(|stream| stream.capture.total()).fold(0, u64::saturating_add)
    }

    /// Reads what is left after the writers are dead, but no more than `most` in all.
    pub(crate) fn drain(&mut self, most: u64) {
        while self.total() < most && self.read() {}
    }

    /// What was kept of each stream, in the order they were given.
    pub(crate) fn finish(self) -> impl Iterator<Item = crate::report::Output> {
        self.streams.into_iter().map(|stream| stream.capture.finish())
    }
}
