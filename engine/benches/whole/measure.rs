//! Wall time, the process's own CPU time, its peak memory, and the line that says so.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

/// CPU time of all threads of this process so far, in seconds.
pub(crate) fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What a piece of work took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
}

/// Does `work` and says what it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (cpu, wall) = (cpu_s(), Instant::now());
    let done = work();
    (done, Took { wall_s: wall.elapsed().as_secs_f64(), cpu_s: cpu_s() - cpu })
}

/// The most memory that the process ever held, in MiB: its own high-water mark.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// Prints the line of one job.
pub(crate) fn emit(bench: &str, facts: Value) {
    let mut line = Map::from_iter([("bench".to_owned(), Value::from(bench))]);
    for (name, value) in facts.as_object().cloned().unwrap_or_default() {
        let value = match value.as_f64().filter(|_| value.is_f64()) {
            Some(number) => json!((number * 1e6).round() / 1e6),
            None => value,
        };
        line.insert(name, value);
    }
    line.insert("peak_rss_mb".to_owned(), json!((peak_rss_mb() * 10.0).round() / 10.0));
    println!("{}", Value::Object(line));
}
