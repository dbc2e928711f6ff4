//! How containers end, and what is done about them.

use std::time::{Duration, Instant};

use prunella_sandbox::{ContainerSandbox, Edit, End, File, Isolation, Probe, Sandbox};

use super::stand_in::{StandIn, shell};

#[test]
fn a_job_runs_over_a_copy_and_its_changes_are_told() {
    let stand_in = StandIn::new();
    let (tree, mut job) = shell("cat a.txt; echo err >&2; echo new > a.txt; echo x > b; exit 3");
    job.edits = vec![Edit { path: "a.txt".into(), content: Some(b"edited\n".to_vec()), executable: false }];
    let report = stand_in.sandbox().run(&job);
    assert_eq!(report.end, End::Exited { code: 3 });
    assert_eq!((report.stdout.text(), report.stderr.text()), ("edited\n".into(), "err\n".into()));
    let changed: Vec<_> = report.changed.iter().map(|change| (change.how, change.path.as_str())).collect();
    assert_eq!(changed, [("changed", "a.txt"), ("added", "b")]);
    assert_eq!(std::fs::read_to_string(tree.path().join("a.txt")).unwrap(), "alpha\n");
    let Isolation::Reduced { missing } = report.isolation else { panic!("{:?}", report.isolation) };
    assert!(missing.iter().any(|part| part.contains("disk")), "{missing:?}");
    assert!(stand_in.get("log").contains("rm --force --volumes prunella-"), "{}", stand_in.get("log"));
    assert!(!stand_in.get("log").contains("kill"));
}

#[test]
fn a_job_reads_its_input_to_the_end() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell("cat; cat");
    job.input = b"one\ntwo\n".to_vec();
    assert_eq!(stand_in.sandbox().run(&job).stdout.text(), "one\ntwo\n");
    assert!(stand_in.get("words").contains("\n--interactive\n"));
    job.input.clear();
    assert_eq!(stand_in.sandbox().run(&job).stdout.text(), "");
    assert!(!stand_in.get("words").contains("--interactive"));
}

#[test]
fn what_a_killed_owner_left_is_swept_away_at_the_next_start() {
    let stand_in = StandIn::new();
    let (_tree, job) = shell("true");
    assert_eq!(stand_in.sandbox().run(&job).end, End::Exited { code: 0 });
    let words = stand_in.get("words");
    let (place, _) =
        words.lines().find_map(|line| line.strip_prefix("prunella.owner=")?.split_once(':')).unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let living = std::process::id();
    stand_in.put(
        "left",
        &format!(
            "prunella-dead {place}:{dead}\nprunella-living {place}:{living}\nprunella-elsewhere other:{dead}\n\
             somebodys {place}:{dead}\nprunella-../x {place}:{dead}\nprunella-unowned \n"
        ),
    );
    let copy = std::env::temp_dir().join("prunella-dead");
    std::fs::create_dir_all(copy.join("repo")).unwrap();
    stand_in.put("log", "");
    let sandbox = stand_in.sandbox();
    assert_eq!(sandbox.run(&job).end, End::Exited { code: 0 });
    assert_eq!(sandbox.run(&job).end, End::Exited { code: 0 });
    let log = stand_in.get("log");
    assert_eq!(log.matches("rm --force --volumes prunella-dead\n").count(), 1, "once a start: {log}");
    for kept in ["living", "elsewhere", "somebodys", "../x", "unowned"] {
        assert!(!log.contains(kept), "{kept}: {log}");
    }
    assert!(!copy.exists());
}

#[test]
fn the_channel_is_the_first_stream_and_what_is_printed_the_second() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell("echo printed; echo record >&$PRUNELLA_FD; echo complaint >&2");
    job.channel = true;
    let report = stand_in.sandbox().run(&job);
    assert_eq!(report.end, End::Exited { code: 0 });
    assert_eq!(report.channel, b"record\n");
    assert_eq!((report.stdout.text(), report.stderr.text()), (String::new(), "printed\ncomplaint\n".into()));
    job.channel = false;
    job.argv = ["sh", "-c", "echo ${PRUNELLA_FD-unset}"].map(str::to_owned).to_vec();
    assert_eq!(stand_in.sandbox().run(&job).stdout.text(), "unset\n");
}

#[test]
fn what_does_not_end_is_killed_by_its_name() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell("echo begun; trap '' TERM INT; sleep 60 & sleep 60");
    job.limits.wall = Duration::from_millis(500);
    let began = Instant::now();
    let report = stand_in.sandbox().run(&job);
    assert_eq!(report.end, End::TimedOut);
    assert_eq!(report.stdout.text(), "begun\n");
    assert!(began.elapsed() < Duration::from_secs(20));
    let log = stand_in.get("log");
    assert!(log.starts_with("kill --signal KILL prunella-") && log.contains("rm --force"), "{log}");
}

