//! Takes compiled code back into memory: the one place beside the system calls where the compiler cannot help.
#![expect(
    unsafe_code,
    reason = "loading compiled code cannot be checked by its loader, only by who wrote it"
)]

use wasmtime::{Engine, Module};

/// The module that `compiled` holds, if it hashes to `expected`, which was noted when this program compiled it.
///
/// wasmtime's own cache, whose interface is safe, was not taken: it hashes the whole source and unpacks the code at
/// every start, and does not check what it reads.
pub(super) fn load(engine: &Engine, compiled: &[u8], expected: &str) -> Result<Module, String> {
    if blake3::hash(compiled).to_hex().as_str() != expected {
        return Err("the compiled module is not the one that was set up: it was changed on disk".into());
    }
    // SAFETY: these bytes, in memory where nobody else writes, are the output of `Engine::precompile_module` as the
    // set-up noted it; another version or other settings are refused by `deserialize` itself.
    unsafe { Module::deserialize(engine, compiled) }.map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_refused() {
        let engine = super::super::engine::engine().unwrap();
        let mut compiled = engine.precompile_module(b"\0asm\x01\0\0\0").unwrap();
        let hash = blake3::hash(&compiled).to_hex().to_string();
        assert!(load(&engine, &compiled, &hash).is_ok());
        let middle = compiled.len() / 2;
        compiled[middle] ^= 1;
        assert!(load(&engine, &compiled, &hash).unwrap_err().contains("changed on disk"));
    }
}
