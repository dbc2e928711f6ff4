//! What a reply may look like, and what comes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CALC: &str = "import os\n\n\ndef mean(values):\n    total = sum(values)\n    return total / len(values)\n\n\ndef top(values):\n    total = sum(values)\n    return max(values)\n";

fn repo() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("src/calc.py".to_owned(), CALC.as_bytes().to_vec()),
        ("src/dos.py".to_owned(), b"a = 1\r\nb = 2\r\nc = 3".to_vec()),
        ("src/bin.py".to_owned(), vec![0xff, 0xfe, 0]),
        ("src/bom.py".to_owned(), "\u{feff}x = 1\ny = 2\n".as_bytes().to_vec()),
        ("docs/notes.md".to_owned(), b"Title\n=======\n\ntext\n".to_vec()),
    ])
}

fn run(reply: &str) -> Patched {
    let repo = repo();
    let files: Vec<String> = repo.keys().cloned().collect();
    let prefer = ["src/calc.py".to_owned(), "src/dos.py".to_owned()];
    edits(reply, &Base { files: &files, prefer: &prefer, read: &|path| repo.get(path).cloned() })
}

/// The new text of the only file that `reply` changes; no problems allowed.
fn text(reply: &str, path: &str) -> String {
    let patched = run(reply);
    assert_eq!(patched.problems, Vec::<String>::new(), "{reply}");
    let [(only, Some(content))] = patched.edits.as_slice() else { panic!("{:?}\n{reply}", patched.edits) };
    assert_eq!(only, path);
    String::from_utf8(content.clone()).unwrap()
}

fn fixed() -> String {
    CALC.replace("    return total / len(values)", "    return total / len(values) if values else 0.0")
}

const OLD: &str = "    return total / len(values)";
const NEW: &str = "    return total / len(values) if values else 0.0";

#[test]
fn every_form_of_the_same_edit_gives_the_same_file() {
    let whole = fixed();
    let forms = [
        format!("src/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n"),
        format!(
            "Sure.\n\n### src/calc.py\n```python\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n```\nDone."
        ),
        format!("```python src/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n```"),
        format!("```python\nsrc/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n```"),
        format!("<<<<<<< SEARCH src/calc.py\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE"),
        format!("<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE"),
        format!("I change `src/calc.py` so:\n<<<<<<<< ORIGINAL\n{OLD}\n========\n{NEW}\n>>>>>>>> UPDATED\n"),
        format!("src/calc.py\r\n<<<<<<< SEARCH\r\n{OLD}\r\n=======\r\n{NEW}\r\n>>>>>>> REPLACE\r\n"),
        format!("src/calc.py\n```\n<<<<<<< SEARCH\n{OLD}   \n=======\n{NEW}\n```\n"),
        format!("src/calc.py\n<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE", OLD.trim(), NEW.trim()),
        format!("src/calc.py\n<<<<<<< SEARCH\n\n{OLD}\n\n=======\n\n{NEW}\n\n>>>>>>> REPLACE"),
        format!(
            "<think>src/calc.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n</think>\nsrc/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE"
        ),
        format!(
            "```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -4,3 +4,3 @@\n def mean(values):\n     total = sum(values)\n-{OLD}\n+{NEW}\n```\n"
        ),
        format!(
            "```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -400,30 +17,2 @@ def mean(values):\n     total = sum(values)\n-{OLD}\n+{NEW}\n\n```\n"
        ),
        format!(
            "--- a/src/calc.py\t2024-01-01\n+++ b/src/calc.py\t2024-01-01\n@@ ... @@\n     total = sum(values)\n-{OLD}\n+{NEW}\n \nThis guards against no values.\n"
        ),
        format!(
            "diff --git a/src/calc.py b/src/calc.py\nindex 1..2 100644\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -6 +6 @@\n-{OLD}\n+{NEW}\n"
        ),
        format!("src/calc.py\n```diff\n-{OLD}\n+{NEW}\n```\n"),
        format!("```diff\n@@ -1 +1 @@\n-{}\n+{}\n```\n", OLD.trim(), NEW.trim()),
        format!(
            "*** Begin Patch\n*** Update File: src/calc.py\n@@ def mean(values):\n     total = sum(values)\n-{OLD}\n+{NEW}\n*** End Patch\n"
        ),
        format!("src/calc.py\n```python\n{whole}```\n"),
        format!("File: src/calc.py\n\n~~~~py\n{whole}~~~~\n"),
        format!("```python:src/calc.py\n{whole}```"),
    ];
    for reply in &forms {
        assert_eq!(text(reply, "src/calc.py"), whole, "{reply}");
    }
}

