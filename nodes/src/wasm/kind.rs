//! Kind `wasm`: a component that lies beside the graph file, pinned by its hash.
//!
//! ```yaml
//! weigh:
//!   kind: wasm
//!   component: weigh.wasm                    # below the graph file's folder
//!   hash: 6b3a…                              # BLAKE3 of its bytes: `b3sum weigh.wasm`
//!   with: {items: =items}
//!   returns: float
//! ```
//!
//! The bytes are an effect's answer, so they are stored with the run: a resume and a replay need no file. Such a component
//! computes; it is granted no effect.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::Type;
use prunella_engine::{Ctx, Effect, Fault, Kind, Node, NodeError, Output, Part, Setting, SettingType};
use serde_json::Value;

use super::node::WasmNode;
use super::{Component, Limits};
use crate::effects::{LoadComponent, LoadRequest};

/// The kind `wasm`.
#[must_use]
pub fn kind() -> Kind {
    let literal = |name, doc| Setting { name, ty: SettingType::Literal(Type::String), doc };
    Kind {
        name: "wasm",
        version: 1,
        doc: "Runs a WebAssembly component that lies beside the graph file, pinned by its hash.",
        with: Vec::new(),
        variables: true,
        output: Output::Made(Part::Returns, |ty| ty),
        settings: vec![
            literal("component", "The component's file, relative to the graph file's folder."),
            literal("hash", "BLAKE3 of its bytes, 64 hex digits."),
            Setting {
                name: "returns",
                ty: SettingType::Returns,
                doc: "The type of its output; a string when absent.",
            },
        ],
        needs: &["component", "hash"],
        one_of: &[],
        effects: &[LoadComponent::NAME],
        node: Arc::new(Beside),
    }
}

struct Beside;

#[async_trait(?Send)]
impl Node for Beside {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let text = |key: &str| ctx.task().settings[key].as_str().unwrap_or_default().to_owned();
        let request = LoadRequest { path: text("component").as_str().into(), hash: text("hash") };
        let loaded = ctx.call::<LoadComponent>(&request).await?;
        let bytes = ctx.bytes(&loaded.component)?;
        let no_component = |fault: Fault| NodeError::new(&fault.code, fault.message).exit(fault.exit);
        let component = Component::from_bytes(&bytes, Limits::default()).map_err(no_component)?;
        let node = WasmNode {
            compiled: component.compiled,
            limits: component.limits,
            granted: Arc::default(),
            // The driver holds the output to what `returns` names.
            checked: None,
        };
        node.run(ctx, input).await
    }
}
