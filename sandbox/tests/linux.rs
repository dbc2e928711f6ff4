//! The `linux` backend, tried for real: every test runs commands in it. `as_an_ordinary_user` runs them all again as
//! a user without any privilege, when they were started by root.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be laid out has failed")]

mod linux {
    mod attacks;
    mod basics;
    mod bystanders;
    mod common;
    mod leaks;
    mod limits;
    mod setup;
    mod tree;
}
