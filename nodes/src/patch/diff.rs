//! Unified diffs as git prints them.

use similar::TextDiff;

/// The unified diff of one file, with `a/` and `b/` headers and three lines of context; empty when nothing
/// differs. Line endings stay as they are, and a last line without one is marked as git marks it.
#[must_use]
pub fn unified_diff(path: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&old, &new);
    diff.unified_diff().context_radius(3).header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_last_newline_is_marked() {
        let diff = unified_diff("a.py", "x\ny", "x\nz\n");
        assert_eq!(
            diff,
            "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x\n-y\n\\ No newline at end of file\n+z\n"
        );
        assert_eq!(unified_diff("a.py", "x\n", "x\n"), "");
    }

    #[test]
    fn carriage_returns_are_content() {
        let diff = unified_diff("a.py", "x\r\ny\r\n", "x\r\nz\r\n");
        assert_eq!(diff, "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x\r\n-y\r\n+z\r\n");
    }
}
