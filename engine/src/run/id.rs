//! Ids of runs: short, sortable by time, easy to type.

/// Crockford's alphabet: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The first of January 2020, in milliseconds since the Unix epoch.
const EPOCH_MS: u64 = 1_577_836_800_000;

/// Twelve characters: eight of time (milliseconds since 2020, good until 2054), four of chance.
pub(super) fn make(now_ms: u64, random: u64) -> String {
    let time = now_ms.saturating_sub(EPOCH_MS) & 0xff_ffff_ffff;
    let bits = (time << 20) | (random >> 44);
    (0..12)
        .rev()
        .map(|i| char::from(ALPHABET[usize::try_from((bits >> (5 * i)) & 31).unwrap_or(0)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        let (a, b) = (make(1_795_000_000_000, u64::MAX), make(1_795_000_000_001, 0));
        assert!(a < b, "{a} {b}");
        assert_eq!(a.len(), 12);
    }
}