#[test]
fn endless_output_and_a_full_disk_end_it() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell(
        "n=0; while [ $n -lt 3000000 ]; do n=$((n+1)); echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
    );
    job.limits.output_max = 1 << 20;
    assert_eq!(stand_in.sandbox().run(&job).end, End::OutputLimit);
    let (_tree, mut job) =
        shell("n=0; while [ $n -lt 300 ]; do n=$((n+1)); head -c 1000000 /dev/zero > $n; done; sleep 60");
    job.limits.disk = 20 << 20;
    assert_eq!(stand_in.sandbox().run(&job).end, End::DiskLimit);
}

#[test]
fn a_container_that_cannot_be_ended_is_told_with_its_name() {
    let stand_in = StandIn::new();
    stand_in.put("stuck", "");
    let (_tree, job) = shell("true");
    let End::CouldNotStart { message, remedy, .. } = stand_in.sandbox().run(&job).end else {
        panic!("it ended")
    };
    assert!(message.contains("could not be taken away: Error response from daemon: stuck"), "{message}");
    assert!(remedy.contains("rm --force prunella-"), "{remedy}");
}

#[test]
fn a_status_is_told_for_what_it_is() {
    let stand_in = StandIn::new();
    for (script, end) in [
        ("touch oom; exit 137", End::OutOfMemory),
        ("exit 137", End::Signalled { signal: 9 }),
        ("exit 152", End::CpuTimedOut),
        ("exit 153", End::DiskLimit),
        ("exit 127", End::Exited { code: 127 }),
        ("exit 125", End::Exited { code: 125 }),
        ("echo x >> tests/t.txt", End::Denied { what: "writing to the protected tests/t.txt".into() }),
    ] {
        let (_tree, mut job) = shell(script);
        job.protect = vec!["tests".into()];
        assert_eq!(stand_in.sandbox().run(&job).end, end, "{script}");
    }
}

#[test]
fn a_command_that_is_not_there_is_no_failure_of_the_sandbox() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell("");
    job.argv = vec!["no-such-program".into()];
    assert!(matches!(stand_in.sandbox().run(&job).end, End::CouldNotStart { step, .. } if step == "exec"));
}

#[test]
fn what_cannot_start_says_why_and_what_to_do() {
    let could_not = |sandbox: &ContainerSandbox| {
        let (_tree, job) = shell("true");
        match sandbox.run(&job).end {
            End::CouldNotStart { step, message, remedy } => format!("{step}: {message}; {remedy}"),
            other => panic!("{other:?}"),
        }
    };
    let stand_in = StandIn::new();
    assert!(matches!(stand_in.sandbox().probe(), Probe::Reduced(_)));
    let without = could_not(&ContainerSandbox::new(None).with_engine(stand_in.program()));
    assert!(
        without.starts_with("image: no image is named") && without.contains("--container-image"),
        "{without}"
    );
    let other = ContainerSandbox::new(Some("other:2".into())).with_engine(stand_in.program());
    assert!(could_not(&other).contains("pull it first: `docker pull other:2`"));
    assert!(matches!(other.probe(), Probe::Unavailable { .. }));
    stand_in.put("broken", "");
    let broken = could_not(&stand_in.sandbox());
    assert!(broken.starts_with("engine: docker: Error response from daemon: no space"), "{broken}");
    stand_in.put("down", "");
    let down = could_not(&stand_in.sandbox());
    assert!(
        down.contains("Cannot connect to the Docker daemon") && down.contains("start the engine"),
        "{down}"
    );
    let gone = could_not(&ContainerSandbox::new(Some("good:1".into())).with_engine("/no/such/engine"));
    assert!(gone.starts_with("engine: /no/such/engine does not answer"), "{gone}");
}

#[test]
fn files_of_ours_are_given_along() {
    let stand_in = StandIn::new();
    let (_tree, mut job) = shell("true");
    job.files = vec![File { name: "note".into(), content: b"ours".to_vec() }];
    assert_eq!(stand_in.sandbox().run(&job).end, End::Exited { code: 0 });
    job.files = vec![File { name: "../note".into(), content: Vec::new() }];
    assert!(matches!(stand_in.sandbox().run(&job).end, End::CouldNotStart { step, .. } if step == "set-up"));
}
