//! The small program that sets a sandbox up from the inside. Started by `LinuxSandbox`, never by hand.

#![forbid(unsafe_code)]

fn main() {
    prunella_sandbox::init_main()
}
