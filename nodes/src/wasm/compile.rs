//! From bytes to a compiled component that is known to be a node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use prunella_engine::Fault;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Type};
use wasmtime::{Config, Engine};

use super::guest::Guest;
use super::host;

/// The largest component that is read.
pub const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// A component that can be instantiated.
pub(super) struct Compiled {
    pub(super) hash: blake3::Hash,
    pub(super) ready: InstancePre<Guest>,
    /// Where `run` is.
    pub(super) run: ComponentExportIndex,
}

/// What was compiled and is still in use, by hash.
static CACHE: Mutex<BTreeMap<[u8; 32], Weak<Compiled>>> = Mutex::new(BTreeMap::new());

/// The component of these bytes; compiled once as long as somebody holds it.
pub(super) fn compiled(bytes: &[u8]) -> Result<Arc<Compiled>, Fault> {
    if bytes.len() > MAX_COMPONENT_BYTES {
        let (has, most) = (bytes.len(), MAX_COMPONENT_BYTES);
        return Err(no_node(format!("it has {has} bytes, and a component may have {most}")));
    }
    let hash = blake3::hash(bytes);
    let cached =
        CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(hash.as_bytes()).and_then(Weak::upgrade);
    if let Some(compiled) = cached {
        return Ok(compiled);
    }
    let compiled = Arc::new(compile(hash, bytes)?);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.retain(|_, held| held.strong_count() > 0);
    cache.insert(*hash.as_bytes(), Arc::downgrade(&compiled));
    Ok(compiled)
}

fn compile(hash: blake3::Hash, bytes: &[u8]) -> Result<Compiled, Fault> {
    let engine = engine()?;
    let component = Component::new(engine, bytes).map_err(|e| no_node(format!("{e:#}")))?;
    let ty = component.component_type();
    let foreign: Vec<&str> =
        ty.imports(engine).map(|(name, _)| name).filter(|name| *name != host::HOST).collect();
    if !foreign.is_empty() {
        return Err(no_node(format!("it imports {}", foreign.join(", "))).help(
            "a node reaches `prunella:node/host@1.0.0` alone; build it with its language's WASI imports stubbed",
        ));
    }
    let run = ty.exports(engine).find(|(name, _)| *name == "run").map(|(_, export)| export.ty);
    if !matches!(&run, Some(ComponentItem::ComponentFunc(run)) if is_run(run)) {
        return Err(no_node("it does not export `run: func(input: string) -> result<string, node-error>`"));
    }
    let run = component.get_export_index(None, "run").ok_or_else(|| no_node("it does not export `run`"))?;
    let linker = host::linker(engine).map_err(|e| Fault::bug(format!("the component's host: {e:#}")))?;
    let ready = linker.instantiate_pre(&component).map_err(|e| no_node(format!("{e:#}")))?;
    Ok(Compiled { hash, ready, run })
}

/// Whether it takes a string and gives `result<string, node-error>`.
fn is_run(run: &ComponentFunc) -> bool {
    let takes: Vec<Type> = run.params().map(|(_, ty)| ty).collect();
    let gives: Vec<Type> = run.results().collect();
    let ([Type::String], [Type::Result(result)]) = (takes.as_slice(), gives.as_slice()) else { return false };
    let (Some(Type::String), Some(Type::Record(error))) = (result.ok(), result.err()) else { return false };
    let fields: Vec<_> = error.fields().map(|field| (field.name, field.ty)).collect();
    !run.async_() && matches!(fields.as_slice(), [("code", Type::String), ("message", Type::String)])
}

/// The one engine of this process.
fn engine() -> Result<&'static Engine, Fault> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let made = ENGINE.get_or_init(|| Engine::new(&config()).map_err(|e| format!("{e:#}")));
    made.as_ref()
        .map_err(|e| Fault::new("wasm.engine", 1, format!("this machine cannot run WebAssembly: {e}")))
}

/// Whatever could differ between two runs of the same code is fixed or off.
fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    config
}

fn no_node(message: impl std::fmt::Display) -> Fault {
    Fault::new("wasm.component", 5, format!("this is no component of a node: {message}"))
}
