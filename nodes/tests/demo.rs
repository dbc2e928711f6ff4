//! The shipped demo is true: its tests pass, its job dies, and the log holds what the job really prints.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test lays out and runs real files"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../graphs/demo")
}

fn python(args: &[&str]) -> Output {
    let mut python = Command::new("python3");
    python.args(args).current_dir(demo().join("repo")).env_remove("PYTHONPATH");
    python.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("python3 is on the PATH")
}

/// The tracebacks of `text` that have a frame in `folder`: without the lines that mark a part of the source,
/// which older and newer interpreters draw differently.
fn tracebacks(text: &str, folder: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("Traceback (most recent call last):") {
            found.push(String::new());
            inside = true;
        }
        let marks = !line.trim().is_empty() && line.chars().all(|c| " ~^".contains(c));
        if let Some(last) = found.last_mut().filter(|_| inside && !marks) {
            last.push_str(&line.replace(folder, "/srv/app"));
            last.push('\n');
        }
        inside &= line.starts_with("Traceback") || line.starts_with(' ');
    }
    found.retain(|one| one.contains("\"/srv/app/"));
    found
}

#[test]
fn the_log_holds_what_the_job_prints() {
    let out = python(&["close_month.py"]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(out.stdout.is_empty(), "no letter is printed: {out:?}");
    let folder = demo().join("repo").canonicalize().unwrap();
    let printed = tracebacks(&String::from_utf8(out.stderr).unwrap(), folder.to_str().unwrap());
    assert_eq!(printed.len(), 1, "{printed:?}");
    let log = std::fs::read_to_string(demo().join("incident.log")).unwrap();
    assert_eq!(tracebacks(&log, "/srv/app"), [printed[0].clone(), printed[0].clone()]);
    assert_eq!(log.matches("Traceback").count(), 5, "three incidents, one twice and one chained");
}

#[test]
fn all_tests_of_the_service_pass() {
    let out = python(&["-m", "unittest"]);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{text}");
    assert!(text.contains("Ran 16 tests"), "{text}");
}

#[test]
fn the_description_names_files_that_are_there() {
    let text = std::fs::read_to_string(demo().join("demo.json")).unwrap();
    let demo_json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for key in ["repo", "incident"] {
        assert!(demo().join(demo_json[key].as_str().unwrap()).exists(), "{key}");
    }
}
