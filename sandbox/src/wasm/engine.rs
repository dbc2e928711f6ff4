//! The one way that modules are compiled and loaded here.

use std::hash::{Hash, Hasher};

use wasmtime::{Config, Engine};

/// Stack of the guest in bytes; an interpreter recurses deeply.
const STACK: usize = 4 << 20;

/// An engine whose guests can be interrupted wherever they are.
pub(super) fn engine() -> Result<Engine, String> {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK).async_stack_size(STACK + (2 << 20));
    Engine::new(&config).map_err(|error| format!("this machine cannot run WebAssembly: {error:#}"))
}

/// Names everything that a compiled module depends on beside its source: the compiler's version and settings, and the
/// processor.
pub(super) fn key(engine: &Engine) -> String {
    let mut hasher = Blake(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex().chars().take(16).collect()
}

/// The standard library's hash differs between its versions; this one does not.
struct Blake(blake3::Hasher);

impl Hasher for Blake {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_same_settings_have_the_same_key() {
        let key = || super::key(&super::engine().unwrap());
        assert_eq!(key(), key());
        assert_eq!(key().len(), 16);
    }
}
