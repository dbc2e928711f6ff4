//! Nodes written as WebAssembly components, in any language that compiles to one.
//!
//! `nodes/wit/node.wit` is what such a component imports and exports. It reaches the run's context and nothing else: it
//! has no files, sockets, environment, clock or chance, and it asks only for effects that it was granted. Its effects
//! are recorded like those of any node, so it is resumed and replayed like any node. Fuel, memory and what it may pass
//! through the host are bounded, and the same bytes on the same input always come to the same output.
//!
//! ```no_run
//! use prunella_engine::{Class, Kinds, Output, types::Type};
//! use prunella_nodes::wasm::{Component, Face, Limits};
//!
//! # fn kinds(bytes: &[u8]) -> Result<Kinds, prunella_engine::Fault> {
//! let face = Face { effects: &["words.fetch"], ..Face::new("words", Output::Fixed(Type::Int)) };
//! let component = Component::from_bytes(bytes, Limits::default())?;
//! let kind = component.kind(face, |name| (name == "words.fetch").then_some(Class::Read))?;
//! Ok(Kinds::default().with_kind(kind))
//! # }
//! ```

mod compile;
mod guest;
mod host;
mod kind;
mod meter;
mod node;

use std::collections::BTreeMap;
use std::sync::Arc;

use prunella_engine::{Class, Fault, Field, Kind, Output, Setting};

use compile::Compiled;
pub use compile::MAX_COMPONENT_BYTES;
pub use kind::kind;
use node::WasmNode;

/// What one task of a component may use. Reaching a limit ends the task with an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Work: about one unit an instruction, one a byte that is copied or filled. More is `wasm.fuel`.
    pub fuel: u64,
    /// Bytes of its memories together. More is `wasm.memory`.
    pub memory_bytes: u64,
    /// Calls of host functions. More is `wasm.host`.
    pub host_calls: u32,
    /// Bytes of text that it passes to the host and gets from it, input and output included. More is `wasm.host`.
    pub host_bytes: u64,
}

impl Default for Limits {
    /// A second or two of work, 128 MiB of memory, 10,000 calls, 64 MiB of text.
    fn default() -> Self {
        Self { fuel: 2_000_000_000, memory_bytes: 128 << 20, host_calls: 10_000, host_bytes: 64 << 20 }
    }
}

/// How a component appears in graph files.
#[derive(Debug, Clone)]
pub struct Face {
    /// The kind's name.
    pub name: &'static str,
    /// One line on what it does.
    pub doc: &'static str,
    /// The keys of `with`.
    pub with: Vec<Field>,
    /// The type of its output.
    pub output: Output,
    /// Further keys; the component finds their values in the task's settings.
    pub settings: Vec<Setting>,
    /// The effects that it is granted.
    pub effects: &'static [&'static str],
}

impl Face {
    /// A kind that takes nothing, gives `output` and is granted no effect.
    #[must_use]
    pub fn new(name: &'static str, output: Output) -> Self {
        let doc = "A node written as a WebAssembly component.";
        Self { name, doc, with: Vec::new(), output, settings: Vec::new(), effects: &[] }
    }
}

/// A component that was read, compiled and found to be a node.
#[derive(Clone)]
pub struct Component {
    compiled: Arc<Compiled>,
    limits: Limits,
}

impl Component {
    /// Reads and compiles a component. The same bytes are compiled once a process.
    ///
    /// # Errors
    /// `wasm.component`, exit 5, when the bytes are no component, are more than [`MAX_COMPONENT_BYTES`], or do not
    /// import and export what `nodes/wit/node.wit` says.
    pub fn from_bytes(bytes: &[u8], limits: Limits) -> Result<Self, Fault> {
        Ok(Self { compiled: compile::compiled(bytes)?, limits })
    }

    /// BLAKE3 of the component's bytes, lower-case hex.
    #[must_use]
    pub fn hash(&self) -> String {
        self.compiled.hash.to_hex().to_string()
    }

    /// A kind of this component, for [`prunella_engine::Kinds::with_kind`]. `class` is the world's table of effects,
    /// [`prunella_engine::World::class`]. The kind's version follows from the component's bytes and limits.
    ///
    /// # Errors
    /// `wasm.effect`, exit 2, when the face grants an effect that `class` does not know.
    pub fn kind(&self, face: Face, class: impl Fn(&str) -> Option<Class>) -> Result<Kind, Fault> {
        let mut granted = BTreeMap::new();
        for name in face.effects {
            let class = class(name).ok_or_else(|| {
                let message = format!("kind `{}` is granted `{name}`, which is no effect here", face.name);
                Fault::new("wasm.effect", 2, message)
            })?;
            granted.insert(*name, class);
        }
        let checked = match &face.output {
            Output::Fixed(ty) => Some(ty.clone()),
            Output::Returns | Output::Made(..) => None,
        };
        let node = WasmNode {
            compiled: Arc::clone(&self.compiled),
            limits: self.limits,
            granted: Arc::new(granted),
            checked,
        };
        Ok(Kind {
            name: face.name,
            version: self.version(),
            doc: face.doc,
            with: face.with,
            variables: false,
            output: face.output,
            settings: face.settings,
            needs: &[],
            one_of: &[],
            effects: face.effects,
            node: Arc::new(node),
        })
    }

    /// Another number for other bytes or limits: a recorded run would replay differently.
    fn version(&self) -> u32 {
        let Limits { fuel, memory_bytes, host_calls, host_bytes } = self.limits;
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.compiled.hash.as_bytes());
        for number in [fuel, memory_bytes, u64::from(host_calls), host_bytes] {
            hasher.update(&number.to_le_bytes());
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
