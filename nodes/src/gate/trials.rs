//! Hostile and honest diffs through the whole gate.

pub(crate) mod numbered;

use super::*;

const BASE: &[(&str, &str)] = &[
    ("pkg/a.py", "one\ntwo\nthree\nfour\nfive\n"),
    ("pkg/b.py", "x\n"),
    ("tests/test_a.py", "def test(): pass\n"),
    ("tests/data.json", "{}\n"),
    ("requirements.txt", "x==1\n"),
];

fn read(path: &str) -> Option<Vec<u8>> {
    BASE.iter().find(|(name, _)| *name == path).map(|(_, text)| text.as_bytes().to_vec())
}

fn base() -> Base {
    Base {
        files: BASE.iter().map(|(path, _)| (*path).to_owned()).collect(),
        tests: ["tests/test_a.py".to_owned()].into(),
        roots: [String::new(), "src".to_owned()].into(),
        reserved: ["json", "os", "unittest"].map(str::to_owned).into(),
        policy: Policy::default(),
    }
}

fn pass(diff: &str) -> Result<Vec<NewFile>, Refusal> {
    let patches = parse(diff)?;
    check(&patches, &base(), read)?;
    apply(&patches, read)
}

fn content(files: &[NewFile], path: &str) -> Option<String> {
    files
        .iter()
        .find(|(name, _)| name == path)
        .and_then(|(_, text)| text.clone())
        .map(|t| String::from_utf8(t).unwrap())
}

const HUNK: &str = "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";

#[test]
fn plain_and_git_diffs_apply() {
    let expected = "one\nTWO\nthree\nfour\nfive\n";
    for head in [
        "--- a/pkg/a.py\n+++ b/pkg/a.py\n",
        "--- pkg/a.py\t2024-01-01 10:00:00\n+++ pkg/a.py\t2024-01-01 10:00:01\n",
        "diff --git a/pkg/a.py b/pkg/a.py\nindex 1234567..89abcde 100644\n--- a/pkg/a.py\n+++ b/pkg/a.py\n",
        "From 1234 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\n---\n pkg/a.py | 2 +-\n\ndiff --git a/pkg/a.py b/pkg/a.py\n--- a/pkg/a.py\n+++ b/pkg/a.py\n",
    ] {
        let files = pass(&format!("{head}{HUNK}")).unwrap();
        assert_eq!(content(&files, "pkg/a.py").unwrap(), expected, "{head}");
    }
    // A signature of `git format-patch` ends it.
    let files = pass(&format!("--- a/pkg/a.py\n+++ b/pkg/a.py\n{HUNK}-- \n2.39.2\n\n")).unwrap();
    assert_eq!(files.len(), 1);
    // New, deleted, renamed.
    let new = "--- /dev/null\n+++ b/pkg/new.py\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n";
    assert_eq!(content(&pass(new).unwrap(), "pkg/new.py").unwrap(), "a\nb");
    let deleted = "diff --git a/pkg/b.py b/pkg/b.py\ndeleted file mode 100644\n--- a/pkg/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    assert_eq!(pass(deleted).unwrap(), [("pkg/b.py".to_owned(), None)]);
    let renamed =
        "diff --git a/pkg/b.py b/pkg/c.py\nsimilarity index 100%\nrename from pkg/b.py\nrename to pkg/c.py\n";
    let files = pass(renamed).unwrap();
    assert_eq!((files.len(), content(&files, "pkg/c.py").unwrap().as_str()), (2, "x\n"));
}

#[test]
fn a_hunk_goes_where_its_lines_are_and_nowhere_else() {
    let moved = "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -40,2 +40,2 @@\n four\n-five\n+FIVE\n";
    assert_eq!(content(&pass(moved).unwrap(), "pkg/a.py").unwrap(), "one\ntwo\nthree\nfour\nFIVE\n");
    for unfit in [
        "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1,2 +1,2 @@\n one\n-other\n+x\n",
        "--- a/pkg/none.py\n+++ b/pkg/none.py\n@@ -1 +1 @@\n-a\n+b\n",
        "--- /dev/null\n+++ b/pkg/a.py\n@@ -0,0 +1 @@\n+a\n",
        "--- a/pkg/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n",
    ] {
        assert_eq!(pass(unfit).unwrap_err().kind, Refused::DoesNotApply, "{unfit}");
    }
}

