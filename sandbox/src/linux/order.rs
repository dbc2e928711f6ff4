//! Checks a job and turns it into what the helper is told.

use super::spec::{Identity, MAX_SPEC, Spec, SpecEdit, SpecFile};
use crate::environment::{self, Places};
use crate::job::{Job, Network};
use crate::mounts;
use crate::paths;

/// Most files, edits, mounts or protected paths of a job.
const MAX_PARTS: usize = 50_000;

/// The order for `job`, with the contents it mentions one after the other; an error says what is wrong with the job.
pub(super) fn order(job: &Job, identity: Identity, copy: bool) -> Result<(Spec, Vec<u8>), String> {
    let parts = job.files.len() + job.edits.len() + job.mounts.len() + job.protect.len();
    if parts > MAX_PARTS {
        return Err(format!("{parts} files, edits, mounts and protected paths are more than {MAX_PARTS}"));
    }
    let tree = job.tree.canonicalize().map_err(|error| format!("tree {}: {error}", job.tree.display()))?;
    if !tree.is_dir() {
        return Err(format!("tree {}: is no folder", tree.display()));
    }
    if job.argv.iter().chain(job.env.values()).any(|text| text.contains('\0')) {
        return Err("an argument or a variable has a zero byte".into());
    }
    paths::relative(&job.cwd)
        .ok_or_else(|| format!("working directory {:?} is no path of the tree", job.cwd))?;
    let mut blobs = Vec::new();
    let mut files = Vec::new();
    for file in &job.files {
        if file.name.is_empty() || file.name.contains(['/', '\0']) || matches!(file.name.as_str(), "." | "..")
        {
            return Err(format!("file {:?} needs a name without a slash", file.name));
        }
        blobs.extend_from_slice(&file.content);
        files.push(SpecFile { name: file.name.clone(), length: file.content.len() as u64 });
    }
    let mut edits = Vec::new();
    for edit in &job.edits {
        if paths::relative(&edit.path).is_none_or(|names| names.is_empty() || names.first() == Some(&".git"))
        {
            return Err(format!("edit {:?} is no path of the tree", edit.path));
        }
        let length = edit.content.as_ref().map(|content| {
            blobs.extend_from_slice(content);
            content.len() as u64
        });
        edits.push(SpecEdit { path: edit.path.clone(), length, executable: edit.executable });
    }
    blobs.extend_from_slice(&job.input);
    if blobs.len() as u64 > MAX_SPEC {
        return Err("files, edits and input are larger than a job may be".into());
    }
    let spec = Spec {
        identity,
        tree,
        copy,
        argv: job.argv.clone(),
        env: environment::whole(
            &job.env,
            &Places { home: "/home/sbx", temporary: "/tmp", repo: "/repo", files: "/prunella" },
        )?,
        cwd: job.cwd.clone(),
        mounts: mounts::resolved(job)?,
        files,
        edits,
        input: job.input.len() as u64,
        protect: job.protect.clone(),
        cpu_seconds: job.limits.cpu.as_secs().max(1),
        memory: job.limits.memory,
        processes: job.limits.processes,
        disk: job.limits.disk,
        loopback: job.network == Network::Loopback,
        host_network: job.network == Network::Host,
        channel: job.channel,
    };
    Ok((spec, blobs))
}
