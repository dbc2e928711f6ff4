//! What a fresh writable tree of 2,000 files costs: a command that changes one of them, over a plain overlay in a mount
//! namespace of its own (`unshare` and `mount`), and in the sandbox; over the overlay and over the copy that stands in
//! for it; and `cp`, with `rm` after it. `cargo run --release -p prunella-sandbox --example tree [ROUNDS]`, after building
//! the same profile's `sandbox-init`.

#[cfg(target_os = "linux")]
#[path = "common/cost.rs"]
mod cost;

#[cfg(not(target_os = "linux"))]
fn main() {}

/// Lays out 2,000 files of 8.5 kB each in 100 folders.
#[cfg(target_os = "linux")]
fn lay_out(top: &std::path::Path) -> std::io::Result<()> {
    for folder in 0..100 {
        let folder = top.join(format!("package{folder}/module"));
        std::fs::create_dir_all(&folder)?;
        for file in 0..20 {
            std::fs::write(
                folder.join(format!("file{file}.py")),
                format!("x = {file}  # some text\n").repeat(390),
            )?;
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn main() {
    use cost::{Way, measure, spawn, tell};
    use prunella_sandbox::{End, Job, LinuxSandbox, Sandbox};

    const CHANGE: &str = "echo changed >> package7/module/file7.py";
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(50);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let tree = folder.path().join("tree");
    lay_out(&tree).expect("a tree");
    // The writable side is in memory, as it is in the sandbox.
    let memory = tempfile::tempdir_in("/dev/shm").expect("a file system in memory");
    let top = memory.path().display();
    let overlay = format!(
        "mount -t overlay overlay -o lowerdir={},upperdir={top}/upper,workdir={top}/work {top}/merged && cd {top}/merged && {CHANGE}",
        tree.display()
    );
    let copy =
        format!("cp -r {} {top}/copy && cd {top}/copy && {CHANGE} && rm -r {top}/copy", tree.display());
    let user = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let fresh = |script: &str| {
        for name in ["upper", "work", "merged", "copy"] {
            let _ = std::fs::remove_dir_all(memory.path().join(name));
        }
        for name in ["upper", "work", "merged"] {
            std::fs::create_dir(memory.path().join(name)).expect("a folder");
        }
        spawn(&["unshare", user, "sh", "-c", script])
    };
    let job = Job { tree, argv: ["sh", "-c", CHANGE].map(String::from).to_vec(), ..Job::default() };
    let empty = tempfile::tempdir().expect("a temporary directory");
    let bare = Job {
        tree: empty.path().into(),
        argv: ["sh", "-c", "echo x >> x"].map(String::from).to_vec(),
        ..Job::default()
    };
    let (ours, copying, without) =
        (LinuxSandbox::new(), LinuxSandbox::new().with_copies(), LinuxSandbox::new());
    let done = |sandbox: &LinuxSandbox, job: &Job| {
        let report = sandbox.run(job);
        report.end == End::Exited { code: 0 } && report.changed.len() == 1
    };
    let mut ways = vec![
        Way::new("overlay mount, unshare and sh", || fresh(&overlay)),
        Way::new("sandbox, overlay", || done(&ours, &job)),
        Way::new("sandbox, no tree", || done(&without, &bare)),
        Way::new("sandbox, copy", || done(&copying, &job)),
        Way::new("cp -r, unshare and sh", || fresh(&copy)),
    ];
    measure(&mut ways, rounds);
    let measured = ways.into_iter().map(Way::finished).collect();
    let sandboxes =
        vec![("sandbox, overlay", ours), ("sandbox, copy", copying), ("sandbox, no tree", without)];
    tell(measured, sandboxes, "sandbox, overlay");
}
