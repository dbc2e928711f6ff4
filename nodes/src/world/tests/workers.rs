//! How many sandboxes may run at once.

use prunella_sandbox::Limits;

/// As many as there are cores, and as many as memory bears when each uses up its limit; `at_once` sandboxes belong
/// to one worker.
pub(crate) fn workers(at_once: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = Limits::default().memory.saturating_mul(at_once.max(1));
    let bears = memory().map_or(cores, |free| usize::try_from(free / share).unwrap_or(cores));
    cores.min(bears).max(1)
}

/// Memory that is free to be used, in bytes, where the system says so.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_one_and_never_more_than_cores() {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!((1..=cores).contains(&workers(1)));
        assert_eq!(workers(u64::MAX), 1);
    }
}
