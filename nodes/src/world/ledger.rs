//! Effects `ledger.*`: what is known of a fingerprint, and who works on it.
