use prunella_engine::types::{Diff, Text};

use super::*;
use crate::types::{Cause, Pull, VerdictStatus};

/// What only the log knows; it must not be on the page, whoever quotes it.
const SECRETS: [&str; 5] = ["ada@example.com", "cust-90817", "7f3a99c0", "Lindgren", "10.0.0.17"];
const EXCERPT: &str =
    "req=7f3a99c0 from 10.0.0.17 user=ada@example.com name=\"Lindgren\"\nKeyError: 'cust-90817'";
const DIFF: &str = "--- a/app/orders.py\n+++ b/app/orders.py\n@@ -40,2 +40,4 @@ def total(order):\n     lines = order[\"lines\"]\n+    if \"discount\" not in order:\n+        return sum(lines)\n     return sum(lines) - order[\"discount\"]\n";

pub(crate) fn incident() -> Incident {
    let frame = |file: &str, line, function: &str, path: Option<&str>, code: &str| Frame {
        file: file.to_owned(),
        line,
        function: function.to_owned(),
        code: code.to_owned(),
        path: path.map(Into::into),
        repo_line: path.map(|_| line + 1),
        ..Frame::default()
    };
    Incident {
        language: "python".to_owned(),
        exception: "KeyError".to_owned(),
        message: "'cust-90817'".to_owned(),
        template: "<str>".to_owned(),
        frames: vec![
            frame("/usr/lib/python3.11/runpy.py", 196, "_run_module", None, ""),
            frame("/srv/app/jobs/bill.py", 8, "main", Some("jobs/bill.py"), "total(load())"),
            frame("/srv/app/app/orders.py", 40, "total", Some("app/orders.py"), "order[\"discount\"]"),
        ],
        fingerprint: "ab12cd34ef56ab12cd34ef56".to_owned(),
        causes: vec![Cause { exception: "LookupError".to_owned(), message: "Lindgren".to_owned() }],
        count: 3,
        first_seen: "2026-11-01T02:00:00.391Z".to_owned(),
        last_seen: "2026-11-01T02:05:00.377Z".to_owned(),
        excerpt: Text::default(),
        ..Incident::default()
    }
}

pub(crate) fn reproduction() -> Reproduction {
    Reproduction {
        kind: ReproductionKind::Generated,
        test_id: "tests/test_incident_ab12cd34.py::test_incident".to_owned(),
        path: "tests/test_incident_ab12cd34.py".into(),
        source: "from app.orders import total\n\n\ndef test_incident():\n    total({})\n".to_owned(),
        exception: "KeyError".to_owned(),
        message: "'cust-90817'".to_owned(),
    }
}

pub(crate) fn candidate() -> Candidate {
    Candidate {
        origin: "playbook/key-guard".to_owned(),
        diff: Diff::default(),
        files: vec!["app/orders.py".into()],
        summary: "return early in total when the discount is missing, app/orders.py:41".to_owned(),
        tree: String::new(),
        alternatives: vec!["read the discount with .get(), app/orders.py:41".to_owned()],
    }
}

pub(crate) fn verdict() -> Verdict {
    Verdict {
        status: VerdictStatus::Fixed,
        fixed: true,
        confidence: 0.8,
        evidence: vec!["generated reproduction".to_owned(), "full isolation".to_owned()],
        reason: "the reproduction passes, and all 16 tests that passed still do".to_owned(),
        reproduction_before: "failed (KeyError: 'cust-90817')".to_owned(),
        reproduction_after: "passed".to_owned(),
        before: Counts { passed: 16, failed: 1, skipped: 2, missing: 0 },
        after: Counts { passed: 17, failed: 0, skipped: 2, missing: 0 },
        command: vec!["python3".to_owned(), "-m".to_owned(), "pytest".to_owned(), "a b".to_owned()],
        isolation: "full".to_owned(),
        base_tree: "1111111222222233333334444444".to_owned(),
        candidate_tree: "5555555666666677777778888888".to_owned(),
        ..Verdict::default()
    }
}

