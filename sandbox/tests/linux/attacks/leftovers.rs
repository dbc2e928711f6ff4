//! 13 to 25: what is left in the tree for the host to stumble over. Nothing of the tree comes back but names, and the
//! host runs no git in it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prunella_sandbox::{End, Report, Sandbox};

use super::payload::payload;
use crate::linux::bystanders::Bystanders;
use crate::linux::common::{Case, changes, sandbox, shell, state};

/// The same over an overlay and over a copy.
fn both(job: impl Fn(&Path) -> Case, look: impl Fn(&Report, Vec<String>)) {
    for copies in [false, true] {
        let bystanders = Bystanders::new();
        let case = job(bystanders.host());
        let before = state(case.tree.path());
        let sandbox = if copies { sandbox().with_copies() } else { sandbox() };
        let report = sandbox.run(&case.job);
        assert_eq!(state(case.tree.path()), before, "copies: {copies}");
        bystanders.unharmed();
        let changes = changes(&report);
        look(&report, changes);
    }
}

fn ended_well(report: &Report) {
    assert_eq!(report.end, End::Exited { code: 0 }, "{}{}", report.stdout.text(), report.stderr.text());
}

#[test]
fn a13_symbolic_links() {
    both(
        |host| {
            shell(&format!(
                "ln -s {host}/.netrc absolute; ln -s ../../../../../..{host} relative; ln -s /etc/shadow a.link; ln -s self self
rm -r pkg; ln -s {host} pkg; rm a.txt; ln -s {host}/.netrc a.txt; mkdir d; ln -s {host}/work d/inside; ln -s /proc/self/root root",
                host = host.display()
            ))
        },
        |report, changes| {
            ended_well(report);
            let expected = "changed a.txt|added a.link|added absolute|added d/inside|added pkg|removed pkg/b.txt|\
                            removed pkg/inner/c.txt|added relative|added root|added self";
            let mut expected: Vec<&str> = expected.split('|').collect();
            let mut changes: Vec<&str> = changes.iter().map(String::as_str).collect();
            expected.sort_unstable();
            changes.sort_unstable();
            // Links by name: nothing behind one is ever listed.
            assert_eq!(changes, expected);
        },
    );
}

#[test]
fn a14_hard_links() {
    both(
        |host| {
            let mut case = payload(
                "
for path in ('/opt/shown', '/usr/bin/env', '/etc/passwd', sys.executable, '/bin/sh'): attempt('link', os.link, path, '/repo/hard')
os.link('/repo/a.txt', '/repo/second'); open('/repo/second', 'a').write('more')
attempt('link', os.link, '/repo/pkg/b.txt', '/tmp/third')
",
            );
            let shown = host.join("work/notes.txt");
            case.job.mounts.push(prunella_sandbox::Mount { host: shown, guest: "/opt/shown".into() });
            case
        },
        |report, changes| {
            ended_well(report);
            let said = report.stdout.text();
            assert!(said.lines().count() == 6 && !said.contains("DONE"), "{said}");
            assert_eq!(changes, ["changed a.txt", "added second"]);
        },
    );
}

#[test]
fn a15_a_race_of_renames() {
    both(
        |host| {
            let script = format!(
                "
os.mkdir('/repo/swap'); open('/repo/swap/file', 'w').close(); os.symlink({host:?}, '/repo/away')
print('racing', flush=True)
for _ in range(3): os.fork()
while True:
    for one, other in (('swap', 'kept'), ('away', 'swap'), ('swap', 'away'), ('kept', 'swap')):
        try: os.rename('/repo/' + one, '/repo/' + other)
        except OSError: pass
"
            );
            let mut case = payload(&script);
            case.job.limits.wall = Duration::from_millis(700);
            case
        },
        |report, changes| {
            assert_eq!((&report.end, report.stdout.text().as_str()), (&End::TimedOut, "racing\n"));
            for change in &changes {
                let path = change.strip_prefix("added ").unwrap_or_else(|| panic!("{changes:?}"));
                assert!(["swap", "kept", "away"].contains(&path.split('/').next().unwrap()), "{changes:?}");
                assert!(path.split('/').nth(1).is_none_or(|name| name == "file"), "{changes:?}");
            }
        },
    );
}

#[test]
fn a16_hostile_names() {
    both(
        |_| {
            payload(
                r"
names = [b'new\nline', b'\x1b[2J\x1b[31mred', b'\xe2\x80\xae.txt', b'\xff\xfe', b'-rf', b'--exec=sh', b'$(id)', b'`id`', b'a;b',
    b' ', b'...', b'\t', b'\x7f', b'a' * 255, b'*', b'con', b'\\', b'%s%n', b'\xc3\x28']
for name in names: open(b'/repo/' + name, 'w').close()
",
            )
        },
        |report, changes| {
            ended_well(report);
            assert_eq!(changes.len(), 19, "{changes:?}");
            let as_json = serde_json::to_string(&report).unwrap();
            assert!(!as_json.contains(['\n', '\u{1b}']), "{as_json}");
            let read: serde_json::Value = serde_json::from_str(&as_json).unwrap();
            let told =
                |path: &str| read["changed"].as_array().unwrap().iter().any(|change| change["path"] == path);
            assert!(
                told("new\nline") && told("\u{fffd}\u{fffd}") && told("\u{202e}.txt") && told("-rf"),
                "{read}"
            );
        },
    );
}

