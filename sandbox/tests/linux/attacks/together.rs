//! Many tries at once, in the order in which somebody looks around.

use std::net::TcpListener;

use prunella_sandbox::{End, Network};

use super::super::common::{python, shell};

#[test]
fn nothing_of_the_host_can_be_read() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    let home = std::env::home_dir().unwrap_or_default();
    let mut places = vec![secret.path().display().to_string(), format!("{}/.bashrc", home.display())];
    places.extend(
        [
            "/etc/shadow",
            "/etc/ssh",
            "/root/.ssh",
            "/home/*/.ssh",
            "/run/docker.sock",
            "/var/log/dpkg.log",
            "/sys/kernel",
            "/dev/sda",
            "/dev/vda",
            "/dev/kmsg",
            "/dev/kvm",
            "/dev/mem",
            "/dev/tty",
            "/dev/fuse",
            "/proc/kcore",
            "/proc/kallsyms",
            "/proc/keys",
            "/proc/1/environ",
            "/proc/1/mem",
            "/proc/1/root",
            "/proc/1/fd/0",
            "/proc/sysrq-trigger",
            "/var/run",
            "/boot",
            "/opt",
            "/mnt",
            "/srv",
            "/work",
        ]
        .map(String::from),
    );
    let script =
        format!("for f in {}; do head -c1 $f 2>/dev/null; ls $f/* 2>/dev/null; done; true", places.join(" "));
    assert_eq!(shell(&script).output(), "");
}

#[test]
fn the_launcher_and_its_environment_are_out_of_sight() {
    let script = "
import os
seen = [p for p in os.listdir('/proc') if p.isdigit()]
text = b''.join(open('/proc/%s/environ' % p, 'rb').read() for p in seen)
print(os.getpid() in map(int, seen), len(seen), b'CARGO' in text)
";
    assert_eq!(python(script).output(), "True 1 False\n");
}

#[test]
fn nothing_outside_can_be_written() {
    let script = "
for f in /x /usr/x /usr/bin/x /etc/x /etc/passwd /bin/x /dev/x /prunella/x /home/x /var/x /proc/sys/kernel/hostname \
  /proc/sys/kernel/core_pattern /proc/1/oom_score_adj /proc/self/uid_map; do
  (echo 1 > $f) 2>/dev/null && echo wrote $f
done
mkdir /sys 2>/dev/null && echo made
chmod 777 /usr /etc / /bin/sh 2>/dev/null && echo changed
touch -d 2001-01-01 /usr/bin/env 2>/dev/null && echo touched
mv /repo /elsewhere 2>/dev/null && echo moved
true";
    assert_eq!(shell(script).output(), "");
}

#[test]
fn there_is_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for network in [Network::None, Network::Loopback] {
        let script = format!(
            "
import socket
for family in (socket.AF_INET, socket.AF_INET6):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for address in ('127.0.0.1', '::1', '169.254.169.254', '192.0.2.1'):
            # A datagram to the private loopback is sent, and nobody there gets it.
            if {private} and kind == socket.SOCK_DGRAM and address in ('127.0.0.1', '::1'): continue
            try:
                s = socket.socket(family, kind); s.settimeout(2); s.connect((address, {port})); s.send(b'x')
                print('reached', address, kind)
            except OSError: pass
try: socket.getaddrinfo('example.org', 80); print('resolved')
except OSError: pass
s = socket.socket(socket.AF_UNIX)
for name in ('/run/docker.sock', '/run/dbus/system_bus_socket', '/tmp/.X11-unix/X0', '\\0/tmp/.X11-unix/X0'):
    try: s.connect(name); print('reached', name)
    except OSError: pass
",
            port = listener.local_addr().unwrap().port(),
            private = if network == Network::Loopback { "True" } else { "False" },
        );
        let mut case = python(&script);
        case.job.network = network;
        let output = case.output();
        assert_eq!(output, "", "{network:?}");
    }
}

