//! The exact command that an engine is given.
#![expect(clippy::unwrap_used, reason = "words that are not there have failed the test")]

use std::time::Duration;

use prunella_sandbox::{End, Limits, Mount, Sandbox};

use super::stand_in::{StandIn, shell};

/// The words of the last container, one a line, with what differs from run to run replaced.
fn words(stand_in: &StandIn) -> String {
    let text = stand_in.get("words");
    let mut lines = text.lines();
    let name = lines.clone().skip_while(|line| *line != "--name").nth(1).unwrap().to_owned();
    let user = lines.clone().skip_while(|line| *line != "--user").nth(1).unwrap().to_owned();
    let top = std::env::temp_dir().join(&name).display().to_string();
    assert_eq!(lines.next(), Some("run"));
    let owner = text.lines().find(|line| line.starts_with("prunella.owner=")).unwrap().to_owned();
    let number = format!(":{}", std::process::id());
    assert!(owner.ends_with(&number), "{owner}");
    text.replace(&owner, "OWNER").replace(&top, "PLACE").replace(&name, "NAME").replace(&user, "USER")
}

#[test]
fn the_command_is_hardened_in_every_way_that_engines_know() {
    let stand_in = StandIn::new();
    let deps = tempfile::tempdir().unwrap();
    let deps_path = deps.path().canonicalize().unwrap();
    let (_tree, mut job) = shell("true");
    job.cwd = "tests".into();
    job.env.insert("GREETING".into(), "a b".into());
    job.mounts = vec![Mount { host: deps_path.clone(), guest: "/opt/deps".into() }];
    job.protect = vec!["tests/t.txt".into()];
    job.limits = Limits {
        wall: Duration::from_secs(30),
        cpu: Duration::from_secs(20),
        memory: 100 << 20,
        processes: 50,
        disk: 10 << 20,
        ..Limits::default()
    };
    assert_eq!(stand_in.sandbox().run(&job).end, End::Exited { code: 0 });
    let expected = format!(
        "run
--name
NAME
--label
prunella.sandbox=1
--label
OWNER
--pull
never
--log-driver
none
--network
none
--read-only
--cap-drop
ALL
--security-opt
no-new-privileges
--ipc
private
--hostname
sandbox
--user
USER
--memory
104857600
--memory-swap
104857600
--pids-limit
50
--ulimit
cpu=20:22
--ulimit
fsize=10485760:10485760
--ulimit
nofile=1024:1024
--ulimit
core=0:0
--tmpfs
/tmp:rw,exec,nosuid,nodev,mode=1777,size=10485760
--tmpfs
/home/sbx:rw,exec,nosuid,nodev,mode=1777,size=10485760
--shm-size
10485760
--mount
type=bind,source=PLACE/repo,target=/repo
--mount
type=bind,source=PLACE/files,target=/prunella,readonly
--mount
type=bind,source={},target=/opt/deps,readonly
--mount
type=bind,source=PLACE/repo/tests/t.txt,target=/repo/tests/t.txt,readonly
--workdir
/repo/tests
",
        deps_path.display()
    );
    let words = words(&stand_in);
    assert!(words.starts_with(&expected), "{words}");
    let rest = words.strip_prefix(&expected).unwrap();
    let env: Vec<&str> = rest.lines().filter_map(|line| line.split_once('=').map(|(name, _)| name)).collect();
    for name in ["GREETING", "HOME", "PATH", "HTTPS_PROXY", "http_proxy"] {
        assert!(env.contains(&name), "{name}: {env:?}");
    }
    assert!(rest.contains("\nHTTPS_PROXY=\n") && rest.contains("\nGREETING=a b\n"), "{rest}");
    assert!(!rest.contains("CARGO"), "nothing of our own environment is handed on");
    assert!(rest.contains("\n--entrypoint\n/bin/sh\ngood:1\n-c\n"), "{rest}");
    assert!(rest.ends_with("\nNAME\nsh\n-c\ntrue\n"), "{rest}");
    for never in ["docker.sock", "--privileged", "--device", "--cap-add", "seccomp=unconfined", "host"] {
        let found = words.lines().any(|word| word.contains(never) && !word.starts_with("type=bind,source=/"));
        assert!(!found || never == "host" && !words.lines().any(|word| word == "host"), "{never}: {words}");
    }
}

#[test]
fn podman_is_known_by_what_it_says_of_itself() {
    let stand_in = StandIn::new();
    stand_in.put("version", "podman version 5.0.0\n");
    let (_tree, job) = shell("true");
    assert_eq!(stand_in.sandbox().run(&job).end, End::Exited { code: 0 });
    // Its client hands the proxies of this machine on unless it is told not to.
    assert!(words(&stand_in).contains("\n--http-proxy=false\n"));
}

#[test]
fn an_image_cannot_be_an_option() {
    let stand_in = StandIn::new();
    let (_tree, job) = shell("true");
    let sandbox =
        prunella_sandbox::ContainerSandbox::new(Some("--privileged".into())).with_engine(stand_in.program());
    assert!(matches!(sandbox.run(&job).end, End::CouldNotStart { step, .. } if step == "image"));
    assert!(stand_in.get("words").is_empty());
}
