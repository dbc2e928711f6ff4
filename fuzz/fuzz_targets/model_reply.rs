#![no_main]
//! Replies of a model: edits of files that are there, or problems in words.

use libfuzzer_sys::fuzz_target;
use prunella_nodes::patch::{Base, edits, python_error, unified_diff};

const A: &str = "def f(x):\n    return x['a']\n\n\ndef g(x):\n    return x + 1\n";
const B: &str = "# \u{e9}\r\nx = 1\r\nx = 1";

fuzz_target!(|reply: &str| {
    let files: Vec<String> = ["app/a.py", "app/b.py", "tests/test_a.py"].map(str::to_owned).into();
    let read = |path: &str| match path {
        "app/a.py" => Some(A.as_bytes().to_vec()),
        "app/b.py" => Some(B.as_bytes().to_vec()),
        _ => None,
    };
    let patched = edits(reply, &Base { files: &files, prefer: &files[..2], read: &read });
    assert!(!patched.edits.is_empty() || !patched.problems.is_empty(), "nothing happens without a word");
    for (path, content) in &patched.edits {
        assert!(files.contains(path), "{path}");
        let text = String::from_utf8(content.clone().expect("nothing is deleted")).expect("text stays text");
        let _ = unified_diff(path, A, &text);
        let _ = python_error(&text);
    }
});
