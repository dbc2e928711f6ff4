//! Which lines a candidate changes, and which of them ran.

use std::collections::BTreeMap;

use similar::{ChangeTag, TextDiff};

/// For each Python file: the lines of its new content (from 1) that are new and hold code.
pub(super) fn changed_lines(before: &str, after: &str) -> Vec<u64> {
    TextDiff::from_lines(before, after)
        .iter_all_changes()
        .filter(|change| change.tag() == ChangeTag::Insert)
        .filter(|change| {
            let text = change.value().trim();
            // Lines without code of their own never show up in a trace.
            !text.is_empty() && !text.starts_with('#') && !text.chars().all(|c| "()[]{},:\"'".contains(c))
        })
        .filter_map(|change| change.new_index().map(|index| index as u64 + 1))
        .collect()
}

/// Changed lines that ran, and changed lines.
pub(super) fn executed(
    changed: &BTreeMap<String, Vec<u64>>,
    ran: &BTreeMap<String, Vec<u64>>,
) -> (usize, usize) {
    let mut hit = 0;
    let mut all = 0;
    for (path, lines) in changed {
        all += lines.len();
        hit += lines
            .iter()
            .filter(|line| ran.get(path).is_some_and(|ran| ran.binary_search(line).is_ok()))
            .count();
    }
    (hit, all)
}
