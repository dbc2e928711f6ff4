//! Finds quoted lines in a file: exactly, else without trailing white space, else at another indentation.

/// Most line comparisons of one search; beyond it the search gives up.
const BUDGET: usize = 5_000_000;

/// Where the lines stand, and what their quotation lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The first line, from 0.
    pub(super) start: usize,
    /// How new lines are brought to the indentation of the file.
    pub(super) shift: Shift,
}

/// A difference of indentation that is the same for every line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shift {
    /// None.
    None,
    /// The file has this more.
    Add(String),
    /// The file has this less.
    Cut(String),
}

impl Shift {
    /// `line` at the indentation of the file.
    pub(super) fn apply(&self, line: &str) -> String {
        match self {
            _ if line.trim().is_empty() => line.to_owned(),
            Self::None => line.to_owned(),
            Self::Add(more) => format!("{more}{line}"),
            Self::Cut(less) => {
                line.strip_prefix(less.as_str()).unwrap_or_else(|| line.trim_start()).to_owned()
            }
        }
    }
}

/// Every place where `needle` stands, at the strictest level that has any; empty when there is none, or the work
/// is too much.
pub(super) fn all(hay: &[&str], needle: &[&str]) -> Vec<Found> {
    if needle.is_empty() || needle.len() > hay.len() {
        return Vec::new();
    }
    let mut budget = BUDGET;
    for same in [exact, trimmed] {
        let found = at_level(hay, needle, &mut budget, |window, needle, budget| {
            run(window, needle, budget, same).then_some(Shift::None)
        });
        if !found.is_empty() {
            return found;
        }
    }
    at_level(hay, needle, &mut budget, shifted)
}

fn at_level(
    hay: &[&str],
    needle: &[&str],
    budget: &mut usize,
    matches: impl Fn(&[&str], &[&str], &mut usize) -> Option<Shift>,
) -> Vec<Found> {
    let mut found = Vec::new();
    for (start, window) in hay.windows(needle.len()).enumerate() {
        if *budget == 0 {
            return Vec::new();
        }
        if let Some(shift) = matches(window, needle, budget) {
            found.push(Found { start, shift });
        }
    }
    found
}

fn run(window: &[&str], needle: &[&str], budget: &mut usize, same: fn(&str, &str) -> bool) -> bool {
    window.iter().zip(needle).all(|(a, b)| {
        *budget = budget.saturating_sub(1);
        same(a, b)
    })
}

fn exact(a: &str, b: &str) -> bool {
    a == b
}

fn trimmed(a: &str, b: &str) -> bool {
    a.trim_end() == b.trim_end()
}

/// The shift under which all lines are the same, if there is one.
fn shifted(window: &[&str], needle: &[&str], budget: &mut usize) -> Option<Shift> {
    let mut shift: Option<Shift> = None;
    for (file, quoted) in window.iter().zip(needle) {
        *budget = budget.saturating_sub(1);
        if file.trim() != quoted.trim() {
            return None;
        }
        if file.trim().is_empty() {
            continue;
        }
        let (here, there) = (indent(file), indent(quoted));
        let this = if let Some(more) = here.strip_suffix(there) {
            if more.is_empty() { Shift::None } else { Shift::Add(more.to_owned()) }
        } else {
            Shift::Cut(there.strip_suffix(here)?.to_owned())
        };
        if *shift.get_or_insert_with(|| this.clone()) != this {
            return None;
        }
    }
    // Lines that are all blank are found exactly or not at all.
    shift
}

fn indent(line: &str) -> &str {
    line.get(..line.len() - line.trim_start().len()).unwrap_or_default()
}

/// Where the most lines from the top of `needle` stand, and how many: what a person would look at when the whole
/// is not found.
pub(super) fn nearest(hay: &[&str], needle: &[&str]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    let mut budget = BUDGET;
    for start in 0..hay.len() {
        let mut same = 0;
        for (a, b) in hay.iter().skip(start).zip(needle) {
            budget = budget.saturating_sub(1);
            if a.trim() != b.trim() || budget == 0 {
                break;
            }
            same += 1;
        }
        let real = needle.iter().take(same).any(|line| !line.trim().is_empty());
        if real && best.is_none_or(|(_, most)| same > most) {
            best = Some((start, same));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_level_that_has_any_counts() {
        let hay = ["  a", "b ", "a", "b", "\ta"];
        assert_eq!(all(&hay, &["a", "b"]), [Found { start: 2, shift: Shift::None }]);
        assert_eq!(all(&["a  ", "b"], &["a", "b "]), [Found { start: 0, shift: Shift::None }]);
        assert_eq!(all(&hay, &["  a", "  b"]), [Found { start: 2, shift: Shift::Cut("  ".into()) }]);
        assert_eq!(
            all(&["    if x:", "        y"], &["if x:", "    y"]),
            [Found { start: 0, shift: Shift::Add("    ".into()) }]
        );
        assert_eq!(all(&["    if x:", "        y"], &["if x:", "  y"]), [], "uneven");
        assert_eq!(all(&["x", "", "y"], &[" "]).len(), 1);
        assert_eq!(all(&["x"], &[]), []);
    }

    #[test]
    fn new_lines_move_with_the_old_ones() {
        assert_eq!(Shift::Add("  ".into()).apply("x"), "  x");
        assert_eq!(Shift::Add("  ".into()).apply(""), "");
        assert_eq!(Shift::Cut("    ".into()).apply("      x"), "  x");
        assert_eq!(Shift::Cut("    ".into()).apply("  x"), "x");
    }
}
