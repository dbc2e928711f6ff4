//! 46 to 53: reaching anything over a socket.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use prunella_sandbox::{End, Network, Report};

use super::payload::{payload, refused};
use crate::linux::bystanders::attack;

/// No network at all: the socket itself is refused. With a private loopback: there is nobody, and no way out.
const NOBODY: &[&str] = &["EPERM", "ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "EAFNOSUPPORT"];

/// Both kinds of network there are.
fn either(script: &str, tries: usize, look: impl Fn()) {
    for network in [Network::None, Network::Loopback] {
        let report = attack(|_| {
            let mut case = payload(&format!(
                "LOOPBACK = {}\n{script}",
                if network == Network::None { "False" } else { "True" }
            ));
            case.job.network = network;
            case
        });
        refused(&report, tries, NOBODY);
        look();
    }
}

/// Opens a connection or sends a datagram.
const REACH: &str = "
def reach(family, kind, address):
    s = socket.socket(family, kind); s.settimeout(3); s.connect(address); s.send(b'x'); s.recv(9)
";

#[test]
fn a46_cloud_metadata() {
    let script = format!(
        "{REACH}
for address in ('169.254.169.254', '169.254.170.2', '100.100.100.200', '192.0.0.192'):
    attempt(address, reach, socket.AF_INET, socket.SOCK_STREAM, (address, 80))
attempt('v6', reach, socket.AF_INET6, socket.SOCK_STREAM, ('fd00:ec2::254', 80))
"
    );
    either(&script, 5, || {});
}

#[test]
fn a47_loopback_of_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "{REACH}
for address in ('127.0.0.1', '127.1.2.3', '0.0.0.0', 'localhost'):
    attempt(address, reach, socket.AF_INET, socket.SOCK_STREAM, (address, {port}))
"
    );
    either(&script, 4, || assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock));
}

