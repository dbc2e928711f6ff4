//! From what was seen to a number: how far a verdict `fixed` can be believed.

use super::judge::Apart;
use crate::page::SHARED_PROCESS;
use crate::types::ReproductionKind;

/// What was seen of a candidate that passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// What the reproduction is; nothing when the patch was judged by the tests it turns green.
    pub(crate) reproduction: Option<ReproductionKind>,
    /// `full`, or what is missing.
    pub(crate) isolation: String,
    /// Changed lines that ran in the reproduction, and changed lines; nothing when it was not measured.
    pub(crate) lines: Option<(usize, usize)>,
    /// Other candidates that made the reproduction pass.
    pub(crate) alternatives: u64,
    /// Tests that passed before and still do.
    pub(crate) kept: u64,
    /// How many of them pass with the code under test in a process of its own, too.
    pub(crate) kept_apart: u64,
    /// What in the added code is worth a person's eye.
    pub(crate) flags: Vec<String>,
    /// Whether tests of ours in the suite were reported truly.
    pub(crate) canaries: bool,
    /// How many twins of the reproduction did what they must.
    pub(crate) twins: usize,
    /// Mutants of the candidate that the reproduction noticed.
    pub(crate) mutants: usize,
    /// What the decisive tests said with the code under test in a process of its own.
    pub(crate) apart: Vec<Apart>,
    /// Tests set aside.
    pub(crate) flaky: usize,
    /// Modules that cannot be run here.
    pub(crate) not_runnable: usize,
    /// What is worth saying and lowers nothing.
    pub(crate) notes: Vec<String>,
}

/// The confidence, 0 to 1, and what it is made of. Each part only lowers what the reproduction's kind allows; the
/// numbers are a convention, made so that anything a person should look at falls below 0.9.
pub(crate) fn weigh(seen: &Evidence) -> (f64, Vec<String>) {
    let mut phrases = Vec::new();
    let mut confidence: f64 = match seen.reproduction {
        Some(ReproductionKind::Existing) => {
            phrases.push("a failing test of the repository passes now".to_owned());
            0.97
        }
        None => {
            phrases.push("tests of the repository that failed pass now".to_owned());
            0.95
        }
        _ => {
            phrases.push("a generated reproduction proves only that it no longer raises".to_owned());
            0.80
        }
    };
    let mut lower = |by: f64, phrase: String| {
        confidence -= by;
        phrases.push(phrase);
    };
    match seen.kept {
        0 => lower(0.30, "no other test passes at the base: nothing guards the rest".to_owned()),
        n @ 1..10 => lower(0.05, format!("only {n} other tests guard the rest")),
        n => lower(0.0, format!("{n} tests that passed still pass")),
    }
    if seen.kept_apart > 0 {
        let phrase = format!("{} of them with the code in a process of its own, too", seen.kept_apart);
        lower(0.0, phrase);
    }
    match seen.lines {
        None => lower(0.02, "unknown which changed lines ran".to_owned()),
        Some((_, 0)) => lower(0.02, "the change removes code only".to_owned()),
        Some((0, _)) => lower(0.30, "no changed line runs in the reproduction".to_owned()),
        Some((hit, all)) if hit < all => {
            let share = hit as f64 / all as f64;
            lower(0.06 * (1.0 - share), format!("{hit} of {all} changed lines run in the reproduction"));
        }
        Some((_, all)) => lower(0.0, format!("all {all} changed lines run in the reproduction")),
    }
    if seen.isolation != "full" {
        lower(0.15, format!("isolation {}", seen.isolation));
    } else {
        lower(0.0, "full isolation".to_owned());
    }
    if seen.alternatives > 0 {
        let by = 0.05 * seen.alternatives.min(4) as f64;
        lower(by, format!("{} other candidates pass the reproduction too", seen.alternatives));
    }
    if !seen.canaries {
        lower(0.10, "tests of ours cannot be run beside the repository's".to_owned());
    }
    if seen.twins == 0 {
        lower(0.05, "no twin of the reproduction could be made".to_owned());
    } else {
        lower(
            0.0,
            format!(
                "{} control copies of the reproduction (one that must fail, one under another name) came out as they must",
                seen.twins
            ),
        );
    }
    if seen.mutants > 0 {
        lower(0.0, format!("{} mutants of the changed code make the reproduction fail again", seen.mutants));
    }
    let (by, phrase) = apart(&seen.apart);
    lower(by, phrase);
    if seen.flaky > 0 {
        lower(0.02, format!("{} flaky tests set aside", seen.flaky));
    }
    if seen.not_runnable > 0 {
        lower(0.02, format!("{} modules of tests cannot be run here", seen.not_runnable));
    }
    for note in &seen.notes {
        lower(0.0, note.clone());
    }
    for flag in &seen.flags {
        lower(0.10, format!("to look at: {flag}"));
    }
    // Hundredths are more than it means.
    ((confidence.clamp(0.05, 1.0) * 100.0).round() / 100.0, phrases)
}

/// What is lost where the code under test may have had a hand in its own verdict.
fn apart(seen: &[Apart]) -> (f64, String) {
    let told = format!("{SHARED_PROCESS}, which could bend what it reports");
    for one in seen {
        if let Apart::Withdrawn(why) = one {
            return (
                0.15,
                format!("with the code in a process of its own the reproduction does not pass ({why})"),
            );
        }
    }
    for one in seen {
        match one {
            Apart::Unsuited(why) => return (0.03, format!("{told} ({why})")),
            Apart::Untried => return (0.03, told),
            Apart::Confirmed | Apart::Withdrawn(_) => {}
        }
    }
    if seen.is_empty() {
        return (0.03, told);
    }
    (
        0.0,
        "the reproduction passes with the code in a process of its own, where it cannot bend the report"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best() -> Evidence {
        Evidence {
            reproduction: Some(ReproductionKind::Existing),
            isolation: "full".to_owned(),
            lines: Some((3, 3)),
            kept: 100,
            canaries: true,
            twins: 2,
            apart: vec![Apart::Confirmed],
            ..Evidence::default()
        }
    }

    #[test]
    fn each_doubt_lowers_it_and_the_grave_ones_make_a_draft() {
        let (whole, phrases) = weigh(&best());
        assert!(whole >= 0.95, "{whole} {phrases:?}");
        let grave: [fn(&mut Evidence); 7] = [
            |e| e.reproduction = Some(ReproductionKind::Generated),
            |e| e.isolation = "reduced: cgroup".to_owned(),
            |e| e.lines = Some((0, 2)),
            |e| e.kept = 0,
            |e| e.flags = vec!["a.py ends the process".to_owned()],
            |e| e.canaries = false,
            |e| e.apart = vec![Apart::Confirmed, Apart::Withdrawn("it ended".to_owned())],
        ];
        for (i, doubt) in grave.iter().enumerate() {
            let mut seen = best();
            doubt(&mut seen);
            let (confidence, phrases) = weigh(&seen);
            assert!(confidence < 0.9 && confidence < whole, "{i}: {confidence} {phrases:?}");
        }
        let mut seen = best();
        seen.alternatives = 3;
        assert!(weigh(&seen).0 < whole);
        // A test that cannot be told over a socket is no reason to hide a good fix.
        let mut seen = best();
        seen.apart = vec![Apart::Unsuited("a mock is handed to the code".to_owned())];
        let unsuited = weigh(&seen).0;
        assert!(unsuited < whole && unsuited >= 0.9, "{unsuited}");
    }
}
