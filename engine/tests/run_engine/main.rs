//! Runs of scripted nodes on a scripted world: everything the engine promises, without an incident in sight.

#[cfg(test)]
mod kill;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod semantics;