#[test]
fn several_blocks_and_files_land_together() {
    let patched = run(&format!(
        "src/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nimport os\n=======\nimport sys\n>>>>>>> REPLACE\n\nsrc/dos.py\n<<<<<<< SEARCH\nb = 2\n=======\nb = 3\nb += 1\n>>>>>>> REPLACE\n"
    ));
    assert_eq!(patched.problems, Vec::<String>::new());
    let expected = fixed().replace("import os", "import sys");
    assert_eq!(
        patched.edits,
        [
            ("src/calc.py".to_owned(), Some(expected.into_bytes())),
            ("src/dos.py".to_owned(), Some(b"a = 1\r\nb = 3\r\nb += 1\r\nc = 3".to_vec())),
        ]
    );
}

#[test]
fn line_endings_marks_and_the_files_end_are_kept() {
    assert_eq!(
        text("src/dos.py\n<<<<<<< SEARCH\nc = 3\n=======\nc = 4\n>>>>>>> REPLACE", "src/dos.py"),
        "a = 1\r\nb = 2\r\nc = 4"
    );
    assert_eq!(text("src/dos.py\n```\na = 1\nb = 2\nc = 5\n```", "src/dos.py"), "a = 1\r\nb = 2\r\nc = 5");
    assert_eq!(
        text("src/bom.py\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE", "src/bom.py"),
        "\u{feff}x = 2\ny = 2\n"
    );
}

#[test]
fn line_numbers_of_the_evidence_are_no_part_of_a_file() {
    for new in [format!(">    6 | {NEW}"), NEW.to_owned()] {
        let reply = format!(
            "src/calc.py\n<<<<<<< SEARCH\n     5 |     total = sum(values)\n>    6 | {OLD}\n=======\n     5 |     total = sum(values)\n{new}\n>>>>>>> REPLACE"
        );
        assert_eq!(text(&reply, "src/calc.py"), fixed());
    }
}

#[test]
fn an_underlined_title_is_no_divider() {
    let reply = "docs/notes.md\n<<<<<<< SEARCH\nTitle\n=======\n\ntext\n=======\nTitle\n=======\n\nmore\n>>>>>>> REPLACE";
    assert_eq!(text(reply, "docs/notes.md"), "Title\n=======\n\nmore\n");
}

#[test]
fn what_cannot_be_applied_says_why_and_changes_nothing() {
    let sr = |path: &str, old: &str, new: &str| {
        format!("{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n")
    };
    let cases = [
        (String::new(), "is empty"),
        ("I think the function should check for None.".to_owned(), "holds no edit"),
        ("```python\nreturn 1\n```".to_owned(), "holds no edit"),
        (sr("../../etc/passwd", "root", "toor"), "outside the repository"),
        (sr("/etc/passwd", "root", "toor"), "outside the repository"),
        (sr("src/new.py", "x", "y"), "no file of the repository"),
        (sr("src/bin.py", "x", "y"), "no UTF-8"),
        (sr("src/calc.py", "    total = sum(values)", "    total = 1"), "found 2 times (at lines 5, 10)"),
        (sr("src/calc.py", "    total = sum(values)\n    return min(values)", "x"), "line 6 of the file is `return total / len(values)`, not `return min(values)`"),
        (sr("src/calc.py", "nowhere = 1", "x"), "not found"),
        (sr("src/calc.py", "", "x"), "empty search part"),
        (sr("src/calc.py", OLD, OLD), "change nothing"),
        ("src/calc.py\n<<<<<<< SEARCH\nimport os\n=======\nimport sys".to_owned(), "cut off"),
        ("src/calc.py\n<<<<<<< SEARCH\nimport os\n>>>>>>> REPLACE".to_owned(), "no `=======`"),
        ("```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -5 +5 @@\n-    total = 0\n+    total = 1\n```".to_owned(), "not found"),
        ("```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -7 +7 @@\n-    total = sum(values)\n+    total = 1\n```".to_owned(), "found 2 times"),
        ("```diff\n--- /dev/null\n+++ b/src/new.py\n@@ -0,0 +1 @@\n+x = 1\n```".to_owned(), "no file of the repository"),
        ("```diff\n--- a/src/calc.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-import os\n-\n```".to_owned(), "would delete"),
        ("```diff\n--- a/src/calc.py\n+++ b/src/dos.py\n@@ -1 +1 @@\n-import os\n+import sys\n```".to_owned(), "would rename"),
        ("```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -3,0 +4 @@\n+x = 1\n```".to_owned(), "no context"),
        (format!("src/calc.py\n```python\n# ... existing code ...\n{NEW}\n```"), "excerpt"),
    ];
    for (reply, why) in cases {
        let patched = run(&reply);
        assert_eq!(patched.edits, Vec::new(), "{reply}");
        assert!(patched.problems.iter().any(|p| p.contains(why)), "{why}: {:?}\n{reply}", patched.problems);
    }
}