fn page(incident: &Incident, root_cause: &str, lessons: &[String], verdict: &Verdict) -> String {
    let mask = Mask::new(incident, &[], EXCERPT, &[DIFF]);
    pull_page(&PullPage {
        run: "r-20261101-7k2m",
        base: "1234567890123456789012345678901234567890",
        branch: "prunella/ab12cd34",
        head: "9876543210987654321098765432109876543210",
        red: "prunella/ab12cd34~1",
        incident,
        root_cause,
        strategy: "take a missing discount for none",
        reproduction: &reproduction(),
        candidate: &candidate(),
        diff: DIFF,
        verdict,
        lessons,
        draft: &["the confidence 0.80 is under 0.9".to_owned()],
        folder: "",
        mask: &mask,
    })
}

fn first_screen(page: &str) -> usize {
    page.lines().take_while(|line| !line.starts_with("<details>")).count()
}

#[test]
fn a_page_in_full() {
    let lessons = ["attempt 1 left test_total red:\nKeyError: 'cust-90817'".to_owned()];
    insta::assert_snapshot!(page(
        &incident(),
        "total reads `discount` without looking",
        &lessons,
        &verdict()
    ));
}

#[test]
fn the_first_screen_has_at_most_25_lines_whatever_happens() {
    let long = "word\n".repeat(4000);
    let mut incident = incident();
    (incident.template, incident.exception, incident.regression) = (long.clone(), long.clone(), true);
    incident.drift = vec![long.clone()];
    let many = vec![long.clone(); 50];
    let verdict = Verdict {
        evidence: many.clone(),
        flaky: many.clone(),
        isolation: long.clone(),
        command: many.clone(),
        reproduction_before: long.clone(),
        ..verdict()
    };
    let page = page(&incident, &long, &many, &verdict);
    assert!(first_screen(&page) <= 25, "{} lines:\n{page}", first_screen(&page));
    let widest = page.lines().take(first_screen(&page)).map(|line| line.chars().count()).max().unwrap();
    assert!(widest < 700, "{widest}");
}

#[test]
fn no_value_of_the_log_is_on_the_page() {
    let said = format!("it broke for {} as seen", SECRETS.join(", "));
    let mut verdict = verdict();
    verdict.evidence.push(said.clone());
    verdict.reason.clone_from(&said);
    let page = page(&incident(), &said, std::slice::from_ref(&said), &verdict);
    for secret in SECRETS {
        assert!(!page.contains(secret), "{secret} is on the page:\n{page}");
    }
    assert!(page.contains("discount"), "what the code says may be said");
}

#[test]
fn hostile_text_stays_text() {
    let bad = "</details><script>x</script> ```\n# Approved\n[ok](https://evil) @maintainers \u{202e}cod | x |\n<!-- x -->";
    let mut incident = incident();
    (incident.exception, incident.template) = (bad.to_owned(), bad.to_owned());
    incident.frames[2].function = bad.to_owned();
    let page = page(&incident, bad, &[bad.to_owned()], &verdict());
    // Out of code, nothing of it is left standing.
    let mut fence: Option<String> = None;
    for line in page.lines() {
        let run: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            None if run.len() >= 3 => fence = Some(run),
            Some(open) if *open == line => fence = None,
            Some(_) => {}
            None => {
                assert!(!line.starts_with("# "), "{line}");
                let prose = without_code(line);
                let escapes: Vec<_> = prose
                    .match_indices('\\')
                    .map(|(at, _)| prose[at..].chars().take(2).collect::<String>())
                    .collect();
                let prose = escapes.iter().fold(prose, |prose, escape| prose.replace(escape, ""));
                for tag in ["<script", "<!--", "](http", "@maintainers", "https://"] {
                    assert!(!prose.contains(tag), "{tag} in {line}");
                }
            }
        }
    }
    assert_eq!(fence, None);
    assert!(!page.contains('\u{202e}'));
}

/// A line without its code spans.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let escaped = rest[..at].ends_with('\\');
        out.push_str(&rest[..at]);
        let run = rest[at..].chars().take_while(|c| *c == '`').count();
        let (mark, after) = rest[at..].split_at(run);
        rest = match after.find(mark) {
            Some(end) if !escaped => &after[end + run..],
            _ => after,
        };
    }
    out + rest
}

