//! The program that runs one WebAssembly guest. Started by `WasmSandbox`, never by hand.

#![forbid(unsafe_code)]

fn main() {
    prunella_sandbox::wasm_host_main()
}
