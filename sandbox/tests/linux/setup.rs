//! Starting: what is refused, what cannot be had, who starts it, and what stays when the launcher is killed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prunella_sandbox::{End, Isolation, LinuxSandbox, Mount, Probe, Sandbox};

use super::common::{alive, root, sandbox, shell};

fn refusal(end: End) -> (String, String, String) {
    match end {
        End::CouldNotStart { step, message, remedy } => (step, message, remedy),
        other => panic!("it ran: {other:?}"),
    }
}

#[test]
fn a_trial_says_what_can_be_had() {
    match sandbox().probe() {
        Probe::Full => assert!(root()),
        Probe::Reduced(missing) => {
            assert!(missing.iter().all(|what| what.contains("control group")), "{missing:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_helper_is_found_or_built() {
    let probe = prunella_sandbox::testing::sandbox().probe();
    assert!(!matches!(probe, Probe::Unavailable { .. }), "{probe:?}");
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let mut case = shell("");
    case.job.argv = vec!["no-such-command".into()];
    let report = case.run();
    assert_eq!(report.isolation, Isolation::None);
    let (step, message, remedy) = refusal(report.end);
    assert_eq!(step, "exec");
    assert!(message.contains("no-such-command") && remedy.contains("PATH"), "{message} {remedy}");
    case.job.argv = Vec::new();
    assert_eq!(refusal(case.run().end).0, "job");
}

#[test]
fn a_helper_that_is_none_is_told() {
    let case = shell("true");
    for program in ["/no/such/helper", "/bin/true", "/bin/echo"] {
        let (step, message, _) = refusal(LinuxSandbox::new().with_helper(program, &["x"]).run(&case.job).end);
        assert_eq!(step, "helper", "{program}: {message}");
    }
}

#[test]
fn mounts_that_would_show_too_much_are_refused() {
    let home = std::env::home_dir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join(".ssh");
    fs::create_dir(&secret).unwrap();
    let place = folder.path();
    for (host, guest) in [
        (home.as_path(), home.as_path()),
        (Path::new("/"), Path::new("/host")),
        (Path::new("/etc"), Path::new("/etc")),
        (Path::new("/proc"), Path::new("/p")),
        (&secret, Path::new("/keys")),
        (place, Path::new("/proc/x")),
        (place, Path::new("/")),
        (place, Path::new("/repo/x")),
        (place, Path::new("relative")),
        (place, Path::new("/a/../b")),
        (Path::new("/no/such/folder"), Path::new("/x")),
    ] {
        if !host.exists() && !host.starts_with("/no") {
            continue;
        }
        let mut case = shell("true");
        case.job.mounts.push(Mount { host: host.into(), guest: guest.into() });
        let (step, message, _) = refusal(case.run().end);
        assert_eq!(step, "job", "{} at {}: {message}", host.display(), guest.display());
    }
}

#[test]
fn a_mount_is_seen_at_its_place_and_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tool"), "content\n").unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut case =
        shell("cat /opt/tools/v1/tool /single; echo x > /opt/tools/v1/new; echo x > /opt/tools/new; true");
    case.job.mounts = vec![
        Mount { host: folder.path().into(), guest: "/opt/tools/v1".into() },
        Mount { host: folder.path().join("tool"), guest: "/single".into() },
    ];
    assert_eq!(case.output(), "content\ncontent\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn secrets_of_this_process_are_not_passed_on() {
    // What looks like a secret here, if anything does; its value may not go in under another name.
    let found = std::env::vars().find(|(name, value)| name.ends_with("_TOKEN") && value.len() >= 8);
    let Some((_, value)) = found else { return };
    let mut case = shell("env");
    case.job.env.insert("INNOCENT".into(), value);
    assert_eq!(refusal(case.run().end).0, "job");
}

/// Namespaces are forbidden the way container engines do it: by a filter that every child inherits.
#[test]
fn forbidden_namespaces_are_told_with_what_to_do() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let case = shell("echo ran");
    let (probe, report) = std::thread::spawn(move || {
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let rules = [(libc::SYS_unshare, Vec::new())].into_iter().collect();
        let action = SeccompAction::Errno(libc::EPERM as u32);
        let filter: BpfProgram =
            SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap().try_into().unwrap();
        seccompiler::apply_filter(&filter).unwrap();
        // The thread that starts helpers inherits the filter, too.
        (sandbox().probe(), sandbox().run(&case.job))
    })
    .join()
    .unwrap();
    assert_eq!((report.isolation, report.stdout.kept.len()), (Isolation::None, 0));
    let (step, message, remedy) = refusal(report.end);
    assert!(step.contains("namespace"), "{step}");
    assert!(message.contains("not permitted"), "{message}");
    assert!(remedy.contains("seccomp=unconfined") || remedy.contains("sysctl"), "{remedy}");
    assert!(matches!(probe, Probe::Unavailable { .. }), "{probe:?}");
}

/// Makes [`a_killed_launcher_leaves_nothing`] the launcher that it starts and kills.
const TO_BE_KILLED: &str = "PRUNELLA_TEST_LAUNCHER_TO_BE_KILLED";

#[test]
fn a_killed_launcher_leaves_nothing() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        shell("echo started; sleep 77123.25").run();
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut launcher = Command::new(program)
        .args(["--exact", "linux::setup::a_killed_launcher_leaves_nothing", "--nocapture"])
        .env(TO_BE_KILLED, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while alive("77123.25") == 0 {
        assert!(Instant::now() < until, "the command was never started");
        std::thread::yield_now();
    }
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    while alive("77123.25") > 0 {
        assert!(Instant::now() < until, "the command outlived its launcher");
        std::thread::yield_now();
    }
}

/// Everything again without a privilege, when it was root who started the tests.
#[test]
fn as_an_ordinary_user() {
    if !root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let put = |from: &Path, name: &str| {
        let to = place.path().join(name);
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        to
    };
    fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let helper = put(Path::new(env!("CARGO_BIN_EXE_sandbox-init")), "sandbox-init");
    let tests = put(&std::env::current_exe().unwrap(), "tests");
    let output = Command::new(tests)
        .args(["--test-threads", "2", "--skip", "as_an_ordinary_user"])
        .env("PRUNELLA_SANDBOX_INIT", helper)
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" passed;") && !text.contains(" 0 passed"), "{text}");
}
