//! 64, 65 and 75 to 81: becoming more than one was made.

use prunella_sandbox::End;

use super::payload::{ABSENT, FIXED, FORBIDDEN, payload, refused};
use crate::linux::bystanders::attack;
use crate::linux::common::python;

#[test]
fn a64_programs_that_run_as_somebody_else() {
    let script = "
open('/tmp/f', 'w').close(); fd = os.open('/tmp/f', os.O_RDWR)
for mode in (0o4755, 0o2755, 0o6777):
    attempt('chmod', os.chmod, '/tmp/f', mode)
    attempt('fchmod', os.fchmod, fd, mode)
    call('fchmodat', SYS.fchmodat, -100, b'/tmp/f', mode)
    call('fchmodat2', 452, -100, b'/tmp/f', mode, 0)
attempt('owner', os.chown, '/tmp/f', 0, 0)
for action in (os.setuid, os.setgid, os.seteuid, os.setegid): attempt(action.__name__, action, 0)
attempt('groups', os.setgroups, [0])
call('capset', SYS.capset, struct.pack('Ii', 0x20080522, 0), struct.pack('6I', 1 << 21, 1 << 21, 0, 0, 0, 0))
attempt('capability', os.setxattr, '/tmp/f', 'security.capability', struct.pack('5I', 0x2000001, 1 << 7, 0, 0, 0))
";
    // Who is nobody here cannot even be named.
    refused(&attack(|_| payload(script)), 20, &["EPERM", "EINVAL"]);
    // What the host has of them does not work.
    let script = "
import subprocess
for line in open('/proc/self/mounts'):
    if 'nosuid' not in line.split()[3].split(','): print('set-user-id works on', line)
for top in ('/usr/bin', '/usr/sbin', '/usr/lib'):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name); kind = os.lstat(path)
            if kind.st_mode & 0o6000 == 0 or kind.st_mode & 0o170000 != 0o100000: continue
            try: child = subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except OSError: continue
            try: ids = [line.split()[1:] for line in open('/proc/%d/status' % child.pid) if line[:4] in ('Uid:', 'Gid:')]
            except OSError: ids = []
            for id in ids:
                if set(id) - {str(os.getuid()), str(os.getgid())}: print(path, 'runs as', id)
            child.kill(); child.wait()
print('as myself')
";
    assert_eq!(attack(|_| payload(script)).stdout.text(), "as myself\n");
}

#[test]
fn a65_device_files() {
    let script = "
for kind in (0o20666, 0o60666):
    for place in ('/tmp/node', '/repo/node', '/dev/node', '/dev/shm/node'):
        for device in (os.makedev(1, 1), os.makedev(8, 0), os.makedev(254, 0), os.makedev(10, 232)): attempt('mknod', os.mknod, place, kind, device)
";
    refused(&attack(|_| payload(script)), 32, FORBIDDEN);
}

#[test]
fn a75_settings_of_the_kernel() {
    let core = || std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let before = core();
    let script = "
paths = ['kernel/core_pattern', 'kernel/modprobe', 'kernel/hotplug', 'kernel/sysrq', 'kernel/randomize_va_space', 'kernel/kptr_restrict',
    'vm/overcommit_memory', 'vm/drop_caches', 'fs/binfmt_misc/register', 'fs/suid_dumpable', 'fs/protected_symlinks', 'net/ipv4/ip_forward',
    'kernel/unprivileged_bpf_disabled', 'kernel/ns_last_pid', 'user/max_user_namespaces', 'kernel/domainname']
paths = ['/proc/sys/' + path for path in paths] + ['/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/proc/mtrr', '/proc/self/uid_map',
    '/proc/self/gid_map', '/proc/self/setgroups', '/proc/timer_list', '/sys/kernel/uevent_helper', '/sys/power/state']
for path in paths: attempt(path, lambda: os.write(os.open(path, os.O_WRONLY), b'|/repo/a.txt'))
";
    // What a mask of nothing takes is written nowhere.
    let report = attack(|_| {
        payload(&script.replace("'/proc/sysrq-trigger', ", "").replace("'/proc/timer_list', ", ""))
    });
    refused(&report, 23, FIXED);
    let report = attack(|_| {
        python(
            "for name in ('sysrq-trigger', 'timer_list'):\n try: open('/proc/' + name, 'w').write('b')\n except OSError: pass",
        )
    });
    assert_eq!(report.end, End::Exited { code: 0 });
    assert_eq!(core(), before);
    // A crash does not start what the host has for crashes.
    let report = attack(|_| {
        payload(
            "print(open('/proc/self/limits').read().split('core file size')[1].split()[:2], flush=True); os.abort()",
        )
    });
    assert_eq!(
        (report.stdout.text().as_str(), report.end),
        ("['1', '1']\n", End::Signalled { signal: libc::SIGABRT })
    );
}