#[test]
fn a48_datagrams() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    // Nobody reads them on a private loopback, which says so.
    let script = format!(
        "{REACH}
for address in ('127.0.0.1', '192.0.2.1', '8.8.8.8', '255.255.255.255', '224.0.0.1'):
    attempt(address, reach, socket.AF_INET, socket.SOCK_DGRAM, (address, {port}))
"
    );
    let look = || assert_eq!(socket.recv_from(&mut [0u8; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    either(&script, 5, look);
}

#[test]
fn a49_the_newer_internet() {
    let listener = TcpListener::bind("[::1]:0").ok();
    let port = listener.as_ref().map_or(9, |listener| listener.local_addr().unwrap().port());
    let script = format!(
        "{REACH}
for address in ('::1', '::ffff:127.0.0.1', 'fe80::1', '2001:db8::1', 'ff02::1'):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        attempt(address, reach, socket.AF_INET6, kind, (address, {port}))
"
    );
    let answers = [NOBODY, &["EINVAL", "ENODEV"]].concat();
    for network in [Network::None, Network::Loopback] {
        let report = attack(|_| {
            let mut case = payload(&script);
            case.job.network = network;
            case
        });
        refused(&report, 10, &answers);
    }
    if let Some(listener) = listener {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a50_sockets_of_services() {
    let report = attack(|_| {
        let script = format!(
            "{REACH}
names = ['/run/docker.sock', '/var/run/docker.sock', '/run/containerd/containerd.sock', '/run/podman/podman.sock',
    '/run/dbus/system_bus_socket', '/run/user/%d/bus' % os.getuid(), '/run/systemd/private', '/run/systemd/notify', '/run/snapd.socket',
    '/tmp/ssh-agent.sock', '/run/user/1000/keyring/ssh', '/tmp/.X11-unix/X0', '/run/user/1000/wayland-0', '/run/gnupg/S.gpg-agent',
    '/dev/log', '/run/systemd/journal/socket', '/var/run/nscd/socket', '/run/postgresql/.s.PGSQL.5432', '/tmp/tmux-0/default']
for name in names: attempt(name, reach, socket.AF_UNIX, socket.SOCK_STREAM, name)
print([name for name in os.environ if 'SOCK' in name or 'BUS' in name or 'DISPLAY' in name], 'ENOENT')
"
        );
        payload(&script)
    });
    refused(&report, 20, &["ENOENT", "EACCES"]);
    a_listening_socket_of_the_host();
}

/// One that is there for sure, in a folder that everybody may use.
fn a_listening_socket_of_the_host() {
    let folder = tempfile::Builder::new().prefix("service").tempdir_in("/tmp").unwrap();
    let place = folder.path().join("sock");
    let listener = UnixListener::bind(&place).unwrap();
    listener.set_nonblocking(true).unwrap();
    let script = format!(
        "{REACH}
for top in ('', '/proc/1/root', '/proc/self/root', '/repo/../'): attempt('connect', reach, socket.AF_UNIX, socket.SOCK_STREAM, top + {place:?})
"
    );
    refused(&attack(|_| payload(&script)), 4, &["ENOENT", "EACCES"]);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a51_abstract_sockets() {
    let name = format!("prunella-canary-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let script = format!(
        "{REACH}
for name in ('{name}', '/tmp/.X11-unix/X0', '/tmp/dbus-x', '/org/kernel/linux/storage/multipathd', 'docker'):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM): attempt(name, reach, socket.AF_UNIX, kind, '\\0' + name)
"
    );
    refused(&attack(|_| payload(&script)), 10, &["ECONNREFUSED", "EPERM"]);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a52_other_families() {
    let script = "
for family in range(46):
    if family in (socket.AF_UNIX, *((socket.AF_INET, socket.AF_INET6) if LOOPBACK else ())): continue
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        attempt(family, socket.socket, family, kind)
    attempt(family, socket.socketpair, family, socket.SOCK_STREAM)
";
    for (network, families) in [(Network::None, 45), (Network::Loopback, 43)] {
        let report = attack(|_| {
            let text = if network == Network::None { "False" } else { "True" };
            let mut case = payload(&format!("LOOPBACK = {text}\n{script}"));
            case.job.network = network;
            case
        });
        refused(&report, families * 5, &["EPERM"]);
    }
    // Nothing raw on the private loopback either.
    let report: Report = attack(|_| {
        let mut case = payload(
            "
for family in (socket.AF_INET, socket.AF_INET6): attempt('raw', socket.socket, family, socket.SOCK_RAW, 255)
",
        );
        case.job.network = Network::Loopback;
        case
    });
    refused(&report, 2, &["EPERM"]);
}

#[test]
fn a53_names_that_carry_secrets() {
    let script = "
for name in ('secret.example.org', 'example.org', 'metadata.google.internal', '_gateway'):
    for family in (0, socket.AF_INET, socket.AF_INET6):
        try: print('REACHED', socket.getaddrinfo(name, 53, family))
        except socket.gaierror: pass
        except OSError as error: print(error)
for server in ('127.0.0.53', '127.0.0.1', '1.1.1.1', '169.254.169.253'):
    s = None
    try: s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect((server, 53)); s.send(b'q'); s.recv(9); print('REACHED', server)
    except OSError: pass
for place in ('/run/systemd/resolve/io.systemd.Resolve', '/var/run/nscd/socket', '/run/avahi-daemon/socket', '/run/mDNSResponder'):
    try: socket.socket(socket.AF_UNIX).connect(place); print('REACHED', place)
    except OSError: pass
print(open('/etc/resolv.conf').read() + 'nobody')
";
    for network in [Network::None, Network::Loopback] {
        let report = attack(|_| {
            let mut case = payload(script);
            case.job.network = network;
            case
        });
        assert_eq!(
            (report.end, report.stdout.text().as_str()),
            (End::Exited { code: 0 }, "nobody\n"),
            "{network:?}"
        );
    }
}
