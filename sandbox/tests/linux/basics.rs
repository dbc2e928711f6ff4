//! What an honest command sees.

use std::collections::BTreeSet;
use std::time::Duration;

use prunella_sandbox::{End, File, Isolation, Network};

use super::common::{private_python, python, root, shell};

#[test]
fn a_command_runs_and_its_output_and_status_come_back() {
    let report = shell("echo out; echo err >&2; cat a.txt; exit 3").run();
    assert_eq!(report.end, End::Exited { code: 3 });
    assert_eq!(report.stdout.text(), "out\nalpha\n");
    assert_eq!(report.stderr.text(), "err\n");
    match report.isolation {
        Isolation::Full => assert!(root()),
        Isolation::Reduced { missing } => {
            assert!(missing.iter().all(|what| what.contains("control group")), "{missing:?}");
        }
        Isolation::None => panic!("no isolation"),
    }
}

#[test]
fn a_command_starts_in_its_folder_with_no_input_and_no_other_descriptor() {
    let mut case = shell("pwd; cat; ls /proc/self/fd | tr '\\n' ' '");
    case.job.cwd = "pkg/inner".into();
    // The fourth is the listing's own.
    assert_eq!(case.output(), "/repo/pkg/inner\n0 1 2 3 ");
}

#[test]
fn what_a_command_is_to_read_lies_in_no_file() {
    let mut case = shell("cat | wc -c; cat | wc -c; find /tmp /home /dev/shm -type f");
    case.job.input = vec![b'x'; 3 << 20];
    assert_eq!(case.output(), "3145728\n0\n");
}

#[test]
fn the_environment_is_the_base_and_what_the_job_adds() {
    let mut case = shell("env");
    case.job.env.insert("ADDED".into(), "by the job".into());
    let output = case.output();
    let names: BTreeSet<&str> = output.lines().filter_map(|line| line.split('=').next()).collect();
    let expected = [
        "ADDED",
        "CI",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "PRUNELLA_FILES",
        "PRUNELLA_REPO",
        "PWD",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONNOUSERSITE",
        "SOURCE_DATE_EPOCH",
        "TMPDIR",
        "TZ",
        "USER",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    assert!(output.contains("ADDED=by the job\n"));
}

#[test]
fn a_toolchain_under_a_private_home_can_be_used() {
    let Some((program, mounts)) = private_python().filter(|_| root()) else { return };
    let mut case = shell("");
    case.job.argv = vec![program, "-c".into(), "import json, ssl, sqlite3; print(json.dumps([1]))".into()];
    case.job.mounts = mounts;
    assert_eq!(case.output(), "[1]\n");
}

#[test]
fn temporary_places_can_be_written_and_are_private() {
    let case =
        shell("for d in /tmp /var/tmp /home/sbx /dev/shm /repo; do echo x > $d/f && cat $d/f; done; ls /tmp");
    assert_eq!(case.output(), "x\nx\nx\nx\nx\nf\n");
}

#[test]
fn files_of_ours_can_be_read_and_not_changed() {
    let mut case =
        shell("cat /prunella/note; echo x > /prunella/note; rm -f /prunella/note; cat /prunella/note");
    case.job.files.push(File { name: "note".into(), content: b"ours\n".to_vec() });
    assert_eq!(case.output(), "ours\nours\n");
}

#[test]
fn records_come_over_their_own_channel() {
    let mut case = shell("echo noise; eval \"printf 'one\\ntwo\\n' >&$PRUNELLA_FD\"");
    case.job.channel = true;
    let report = case.run();
    assert_eq!(String::from_utf8_lossy(&report.channel), "one\ntwo\n");
    assert_eq!(report.stdout.text(), "noise\n");
}

#[test]
fn a_large_job_gets_across() {
    let mut case = shell("cat /prunella/big | wc -c; wc -c < big/edit");
    case.job.files.push(File { name: "big".into(), content: vec![b'x'; 3 << 20] });
    case.job.edits.push(prunella_sandbox::Edit {
        path: "big/edit".into(),
        content: Some(vec![b'y'; 2 << 20]),
        executable: false,
    });
    assert_eq!(case.output(), format!("{}\n{}\n", 3 << 20, 2 << 20));
}

#[test]
fn the_private_loopback_works_when_asked_for() {
    let script = "
import socket
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
client = socket.create_connection(server.getsockname(), timeout=5)
server.accept()[0].sendall(b'hello'); print(client.recv(5).decode())
";
    let mut case = python(script);
    case.job.network = Network::Loopback;
    assert_eq!(case.output(), "hello\n");
}

#[test]
fn usage_is_told() {
    let usage = python("import time\nwhile time.process_time() < 0.2: pass").run().usage;
    assert!(usage.cpu_ms >= 190 && usage.wall_ms >= 190, "{usage:?}");
    assert!(usage.peak_memory > 1 << 20, "{usage:?}");
}

#[test]
fn jobs_run_side_by_side() {
    std::thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let mut case = shell(&format!("echo {number} > out; cat out; ls /tmp"));
                case.job.limits.wall = Duration::from_secs(30);
                assert_eq!(case.output(), format!("{number}\n"));
            });
        }
    });
}
