//! 54 to 63 and 66 to 74: calls of the kernel that a test suite never needs.

use super::payload::{FORBIDDEN, payload, refused};
use crate::linux::bystanders::attack;

/// Tries the calls of `script`; the walls behind the filter are there as well.
fn forbidden(script: &str, tries: usize) {
    let walls = "
status = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
walls = (status['NoNewPrivs'], status['Seccomp'], int(status['CapEff'], 16) + int(status['CapBnd'], 16))
print('walls', 'EPERM' if walls == ('1', '2', 0) else walls)
";
    let report = attack(|_| payload(&format!("{script}{walls}")));
    refused(&report, tries + 1, FORBIDDEN);
}

#[test]
fn a54_mount() {
    let script = "
call('mount', SYS.mount, b'none', b'/tmp', b'tmpfs', 0, 0)
call('bind', SYS.mount, b'/', b'/tmp', 0, 4096 | 16384, 0)
call('remount', SYS.mount, b'none', b'/', 0, 32, 0)
call('umount', SYS.umount2, b'/tmp', 2)
call('umount proc', SYS.umount2, b'/proc/sys', 0)
call('fsopen', SYS.fsopen, b'tmpfs', 0)
call('fsconfig', SYS.fsconfig, 0, 6, 0, 0, 0)
call('fsmount', SYS.fsmount, 0, 0, 0)
call('fspick', SYS.fspick, -100, b'/', 0)
call('open_tree', SYS.open_tree, -100, b'/', 1)
call('open_tree_attr', 467, -100, b'/', 1, buffer, 32)
call('move_mount', SYS.move_mount, -100, b'/tmp', -100, b'/repo', 0)
call('mount_setattr', SYS.mount_setattr, -100, b'/usr', 0x8000, buffer, 32)
";
    forbidden(script, 13);
}

