//! The numbered attacks: each tries for real, is refused, and harms nobody. The numbers are those of the project's list;
//! 82 to 112 are about verdicts and patches, and are tried where those are made.

mod bombs;
mod calls;
mod host;
mod leftovers;
mod network;
mod payload;
mod privileges;
mod secrets;
mod together;

use std::collections::BTreeSet;
use std::process::Command;

/// Nothing of the list is forgotten: the tests of this program are asked for by name.
#[test]
fn every_attack_has_a_case() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: BTreeSet<u32> = text
        .lines()
        .filter_map(|line| line.strip_suffix(": test")?.rsplit("::").next()?.strip_prefix('a'))
        .filter_map(|name| name.get(..2)?.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=81).collect());
}
