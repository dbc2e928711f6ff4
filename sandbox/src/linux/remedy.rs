//! What a person can do when a step of the set-up is refused.

use std::fs;
use std::path::Path;

/// Advice for a failed step; `errno` is what the system said, if it did.
pub(super) fn remedy(step: &str, errno: Option<i32>) -> String {
    let sysctl = |name: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(name))
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok())
    };
    // Filters of container engines answer with the first; sandboxed kernels that know no namespaces with the last two.
    let refused = matches!(
        errno,
        Some(libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS | libc::ENOSYS | libc::EINVAL)
    );
    match step {
        "user namespace" | "namespaces" | "mounts" if refused => {
            if sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
                return "this system forbids unprivileged user namespaces; allow them with `sudo sysctl -w \
                        kernel.apparmor_restrict_unprivileged_userns=0`"
                    .into();
            }
            if sysctl("kernel/unprivileged_userns_clone") == Some(0) {
                return "allow user namespaces with `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
                    .into();
            }
            if sysctl("user/max_user_namespaces") == Some(0) {
                return "allow user namespaces with `sudo sysctl -w user.max_user_namespaces=15000`".into();
            }
            "something forbids new namespaces. In a container, start it with `docker run --security-opt \
             seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN`; on a host, allow \
             unprivileged user namespaces (`sysctl user.max_user_namespaces`)"
                .into()
        }
        "helper" => format!(
            "put `sandbox-init` (built with this program) beside it, or name it in {}",
            super::locate::HELPER_VARIABLE
        ),
        "exec" => {
            "check that the command exists inside the sandbox: its folder must be under /usr or one of the \
                   job's read-only mounts, and in PATH"
                .into()
        }
        "tree" => "the tree must be a readable folder that fits the job's disk limit".into(),
        "mounts" => {
            "every mount must exist on the host, and its place must not lie inside another mount".into()
        }
        "job" | "edits" | "protect" | "working directory" => "correct the job".into(),
        "seccomp" => "a kernel with seccomp filters is needed (CONFIG_SECCOMP_FILTER)".into(),
        _ if errno == Some(libc::ENOSYS) => "a Linux kernel of 5.12 or newer is needed".into(),
        _ => "run `prunella doctor`, or choose another sandbox with `--sandbox`".into(),
    }
}
