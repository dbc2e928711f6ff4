//! 26 to 45: taking all there is of something, and staying after the end.

use std::time::Duration;

use prunella_sandbox::{End, Report};

use super::payload::payload;
use crate::linux::bystanders::attack;
use crate::linux::common::{Case, alive, python, shell};

/// Long after every limit here: only a sandbox that lost count would come here.
const GENEROUS: u64 = 90_000;

/// What every bomb is given.
fn bounded(mut case: Case) -> Case {
    let limits = &mut case.job.limits;
    limits.wall = Duration::from_secs(60);
    limits.cpu = Duration::from_secs(5);
    limits.memory = 96 << 20;
    limits.disk = 16 << 20;
    limits.processes = 40;
    limits.output_max = 4 << 20;
    limits.output_keep = 4096;
    case
}

/// The bomb, and how it has to end.
fn bomb(case: impl FnOnce() -> Case, end: &End) -> Report {
    let report = attack(|_| bounded(case()));
    assert_eq!(report.end, *end, "{}{}", report.stdout.text(), report.stderr.text());
    assert!(report.usage.wall_ms < GENEROUS, "{:?}", report.usage);
    report
}

/// The bomb that only the clock ends, after `millis`.
fn timed(case: impl FnOnce() -> Case, millis: u64) -> Report {
    let report = attack(|_| {
        let mut case = bounded(case());
        case.job.limits.wall = Duration::from_millis(millis);
        // A watcher counts what processes share for each of them.
        case.job.limits.memory = 1 << 30;
        case
    });
    assert_eq!(report.end, End::TimedOut, "{}{}", report.stdout.text(), report.stderr.text());
    assert!((millis..millis + GENEROUS).contains(&report.usage.wall_ms), "{:?}", report.usage);
    report
}

#[test]
fn a26_fork_bomb() {
    let mark = "fork-bomb-26026";
    let script = format!(
        "
mark = '{mark}'
while True:
    try: os.fork()
    except OSError: pass
"
    );
    timed(|| payload(&script), 1000);
    assert_eq!(alive(mark), 0);
    // A shell gives up by itself when there is no more to be had.
    let report = attack(|_| bounded(shell(": sh-bomb-26027; f() { f | f & }; f; sleep 1; f; f; f")));
    assert!(matches!(report.end, End::TimedOut | End::ProcessLimit | End::Exited { .. }), "{:?}", report.end);
    assert_eq!(alive("sh-bomb-26027"), 0);
}

#[test]
fn a27_thread_bomb() {
    let script = "
import threading, time
threading.stack_size(65536)
most = 0
while True:
    try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
    except RuntimeError:
        if threading.active_count() != most: most = threading.active_count(); print(most, flush=True)
        time.sleep(.01)
";
    let report = timed(|| python(script), 1000);
    let most: usize = report.stdout.text().lines().last().unwrap().parse().unwrap();
    assert!((20..=41).contains(&most), "{most}");
}

#[test]
fn a28_memory_bomb() {
    bomb(|| python("held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))"), &End::OutOfMemory);
    // Many that take little each.
    let script = "
for _ in range(30):
    if os.fork() == 0:
        held = bytearray(b'x') * (8 << 20)
        signal.pause()
signal.pause()
";
    bomb(|| payload(script), &End::OutOfMemory);
}

#[test]
fn a29_shared_memory() {
    let filled = "for i in range(0, 1 << 29, 4096): m[i] = 1";
    for script in [
        format!("import mmap\nm = mmap.mmap(-1, 1 << 29)\n{filled}\nsignal.pause()"),
        "f = os.memfd_create('x')\nfor _ in range(512): os.write(f, bytes(1 << 20))\nsignal.pause()".into(),
        "
libc.shmat.restype = ctypes.c_void_p
for _ in range(400):
    at = libc.shmat(libc.shmget(0, 1 << 20, 0o1600), None, 0)
    if at is not None and at != ctypes.c_void_p(-1).value: ctypes.memset(at, 1, 1 << 20); libc.shmdt(ctypes.c_void_p(at))
signal.pause()"
            .into(),
    ] {
        roomy(&script);
    }
    // A file system in memory counts, too, before its own bound is reached.
    roomy("f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(1 << 20))");
}