#[test]
fn a_right_line_number_or_function_tells_two_places_apart() {
    let expected = CALC.replace("sum(values)\n    return max", "0\n    return max");
    for header in ["@@ -10 +10 @@", "@@ -99 +99 @@ def top(values):", "@@ def top(values):"] {
        let reply = format!(
            "```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n{header}\n-    total = sum(values)\n+    total = 0\n```"
        );
        assert_eq!(text(&reply, "src/calc.py"), expected, "{header}");
    }
}

#[test]
fn a_failed_block_takes_the_others_with_it_and_a_foreign_one_does_not() {
    let good = format!("src/calc.py\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n");
    let failed = run(&format!("{good}<<<<<<< SEARCH\nnot there\n=======\nx\n>>>>>>> REPLACE\n"));
    assert_eq!((failed.edits.len(), failed.problems.len()), (0, 1), "{failed:?}");
    let foreign = run(&format!("{good}tests/test_new.py\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"));
    assert_eq!((foreign.edits.len(), foreign.problems.len()), (1, 1), "{foreign:?}");
}

proptest! {
    #[test]
    fn never_panics_and_never_leaves_the_list(
        pieces in prop::collection::vec(prop_oneof![
            "\\PC{0,20}",
            Just("src/calc.py".to_owned()), Just("<<<<<<< SEARCH".to_owned()), Just("=======".to_owned()),
            Just(">>>>>>> REPLACE".to_owned()), Just("```diff".to_owned()), Just("```".to_owned()),
            Just("--- a/src/calc.py".to_owned()), Just("+++ b/src/calc.py".to_owned()), Just("@@ -1 +1 @@".to_owned()),
            Just("+++ /dev/null".to_owned()), Just(OLD.to_owned()), Just(format!("-{OLD}")), Just("+é".to_owned()),
            Just(String::new()), Just("\\ No newline".to_owned()), Just("../x.py".to_owned()), Just("@@".to_owned()),
        ], 0..30),
        crlf in any::<bool>(),
    ) {
        let patched = run(&pieces.join(if crlf { "\r\n" } else { "\n" }));
        let repo = repo();
        for (path, content) in &patched.edits {
            prop_assert!(repo.contains_key(path));
            prop_assert!(content.is_some());
        }
        prop_assert!(!patched.edits.is_empty() || !patched.problems.is_empty());
    }
}

/// Replies that make a reader look at the same lines again and again. Each takes milliseconds where the work grows with
/// the reply, and minutes where it grows with its square.
#[test]
fn the_work_grows_with_the_reply_alone() {
    let block = "src/calc.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n";
    for (unit, around) in [
        ("```py\n", ""),
        ("```py\n", "~~~\n<<<<<<< SEARCH\n```\n"),
        ("```py\n~~~\n", "````\n"),
        ("<<<<<<< SEARCH\n", ""),
        ("=======\n", ">>>>>>> REPLACE\n"),
        ("@@\n-a\n", ""),
        ("--- a/x\n+++ b/y\n", ""),
        ("```py src/calc.py\nx\n```\n", ""),
        (block, ""),
        ("\n", block),
        ("`", ""),
        ("-\n", ""),
    ] {
        let reply = format!("src/calc.py\n<<<<<<< SEARCH\n{}{around}", unit.repeat(MAX_REPLY / unit.len()));
        for reply in [reply.as_str(), &reply[27..]] {
            let patched = run(reply);
            assert!(!patched.problems.is_empty() && patched.problems.len() < 200, "{unit:?}");
            assert_eq!(patched.edits, [], "{unit:?}");
        }
    }
}

#[test]
fn a_whole_file_of_many_lines_is_laid_over_another_in_one_pass() {
    let old: String = (0..200_000).map(|i| format!("a{i}\n")).collect();
    let new: String = (0..60_000).map(|i| format!("b{i}\n")).collect();
    let files = ["big.py".to_owned()];
    let reply = format!("big.py\n```\n{}{new}```\n", "x\n".repeat(45_000));
    let read = |_: &str| Some(old.as_bytes()[..old.len() / 2].to_vec());
    let patched = edits(&reply, &Base { files: &files, prefer: &[], read: &read });
    let [(_, Some(content))] = patched.edits.as_slice() else { panic!("{:?}", patched.problems) };
    assert!(content.ends_with(b"b59999") && content.starts_with(b"x\nx\n"));
}
