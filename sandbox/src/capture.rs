//! Keeps the head and the tail of a stream, however long it gets.

use std::collections::VecDeque;

use crate::report::Output;

/// A bounded view of a stream: its first and its last bytes.
#[derive(Debug)]
pub(crate) struct Capture {
    head_room: usize,
    tail_room: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    /// Keeps at most `keep` bytes, half of them from the start.
    pub(crate) fn new(keep: usize) -> Self {
        let head_room = keep / 2;
        Self { head_room, tail_room: keep - head_room, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let into_head = bytes.len().min(self.head_room - self.head.len());
        let (head, rest) = bytes.split_at(into_head);
        self.head.extend_from_slice(head);
        let rest = rest.get(rest.len().saturating_sub(self.tail_room)..).unwrap_or_default();
        let overflow = (self.tail.len() + rest.len()).saturating_sub(self.tail_room);
        self.tail.drain(..overflow);
        self.tail.extend(rest);
    }

    /// Bytes seen so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// What is kept, and how much is not.
    pub(crate) fn finish(mut self) -> Output {
        self.head.extend(self.tail);
        let dropped = self.total - self.head.len() as u64;
        Output { kept: self.head, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_streams_are_kept_whole() {
        let mut capture = Capture::new(8);
        capture.push(b"abc");
        capture.push(b"defgh");
        let output = capture.finish();
        assert_eq!((output.kept.as_slice(), output.dropped), (b"abcdefgh".as_slice(), 0));
    }

    #[test]
    fn long_streams_lose_their_middle() {
        let mut capture = Capture::new(4);
        for chunk in [b"ab".as_slice(), b"cdefgh", b"", b"ij"] {
            capture.push(chunk);
        }
        let output = capture.finish();
        assert_eq!((output.kept.as_slice(), output.dropped), (b"abij".as_slice(), 6));
    }

    proptest! {
        #[test]
        fn head_and_tail_are_those_of_the_stream(
            keep in 0usize..20, chunks in proptest::collection::vec(proptest::collection::vec(0u8..255, 0..12), 0..8)
        ) {
            let whole: Vec<u8> = chunks.concat();
            let mut capture = Capture::new(keep);
            for chunk in &chunks { capture.push(chunk); }
            let output = capture.finish();
            prop_assert_eq!(output.kept.len(), whole.len().min(keep));
            prop_assert_eq!(output.dropped as usize, whole.len() - output.kept.len());
            let head = (keep / 2).min(whole.len());
            prop_assert_eq!(&output.kept[..head], &whole[..head]);
            prop_assert!(whole.ends_with(&output.kept[head..]));
        }
    }
}