/// The memory bomb, where files may be larger than memory is.
fn roomy(script: &str) {
    let report = attack(|_| {
        let mut case = bounded(payload(script));
        case.job.limits.disk = 1 << 30;
        case
    });
    assert_eq!(report.end, End::OutOfMemory, "{script}\n{}", report.stderr.text());
}

#[test]
fn a30_disk_fill() {
    for place in ["/repo", "/tmp", "/var/tmp", "/home/sbx", "/dev/shm"] {
        let script = format!("while :; do cat /dev/zero >> {place}/$((i=i+1)); done 2>/dev/null");
        bomb(|| shell(&script), &End::DiskLimit);
    }
}

#[test]
fn a31_inode_fill() {
    for make in [
        "os.mkdir('/tmp/%d' % i)",
        "os.symlink('x', '/repo/%d' % i)",
        "os.close(os.open('/home/sbx/%d' % i, 66))",
    ] {
        bomb(|| payload(&format!("for i in range(10**6): {make}")), &End::DiskLimit);
    }
}

#[test]
fn a32_a_sparse_file_of_a_terabyte() {
    bomb(|| shell("exec truncate -s 1T big"), &End::DiskLimit);
    // A program that ignores the signal is refused.
    let report = attack(|_| {
        bounded(payload(
            "
fd = os.open('/repo/big', os.O_CREAT | os.O_RDWR)
attempt('truncate', os.truncate, fd, 1 << 40)
attempt('write', os.pwrite, fd, b'x', 1 << 40)
attempt('allocate', os.posix_fallocate, fd, 0, 1 << 40)
print(os.fstat(fd).st_size)
",
        ))
    });
    let said = report.stdout.text();
    assert!(said.ends_with("\n0\n") && said.matches("EFBIG").count() == 3, "{said}");
}

#[test]
fn a33_a_huge_file() {
    bomb(|| shell("exec cat /dev/zero > big"), &End::DiskLimit);
    bomb(|| shell("exec dd if=/dev/zero of=/tmp/big bs=1M 2>/dev/null"), &End::DiskLimit);
}

#[test]
fn a34_endless_output() {
    let report = bomb(|| shell("exec yes the same again"), &End::OutputLimit);
    assert!(report.stdout.kept.len() == 4096 && report.stdout.dropped > 3 << 20, "{}", report.stdout.dropped);
    assert!(report.stdout.text().starts_with("the same again\n"));
}

#[test]
fn a35_endless_bytes_on_standard_error() {
    let script = "while True: os.write(2, bytes(range(256)) * 16 + b'\\x1b]0;title\\x07\\x1b[2J')";
    let report = bomb(|| payload(script), &End::OutputLimit);
    assert!(report.stderr.kept.len() == 4096 && report.stdout.kept.is_empty());
    let as_json = serde_json::to_string(&report).unwrap();
    assert!(!as_json.bytes().any(|byte| byte < 0x20), "a control character comes through");
}

#[test]
fn a36_a_spinning_processor() {
    let one = |case: Case| {
        let report = attack(|_| {
            let mut case = bounded(case);
            case.job.limits.cpu = Duration::from_secs(1);
            case
        });
        assert_eq!(report.end, End::CpuTimedOut, "{}", report.stderr.text());
    };
    one(shell("while :; do :; done"));
    one(payload("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"));
}

#[test]
fn a37_sleep() {
    timed(|| shell("echo begun; exec sleep 3600"), 300);
}

#[test]
fn a38_a_regular_expression_without_end() {
    let report = attack(|_| {
        let mut case = bounded(python("import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')"));
        case.job.limits.cpu = Duration::from_secs(1);
        case
    });
    assert_eq!(report.end, End::CpuTimedOut);
}

#[test]
fn a39_all_descriptors() {
    let script = "
held = []
try:
    while True: held.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error: print(errno.errorcode[error.errno], len(held))
try: print([os.pipe() for _ in range(9)])
except OSError as error: print(errno.errorcode[error.errno])
";
    let report = bomb(|| payload(script), &End::Exited { code: 0 });
    assert_eq!(report.stdout.text(), "EMFILE 1021\nEMFILE\n");
    // Sent over a socket they count, too.
    let script = "
import array
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.setblocking(False); sent = 0; last = ''
null = os.open('/dev/null', os.O_RDONLY)
try:
    for _ in range(1 << 16):
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM); a.setblocking(False)
        while True:
            try: socket.send_fds(a, [b'x'], [null] * 250); sent += 250
            except BlockingIOError: break
        socket.send_fds(a, [b'x'], [a.fileno(), b.fileno()])
