//! Stack traces in logs: found, parsed, fingerprinted. Pure.
