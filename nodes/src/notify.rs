//! Kind `notify`: a message to a channel that the configuration names; nothing where it names none.
//!
//! A graph says the channel's name, never its address: `PRUNELLA_NOTIFY_NAME` holds `webhook@URL` or `slack@URL`, and is
//! taken out of everything that is recorded.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Type, Typed};
use prunella_engine::{Ctx, Effect, Kind, Node, NodeError, Output, Setting, SettingType, record};
use serde_json::Value;

use crate::effects::{Notify, NotifyRequest};
use crate::prompt::{clipped, quote_value};

/// Exit code of settings that cannot be followed.
const USAGE: u8 = 2;
/// The channel of a node that names none.
const DEFAULT: &str = "default";
/// Most bytes of a message.
const MOST: usize = 8 << 10;

record! {
    /// Whether a message was sent.
    pub struct Sent {
        /// Whether the receiver took it.
        pub sent: bool,
        /// Why not; empty when it was.
        pub why: String,
    }
}

/// The kind `notify`.
#[must_use]
pub fn kind() -> Kind {
    Kind {
        name: "notify",
        version: 1,
        doc: "Sends a message to a configured channel (a webhook, Slack); does nothing where none is configured.",
        with: Vec::new(),
        variables: true,
        output: Output::Fixed(Sent::ty()),
        settings: vec![
            Setting { name: "text", ty: SettingType::Template(&[]), doc: "The message, Jinja over `with`." },
            Setting {
                name: "channel",
                ty: SettingType::Literal(Type::Optional(Box::new(Type::String))),
                doc: "The channel's name in the configuration; `default` when absent.",
            },
        ],
        needs: &["text"],
        one_of: &[],
        effects: &[Notify::NAME],
        node: Arc::new(Notifies),
    }
}

struct Notifies;

#[async_trait(?Send)]
impl Node for Notifies {
    async fn run(&self, ctx: &Ctx, mut input: Value) -> Result<Value, NodeError> {
        quote_value(ctx, &mut input)?;
        let text = clipped(ctx.render(&input)?.trim(), MOST);
        let channel = ctx.task().settings.get("channel").and_then(Value::as_str).unwrap_or(DEFAULT);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if channel.is_empty() || !channel.chars().all(plain) {
            let message = "`channel` is a name of letters, digits, `_` and `-`: never an address";
            return Err(NodeError::new("notify.channel", message).exit(USAGE));
        }
        let request = NotifyRequest { channel: channel.to_owned(), text };
        let said = ctx.call::<Notify>(&request).await?;
        if !said.sent {
            ctx.log(format!("not sent: {}", said.why));
        }
        let sent = Sent { sent: said.sent, why: said.why };
        serde_json::to_value(sent).map_err(|e| NodeError::new("node.output", format!("notify: {e}")))
    }
}
