//! What hostile code tries, as far as it makes sense in a WebAssembly machine; each with its safe outcome.

use std::fs;
use std::os::unix::fs::symlink;

use prunella_sandbox::{End, Sandbox};

use super::common::{all, changes, plain, python};

/// Runs `script`, which prints `BREACH` when it gets through.
fn holds(script: &str) {
    for (name, sandbox) in all() {
        let report = sandbox.run(&python(script).job);
        let said = format!("{}{}", report.stdout.text(), report.stderr.text());
        assert!(!said.contains("BREACH"), "{name}: {said}");
        assert_eq!(report.end, End::Exited { code: 0 }, "{name}: {said}");
    }
}

#[test]
fn nothing_outside_can_be_read() {
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("credentials");
    fs::write(&file, "BREACH").unwrap();
    let script = format!(
        "
import os
up = '../' * 20
for path in ['{file}', up + '{file}', '/repo/' + up + '{file}', '/repo/pkg/../../../../{file}', '/tmp/..{file}',
             '/etc/passwd', '/proc/self/environ', '/proc/1/environ', up + 'etc/passwd', '/root/.ssh/id_rsa', '~/.aws/credentials',
             '/repo/..', '/dev/../etc/passwd', '/prunella/../etc/passwd', '/dev/kmsg', '/dev/mem']:
    path = os.path.expanduser(path)
    try:
        print('BREACH', path, open(path).read())
    except OSError:
        pass
    try:
        names = set(os.listdir(path))
        if names & {{'etc', 'usr', 'credentials', 'files'}}: print('BREACH', path, names)
    except OSError:
        pass
",
        file = file.display()
    );
    holds(&script);
}

#[test]
fn nothing_outside_can_be_written() {
    let outside = tempfile::tempdir().unwrap();
    let script = format!(
        "
import os
up = '../' * 20
for path in ['{0}/x', up + '{0}/x', '/repo/' + up + '{0}/x']:
    for attempt in (lambda: open(path, 'w'), lambda: os.mkdir(path), lambda: os.rename('/repo/a.txt', path), lambda: os.link('/repo/a.txt', path)):
        try: attempt(); print('BREACH', path)
        except OSError: pass
",
        outside.path().display()
    );
    holds(&script);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn links_lead_nowhere() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("s"), "BREACH").unwrap();
    let script = format!(
        "
import os
target = '{0}'
for number, to in enumerate([target, '/etc', '../' * 20 + target.lstrip('/'), '../..', '../../../etc/passwd', '..']):
    name = f'/repo/link{{number}}'
    try: os.symlink(to, name)
    except OSError: continue
    for path in (name, name + '/s', name + '/passwd', name + '/files'):
        try: print('BREACH', to, open(path).read())
        except OSError: pass
        try: print('BREACH', to, os.listdir(path))
        except OSError: pass
        try: open(path, 'w'); print('BREACH', to)
        except OSError: pass
",
        secret.path().display()
    );
    holds(&script);
    assert_eq!(fs::read_to_string(secret.path().join("s")).unwrap(), "BREACH");
}

#[test]
fn links_of_the_tree_lead_nowhere_either() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("s"), "BREACH").unwrap();
    for (name, sandbox) in all() {
        let case = python(
            "
import os
for path in ('out/s', 'file', 'up/etc/passwd'):
    try: print('BREACH', open('/repo/' + path).read())
    except OSError: pass
",
        );
        symlink(secret.path(), case.tree.path().join("out")).unwrap();
        symlink(secret.path().join("s"), case.tree.path().join("file")).unwrap();
        symlink("../../../../../../../..", case.tree.path().join("up")).unwrap();
        assert_eq!(case.output(&sandbox), "", "{name}");
    }
}

