//! For tests: a failure in a small program, and whether a repair is offered.

use std::collections::BTreeMap;

use super::{Failure, Proposal, propose};
use crate::types::Frame;

/// A program in `m.py`, its failure at the line that holds `at`, marked there.
pub(super) struct Fixture {
    /// `m.py`.
    pub(super) source: &'static str,
    /// The exception.
    pub(super) exception: &'static str,
    /// Its message.
    pub(super) message: &'static str,
    /// What the trace marks, frame by frame, outermost first. The last occurrence counts.
    pub(super) at: &'static [&'static str],
    /// The failing test.
    pub(super) test: &'static str,
}

impl Fixture {
    fn frame(&self, mark: &str) -> Frame {
        let start = self.source.rfind(mark).unwrap();
        let line = self.source[..start].matches('\n').count();
        let code = self.source.lines().nth(line).unwrap();
        let begin = self.source[..start].rfind('\n').map_or(0, |i| i + 1);
        let from = (start - begin - (code.len() - code.trim_start().len())) as u64;
        let line = line as u64 + 1;
        Frame {
            file: "/srv/app/m.py".into(),
            line,
            code: code.trim().into(),
            mark_start: Some(from),
            mark_end: Some(from + mark.lines().next().unwrap().chars().count() as u64),
            path: Some("m.py".into()),
            repo_line: Some(line),
            ..Frame::default()
        }
    }

    /// Everything that is proposed.
    pub(super) fn proposals(&self) -> Vec<Proposal> {
        let mut sources = BTreeMap::from([("m.py".to_owned(), self.source.to_owned())]);
        sources.insert("test_m.py".into(), self.test.to_owned());
        let mut frames = vec![Frame {
            file: "test_m.py".into(),
            function: "test_it".into(),
            path: Some("test_m.py".into()),
            ..Frame::default()
        }];
        frames.extend(self.at.iter().map(|mark| self.frame(mark)));
        let failure = Failure { exception: self.exception.into(), message: self.message.into(), frames };
        propose(&failure, &sources)
    }

    /// Panics unless the program with `old` replaced by `new` is among the first `rank` proposals.
    pub(super) fn offers(&self, old: &str, new: &str, rank: usize) {
        assert!(self.source.contains(old), "the program has no {old:?}");
        let wanted = self.source.replacen(old, new, 1);
        let proposals = self.proposals();
        let at = proposals.iter().position(|p| p.edits[0].1.as_deref() == Some(wanted.as_bytes()));
        let listed = || {
            let texts = proposals
                .iter()
                .take(rank + 3)
                .map(|p| String::from_utf8_lossy(p.edits[0].1.as_ref().unwrap()));
            texts.collect::<Vec<_>>().join("\n---\n")
        };
        assert!(
            at.is_some_and(|at| at < rank),
            "found at {at:?}, wanted before {rank}; first ones:\n{}",
            listed()
        );
    }

    /// Panics when any proposal holds this text.
    pub(super) fn never(&self, text: &str) {
        for p in self.proposals() {
            let new = String::from_utf8_lossy(p.edits[0].1.as_ref().unwrap()).into_owned();
            assert!(!new.contains(text), "{}\n{new}", p.summary);
        }
    }
}

/// A fixture without a test of its own.
pub(super) fn fixture(
    source: &'static str,
    exception: &'static str,
    message: &'static str,
    at: &'static [&'static str],
) -> Fixture {
    Fixture { source, exception, message, at, test: "from m import f\n\ndef test_it():\n    f(1)\n" }
}
