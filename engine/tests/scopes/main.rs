//! Runs in which scopes work side by side: branches and their joins, calls, maps, questions, failures.

#[cfg(test)]
mod branches;
#[cfg(test)]
mod builder;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod defects;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod lessons;
#[cfg(test)]
mod model;
#[cfg(test)]
mod parts;
#[cfg(test)]
#[path = "../support/prefix.rs"]
mod prefix;
#[cfg(test)]
mod puppet;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod random;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod transitions;
#[cfg(test)]
mod travel;
#[cfg(test)]
mod whole;
