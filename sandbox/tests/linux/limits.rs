//! Jobs that take too much of something end in time, each with its class.

use std::time::{Duration, Instant};

use prunella_sandbox::{End, Isolation, Report};

use super::common::{Case, alive, python, shell};

/// Runs the job, which has to be over soon.
fn soon(case: &Case) -> Report {
    let began = Instant::now();
    let report = case.run();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?} after {:?}", report.end, began.elapsed());
    report
}

#[test]
fn sleep_is_ended_by_the_clock() {
    let mut case = shell("trap '' TERM INT HUP; echo begun; touch made; while :; do sleep 5; done");
    case.job.limits.wall = Duration::from_millis(300);
    let report = soon(&case);
    assert_eq!(report.end, End::TimedOut);
    assert_eq!(report.stdout.text(), "begun\n");
    assert_eq!(super::common::changes(&report), ["added made"]);
}

#[test]
fn a_spinning_command_is_ended_by_its_processor_time() {
    let mut case = shell("while :; do :; done");
    case.job.limits.cpu = Duration::from_secs(1);
    assert_eq!(soon(&case).end, End::CpuTimedOut);
}

#[test]
fn a_spinning_command_that_ignores_the_signal_is_ended_too() {
    let mut case = python("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass");
    case.job.limits.cpu = Duration::from_secs(1);
    assert_eq!(soon(&case).end, End::CpuTimedOut);
}

#[test]
fn whoever_ends_badly_for_want_of_processes_is_told_so() {
    let script = "
import os, sys, time
for _ in range(100):
    try:
        if os.fork() == 0: time.sleep(30); os._exit(0)
    except OSError: sys.exit(int(sys.argv[1]))
";
    for (code, bound) in [("7", End::ProcessLimit), ("0", End::Exited { code: 0 })] {
        let mut case = python(script);
        case.job.argv.push(code.into());
        case.job.limits.processes = 20;
        let report = soon(&case);
        // Where no control group counts them, the status is all there is.
        let free = matches!(&report.isolation, Isolation::Reduced { missing } if missing.iter().any(|part| part.contains("for processes")));
        let expected = if free { End::Exited { code: code.parse().unwrap() } } else { bound };
        assert_eq!(report.end, expected, "{}", report.stderr.text());
    }
}

#[test]
fn a_job_keeps_no_more_processors_busy_than_it_may() {
    let script = "
import os, time
until = time.monotonic() + 1
for _ in range(3): os.fork()
while time.monotonic() < until: pass
";
    let mut case = python(&format!("{script}\ntime.sleep(0.5)"));
    case.job.limits.cores = 1;
    let report = soon(&case);
    assert_eq!(report.end, End::Exited { code: 0 }, "{}", report.stderr.text());
    // Nothing to hold it to where no control group for processor time can be had.
    if let Some(cores) = report.usage.cores {
        assert_eq!(cores, 1);
        assert!(report.usage.cpu_ms <= report.usage.wall_ms * 5 / 4, "{:?}", report.usage);
    }
}

#[test]
fn a_memory_bomb_runs_out_of_memory() {
    let mut case = python("held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))");
    case.job.limits.memory = 64 << 20;
    assert_eq!(soon(&case).end, End::OutOfMemory);
}

#[test]
fn a_memory_bomb_in_a_child_runs_out_of_memory() {
    let mut case = python(
        "import os, time\nif os.fork() == 0:\n held = []\n while True: held.append(bytearray(b'x') * (1 << 20))\ntime.sleep(15)",
    );
    case.job.limits.memory = 64 << 20;
    assert_eq!(soon(&case).end, End::OutOfMemory);
}