#[test]
fn a17_very_deep_folders() {
    both(
        |_| {
            payload(
                "
for _ in range(3000): os.mkdir('d' * 60); os.chdir('d' * 60)
open('end', 'w').close()
print('deep')
",
            )
        },
        |report, changes| {
            ended_well(report);
            assert_eq!(report.stdout.text(), "deep\n");
            // Deeper than a path can say: told as more than is told.
            assert_eq!(changes, ["changed …"]);
        },
    );
}

#[test]
fn a18_closed_folders() {
    both(
        |_| {
            shell(
                "mkdir -p closed/in; echo x > closed/in/file; chmod 000 closed/in/file closed/in closed; chmod 000 pkg/inner a.txt
mkdir sticky; chmod 1777 sticky; echo x > immutable; chattr +i immutable 2>/dev/null; chmod 000 .",
            )
        },
        |report, changes| {
            ended_well(report);
            for path in ["added closed/in/file", "changed a.txt", "added immutable"] {
                assert!(changes.iter().any(|change| change == path), "{path}: {changes:?}");
            }
        },
    );
}

/// A job that leaves `leave` in its tree, and a `SPY` in it: a program that would write into the host's folder. Whoever
/// ran git afterwards where the tree was finds nothing of it.
fn git(leave: &str) {
    both(
        |host| {
            let script = format!(
                "
set -e
mkdir -p .git/hooks .git/info .git/objects/info .git/refs/heads
printf '#!/bin/sh\\necho spied > {host}/spied\\n' > SPY; chmod 755 SPY
printf 'ref: refs/heads/main\\n' > .git/HEAD; printf '[core]\\n\\trepositoryformatversion = 0\\n' > .git/config
{leave}
echo left",
                host = host.display()
            );
            shell(&script)
        },
        |report, changes| {
            ended_well(report);
            assert_eq!(report.stdout.text(), "left\n");
            assert!(changes.contains(&"added SPY".to_owned()), "{changes:?}");
        },
    );
    // What a person does next: git, where the tree is.
    let bystanders = Bystanders::new();
    let case = shell(&format!("mkdir -p .git/hooks; {leave}; true"));
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "safe.directory=*", "-c", "user.name=n", "-c", "user.email=n@example.org"]);
        git.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(case.tree.path());
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "base"]);
    ended_well(&case.run());
    assert_eq!(git(&["status", "--short"]), "");
    assert_eq!(git(&["diff", "HEAD"]), "");
    bystanders.unharmed();
}

#[test]
fn a19_git_hooks() {
    git("for h in pre-commit post-checkout post-merge post-index-change reference-transaction fsmonitor-watchman; do
  cp SPY .git/hooks/$h 2>/dev/null || cp a.txt .git/hooks/$h; done; mkdir hooks; cp a.txt hooks/pre-commit");
}

#[test]
fn a20_git_configuration() {
    git("cat >> .git/config <<'END'
[core]
	fsmonitor = \"touch $HOME/spied; false\"
	pager = ./SPY
	editor = ./SPY
	sshCommand = ./SPY
	hooksPath = .
[filter \"spy\"]
	clean = ./SPY
	smudge = ./SPY
	required = true
[diff \"spy\"]
	textconv = ./SPY
	external = ./SPY
[include]
	path = ../included
END
printf '[alias]\\n\\tst = !./SPY\\n' > included");
}

#[test]
fn a21_git_attributes() {
    git(
        "printf '* filter=spy diff=spy merge=spy text eol=crlf ident\\n' > .gitattributes; mkdir -p .git/info
cp .gitattributes .git/info/attributes; cp .gitattributes pkg/.gitattributes",
    );
}

#[test]
fn a22_git_modules() {
    git("cat > .gitmodules <<'END'
[submodule \"x\"]
	path = -x
	url = ext::sh -c ./SPY
	update = !./SPY
END
mkdir -p .git/modules/x/hooks; cp a.txt .git/modules/x/hooks/post-checkout");
}

#[test]
fn a23_a_redirected_git_folder() {
    git("rm -rf pkg/.git; mkdir -p pkg/evil; printf 'gitdir: /repo/pkg/evil\\n' > pkg/.git; printf '[core]\\n\\tfsmonitor = ./SPY\\n' > pkg/evil/config
mv .git .moved; printf 'gitdir: .moved\\n' > .git; rm .git; rm -rf .moved; mkdir -p .git");
}

#[test]
fn a24_git_alternates() {
    git("mkdir -p .git/objects/info; printf '/root/.git/objects\\n../../../../../../root\\n' > .git/objects/info/alternates
printf 'ext::sh -c ./SPY\\n' > .git/objects/info/http-alternates; mkdir -p .git/refs; ln -s /root .git/refs/heads-away");
}

#[test]
fn a25_a_nested_bare_repository() {
    git("mkdir -p bare/hooks bare/objects bare/refs; printf 'ref: refs/heads/main\\n' > bare/HEAD
printf '[core]\\n\\tbare = true\\n\\tfsmonitor = ./SPY\\n\\tworktree = /\\n' > bare/config; cp a.txt bare/hooks/post-index-change");
    let link = shell("cat inner/HEAD 2>/dev/null; ls inner 2>/dev/null; true");
    symlink(".git", link.tree.path().join("inner")).unwrap();
    std::fs::create_dir(link.tree.path().join(".git")).unwrap();
    std::fs::write(link.tree.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    assert_eq!(link.output(), "");
}