#[test]
fn no_privilege_is_left() {
    let output =
        shell("grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/self/status; ulimit -c").output();
    for line in output.lines().filter(|line| line.starts_with("Cap")) {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    assert!(output.contains("NoNewPrivs:\t1") && output.contains("Seccomp:\t2"), "{output}");
    assert!(!output.contains("Uid:\t0") && !output.contains("Gid:\t0"), "{output}");
    assert!(output.ends_with("\n0\n"), "{output}");
}

/// Numbers of the system calls are those of one architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn dangerous_system_calls_are_refused() {
    let script = r#"
import ctypes, errno, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return errno.errorcode.get(ctypes.get_errno(), 'OK') if result == -1 else 'OK'
buffer = ctypes.create_string_buffer(256)
tries = {
    'unshare user': (272, 0x10000000), 'unshare net': (272, 0x40000000), 'setns': (308, 0, 0),
    'clone user': (56, 0x10000000 | 17, 0, 0, 0, 0), 'clone pid': (56, 0x20000000 | 17, 0, 0, 0, 0),
    'mount': (165, b'none', b'/tmp', b'tmpfs', 0, 0), 'umount': (166, b'/tmp', 2), 'chroot': (161, b'/tmp'),
    'pivot_root': (155, b'/tmp', b'/tmp'), 'fsopen': (430, b'tmpfs', 0), 'open_tree': (428, -100, b'/', 1),
    'move_mount': (429, -100, b'/tmp', -100, b'/repo', 0), 'mount_setattr': (442, -100, b'/usr', 0, buffer, 32),
    'ptrace': (101, 0, 0, 0, 0), 'process_vm_readv': (310, 1, buffer, 1, buffer, 1, 0), 'kcmp': (312, 1, 1, 0, 0, 0),
    'process_vm_writev': (311, 1, buffer, 1, buffer, 1, 0), 'pidfd_getfd': (438, 0, 0, 0),
    'io_uring_setup': (425, 1, buffer), 'io_uring_enter': (426, 0, 0, 0, 0, 0), 'userfaultfd': (323, 0),
    'keyctl': (250, 0, -3, 0), 'add_key': (248, b'user', b'x', b'y', 1, -3), 'request_key': (249, b'user', b'x', 0, -3),
    'bpf': (321, 0, buffer, 64), 'perf_event_open': (298, buffer, 0, -1, -1, 0), 'init_module': (175, buffer, 1, b''),
    'finit_module': (313, 0, b'', 0), 'kexec_load': (246, 0, 0, 0, 0), 'reboot': (169, 0, 0, 0),
    'swapon': (167, b'/tmp', 0), 'settimeofday': (164, buffer, 0), 'clock_settime': (227, 0, buffer),
    'adjtimex': (159, buffer), 'clock_adjtime': (305, 0, buffer), 'sethostname': (170, b'x', 1), 'syslog': (103, 3, buffer, 9),
    'iopl': (172, 3), 'ioperm': (173, 0, 1, 1), 'modify_ldt': (154, 0, buffer, 16),
    'open_by_handle_at': (304, -100, buffer, 0), 'name_to_handle_at': (303, -100, b'/', buffer, buffer, 0),
    'fanotify_init': (300, 0, 0), 'personality': (135, 0x0040000), 'prlimit of another': (302, 1, 7, 0, buffer),
    'TIOCSTI': (16, 0, 0x5412, b'x'), 'TIOCSTI high': (16, 0, 0x7fff00005412, b'x'), 'TIOCLINUX': (16, 0, 0x541c, b'x'),
    'netlink': (41, 16, 3, 0), 'packet': (41, 17, 3, 0), 'vsock': (41, 40, 1, 0), 'alg': (41, 38, 5, 0), 'inet': (41, 2, 1, 0),
    'mknod': (133, b'/tmp/node', 0o20666, 0x103), 'mknodat': (259, -100, b'/tmp/node', 0o60666, 0x800),
    'quotactl': (179, 0, 0, 0, 0), 'acct': (163, 0), 'vhangup': (153,),
}
os.mkdir('/tmp/d'); open('/tmp/f', 'w').close()
tries['chmod set-uid'] = (90, b'/tmp/f', 0o4755); tries['fchmodat set-gid'] = (268, -100, b'/tmp/f', 0o2755)
tries['fchmodat2 set-uid'] = (452, -100, b'/tmp/f', 0o4755, 0)
for name, arguments in tries.items():
    result = call(*arguments)
    if name.startswith('clone') and result == 'OK' and os.getpid() != PARENT: os._exit(0)
    if result != 'EPERM': print(name, result)
print('clone3', call(435, buffer, 88))
"#;
    let script = script.replace("tries = {", "PARENT = os.getpid()\ntries = {");
    assert_eq!(python(&script).output(), "clone3 ENOSYS\n");
}

/// The other numbering of the same processor would walk around the filter.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_foreign_numbering_is_deadly() {
    let report =
        python("import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39)); print('alive')")
            .run();
    assert!(matches!(report.end, End::Denied { .. }), "{:?} {}", report.end, report.stdout.text());
}

#[test]
fn every_namespace_is_private() {
    let names = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];
    let script = format!("cd /proc/self/ns; for n in {}; do readlink $n; done", names.join(" "));
    let inside = shell(&script).output();
    for name in names {
        let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(inside.contains(&format!("{name}:[")), "{name}: {inside}");
        assert!(!inside.contains(&*outside.to_string_lossy()), "{name}");
    }
}

/// Only Landlock stands in the way of this one.
#[test]
fn the_second_wall_stands() {
    assert_eq!(shell("echo x 2>/dev/null > /proc/self/comm || echo refused").output(), "refused\n");
}

#[test]
fn limits_and_priorities_cannot_be_raised() {
    let script = "
import os, resource
for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
    try: resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2); print('raised', limit)
    except (ValueError, OSError): pass
try: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); print('core dumps to the host')
except (ValueError, OSError): pass
try: os.nice(-5); print('nice')
except OSError: pass
try: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); print('realtime')
except OSError: pass
try: open('/proc/self/oom_score_adj', 'w').write('-1000'); print('oom')
except OSError: pass
";
    assert_eq!(python(script).output(), "");
}

#[test]
fn the_first_process_and_the_helper_cannot_be_killed() {
    assert_eq!(shell("kill -9 1; kill -9 -1; echo alive").run().end, End::Exited { code: 0 });
    assert_eq!(
        python("import os, signal; os.kill(0, signal.SIGKILL)").run().end,
        End::Signalled { signal: 9 }
    );
}