#[test]
fn memory_without_an_owner_counts_too() {
    let shared = "
import ctypes, time
libc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p
for _ in range(400):
    at = libc.shmat(libc.shmget(0, 1 << 20, 0o1600), None, 0)
    ctypes.memset(at, 1, 1 << 20); libc.shmdt(ctypes.c_void_p(at))
time.sleep(15)";
    for script in [
        "import mmap, time\nm = mmap.mmap(-1, 1 << 29)\nfor i in range(0, 1 << 29, 4096): m[i] = 1\ntime.sleep(15)",
        "import os, time\nf = os.memfd_create('x')\nfor i in range(512): os.write(f, bytes(1 << 20))\ntime.sleep(15)",
        "f = open('/dev/shm/x', 'wb')\nfor i in range(512): f.write(bytes(1 << 20))\nimport time; time.sleep(15)",
        shared,
    ] {
        let mut case = python(script);
        case.job.limits.memory = 64 << 20;
        let report = soon(&case);
        assert_eq!(report.end, End::OutOfMemory, "{script}\n{}", report.stderr.text());
    }
}

#[test]
fn a_fork_bomb_stays_within_its_number() {
    let script = "
import os, sys, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60.25); os._exit(0)
        made += 1
except OSError as error:
    print(made, error.errno)
";
    let mut case = python(script);
    case.job.limits.processes = 20;
    let output = case.output();
    let (made, errno) = output.trim().split_once(' ').unwrap();
    assert!((10..=20).contains(&made.parse::<u32>().unwrap()), "{output}");
    assert_eq!(errno, "11");
    assert_eq!(alive("time.sleep(60.25)"), 0);
}

#[test]
fn an_endless_fork_bomb_is_ended() {
    let mut case = shell(": bomb-7131; f() { f | f & }; f; sleep 30");
    case.job.limits.processes = 40;
    case.job.limits.wall = Duration::from_millis(500);
    let end = soon(&case).end;
    assert!(matches!(end, End::TimedOut | End::ProcessLimit | End::Exited { .. }), "{end:?}");
    assert_eq!(alive("bomb-7131"), 0);
}

#[test]
fn endless_output_is_ended_and_cut() {
    let mut case = shell("yes first-and-last");
    case.job.limits.output_max = 4 << 20;
    case.job.limits.output_keep = 1000;
    let report = soon(&case);
    assert_eq!(report.end, End::OutputLimit);
    assert_eq!(report.stdout.kept.len(), 1000);
    assert!(report.stdout.dropped > 3 << 20);
}

#[test]
fn endless_records_are_ended_and_cut() {
    let mut case = shell("eval \"yes >&$PRUNELLA_FD\"");
    case.job.channel = true;
    case.job.limits.output_max = 1 << 20;
    let report = soon(&case);
    assert_eq!(report.end, End::OutputLimit);
    assert!(report.channel.len() <= 3 << 20, "{}", report.channel.len());
}

#[test]
fn a_full_disk_ends_the_job() {
    for place in ["/repo", "/tmp", "/home/sbx", "/dev/shm"] {
        let mut case = shell(&format!("while :; do cat /dev/zero >> {place}/$((i=i+1)) ; done 2>/dev/null"));
        case.job.limits.disk = 8 << 20;
        assert_eq!(soon(&case).end, End::DiskLimit, "{place}");
    }
}

#[test]
fn too_many_files_end_the_job() {
    let mut case = python("import os\nfor i in range(10**6):\n os.mkdir('/tmp/%d' % i)");
    case.job.limits.disk = 16 << 20;
    assert_eq!(soon(&case).end, End::DiskLimit);
}

#[test]
fn a_huge_sparse_file_is_refused() {
    let mut case = shell("exec truncate -s 1T big");
    case.job.limits.disk = 16 << 20;
    let end = soon(&case).end;
    assert_eq!(end, End::DiskLimit);
}

#[test]
fn a_daemon_does_not_survive_nor_hold_the_end_up() {
    let mark = "88123.5";
    let script = format!(
        "import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.execv('/bin/sleep', ['sleep', '{mark}'])
    os._exit(0)
os.wait(); print('left')"
    );
    let began = Instant::now();
    let report = python(&script).run();
    assert_eq!(report.end, End::Exited { code: 0 }, "{}", report.stderr.text());
    // The daemon holds standard output open, and that is nobody's reason to wait.
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(report.stdout.text(), "left\n");
    assert_eq!(alive(mark), 0);
}

#[test]
fn a_crash_is_told_by_its_signal() {
    assert_eq!(shell("kill -SEGV $$").run().end, End::Signalled { signal: 11 });
}
