//! 10 to 12: changing what is outside the tree.

use std::os::unix::fs::symlink;

use prunella_sandbox::Mount;

use super::payload::{FIXED, payload, refused};
use crate::linux::bystanders::attack;

#[test]
fn a10_writing_outside() {
    let report = attack(|host| {
        let script = format!(
            "
places = [{host:?}, {host:?} + '/.ssh', '/', '/usr', '/usr/bin', '/usr/local/lib', '/etc', '/bin', '/lib', '/dev', '/proc',
    '/proc/sys', '/var', '/var/empty', '/home', '/prunella', '/sys', '/run', '/root', '/opt', '/boot', '/etc/cron.d']
for place in places:
    attempt('create ' + place, os.open, place + '/planted', os.O_CREAT | os.O_WRONLY)
    attempt('folder ' + place, os.mkdir, place + '/planted.d')
    attempt('link ' + place, os.symlink, '/etc/passwd', place + '/planted.l')
for path in (sys.executable, '/bin/sh', '/etc/passwd', '/etc/ld.so.cache', '/etc/hosts', '/usr/lib/os-release'):
    attempt('write ' + path, os.open, path, os.O_WRONLY)
    attempt('truncate ' + path, os.truncate, path, 0)
    attempt('remove ' + path, os.unlink, path)
    attempt('replace ' + path, os.rename, '/repo/a.txt', path)
"
        );
        payload(&script)
    });
    refused(&report, 22 * 3 + 6 * 4, FIXED);
}

#[test]
fn a11_climbing_out() {
    let report = attack(|host| {
        let script = format!(
            "
host = {host:?}
ways = ['/repo/' + '../' * 40 + host[1:], '../' * 9 + host[1:], '/repo/pkg/../..' + host, '/tmp/..' + host, 'up' + host,
    '/proc/self/cwd/..' + host, '/proc/self/root' + host, '/dev/fd/..' + host, '/home/sbx/..' + host]
for way in ways:
    attempt('list ' + way, os.listdir, way)
    attempt('write ' + way, os.open, way + '/work/notes.txt', os.O_WRONLY | os.O_TRUNC)
# Up from a descriptor, until nothing is above.
here = os.open('/repo', os.O_RDONLY)
for _ in range(99): here = os.open('..', os.O_RDONLY, dir_fd=here)
attempt('descriptor', lambda: os.open(host[1:], os.O_RDONLY, dir_fd=here))
# A folder that was left by renaming it away from under the feet.
os.makedirs('/repo/x/y'); os.chdir('/repo/x/y'); os.rename('/repo/x/y', '/repo/y')
attempt('renamed', os.listdir, '../../..' + host)
"
        );
        let case = payload(&script);
        symlink("../../../../../..", case.tree.path().join("up")).unwrap();
        case
    });
    refused(&report, 20, FIXED);
}

#[test]
fn a12_modes_times_owners_and_attributes_of_host_files() {
    let report = attack(|host| {
        let script = "
for path in ('/opt/shown/.netrc', '/opt/shown/.ssh', '/opt/shown', '/opt/one', '/usr/bin/env', '/usr', '/'):
    attempt('mode', os.chmod, path, 0o777)
    attempt('time', os.utime, path, (1, 1))
    attempt('owner', os.chown, path, os.getuid(), os.getgid())
    attempt('attribute', os.setxattr, path, 'user.x', b'x')
    attempt('rename', os.rename, path, path + '.moved')
    attempt('hard link', os.link, path, '/repo/linked')
    attempt('create', os.open, path + '/new', os.O_CREAT | os.O_WRONLY)
    attempt('append', os.open, path, os.O_WRONLY | os.O_APPEND)
    attempt('truncate', os.truncate, path, 0)
    attempt('flags', lambda: __import__('fcntl').ioctl(os.open(path, os.O_RDONLY), 0x40086602, struct.pack('l', 0x10)))
";
        let mut case = payload(script);
        // Shown read-only, though its owner lets anybody write there.
        case.job.mounts.push(Mount { host: host.join("work"), guest: "/opt/shown/.ssh".into() });
        case.job.mounts.push(Mount { host: host.join("work/notes.txt"), guest: "/opt/shown/.netrc".into() });
        case.job.mounts.push(Mount { host: host.join("work/notes.txt"), guest: "/opt/one".into() });
        case
    });
    let more = [FIXED, &["ENOTDIR", "EISDIR", "EINVAL", "ENOTTY", "EEXIST", "EOPNOTSUPP"]].concat();
    refused(&report, 7 * 10, &more);
}