#[test]
fn a76_the_release_agent_of_control_groups() {
    let script = "
call('mount', SYS.mount, b'cgroup', b'/tmp', b'cgroup', 0, b'memory')
call('mount 2', SYS.mount, b'none', b'/tmp', b'cgroup2', 0, 0)
call('unshare', SYS.unshare, 0x2000000)
for path in ('/sys/fs/cgroup/release_agent', '/sys/fs/cgroup/memory/release_agent', '/sys/fs/cgroup/rdma/release_agent', '/sys/fs/cgroup/cgroup.procs',
        '/sys/fs/cgroup/cgroup.subtree_control', '/sys/fs/cgroup/pids/cgroup.procs'):
    attempt(path, os.open, path, os.O_WRONLY)
";
    refused(&attack(|_| payload(script)), 9, &["EPERM", "ENOENT"]);
    let out = attack(|_| python("print(open('/proc/self/cgroup').read())")).stdout.text();
    assert!(
        out.lines().all(|line| line.is_empty() || line.ends_with(":/")),
        "the host's groups are told: {out}"
    );
}

#[test]
fn a77_devices() {
    let script = "
names = 'kvm fuse net/tun kmsg vhost-net vhost-vsock vfio/vfio dri/card0 snd/seq input/event0 uinput bus/usb/001/001 loop-control loop0 mapper/control '\\
    'btrfs-control autofs cuse hpet rtc0 watchdog mem port nvram sg0 ptmx tty console tty1 ttyS0 userfaultfd udmabuf dma_heap/system'.split()
for name in names: attempt(name, os.open, '/dev/' + name, os.O_RDWR)
there = sorted(os.listdir('/dev'))
print('there', 'ENOENT' if there == ['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'] else there)
";
    refused(&attack(|_| payload(script)), 34, ABSENT);
}

/// A way of calling the kernel that the filter cannot read by number is deadly, or is not there.
#[cfg(target_arch = "x86_64")]
#[test]
fn a78_foreign_call_numbers() {
    // The numbering of x32.
    for number in [39, 165, 272] {
        let script = format!("print(libc.syscall(ctypes.c_long(0x40000000 + {number})), flush=True)");
        let report = attack(|_| payload(&script));
        assert!(matches!(report.end, End::Denied { .. }), "{:?} {}", report.end, report.stdout.text());
        assert!(report.stdout.kept.is_empty(), "{}", report.stdout.text());
    }
    // The 32-bit gate: `mov eax, 20; int 0x80; ret`, which asks for the process's number.
    let script = "
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
print('trying', flush=True)
print(ctypes.CFUNCTYPE(ctypes.c_int)(address)(), flush=True)
";
    let report = attack(|_| payload(script));
    // A kernel without that gate ends who uses it by itself.
    let gone = matches!(report.end, End::Denied { .. } | End::Signalled { signal: libc::SIGSEGV });
    assert!(gone, "{:?}", report.end);
    assert_eq!(report.stdout.text(), "trying\n");
}

/// Other processors have one numbering here, and the filter takes a foreign one for a reason to kill.
#[cfg(not(target_arch = "x86_64"))]
#[test]
fn a78_foreign_call_numbers() {
    refused(&attack(|_| payload("call('mount', SYS.mount, b'', b'/tmp', b'tmpfs', 0, 0)")), 1, FORBIDDEN);
}

#[test]
fn a79_raising_limits() {
    let script = "
import resource
for name in ('CORE', 'FSIZE', 'NOFILE', 'NPROC', 'CPU', 'STACK', 'MEMLOCK', 'MSGQUEUE', 'RTPRIO', 'NICE'):
    attempt(name, resource.setrlimit, getattr(resource, 'RLIMIT_' + name), (resource.RLIM_INFINITY,) * 2)
call('of the first process', SYS.prlimit64, 1, 7, struct.pack('QQ', 5, 5), buffer)
call('of the parent', SYS.prlimit64, os.getppid(), 7, struct.pack('QQ', 5, 5), 0)
call('core to nothing', SYS.prlimit64, 0, 4, struct.pack('QQ', 0, 0), 0)
";
    let report = attack(|_| payload(script));
    refused(&report, 13, &["EPERM", "ValueError"]);
}

#[test]
fn a80_priority_over_others() {
    let script = "
for policy in (os.SCHED_FIFO, os.SCHED_RR): attempt('policy', os.sched_setscheduler, 0, policy, os.sched_param(1))
for pid in (1, os.getppid()): attempt('of another', os.sched_setscheduler, pid, os.SCHED_FIFO, os.sched_param(1))
attempt('nice', os.nice, -5)
attempt('priority', os.setpriority, os.PRIO_PROCESS, 0, -5)
call('deadline', SYS.sched_setattr, 0, struct.pack('IIQiIQQQ', 48, 6, 0, 0, 0, 10**7, 10**7, 10**7), 0)
call('real-time disk', SYS.ioprio_set, 1, 0, (1 << 13) | 0)
";
    refused(&attack(|_| payload(script)), 8, &["EPERM", "EACCES", "ESRCH"]);
}

#[test]
fn a81_spared_when_memory_runs_out() {
    let script = "
for pid in ('self', '1', str(os.getpid())):
    for name, value in (('oom_score_adj', b'-1000'), ('oom_score_adj', b'0'), ('oom_adj', b'-17')):
        path = '/proc/%s/%s' % (pid, name)
        attempt(path + value.decode(), lambda: os.write(os.open(path, os.O_WRONLY), value))
print('score', 'EPERM' if open('/proc/self/oom_score_adj').read() == '1000\\n' else open('/proc/self/oom_score_adj').read())
";
    refused(&attack(|_| payload(script)), 10, FIXED);
}
