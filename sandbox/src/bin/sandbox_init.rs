//! The small program that sets a sandbox up from the inside. Started by `LinuxSandbox`, never by hand.

fn main() {
    prunella_sandbox::init_main()
}
