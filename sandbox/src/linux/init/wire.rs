//! The helper's end of the socket to the launcher.

use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::{At, Fail};
use crate::linux::spec::{MAX_SPEC, Message, Spec};

/// The job's socket to the launcher.
pub(super) struct Wire(UnixStream);

/// What the launcher ordered.
pub(super) struct Order {
    /// The job.
    pub(super) spec: Spec,
    /// Contents of files and edits and the input, one after the other.
    blobs: Vec<u8>,
    /// Where the command writes its records.
    pub(super) channel: Option<OwnedFd>,
}

/// The order's blobs by what they belong to.
pub(super) struct Blobs {
    /// Content of each file.
    pub(super) files: Vec<Vec<u8>>,
    /// Content of each edit, nothing for a deletion.
    pub(super) edits: Vec<Option<Vec<u8>>>,
    /// What the command finds on its standard input.
    pub(super) input: Vec<u8>,
}

impl Wire {
    /// Over `socket`.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self(UnixStream::from(socket))
    }

    /// The socket, to poll it.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads the order.
    pub(super) fn receive(&mut self) -> Result<Order, Fail> {
        let channel = self.receive_descriptor().at("order", "descriptor")?;
        let spec_bytes = self.receive_block()?;
        let blobs = self.receive_block()?;
        let spec: Spec = serde_json::from_slice(&spec_bytes)
            .map_err(|error| Fail::new("order", format!("not understood: {error}")))?;
        Ok(Order { spec, blobs, channel })
    }

    fn receive_block(&mut self) -> Result<Vec<u8>, Fail> {
        let mut length = [0u8; 8];
        self.0.read_exact(&mut length).at("order", "length")?;
        let length = u64::from_le_bytes(length);
        if length > MAX_SPEC {
            return Err(Fail::new("order", "larger than a job may be"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.0).take(length).read_to_end(&mut bytes).at("order", "content")?;
        if read as u64 == length { Ok(bytes) } else { Err(Fail::new("order", "cut short")) }
    }

    fn receive_descriptor(&mut self) -> io::Result<Option<OwnedFd>> {
        let mut byte = [0u8; 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut found = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                found = descriptors.last().or(found);
            }
        }
        Ok(found)
    }

    /// Says something.
    pub(super) fn send(&mut self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Says that a part of the isolation is missing.
    pub(super) fn missing(&mut self, what: &str) -> Result<(), Fail> {
        self.send(&Message::Missing(what.into())).at("report", "")
    }

    /// Says that the set-up failed.
    pub(super) fn failed(&mut self, fail: Fail) -> Result<(), ()> {
        let message = Message::Failed { step: fail.step.into(), message: fail.message, errno: fail.errno };
        let _ = self.send(&message);
        Err(())
    }
}

impl Order {
    /// Cuts the blobs up.
    pub(super) fn split(&mut self) -> Result<Blobs, Fail> {
        let blobs = std::mem::take(&mut self.blobs);
        let mut rest = blobs.as_slice();
        let mut take = |length: u64| {
            let (blob, left) = usize::try_from(length)
                .ok()
                .and_then(|length| rest.split_at_checked(length))
                .ok_or_else(|| Fail::new("order", "blobs are cut short"))?;
            rest = left;
            Ok(blob.to_vec())
        };
        let files = self.spec.files.iter().map(|file| take(file.length)).collect::<Result<_, Fail>>()?;
        let edits = self
            .spec
            .edits
            .iter()
            .map(|edit| edit.length.map(&mut take).transpose())
            .collect::<Result<_, _>>()?;
        let input = take(self.spec.input)?;
        Ok(Blobs { files, edits, input })
    }
}
