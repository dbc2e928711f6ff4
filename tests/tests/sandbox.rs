//! `prunella sandbox run` by itself, and what is said where there is no sandbox to be had.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use prunella_tests::{Outcome, Prunella};
use serde_json::Value;

/// A folder that is no repository.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("a.txt"), "alpha\n").unwrap();
    dir
}

/// The report of `sandbox run` with these flags over a folder.
fn report(flags: &[&str], script: &str, code: i32) -> Value {
    let dir = folder();
    let mut args = vec!["sandbox", "run", "--repo", dir.path().to_str().unwrap(), "--json"];
    args.extend(flags);
    args.extend(["--", "sh", "-c", script]);
    let json = Prunella::new().run(&args).code(code).json();
    assert_eq!(json["format"], 1);
    json["report"].clone()
}

#[test]
fn a_command_is_told_whole() {
    let script = "cat a.txt; echo oops >&2; echo more >> a.txt; echo new > b.txt";
    let report = report(&[], script, 0);
    assert_eq!(report["end"], serde_json::json!({"how": "exited", "code": 0}));
    assert_eq!(report["stdout"], serde_json::json!({"kept": "alpha\n", "dropped": 0}));
    assert_eq!(report["stderr"]["kept"], "oops\n");
    assert_eq!(
        report["changed"],
        serde_json::json!([{"path": "a.txt", "how": "changed"}, {"path": "b.txt", "how": "added"}])
    );
    assert!(["full", "reduced"].contains(&report["isolation"]["level"].as_str().unwrap()), "{report}");
    for key in ["wall_ms", "cpu_ms", "peak_memory"] {
        assert!(report["usage"][key].is_u64(), "{report}");
    }
}

#[test]
fn a_command_that_fails_is_ten_with_its_own_status_in_the_report() {
    assert_eq!(report(&[], "exit 3", 10)["end"], serde_json::json!({"how": "exited", "code": 3}));
    assert_eq!(
        report(&[], "kill -SEGV $$", 10)["end"],
        serde_json::json!({"how": "signalled", "signal": 11})
    );
}

#[test]
fn every_limit_can_be_set() {
    for (flags, script, how) in [
        (["--wall", "1"], "sleep 3600", "timed_out"),
        (["--cpu", "1"], "while :; do :; done", "cpu_timed_out"),
        (["--memory", "64"], "exec tail /dev/zero", "out_of_memory"),
        (["--output", "1"], "exec yes", "output_limit"),
        (["--disk", "4"], "exec cat /dev/zero > big", "disk_limit"),
    ] {
        assert_eq!(report(&flags, script, 10)["end"]["how"], how, "{flags:?}");
    }
    let script = "i=0; while [ $i -lt 30 ]; do sleep 60 & i=$((i+1)); done; echo all";
    let few = report(&["--processes", "8"], script, 10);
    assert!(few["stderr"]["kept"].as_str().unwrap().contains("fork"), "{few}");
    assert_eq!(report(&["--processes", "64"], script, 0)["stdout"]["kept"], "all\n");
}

#[test]
fn a_limit_of_nothing_is_a_usage_error() {
    for flag in ["--wall", "--cpu", "--memory", "--processes", "--output", "--disk"] {
        for value in ["0", "-1", "x", "99999999999999999999"] {
            let argument = format!("{flag}={value}");
            let outcome = Prunella::new().run(&["sandbox", "run", &argument, "--", "true"]).code(2);
            assert!(outcome.stderr.contains(flag), "{}", outcome.stderr);
        }
    }
}

/// Somebody who runs the program: root, or a user without a single privilege.
struct Who {
    uid: Option<u32>,
    place: tempfile::TempDir,
}

impl Who {
    fn all() -> Vec<Self> {
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut all = vec![Self { uid: None, place: tempfile::tempdir().unwrap() }];
        if root {
            let place = tempfile::tempdir().unwrap();
            chown(place.path(), Some(65534), Some(65534)).unwrap();
            all.push(Self { uid: Some(65534), place });
        }
        all
    }

    /// The program with `args`, the binaries where this user can read them.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Prunella::new().command(args);
        let binaries = PathBuf::from(command.get_program());
        let own = self.place.path().join("bin");
        if !own.exists() {
            fs::create_dir(&own).unwrap();
            for name in ["prunella", "sandbox-init"] {
                fs::copy(binaries.with_file_name(name), own.join(name)).unwrap();
            }
        }
        let mut here = Command::new(own.join("prunella"));
        here.args(args).env_clear().current_dir(self.place.path()).env("HOME", self.place.path());
        for (name, value) in command.env("PRUNELLA_STORE", self.place.path().join("store")).get_envs() {
            if let (false, Some(value)) = (name == "HOME", value) {
                here.env(name, value);
            }
        }
        if let Some(uid) = self.uid {
            here.uid(uid).gid(uid);
        }
        here
    }
}

