//! The playbook alone, on nine real incidents of published packages.

use std::fmt::Write as _;

use prunella_tests::{Case, Prunella};

const CASES: [&str; 9] = [
    "cachetools-missing",
    "werkzeug-filestorage-length",
    "werkzeug-get-type",
    "pyotp-period",
    "apispec-metadata-keys",
    "croniter-zero-divisor",
    "yamllint-extra-brace",
    "jmespath-max-by-empty",
    "boltons-truncated-tb",
];

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    healed: Vec<&'static str>,
    wrong_but_ready: Vec<&'static str>,
    table: String,
}

fn heal_all(with_repro: bool) -> Tally {
    let mut tally = Tally::default();
    for id in CASES {
        let case = Case::lay_out(id, with_repro);
        let prunella = Prunella::new();
        let args = case.run_args("self-heal", &["--json"]);
        let before = case.git(&["for-each-ref"]);
        let outcome = prunella.run(&args);
        let said = outcome.json();
        let row = match said["pull"]["branch"].as_str() {
            None => {
                assert_ne!(outcome.code, 0, "{id}: success without a pull request");
                assert_eq!(
                    before,
                    case.git(&["for-each-ref"]),
                    "{id}: no pull request, and yet the repository changed"
                );
                format!(
                    "no pull request: {} ({})",
                    said["end"].as_str().unwrap_or("stopped"),
                    said["reason"].as_str().unwrap_or("")
                )
            }
            Some(branch) => {
                let oracle = case.judge(&case.checkout(branch));
                let draft = said["pull"]["draft"] == true;
                if oracle.correct {
                    tally.healed.push(id);
                } else if !draft {
                    tally.wrong_but_ready.push(id);
                }
                let word = match (oracle.correct, oracle.plausible) {
                    (true, _) => "healed",
                    (false, true) => "plausible but wrong",
                    (false, false) => "wrong",
                };
                format!(
                    "{word}{}: {}",
                    if draft { " (draft)" } else { "" },
                    said["candidate"].as_str().unwrap_or("")
                )
            }
        };
        let _ = writeln!(tally.table, "{id:<28} exit {:<3} {row}", outcome.code);
    }
    tally
}

#[test]
fn with_a_failing_test_at_least_four_of_nine_heal() {
    let tally = heal_all(true);
    println!("{}", tally.table);
    assert!(tally.healed.len() >= 4, "{}", tally.table);
    assert!(tally.wrong_but_ready.is_empty(), "{}", tally.table);
}

#[test]
fn from_the_log_alone_at_least_one_of_nine_heals() {
    let tally = heal_all(false);
    println!("{}", tally.table);
    assert!(!tally.healed.is_empty(), "{}", tally.table);
    assert!(tally.wrong_but_ready.is_empty(), "{}", tally.table);
}