#[test]
fn a55_nested_user_namespaces() {
    let script = "
for name, flag in dict(user=0x10000000, mount=0x20000, pid=0x20000000, net=0x40000000, ipc=0x8000000, uts=0x4000000, cgroup=0x2000000).items():
    call('unshare ' + name, SYS.unshare, flag)
    if call('clone ' + name, SYS.clone, flag | signal.SIGCHLD, 0, 0, 0, 0) == 0: os._exit(0)
call('unshare time', SYS.unshare, 0x80)
call('unshare both', SYS.unshare, 0x10000000 | 0x20000)
ctypes.set_errno(0)
# Flags that a filter cannot see are not let through at all.
arguments = struct.pack('11Q', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
if libc.syscall(ctypes.c_long(SYS.clone3), arguments, len(arguments)) == -1 and ctypes.get_errno() == errno.ENOSYS: print('clone3 EPERM')
";
    forbidden(script, 17);
}

#[test]
fn a56_other_roots_and_namespaces() {
    let script = "
call('setns', SYS.setns, os.open('/proc/self/ns/mnt', os.O_RDONLY), 0)
call('setns process', SYS.setns, os.pidfd_open(os.getpid()), 0x20000)
call('chroot', SYS.chroot, b'/tmp')
call('pivot_root', SYS.pivot_root, b'/tmp', b'/tmp')
for name in ('mnt', 'user', 'net', 'pid'):
    try: os.open('/proc/1/ns/' + name, os.O_RDONLY); print('reached', name)
    except OSError: print(name, 'EPERM')
";
    forbidden(script, 8);
}

#[test]
fn a57_ptrace() {
    let script = "
child = os.fork()
if child == 0: signal.pause()
for request, name in ((0, 'traceme'), (16, 'attach'), (0x4206, 'seize'), (3, 'peek')):
    for pid in (1, child, os.getppid()): call(name, SYS.ptrace, request, pid, 0, 0)
os.kill(child, 9)
";
    forbidden(script, 12);
}

#[test]
fn a58_memory_of_other_processes_by_file() {
    let script = "
for pid in (1, 2, os.getppid()):
    for name in ('mem', 'maps', 'environ', 'auxv', 'pagemap', 'exe', 'cwd', 'root', 'fd/0', 'map_files', 'syscall', 'stack'):
        path = '/proc/%d/%s' % (pid, name)
        try: os.read(os.open(path, os.O_RDONLY), 1) if pid != os.getpid() else os.open('/none', 0); print('READ', path)
        except OSError as error: print(path, 'EPERM')
        if pid == os.getpid(): continue
        try: os.open(path, os.O_WRONLY); print('OPENED', path)
        except OSError as error: pass
";
    forbidden(script, 36);
}

#[test]
fn a59_memory_of_other_processes_by_call() {
    let script = "
vector = struct.pack('QQ', ctypes.addressof(buffer), 8)
for pid in (1, os.getpid()):
    call('read', SYS.process_vm_readv, pid, vector, 1, vector, 1, 0)
    call('write', SYS.process_vm_writev, pid, vector, 1, vector, 1, 0)
call('advise', SYS.process_madvise, os.pidfd_open(os.getpid()), vector, 1, 4, 0)
call('move', SYS.move_pages, 1, 0, 0, 0, 0, 0)
call('migrate', SYS.migrate_pages, 1, 0, 0, 0)
call('compare', SYS.kcmp, 1, os.getpid(), 0, 0, 0)
";
    forbidden(script, 8);
}

#[test]
fn a60_descriptors_of_other_processes() {
    let script = "
for fd in range(4): call('own', SYS.pidfd_getfd, os.pidfd_open(os.getpid()), fd, 0)
try: first = os.pidfd_open(1)
except OSError: first = -1
for fd in range(4): call('first', SYS.pidfd_getfd, first, fd, 0)
";
    forbidden(script, 8);
}

#[test]
fn a61_keyrings() {
    let script = "
for ring in (-1, -2, -3, -4, -5): call('get', SYS.keyctl, 0, ring, 0)
for operation in (1, 6, 11, 10, 22): call('keyctl', SYS.keyctl, operation, -3, buffer, 4096)
call('add', SYS.add_key, b'user', b'planted', b'x', 1, -3)
call('request', SYS.request_key, b'user', b'planted', 0, -3)
";
    forbidden(script, 12);
}

#[test]
fn a62_typing_into_a_terminal() {
    let script = "
for fd in (0, 1, 2):
    call('TIOCSTI', SYS.ioctl, fd, 0x5412, b'x')
    # Only the low half of the number counts for the kernel.
    call('TIOCSTI high', SYS.ioctl, fd, 0x7fff00005412, b'x')
for path in ('/dev/tty', '/dev/console', '/dev/tty0', '/dev/ttyS0', '/dev/ptmx', '/dev/pts/0'):
    try: os.open(path, os.O_RDWR); print('OPENED', path)
    except OSError: print(path, 'EPERM')
";
    forbidden(script, 12);
}

#[test]
fn a63_pasting_into_a_console() {
    let script = "
for fd in (0, 1, 2):
    for code in (2, 3, 4, 10, 12): call('TIOCLINUX', SYS.ioctl, fd, 0x541c, bytes([code]))
    call('TIOCLINUX high', SYS.ioctl, fd, 0x100000000 + 0x541c, b'\\x03')
";
    forbidden(script, 18);
}

#[test]
fn a66_programs_for_the_kernel() {
    let script = "for command in range(40): call('bpf', SYS.bpf, command, buffer, 128)";
    forbidden(script, 40);
}

#[test]
fn a67_rings_of_calls() {
    let script = "
call('setup', SYS.io_uring_setup, 8, buffer)
call('enter', SYS.io_uring_enter, 0, 1, 0, 0, 0, 0)
for operation in range(4): call('register', SYS.io_uring_register, -1, operation, buffer, 1)
";
    forbidden(script, 6);
}

#[test]
fn a68_performance_counters() {
    let script = "
for kind in range(6):
    attributes = struct.pack('IIQ', kind, 112, 0) + bytes(96)
    for pid, cpu in ((0, -1), (-1, 0), (1, -1)): call('open', SYS.perf_event_open, attributes, pid, cpu, -1, 0)
";
    forbidden(script, 18);
}

#[test]
fn a69_faults_handled_by_a_program() {
    let script = "
for flags in (0, 1, 0o2000000 | 0o4000): call('userfaultfd', SYS.userfaultfd, flags)
try: os.open('/dev/userfaultfd', os.O_RDWR); print('OPENED')
except OSError: print('device EPERM')
";
    forbidden(script, 4);
}

#[test]
fn a70_modules_and_kernels() {
    let script = "
call('init', SYS.init_module, buffer, 4096, b'')
call('finit', SYS.finit_module, os.memfd_create('m'), b'', 0)
call('delete', SYS.delete_module, b'overlay', 0o4000)
call('kexec', SYS.kexec_load, 0, 0, 0, 0)
call('reboot', SYS.reboot, 0xfee1dead, 672274793, 0x1234567, 0)
call('swap on', SYS.swapon, b'/tmp/x', 0)
call('swap off', SYS.swapoff, b'/tmp/x')
call('accounting', SYS.acct, b'/tmp/x')
call('quota', SYS.quotactl, 0, b'/', 0, 0)
call('log', SYS.syslog, 3, buffer, 4096)
";
    forbidden(script, 10);
}

#[test]
fn a71_the_clock() {
    let script = "
call('settimeofday', SYS.settimeofday, struct.pack('ll', 1, 0), 0)
for clock in (0, 1, 7, 11): call('clock_settime', SYS.clock_settime, clock, struct.pack('ll', 1, 0))
call('adjtimex', SYS.adjtimex, struct.pack('I', 1) + bytes(252))
call('clock_adjtime', SYS.clock_adjtime, 0, struct.pack('I', 1) + bytes(252))
try: os.open('/dev/rtc0', os.O_RDONLY); print('OPENED')
except OSError: print('device EPERM')
";
    let before = std::time::SystemTime::now();
    forbidden(script, 8);
    assert!(before <= std::time::SystemTime::now(), "the clock was set back");
}

#[test]
fn a72_the_host_s_name() {
    let name = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let before = name();
    let script = "
call('sethostname', SYS.sethostname, b'planted', 7)
call('setdomainname', SYS.setdomainname, b'planted', 7)
for path in ('/proc/sys/kernel/hostname', '/proc/sys/kernel/domainname', '/etc/hostname'):
    try: os.write(os.open(path, os.O_WRONLY), b'planted'); print('WROTE', path)
    except OSError: print(path, 'EPERM')
print('name', 'EPERM' if socket.gethostname() == 'sandbox' else socket.gethostname())
";
    forbidden(script, 6);
    assert_eq!(name(), before);
}

#[test]
fn a73_ports_and_segments_of_the_processor() {
    // Calls of one kind of processor; elsewhere they are no calls at all.
    let calls = if cfg!(target_arch = "x86_64") {
        "
for level in (0, 3): call('iopl', 172, level)
call('ioperm', 173, 0x70, 2, 1)
for function in (0, 1, 0x11): call('modify_ldt', 154, function, buffer, 16)
"
    } else {
        "for number in range(6): print('no such call EPERM')"
    };
    let devices = "
for path in ('/dev/port', '/dev/mem', '/dev/cpu/0/msr'):
    try: os.open(path, os.O_RDWR); print('OPENED', path)
    except OSError: print(path, 'EPERM')
";
    forbidden(&format!("{calls}{devices}"), 9);
}

#[test]
fn a74_files_by_handle() {
    // Made from nothing: the root folder of many file systems is inode 2.
    let script = "
handle = struct.pack('IiIIQ', 8, 1, 2, 0, 0) + bytes(128)
for top in ('/', '/usr', '/repo'):
    fd = os.open(top, os.O_RDONLY)
    call('open ' + top, SYS.open_by_handle_at, fd, handle, 0)
    call('name ' + top, SYS.name_to_handle_at, fd, b'.', handle, buffer, 0)
call('watch', SYS.fanotify_init, 0x200, 0)
";
    forbidden(script, 7);
}