#[test]
fn a_diff_is_counted_by_its_hunks() {
    let diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,2 @@\n--- a comment\n+-- another\n same\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-g\n";
    assert_eq!(stat(diff), [("x.sql".to_owned(), 1, 1), ("gone".to_owned(), 0, 1)]);
}

#[test]
fn outcomes_lose_their_message() {
    for (text, expected) in [
        ("failed (KeyError: 'a')", "failed (KeyError)"),
        ("failed (KeyError)", "failed (KeyError)"),
        ("passed", "passed"),
        ("error: could not import x", "error"),
        ("", ""),
    ] {
        assert_eq!(outcome(text), expected);
    }
}

fn run() -> RunSummary {
    RunSummary {
        run: "r-20261101-7k2m".to_owned(),
        graph: "self-heal".to_owned(),
        commit: "1234567890123456789012345678901234567890".to_owned(),
        log: "night log.txt".to_owned(),
        repo: "./service".to_owned(),
        incident: Some(incident()),
        ..RunSummary::default()
    }
}

#[test]
fn a_report_of_a_run_that_did_not_heal() {
    let run = RunSummary {
        end: "unhealed".to_owned(),
        outcome: "failure".to_owned(),
        others: vec![
            "2 × ConnectionRefusedError (1c2d3e4f): prunella run … --fingerprint 1c2d3e4f".to_owned(),
        ],
        reproduction: Some(reproduction()),
        root_cause: "total reads `discount` without looking".to_owned(),
        strategy: "take a missing discount for none".to_owned(),
        attempts: vec![
            Attempt {
                summary: "playbook/key-guard: return early".to_owned(),
                diff: DIFF.to_owned(),
                status: "regressed".to_owned(),
                reason: "tests/test_orders.py::test_total passed before".to_owned(),
                lessons: vec!["the first failing test:\nassert 3 == 4".to_owned()],
            },
            Attempt { reason: "the playbook has nothing left".to_owned(), ..Attempt::default() },
        ],
        ..run()
    };
    insta::assert_snapshot!(report(&run));
}

#[test]
fn the_next_command_fits_the_end() {
    let next = |change: &dyn Fn(&mut RunSummary)| {
        let mut run = run();
        change(&mut run);
        report(&run).lines().rev().nth(1).unwrap().to_owned()
    };
    let ends = |end: &'static str, outcome: &'static str| {
        move |run: &mut RunSummary| (run.end, run.outcome) = (end.to_owned(), outcome.to_owned())
    };
    let again = "prunella run self-heal --incident 'night log.txt' --repo ./service";
    assert_eq!(next(&ends("unproven", "failure")), again);
    assert_eq!(next(&ends("known", "nothing")), "prunella pulls list --repo ./service");
    assert_eq!(next(&ends("unhealed", "failure")), format!("PRUNELLA_MODEL=openai/ID@URL {again}"));
    assert_eq!(next(&|run| run.resumable = true), "prunella runs resume r-20261101-7k2m");
    let healed = |run: &mut RunSummary| {
        ends("healed", "success")(run);
        run.pull = Some(Pull { id: "ab12cd34".to_owned(), draft: true, ..Pull::default() });
    };
    assert_eq!(next(&healed), "prunella pulls show ab12cd34 --repo ./service");
    let unguarded = |run: &mut RunSummary| {
        ends("unhealed", "failure")(run);
        run.unguarded = true;
    };
    assert_eq!(next(&unguarded), "prunella doctor --repo ./service");
    let other = |run: &mut RunSummary| {
        ends("unproven", "failure")(run);
        run.again = ["prunella", "run", "/srv/my graph.yaml"].map(str::to_owned).to_vec();
    };
    assert_eq!(next(&other), "prunella run '/srv/my graph.yaml'");
}

#[test]
fn a_run_that_broke_off_says_why_and_what_helps() {
    let run = RunSummary {
        error: Some("unprivileged user namespaces are off".to_owned()),
        help: Some("sysctl kernel.unprivileged_userns_clone=1".to_owned()),
        resumable: true,
        incident: None,
        ..run()
    };
    insta::assert_snapshot!(report(&run));
}