#[test]
fn diffs_that_lie_are_refused() {
    let head = "--- a/pkg/a.py\n+++ b/pkg/a.py\n";
    for (diff, kind) in [
        (String::new(), Refused::Empty),
        ("just words\n".to_owned(), Refused::Malformed),
        (format!("{head}@@ -1,9 +1,9 @@\n one\n-two\n+x\n"), Refused::Malformed),
        (format!("{head}@@ -1,1 +1,1 @@\n-one\n+x\n+y\n"), Refused::Malformed),
        (format!("{head}@@ -1,1 +1,1 @@\n one\n"), Refused::Malformed),
        (format!("{head}@@ -1,99999999999999999999 +1 @@\n-one\n+x\n"), Refused::Malformed),
        (format!("{head}@@ -1 +1 @@\n?one\n"), Refused::Malformed),
        (format!("{head}nothing here\n"), Refused::Malformed),
        (format!("{HUNK}\n"), Refused::Malformed),
        (format!("{head}{HUNK}{head}{HUNK}"), Refused::Clash),
        (format!("diff --git a/pkg/b.py b/pkg/b.py\n{head}{HUNK}"), Refused::Malformed),
        (format!("--- a/pkg/b.py\n+++ b/pkg/a.py\n{HUNK}"), Refused::Malformed),
        (format!("--- /dev/null\n+++ /dev/null\n{HUNK}"), Refused::Malformed),
        (format!("diff --git a/pkg/a.py b/pkg/a.py\nold mode 100644\nnew mode 100755\n{head}{HUNK}"), Refused::Mode),
        ("diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n".to_owned(), Refused::Symlink),
        ("diff --git a/x b/x\nnew file mode 160000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+Subproject commit 1\n".to_owned(), Refused::Submodule),
        ("diff --git a/x b/x\nnew file mode 104755\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Mode),
        ("diff --git a/x b/x\nnew file mode 100644\nGIT binary patch\nliteral 9\n".to_owned(), Refused::Binary),
        ("--- /dev/null\n+++ b/x/y\n@@ -0,0 +1 @@\n+a\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Clash),
        ("--- /dev/null\n+++ \"b/\\056\\056/x\"\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Outside),
        ("--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Outside),
        ("--- /dev/null\n+++ b/.GIT/hooks/x\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Outside),
        ("--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n".to_owned(), Refused::Outside),
        ("diff --git a/../x b/y\nrename from ../x\nrename to y\n".to_owned(), Refused::Outside),
        ("diff --git a/a b/b\ncopy from /etc/passwd\ncopy to b\n".to_owned(), Refused::Malformed),
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\0b\n".to_owned(), Refused::Binary),
        (format!("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+{}\n", "a".repeat(MAX_LINE)), Refused::TooLarge),
        ("+\n".repeat(MAX_LINES + 1), Refused::TooLarge),
        ((0..=MAX_FILES).map(|i| format!("--- /dev/null\n+++ b/f{i}\n@@ -0,0 +1 @@\n+a\n")).collect(), Refused::TooLarge),
    ] {
        let shown: String = diff.chars().take(200).collect();
        match pass(&diff) {
            Err(refusal) => assert_eq!(refusal.kind, kind, "{shown}: {refusal}"),
            Ok(files) => panic!("{shown}: {files:?}"),
        }
    }
}

#[test]
fn what_is_protected_is_refused_and_says_whether_it_reaches_for_the_judge() {
    let add = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n");
    for (path, kind) in [
        ("conftest.py", Refused::Config),
        ("pkg/conftest.py", Refused::Config),
        ("PyTest.ini", Refused::Config),
        ("sub/pyproject.toml", Refused::Config),
        ("prunella.yaml", Refused::Config),
        ("tests/helper.py", Refused::Tests),
        ("tests/golden/x.txt", Refused::Tests),
        ("sitecustomize.py", Refused::Runner),
        ("src/json.py", Refused::Runner),
        ("os/__init__.py", Refused::Runner),
        ("pluggy.py", Refused::Runner),
        ("pkg/fast.so", Refused::Runner),
        ("a.egg-info/entry_points.txt", Refused::Runner),
        (".github/workflows/x.yml", Refused::Ci),
        ("poetry.lock", Refused::Lock),
        (".env", Refused::Secret),
        ("deploy/server.pem", Refused::Secret),
        ("setup.py", Refused::BuildHook),
        (".gitattributes", Refused::BuildHook),
        ("AGENTS.md", Refused::Instructions),
    ] {
        let refusal = pass(&add(path)).unwrap_err();
        assert_eq!(refusal.kind, kind, "{path}");
        let reaches = matches!(kind, Refused::Config | Refused::Tests | Refused::Runner);
        assert_eq!(refusal.tampering(), reaches, "{path}");
        assert!(refusal.reason.contains(path), "{}", refusal.reason);
    }
    for (path, text) in
        [("tests/test_a.py", "def test(): pass"), ("tests/data.json", "{}"), ("requirements.txt", "x==1")]
    {
        pass(&format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{text}\n+y\n")).unwrap_err();
    }
    for path in ["pkg/new.py", "tests/test_new.py", "docs/tests.md", "pkg/json.py", "CHANGES.md"] {
        pass(&add(path)).unwrap();
    }
}

#[test]
fn code_under_test_may_not_learn_of_the_runner() {
    for line in [
        "import pytest",
        "from unittest import mock",
        "import os, unittest",
        "X = os.environ.get('PYTEST_CURRENT_TEST')",
        "T = 'pytest' in sys.modules",
    ] {
        let diff = format!("--- a/pkg/b.py\n+++ b/pkg/b.py\n@@ -1 +1,2 @@\n x\n+{line}\n");
        assert_eq!(pass(&diff).unwrap_err().kind, Refused::Runner, "{line}");
    }
    let diff = "--- a/pkg/b.py\n+++ b/pkg/b.py\n@@ -1 +1,2 @@\n x\n+import os; os._exit(0)  # \u{202e}\n";
    pass(diff).unwrap();
    let found = flags(&parse(diff).unwrap()).join("; ");
    assert!(found.contains("ends the process") && found.contains("bidirectional"), "{found}");
}

proptest::proptest! {
    #[test]
    fn hostile_diffs_never_panic(
        lines in proptest::collection::vec(
            proptest::prop_oneof![
                "(--- a/|\\+\\+\\+ b/|--- |\\+\\+\\+ )(pkg/a\\.py|/dev/null|\"b/[\\\\0-9a-z]{0,6}\"?|\\PC{0,12})",
                "@@ -[0-9]{0,3}(,[0-9]{0,3})? \\+[0-9]{0,3}(,[0-9]{0,2})? @@",
                "[ +\\-\\\\]\\PC{0,8}",
                "diff --git \\PC{0,20}",
                "(rename from|rename to|copy from|copy to|new file mode|old mode|index|GIT binary patch|deleted file mode) \\PC{0,10}",
                " (one|two|three|four|five)",
            ],
            0..25,
        )
    ) {
        let _ = pass(&lines.join("\n"));
    }

    #[test]
    fn what_was_made_by_a_diff_tool_applies(before in "([ab]\n){0,12}[ab]?", after in "([abc]\n){0,12}c?") {
        proptest::prop_assume!(before != after && !before.is_empty() && !after.is_empty());
        let text = similar::TextDiff::from_lines(&before, &after);
        let diff = text.unified_diff().context_radius(3).header("a/f.py", "b/f.py").to_string();
        let made = apply(&parse(&diff).unwrap(), |_| Some(before.clone().into_bytes())).unwrap();
        proptest::prop_assert_eq!(content(&made, "f.py").unwrap(), after);
    }
}
