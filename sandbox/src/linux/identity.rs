//! Who a command will be. Started by root, it becomes a user that nothing on this host belongs to, another one than that
//! of every other job at the time, so that their limits do not add up.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::spec::Identity;

/// First of the numbers that are used.
const FIRST: u32 = 64_100;
/// How many there are.
const COUNT: u32 = 800;

/// Numbers that a job of this process has.
static TAKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// An identity that is a job's own until it is dropped.
#[derive(Debug)]
pub(super) struct Taken(Identity);

impl Taken {
    /// Who it is.
    pub(super) fn value(&self) -> Identity {
        self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Identity::Drop(id) = self.0 {
            TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        }
    }
}

/// Takes the first number that is free. The same few come again and again, as what is prepared for one can be kept.
pub(super) fn take() -> Taken {
    if !rustix::process::geteuid().is_root() {
        return Taken(Identity::UserNamespace);
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let free = unused().iter().copied().find(|id| !taken.contains(id));
    let id = free.unwrap_or(FIRST);
    taken.insert(id);
    Taken(Identity::Drop(id))
}

/// The numbers that belong to nobody on this host, in the order of use; other processes begin elsewhere.
fn unused() -> &'static [u32] {
    static UNUSED: OnceLock<Vec<u32>> = OnceLock::new();
    UNUSED.get_or_init(|| {
        let ids = |path| -> BTreeSet<u32> {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect()
        };
        let (users, groups) = (ids("/etc/passwd"), ids("/etc/group"));
        let from = std::process::id().wrapping_mul(31);
        let all = (0..COUNT).map(|step| FIRST + from.wrapping_add(step) % COUNT);
        all.filter(|id| !users.contains(id) && !groups.contains(id)).collect()
    })
}
