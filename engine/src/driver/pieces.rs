//! Pieces of answers while they are on their way: a model's tokens.

use std::collections::BTreeMap;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Driver;
use super::flight::At;
use crate::Progress;
use crate::event::{Event, Mode};

/// Where pieces come in, and what is held back of them.
pub(super) struct Pieces {
    sender: UnboundedSender<(At, String)>,
    receiver: UnboundedReceiver<(At, String)>,
    /// By effect, the end of what came in: a secret may have begun there.
    held: BTreeMap<At, String>,
}

impl Default for Pieces {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, receiver, held: BTreeMap::new() }
    }
}

impl Pieces {
    /// The next piece.
    pub(super) async fn next(&mut self) -> (At, String) {
        match self.receiver.recv().await {
            Some(piece) => piece,
            // The sender is part of this, so the channel never closes.
            None => std::future::pending().await,
        }
    }
}

impl Driver<'_> {
    /// What takes the pieces of the effect at `at`; nothing where nobody wants them.
    pub(super) fn progress(&self, at: &At) -> Progress {
        if !self.wants(Mode::Tokens) {
            return Progress::default();
        }
        let (sender, at) = (self.pieces.sender.clone(), at.clone());
        // Whoever is gone when a late piece comes did not want it.
        Progress::to(move |piece| drop(sender.send((at.clone(), piece))))
    }

    /// A piece came: it is told as far as no known secret can begin in it and end in the next one.
    pub(super) fn piece(&mut self, (at, piece): (At, String)) {
        let held = self.pieces.held.entry(at.clone()).or_default();
        held.push_str(&piece);
        let redactor = &self.tools.redactor;
        let clean = redactor.text(held);
        let mut cut = clean.len().saturating_sub(redactor.longest().saturating_sub(1));
        while !clean.is_char_boundary(cut) {
            cut -= 1;
        }
        let text = clean.get(..cut).unwrap_or_default().to_owned();
        *held = clean.get(cut..).unwrap_or_default().to_owned();
        self.say_piece(at, text);
    }

    /// The answer is there: what was held back of its pieces is told first.
    pub(super) fn last_piece(&mut self, at: &At) {
        while let Ok(piece) = self.pieces.receiver.try_recv() {
            self.piece(piece);
        }
        if let Some(held) = self.pieces.held.remove(at) {
            let text = self.tools.redactor.text(&held);
            self.say_piece(at.clone(), text);
        }
    }

    fn say_piece(&mut self, at: At, text: String) {
        if !text.is_empty() {
            let At { lane, ordinal } = at;
            self.say(Mode::Tokens, || Event::Tokens { lane, ordinal, text });
        }
    }
}
