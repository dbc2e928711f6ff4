//! Whole jobs, a process each: `whole JOB ARGS…` does the work that the script of the same name and arguments does
//! with another engine, asserts its result, and prints one line of JSON of the same shape. `compare.py` runs both
//! sides; README.md beside it has the list.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measuring program"
)]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made stops")]

#[path = "whole/cold.rs"]
mod cold;
#[path = "whole/fan.rs"]
mod fan;
#[path = "whole/graphs.rs"]
mod graphs;
#[path = "whole/growth.rs"]
mod growth;
#[path = "whole/history.rs"]
mod history;
#[path = "whole/kinds.rs"]
mod kinds;
#[path = "whole/measure.rs"]
mod measure;
#[path = "whole/parked.rs"]
mod parked;
#[path = "whole/peers.rs"]
mod peers;
#[path = "whole/selfheal.rs"]
mod selfheal;
#[path = "whole/sequential.rs"]
mod sequential;
#[path = "whole/setting.rs"]
mod setting;
#[path = "whole/wide.rs"]
mod wide;

use std::process::ExitCode;

/// What can be asked for, with its arguments.
const JOBS: &str = "\
a_sequential loop|loop_cel|chain N none|memory
b_fanout N none|memory|sqlite_sync subgraph
c_wide N memory_sync|sqlite_sync
d_sqlite_growth N add none|memory|sync
e_cold one_node|one_node_sqlite
f_parked N
g_history N growing
h_selfheal RUNS none|memory|sqlite_sync
peers";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().ok();
    let done = match args.as_slice() {
        ["a_sequential", shape, n, saver] => number(n).and_then(|n| sequential::run(shape, n, saver)),
        ["b_fanout", n, saver, "subgraph"] => number(n).and_then(|n| fan::run(n, saver)),
        ["c_wide", n, saver] => number(n).and_then(|n| wide::run(n, saver)),
        ["d_sqlite_growth", n, "add", saver] => number(n).and_then(|n| growth::run(n, saver)),
        ["e_cold", shape] => cold::run(shape),
        ["f_parked", n] => number(n).map(parked::run),
        ["g_history", n, "growing"] => number(n).map(history::run),
        ["h_selfheal", n, saver] => number(n).and_then(|n| selfheal::run(n, saver)),
        ["peers"] => {
            peers::run();
            Some(())
        }
        _ => None,
    };
    match done {
        Some(()) => ExitCode::SUCCESS,
        None => {
            println!("the jobs are:\n{JOBS}");
            ExitCode::from(2)
        }
    }
}
