//! Jobs that take too much of something end, each with its class, and leave nothing behind.

use std::time::{Duration, Instant};

use prunella_sandbox::{End, Sandbox};

use super::common::{plain, program, python};

/// Runs `case` in every way; all of them are over soon.
fn soon(case: &super::common::Case, end: &End) {
    let began = Instant::now();
    case.ends(end);
    assert!(began.elapsed() < Duration::from_secs(60), "{end:?} after {:?}", began.elapsed());
}

#[test]
fn a_sleeping_job_is_ended_by_the_clock() {
    let mut case = python("import time; print('begun', flush=True); time.sleep(500)");
    case.job.limits.wall = Duration::from_secs(2);
    for report in case.ends(&End::TimedOut) {
        assert_eq!(report.stdout.text(), "begun\n");
        assert!(report.usage.wall_ms < 30_000, "{} ms", report.usage.wall_ms);
    }
}

#[test]
fn a_spinning_job_is_ended_by_the_clock() {
    let mut case = python("while True: pass");
    case.job.limits.wall = Duration::from_secs(2);
    soon(&case, &End::TimedOut);
}

#[test]
fn an_expression_that_never_comes_to_an_end_is_ended_by_the_clock() {
    let mut case = python("import re; re.match('(a+)+$', 'a' * 64 + 'b')");
    case.job.limits.wall = Duration::from_secs(2);
    soon(&case, &End::TimedOut);
}

#[test]
fn a_spinning_job_is_ended_by_its_processor_time() {
    let mut case = python("while True: pass");
    case.job.limits.cpu = Duration::from_secs(1);
    let report = plain().run(&case.job);
    assert_eq!(report.end, End::CpuTimedOut, "{}", report.stderr.text());
}

#[test]
fn a_memory_bomb_runs_out_of_memory() {
    let mut case = python("held = []\nwhile True: held.append(bytearray(1 << 20))");
    case.job.limits.memory = 64 << 20;
    for report in case.ends(&End::OutOfMemory) {
        assert!(report.usage.peak_memory <= 64 << 20);
        assert!(report.stderr.text().contains("MemoryError"), "{}", report.stderr.text());
    }
}

#[test]
fn a_decompression_bomb_runs_out_of_memory() {
    let script = "
import zlib
packer = zlib.compressobj(9)
packed = b''.join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
zlib.decompress(packed)
";
    let mut case = python(script);
    case.job.limits.memory = 64 << 20;
    soon(&case, &End::OutOfMemory);
}

#[test]
fn endless_output_is_ended_and_its_ends_are_kept() {
    for stream in ["stdout", "stderr"] {
        let mut case = python(&format!(
            "import sys\nsys.{stream}.write('first')\nwhile True: sys.{stream}.write('\\x1b[31mx' * 4000)"
        ));
        case.job.limits.output_max = 1 << 20;
        case.job.limits.output_keep = 1000;
        for report in case.ends(&End::OutputLimit) {
            let kept = if stream == "stdout" { &report.stdout } else { &report.stderr };
            assert!(kept.kept.starts_with(b"first") && kept.dropped > 100_000, "{stream}");
            assert!(kept.kept.len() <= 1000, "{stream}");
        }
    }
}

#[test]
fn endless_records_are_ended() {
    let mut case = python(
        "import os\nfd = os.open(os.environ['PRUNELLA_CHANNEL'], os.O_WRONLY)\nwhile True: os.write(fd, b'x' * 5000)",
    );
    case.job.channel = true;
    case.job.limits.output_max = 1 << 20;
    for report in case.ends(&End::OutputLimit) {
        assert!(report.channel.len() <= 1 << 20);
    }
}

#[test]
fn a_sparse_file_is_no_way_around_the_disk_limit() {
    let mut case = python("open('/repo/big', 'wb').truncate(1 << 40)");
    case.job.limits.disk = 32 << 20;
    let report = plain().run(&case.job);
    assert_eq!(report.end, End::DiskLimit, "{}", report.stderr.text());
}

#[test]
fn filling_the_disk_is_ended() {
    // In many files, none of which is too large by itself.
    let script = "
n = 0
while True:
    n += 1
    with open(f'/tmp/{n}', 'wb') as f: f.write(b'x' * (1 << 20))
";
    let mut case = python(script);
    case.job.limits.disk = 32 << 20;
    let report = plain().run(&case.job);
    assert_eq!(report.end, End::DiskLimit, "{}", report.stderr.text());
}

#[test]
fn filling_the_disk_with_names_is_ended() {
    let mut case = python("n = 0\nwhile True:\n n += 1\n open(f'/tmp/{n}', 'w').close()");
    case.job.limits.disk = 4 << 20;
    let report = plain().run(&case.job);
    assert_eq!(report.end, End::DiskLimit, "{}", report.stderr.text());
}

#[test]
fn inside_the_wall_a_full_disk_is_an_error_of_the_job_or_its_end() {
    #[cfg(target_os = "linux")]
    {
        let mut case = python("open('/repo/big', 'wb').truncate(1 << 40)");
        case.job.limits.disk = 32 << 20;
        let report = super::common::walled().run(&case.job);
        assert!(
            !matches!(report.end, End::Exited { code: 0 } | End::CouldNotStart { .. }),
            "{:?}",
            report.end
        );
    }
}

#[test]
fn recursion_without_end_ends_the_job_alone() {
    for recursion in ["def f(x): return [f(x), 1]", "def f(x): return [*map(f, [x])]"] {
        let mut case = python(&format!("import sys\nsys.setrecursionlimit(10**9)\n{recursion}\nf(1)"));
        case.job.limits.memory = 64 << 20;
        let report = plain().run(&case.job);
        let hurt = match report.end {
            End::Exited { code } => code != 0,
            End::OutOfMemory | End::Signalled { .. } => true,
            _ => false,
        };
        assert!(hurt, "{recursion}: {:?}", report.end);
    }
}

#[test]
fn a_machine_that_breaks_its_rules_is_aborted() {
    let (sandbox, _store, case) =
        program(r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#);
    let report = sandbox.run(&case.job);
    assert_eq!(report.end, End::Signalled { signal: 6 });
    assert!(report.stderr.text().contains("unreachable"), "{}", report.stderr.text());
}

#[test]
fn a_stack_that_overflows_is_aborted() {
    let (sandbox, _store, case) =
        program(r#"(module (memory (export "memory") 1) (func $f (export "_start") call $f))"#);
    assert_eq!(sandbox.run(&case.job).end, End::Signalled { signal: 6 });
}

#[test]
fn records_from_outside_of_memory_are_a_fault_of_the_guest() {
    // Opens the channel below each folder it may have, then writes one buffer, 4 GiB from 16: fd_write gives 21, with
    // which the program ends.
    let (sandbox, _store, mut case) = program(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\10\00\00\00\ff\ff\ff\ff")
            (data (i32.const 32) "prunella-channel")
            (func (export "_start") (local $folder i32)
                (local.set $folder (i32.const 3))
                (loop $next
                    (if (i32.eqz (call $open (local.get $folder) (i32.const 0) (i32.const 32) (i32.const 16)
                            (i32.const 0) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64)))
                        (then (call $exit
                            (call $write (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 8)))))
                    (local.set $folder (i32.add (local.get $folder) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $folder) (i32.const 20))))
                (call $exit (i32.const 99))))"#,
    );
    case.job.channel = true;
    let report = sandbox.run(&case.job);
    assert_eq!(report.end, End::Exited { code: 21 }, "{}", report.stderr.text());
    assert!(report.channel.is_empty());
}
