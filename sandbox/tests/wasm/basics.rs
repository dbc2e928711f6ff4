//! What a job sees and what is told of it.

use std::fs;

use prunella_sandbox::{Edit, End, File, Isolation, Mount, Probe, Sandbox};

use super::common::{all, changes, left, plain, python};

#[test]
fn a_job_sees_its_tree_its_files_and_its_environment_alone() {
    let script = "
import os, sys
print(sorted(os.listdir('/repo')), open('a.txt').read().strip(), open('/repo/new/e.txt').read())
print(open('/prunella/note').read(), sorted(os.environ) == sorted(os.environ), os.environ['GREETING'])
print('CANARY' in str(dict(os.environ)), sys.argv[1:], sys.platform)
open('/tmp/x', 'w').write('1'); open(os.path.expanduser('~/x'), 'w').write('1'); open(os.devnull, 'w').write('1')
os.makedirs('/repo/made'); open('/repo/made/f', 'w').write('x'); open('/repo/a.txt', 'a').write('more'); os.remove('/repo/pkg/b.txt')
print('out'); print('err', file=sys.stderr)
";
    for (name, sandbox) in all() {
        let mut case = python(script);
        case.job.argv.push("word".into());
        case.job.env.insert("GREETING".into(), "hello".into());
        case.job.files = vec![File { name: "note".into(), content: b"ours".to_vec() }];
        case.job.edits =
            vec![Edit { path: "new/e.txt".into(), content: Some(b"edit".to_vec()), executable: false }];
        let report = sandbox.run(&case.job);
        assert_eq!(report.end, End::Exited { code: 0 }, "{name}: {}", report.stderr.text());
        assert_eq!(
            report.stdout.text(),
            "['a.txt', 'new', 'pkg', 'tests'] alpha edit\nours True hello\nFalse ['word'] wasi\nout\n",
            "{name}"
        );
        assert_eq!(report.stderr.text(), "err\n", "{name}");
        assert_eq!(changes(&report), ["changed a.txt", "added made/f", "removed pkg/b.txt"], "{name}");
        assert_eq!(fs::read_to_string(case.tree.path().join("a.txt")).unwrap(), "alpha\n", "{name}");
        assert!(report.usage.peak_memory > 1 << 20, "{name}");
    }
    assert_eq!(left("note"), 0, "no copy stays behind");
}

#[test]
fn a_job_reads_its_input_to_the_end() {
    for (name, sandbox) in all() {
        let mut case = python("import sys; print(len(sys.stdin.read()), repr(sys.stdin.read()))");
        case.job.input = vec![b'x'; 200_000];
        assert_eq!(case.output(&sandbox), "200000 ''\n", "{name}");
    }
}

#[test]
fn a_job_starts_where_it_is_told_to() {
    for (name, sandbox) in all() {
        let mut case = python("print(open('b.txt').read(), open('/repo/a.txt').read())");
        case.job.cwd = "pkg".into();
        assert_eq!(case.output(&sandbox), "beta\n alpha\n\n", "{name}");
    }
}

#[test]
fn its_status_is_its_own() {
    python("import sys; sys.exit(7)").ends(&End::Exited { code: 7 });
    python("import os; os._exit(9)").ends(&End::Exited { code: 9 });
}

#[test]
fn records_come_over_a_channel_that_cannot_be_read_or_rewritten() {
    let script = "
import os
fd = os.open(os.environ['PRUNELLA_CHANNEL'], os.O_WRONLY | os.O_APPEND)
os.write(fd, b'one\\n')
path = os.environ['PRUNELLA_CHANNEL']
for attempt in (lambda: os.lseek(fd, 0, 0), lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b'x', 0), lambda: os.truncate(path, 0),
                lambda: print('read', open(path, 'rb').read()), lambda: os.read(fd, 10), lambda: os.remove(path)):
    try: attempt()
    except OSError: pass
os.write(fd, b'two\\n')
print(os.write(fd, b'x' * 100000 + b'\\n'))
other = os.open('/repo/other', os.O_WRONLY | os.O_CREAT)
os.close(fd)
again = os.open('/repo/again', os.O_WRONLY | os.O_CREAT)
os.write(again, b'no record'); os.write(other, b'no record')
print(open('/repo/again').read(), open('/repo/other').read(), flush=True)
os._exit(3)
";
    let mut case = python(script);
    case.job.channel = true;
    for report in case.ends(&End::Exited { code: 3 }) {
        assert_eq!(report.stdout.text(), "read b''\n100001\nno record no record\n");
        assert!(report.channel.starts_with(b"one\ntwo\nxxx"));
        assert_eq!(report.channel.len(), 8 + 100_001);
    }
}

#[test]
fn without_a_channel_there_is_none() {
    let script = "
import os
fd = os.open('/dev/prunella-channel', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'kept')
print(open('/dev/prunella-channel').read(), 'PRUNELLA_CHANNEL' in os.environ)
";
    for (name, sandbox) in all() {
        assert_eq!(python(script).output(&sandbox), "kept False\n", "{name}");
    }
}

#[test]
fn mounts_are_seen_at_their_place_and_cannot_be_written() {
    let deps = tempfile::tempdir().unwrap();
    fs::write(deps.path().join("helper.py"), "def greet(): return 'from outside'").unwrap();
    let script = "
import sys
sys.path.append('/opt/deps')
import helper
print(helper.greet())
for attempt in (lambda: open('/opt/deps/x', 'w'), lambda: open('/opt/deps/helper.py', 'a'), lambda: open('/prunella/x', 'w')):
    try: attempt(); print('written')
    except OSError: pass
";
    for (name, sandbox) in all() {
        let mut case = python(script);
        case.job.mounts = vec![Mount { host: deps.path().into(), guest: "/opt/deps".into() }];
        assert_eq!(case.output(&sandbox), "from outside\n", "{name}");
        assert_eq!(fs::read_dir(deps.path()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn secrets_are_not_mounted() {
    let mut case = python("");
    let home = std::env::home_dir().unwrap();
    for host in [home, "/etc".into(), "/".into()] {
        case.job.mounts = vec![Mount { host, guest: "/opt/x".into() }];
        assert!(matches!(plain().run(&case.job).end, End::CouldNotStart { step, .. } if step == "job"));
    }
}

#[test]
fn other_programs_are_not_there() {
    let mut case = python("");
    case.job.argv = vec!["sh".into(), "-c".into(), "true".into()];
    let End::CouldNotStart { step, message, .. } = plain().run(&case.job).end else { panic!("a shell ran") };
    assert_eq!(step, "exec");
    assert!(message.contains("\"sh\""), "{message}");
}

#[test]
fn what_is_enforced_is_said() {
    let Probe::Reduced(missing) = plain().probe() else { panic!("a plain process is not everything") };
    let report = plain().run(&python("pass").job);
    assert_eq!(report.isolation, Isolation::Reduced { missing });
    #[cfg(target_os = "linux")]
    {
        let report = super::common::walled().run(&python("pass").job);
        assert!(!matches!(report.isolation, Isolation::None), "{:?}", report.isolation);
        assert!(!format!("{:?}", report.isolation).contains("second wall"));
    }
}
