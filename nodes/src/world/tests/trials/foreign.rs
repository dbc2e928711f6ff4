//! The judge over runners that are not ours, each with its real toolchain: honest fixes, wrong ones, and cheats.

mod go;
mod java;
mod missing;
mod node;
mod reports;
mod rust;

use super::{Shop, existing, lay_out};
use crate::effects::BaselineRequest;
use crate::types::{Verdict, VerdictStatus};

/// A repository whose code has one fault that one test shows.
struct Sample {
    files: Vec<(&'static str, &'static str)>,
    /// Where the fault is.
    code: &'static str,
    /// Tests that pass at the base.
    passed: u64,
}

impl Sample {
    fn shop(&self, command: &[&str]) -> Shop {
        let mut shop = lay_out(&self.files, command);
        let request = BaselineRequest { commit: shop.commit.clone(), command: None };
        let base = shop.tester.baseline(&request).unwrap();
        assert_eq!(base.passed, self.passed, "{base:?}");
        let [failed] = base.failed.as_slice() else { panic!("{base:?}") };
        shop.reproduction = existing(failed);
        shop
    }

    /// The verdict on the code with `from` replaced by `to`, by the failing test.
    fn judge(&self, shop: &Shop, from: &str, to: &str) -> Verdict {
        shop.judge(&self.diff(shop, from, to))
    }

    fn diff(&self, shop: &Shop, from: &str, to: &str) -> String {
        let (_, before) = self.files.iter().find(|(path, _)| *path == self.code).unwrap();
        assert!(before.contains(from), "{from}");
        shop.diff(&[(self.code, Some(&before.replacen(from, to, 1)))])
    }
}

/// Whether a program of that name is on `PATH`.
fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn is(verdict: &Verdict, status: VerdictStatus) {
    assert_eq!(verdict.status, status, "{verdict:#?}");
}

fn never_fixed(verdict: &Verdict) {
    assert!(!verdict.fixed && verdict.status != VerdictStatus::Fixed, "{verdict:#?}");
}

/// What every fixed verdict of such a runner must say.
fn believed_less(verdict: &Verdict) {
    is(verdict, VerdictStatus::Fixed);
    assert!(verdict.confidence < 0.9, "{verdict:#?}");
    assert!(verdict.evidence.iter().any(|e| e.contains("the runner's own report")), "{verdict:#?}");
}