except OSError as error: last = errno.errorcode[error.errno]
print(last, sent < 5000)
";
    let report = bomb(|| payload(script), &End::Exited { code: 0 });
    assert_eq!(report.stdout.text(), "ETOOMANYREFS True\n", "{}", report.stderr.text());
}

#[test]
fn a40_recursion() {
    // In the interpreter's own stack, then in its memory.
    for body in ["class A:\n def __repr__(self): return repr([self])\nrepr(A())", "def f(): f()\nf()"] {
        let script = format!("import sys\nsys.setrecursionlimit(10**9)\n{body}");
        let report = attack(|_| bounded(python(&script)));
        let ends = [End::Signalled { signal: libc::SIGSEGV }, End::OutOfMemory];
        assert!(ends.contains(&report.end), "{body}: {:?} {}", report.end, report.stderr.text());
    }
}

#[test]
fn a41_decompression_bomb() {
    // Four gibibytes out of a few megabytes: one compressed block over and over.
    let script = "
import zlib
maker = zlib.compressobj(9, zlib.DEFLATED, -15)
block = maker.compress(bytes(1 << 20)) + maker.flush(zlib.Z_FULL_FLUSH)
print(len(zlib.decompress(block * 4096 + maker.flush(), -15)))
";
    bomb(|| python(script), &End::OutOfMemory);
    // Onto the disk.
    let script = "
import zlib
maker = zlib.compressobj(9, zlib.DEFLATED, -15)
block = maker.compress(bytes(1 << 20)) + maker.flush(zlib.Z_FULL_FLUSH)
reader = zlib.decompressobj(-15); number = 0
while True:
    number += 1
    os.write(os.open('/tmp/%d' % (number // 4), os.O_CREAT | os.O_WRONLY | os.O_APPEND), reader.decompress(block))
";
    bomb(|| payload(script), &End::DiskLimit);
}

/// Python that ignores every signal that can be ignored.
const DEAF: &str = "
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
";

#[test]
fn a42_deaf_to_every_signal() {
    let mark = "deaf-42042";
    let script =
        format!("{DEAF}\nmark = '{mark}'\nos.fork(); os.fork()\nimport time\nwhile True: time.sleep(9)");
    timed(|| payload(&script), 500);
    assert_eq!(alive(mark), 0);
}

#[test]
fn a43_output_held_open_by_a_grandchild() {
    let mark = "43043.25";
    let script = format!("(setsid sleep {mark} &) ; (sleep {mark} >&2 &); echo done");
    let report = bomb(|| shell(&script), &End::Exited { code: 0 });
    assert_eq!(report.stdout.text(), "done\n");
    assert_eq!(alive(mark), 0);
}

#[test]
fn a44_a_daemon_that_stays() {
    let mark = "44044.25";
    let script = format!(
        "
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {DEAF}
        os.chdir('/'); os.umask(0)
        os.execv('/bin/sleep', ['sleep', '{mark}'])
    os._exit(0)
os.wait(); print('left')",
        DEAF = DEAF.replace('\n', "\n        ")
    );
    let report = bomb(|| payload(&script), &End::Exited { code: 0 });
    assert_eq!(report.stdout.text(), "left\n", "{}", report.stderr.text());
    assert_eq!(alive(mark), 0);
}

#[test]
fn a45_jobs_left_with_other_services() {
    let mark = "45045.25";
    let script = format!(
        "
exec 2>/dev/null
for tool in 'at now' 'batch' 'crontab -' 'systemd-run --user --' 'systemd-run' 'tmux -L x new-session -d' 'screen -dmS x' 'nohup' 'setsid -f' \
  'start-stop-daemon --start --background --exec'; do
  set -- $tool
  command -v $1 >/dev/null && (echo 'sleep {mark}' | timeout 2 $tool sleep {mark} &)
done
for place in /var/spool/cron/crontabs /etc/cron.d /etc/systemd/system /home/sbx/.config/systemd/user /run/systemd/transient; do
  echo '* * * * * root sleep {mark}' > $place/planted && echo planted $place
done
echo tried"
    );
    let report = bomb(|| shell(&script), &End::Exited { code: 0 });
    assert_eq!(report.stdout.text(), "tried\n");
    assert_eq!(alive(mark), 0);
}
