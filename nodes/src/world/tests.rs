//! The repository's own tests in the sandbox: runners, baseline, gate, verdict.
