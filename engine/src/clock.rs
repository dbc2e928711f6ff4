//! Time and chance, injected. Drivers and stores use these and nothing else in the crate does.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one home of time and chance")]

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// Where time and random numbers come from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch; may jump.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some start; never goes back.
    fn ticks_ms(&self) -> u64;

    /// A random number, for ids. Not for secrets.
    fn random(&self) -> u64;

    /// Returns after `ms` milliseconds.
    async fn sleep(&self, ms: u64);

    /// Returns when it is time to look what other processes want, while nothing else happens.
    async fn look_around(&self) {
        std::future::pending().await
    }
}

/// A time as people read it, in UTC and to the second: `2026-08-20 09:41:07 UTC`.
#[must_use]
pub fn utc(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The clock of the machine.
#[derive(Debug, Clone)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn ticks_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        // Seeded by the operating system for each new state.
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn look_around(&self) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A clock for tests: every look at it is a millisecond later, sleeping takes no time but moves it on.
#[derive(Debug)]
pub struct StepClock(AtomicU64);

impl StepClock {
    /// A clock that starts at `ms` since the Unix epoch.
    #[must_use]
    pub fn at(ms: u64) -> Self {
        Self(AtomicU64::new(ms))
    }

    /// Moves it on.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for StepClock {
    fn now_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    fn ticks_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    async fn sleep(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_told_in_utc() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (u64::MAX, "9999-12-30 22:00:00 UTC"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }
}
