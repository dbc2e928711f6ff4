//! Containers whose owner is gone: one that was killed could not take its own away. Whoever starts next does.

use rustix::process::Pid;

use super::engine::Engine;
use crate::tree;

/// The label that says whose a container is.
const LABEL: &str = "prunella.owner";

/// The label of containers of this process: where it runs, and its number there.
pub(super) fn label() -> String {
    format!("{LABEL}={}:{}", here(), std::process::id())
}

/// Takes away what others left behind that ran here and run no more, with the copies of their trees.
pub(super) fn sweep(engine: &Engine) {
    let format = format!("{{{{.Names}}}} {{{{.Label \"{LABEL}\"}}}}");
    for line in engine.labelled(&format).lines() {
        let Some((name, owner)) = line.trim().split_once(' ') else { continue };
        // Any other name is not ours, whatever its label says.
        let ours = name.strip_prefix("prunella-").is_some_and(|rest| rest.chars().all(char::is_alphanumeric));
        if ours && gone(owner) && engine.remove(name).is_ok() {
            tree::remove_firmly(&std::env::temp_dir().join(name));
        }
    }
}

/// Whether `owner` ran here and runs no more. Of who runs elsewhere nothing is known.
fn gone(owner: &str) -> bool {
    let Some((place, number)) = owner.rsplit_once(':') else { return false };
    let number = number.parse::<u32>().ok().and_then(|number| i32::try_from(number).ok());
    let Some(process) = number.and_then(Pid::from_raw) else { return false };
    place == here() && rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
}

/// Where numbers of processes mean the same as here: this boot's, and this namespace's.
fn here() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let mut place =
        blake3::hash(format!("{} {}", boot.trim(), space.display()).as_bytes()).to_hex().to_string();
    place.truncate(12);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_ran_here_and_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let number = child.id();
        child.wait().unwrap();
        assert!(gone(&format!("{}:{number}", here())));
        assert!(!gone(&format!("elsewhere:{number}")));
        assert!(!gone(&format!("{}:{}", here(), std::process::id())));
        for nonsense in
            ["", ":", "x", &format!("{}:", here()), &format!("{}:-1", here()), &format!("{}:0", here())]
        {
            assert!(!gone(nonsense), "{nonsense}");
        }
    }
}