fn outcome(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `command` behind the filter that container engines put around theirs: no call that makes or enters a namespace,
/// and none whose flags a filter cannot see.
fn blocked(command: Command, errno: i32) -> Outcome {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    // A filter is for good, and every child of its thread has it.
    let behind = std::thread::spawn(move || {
        let new = [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWPID, libc::CLONE_NEWNET];
        let asks_for = |flag: i32| {
            let flag = u64::from(flag.unsigned_abs());
            let condition =
                SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)
                    .unwrap();
            SeccompRule::new(vec![condition]).unwrap()
        };
        let apply = |rules: Vec<(i64, Vec<SeccompRule>)>, errno: i32| {
            let arch = std::env::consts::ARCH.try_into().unwrap();
            let action = SeccompAction::Errno(errno.unsigned_abs());
            let filter = SeccompFilter::new(rules.into_iter().collect(), SeccompAction::Allow, action, arch);
            let program: BpfProgram = filter.unwrap().try_into().unwrap();
            seccompiler::apply_filter(&program).unwrap();
        };
        apply(vec![(libc::SYS_clone3, Vec::new())], libc::ENOSYS);
        apply(
            vec![
                (libc::SYS_unshare, Vec::new()),
                (libc::SYS_setns, Vec::new()),
                (libc::SYS_mount, Vec::new()),
                (libc::SYS_clone, new.map(asks_for).into()),
            ],
            errno,
        );
        outcome(command)
    });
    behind.join().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn where_namespaces_are_blocked_everybody_says_what_to_do() {
    let dir = folder();
    let log = dir.path().join("app.log");
    fs::write(&log, "Traceback (most recent call last):\n  File \"/srv/calc.py\", line 2, in half\n    return n[\"whole\"] / 2\nKeyError: 'whole'\n").unwrap();
    for who in Who::all() {
        // Docker answers with EPERM, an older sandboxed kernel knows none of it.
        for errno in [libc::EPERM, libc::ENOSYS, libc::EINVAL] {
            let told = |outcome: Outcome| {
                let outcome = outcome.code(31);
                let text = &outcome.stderr;
                assert!(text.contains("namespace"), "{:?} {errno}: {text}", who.uid);
                assert!(
                    text.contains("seccomp=unconfined") && text.contains("sysctl"),
                    "{:?} {errno}: {text}",
                    who.uid
                );
                assert!(!text.contains("panicked"), "{text}");
                outcome
            };
            let doctor = told(blocked(who.command(&["doctor", "--json"]), errno));
            let json = doctor.json();
            assert_eq!(json["sandbox"]["level"], "unavailable", "{json}");
            let run = ["sandbox", "run", "--repo", path(dir.path()), "--", "sh", "-c", "echo ran"];
            let outcome = told(blocked(who.command(&run), errno));
            assert_eq!(outcome.stdout, "", "it ran all the same");
        }
        if who.uid.is_some() {
            // The interpreter of these tests may lie in a home that only its owner can enter.
            continue;
        }
        let repo = who.place.path().join("repo");
        repository(&repo, who.uid);
        let run = ["run", "self-heal", "--incident", path(&log), "--repo", path(&repo)];
        let outcome = blocked(who.command(&run), libc::EPERM).code(31);
        assert!(outcome.stderr.contains("seccomp=unconfined"), "{}", outcome.stderr);
    }
}

/// A repository with the incident's bug and a test, which belongs to `uid`.
fn repository(at: &Path, uid: Option<u32>) {
    fs::create_dir(at).unwrap();
    fs::write(at.join("calc.py"), "def half(n):\n    return n[\"whole\"] / 2\n").unwrap();
    fs::write(
        at.join("test_calc.py"),
        "import unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        pass\n",
    )
    .unwrap();
    if let Some(uid) = uid {
        for path in [at.to_owned(), at.join("calc.py"), at.join("test_calc.py")] {
            chown(path, Some(uid), Some(uid)).unwrap();
        }
    }
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "one"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@localhost"])
            .args(args)
            .current_dir(at)
            .env("HOME", at);
        if let Some(uid) = uid {
            git.uid(uid).gid(uid);
        }
        assert!(git.status().unwrap().success(), "git {args:?}");
    }
}

#[test]
fn what_cannot_be_enforced_is_said_before_and_after() {
    let dir = folder();
    for who in Who::all() {
        let doctor = outcome(who.command(&["doctor", "--json"])).code(0).json();
        let run = ["sandbox", "run", "--repo", path(dir.path()), "--json", "--", "true"];
        let report = outcome(who.command(&run)).code(0).json();
        assert_eq!(doctor["sandbox"], report["report"]["isolation"], "{:?}", who.uid);
        if who.uid.is_some() && doctor["sandbox"]["level"] == "reduced" {
            let missing = doctor["sandbox"]["missing"].as_array().unwrap();
            assert!(
                missing.iter().all(|what| what.as_str().unwrap().contains("control group")),
                "{missing:?}"
            );
            // And to a person.
            let said = outcome(who.command(&["doctor"])).code(0).stdout;
            assert!(said.contains("reduced: without a control group"), "{said}");
        }
    }
}