#[test]
fn what_is_left_behind_is_never_followed() {
    // Links out of the copy, in the places where we look, write and delete afterwards.
    let kept = tempfile::tempdir().unwrap();
    fs::write(kept.path().join("k"), "kept").unwrap();
    let script = format!(
        "
import os, shutil
up = '../' * 20 + '{0}'
made = 0
for name in ('/repo/away', '/repo/pkg/away', '/tmp/away', '/home/sbx/away'):
    try: os.symlink(up, name); made += 1
    except OSError: pass
shutil.rmtree('/repo/tests'); os.symlink(up, '/repo/tests')
os.remove('/repo/a.txt'); os.symlink(up + '/k', '/repo/a.txt')
print(made)
",
        kept.path().display()
    );
    let case = python(&script);
    let report = plain().run(&case.job);
    assert_eq!(report.end, End::Exited { code: 0 }, "{}", report.stderr.text());
    let told = changes(&report);
    assert!(
        told.contains(&"changed a.txt".to_owned()) && told.contains(&"added tests".to_owned()),
        "{told:?}"
    );
    assert!(!told.iter().any(|line| line.contains("tests/k")), "{told:?}");
    assert_eq!(fs::read_to_string(kept.path().join("k")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(case.tree.path().join("a.txt")).unwrap(), "alpha\n");
}

#[test]
fn folders_in_folders_without_end_are_taken_away() {
    let script = "
import os
fd = os.open('/repo', os.O_RDONLY | os.O_DIRECTORY)
for _ in range(600):
    os.mkdir('d' * 100, dir_fd=fd)
    inner = os.open('d' * 100, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    os.close(fd)
    fd = inner
print('deep')
";
    let mut case = python(script);
    case.job.files = vec![prunella_sandbox::File { name: "mark-of-depth".into(), content: Vec::new() }];
    let report = plain().run(&case.job);
    // It is as hard to weigh as it is to walk, so it counts as too much.
    assert_eq!(report.end, End::DiskLimit, "{}", report.stderr.text());
    assert_eq!(super::common::left("mark-of-depth"), 0);
}

#[test]
fn protected_files_cannot_be_changed_unseen() {
    for script in [
        "open('/repo/tests/t.txt', 'w').write('test\\n')",
        "import os; os.rename('/repo/tests/t.txt', '/repo/x'); os.rename('/repo/x', '/repo/tests/t.txt'); open('/repo/tests/t.txt', 'a').close()",
        "import os; os.remove('/repo/tests/t.txt'); open('/repo/tests/t.txt', 'w').write('test\\n'); os.utime('/repo/tests/t.txt', (1, 1))",
        "import os; os.rename('/repo/tests', '/repo/other'); os.mkdir('/repo/tests'); open('/repo/tests/t.txt', 'w').write('test\\n')",
    ] {
        let mut case = python(script);
        case.job.protect = vec!["tests/t.txt".into()];
        let report = plain().run(&case.job);
        assert_eq!(
            report.end,
            End::Denied { what: "writing to the protected tests/t.txt".into() },
            "{script}"
        );
        #[cfg(target_os = "linux")]
        {
            let report = super::common::walled().run(&case.job);
            assert!(matches!(report.end, End::Exited { code } if code != 0), "{script}: {:?}", report.end);
        }
    }
}

#[test]
fn there_is_no_network() {
    holds(
        "
import socket
for address in [('127.0.0.1', 80), ('169.254.169.254', 80), ('1.1.1.1', 53)]:
    try:
        s = socket.socket(); s.settimeout(2); s.connect(address); print('BREACH', address)
    except (OSError, AttributeError): pass
try: print('BREACH', socket.getaddrinfo('localhost', 80))
except (OSError, AttributeError): pass
for kind in ('AF_UNIX', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK'):
    try: socket.socket(getattr(socket, kind)); print('BREACH', kind)
    except (OSError, AttributeError): pass
",
    );
}

#[test]
fn there_are_no_other_programs_and_no_signals() {
    holds(
        "
import os
for name, attempt in {
    'fork': lambda: os.fork(), 'exec': lambda: os.execv('/bin/sh', ['sh']), 'system': lambda: os.system('true'),
    'spawn': lambda: os.posix_spawn('/bin/sh', ['sh'], {}), 'kill': lambda: os.kill(1, 9),
    'popen': lambda: __import__('subprocess').run(['/bin/sh', '-c', 'true']),
    'ctypes': lambda: __import__('ctypes').CDLL(None), 'mmap': lambda: __import__('mmap').mmap(-1, 10),
}.items():
    try: attempt(); print('BREACH', name)
    except (OSError, AttributeError, ImportError, RuntimeError, NotImplementedError): pass
",
    );
}

#[test]
fn running_out_of_descriptors_hurts_the_job_alone() {
    let script = "
import os
held = []
try:
    while True: held.append(os.open('/repo/a.txt', os.O_RDONLY))
except OSError as e:
    print(len(held) > 10, len(held) < 2000)
";
    for (name, sandbox) in all() {
        assert_eq!(python(script).output(&sandbox), "True True\n", "{name}");
    }
}

#[test]
fn secrets_of_this_process_do_not_get_in() {
    let output = python("import os; print(sorted(os.environ))").output(&plain());
    assert!(output.contains("PRUNELLA_REPO") && !output.contains("CARGO"), "{output}");
}
