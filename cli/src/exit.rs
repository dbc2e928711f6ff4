//! Exit codes. Public: scripts depend on them. The README's table is checked against `TABLE` in a test.

/// All codes with what they mean, in the README's order.
#[cfg(test)]
pub(crate) const TABLE: &[(u8, &str)] = &[
    (0, "success, or clean"),
    (1, "our bug"),
    (2, "usage"),
    (3, "graph invalid"),
    (4, "credential missing"),
    (5, "input unreadable"),
    (6, "store unusable"),
    (7, "run owned elsewhere, or its pin differs"),
    (10, "ran, not healed (`judge`: not fixed, no evidence; `graph test`: a case failed)"),
    (11, "nothing to do (false alarm, known, already fixed)"),
    (12, "waiting for a person, or for a time to come"),
    (13, "declined"),
    (14, "a limit was reached, wherever it routes"),
    (15, "the tests cannot start or be collected"),
    (16, "regressed"),
    (17, "tampered"),
    (18, "incomplete (`judge`)"),
    (20, "replay diverged"),
    (21, "trace damaged"),
    (22, "format unknown"),
    (30, "model failed after retries"),
    (31, "sandbox unavailable"),
    (32, "forge refused"),
    (130, "interrupted (SIGINT)"),
    (143, "interrupted (SIGTERM)"),
];

/// Success, or clean.
pub(crate) const OK: u8 = 0;
/// Our bug.
pub(crate) const BUG: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The graph does not check.
pub(crate) const GRAPH: u8 = 3;
/// A credential, or a model, is missing.
pub(crate) const CREDENTIAL: u8 = 4;
/// Input cannot be read.
pub(crate) const UNREADABLE: u8 = 5;
/// The store cannot be used.
pub(crate) const STORE: u8 = 6;
/// The run is owned elsewhere, or what it is pinned to differs.
pub(crate) const OWNED: u8 = 7;
/// It ran and did not heal.
pub(crate) const UNHEALED: u8 = 10;
/// There was nothing to do.
pub(crate) const NOTHING: u8 = 11;
/// A test that passed does not any more.
pub(crate) const REGRESSED: u8 = 16;
/// The candidate reached for the judge.
pub(crate) const TAMPERED: u8 = 17;
/// The tests did not run to their end.
pub(crate) const INCOMPLETE: u8 = 18;
/// A trace or a store's journal is damaged.
pub(crate) const DAMAGED: u8 = 21;
/// The sandbox cannot be set up.
pub(crate) const SANDBOX: u8 = 31;

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_has_every_code() {
        let readme = include_str!("../../README.md");
        for (code, meaning) in super::TABLE {
            let row = format!("| {code} | {meaning} |");
            assert!(readme.contains(&row), "the README lacks: {row}");
        }
    }
}
