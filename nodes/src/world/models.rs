//! Effect `model.call`: models behind OpenAI-compatible endpoints.
//!
//! What a graph calls a role is resolved once, when a run is made, to a provider, a name and a URL; that is what the
//! run is pinned to. Credentials never are: they are read from the environment by name and enter in the transport.

mod spec;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use prunella_engine::blob::Blobs;
use prunella_engine::graph::ModelRole;
use prunella_engine::{Done, EffectError};
use serde_json::{Map, Value, json};

use crate::effects::{ModelRequest, ModelResponse, ModelTool};
use spec::ModelSpec;

/// Exit code of a wrong command line.
const USAGE: u8 = 2;
/// Exit code of a missing or refused credential.
const CREDENTIAL: u8 = 4;
/// Exit code of a model that fails.
const FAILED: u8 = 30;

/// How long one answer may take, when `PRUNELLA_MODEL_TIMEOUT` says nothing.
const PATIENCE: Duration = Duration::from_secs(300);

/// Environment variables that may hold the credential, the first that is set counts.
const KEYS: [&str; 2] = ["PRUNELLA_API_KEY", "OPENAI_API_KEY"];

/// The configured endpoints, and what it takes to ask them.
pub struct Providers {
    /// URLs by (provider, model).
    endpoints: BTreeMap<(String, String), String>,
    /// The credential's variable and value.
    key: Option<(String, String)>,
    patience: Duration,
    /// US dollars for a million tokens, read and written.
    price: Option<(f64, f64)>,
    client: reqwest::Client,
}

/// Each role's settings; null where no model is configured.
pub type Roles = BTreeMap<String, Value>;

impl Providers {
    /// Resolves the roles of a graph: `overrides` (`ROLE=PROVIDER/NAME@URL`) first, then what the role itself pins,
    /// then `PRUNELLA_MODEL`. `env` looks a variable up.
    ///
    /// # Errors
    /// Exit 2 for a model that is written wrong or a role that the graph does not have, 4 when a configured model
    /// lacks its credential.
    pub fn configure(
        graph: &IndexMap<String, ModelRole>,
        overrides: &[String],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Roles), EffectError> {
        let mut given = BTreeMap::new();
        for text in overrides {
            let (role, model) =
                text.split_once('=').ok_or_else(|| usage(format!("--model {text}: there is no `=`")))?;
            if !graph.contains_key(role) {
                let known: Vec<_> = graph.keys().map(String::as_str).collect();
                return Err(usage(format!("the graph has no model role `{role}`"))
                    .help(format!("its roles: {}", known.join(", "))));
            }
            given.insert(role, ModelSpec::parse(model)?);
        }
        let default = match env("PRUNELLA_MODEL").filter(|text| !text.trim().is_empty()) {
            Some(text) => Some(ModelSpec::parse(text.trim())?),
            None => None,
        };
        let mut roles = Roles::new();
        for (name, role) in graph {
            let pinned = match (&role.provider, &role.name) {
                (Some(provider), Some(model)) => Some(ModelSpec::new(provider, model, None)?),
                _ => None,
            };
            let spec = given.remove(name.as_str()).or(pinned).or_else(|| default.clone());
            roles.insert(name.clone(), spec.map_or(Value::Null, |spec| settings(name, role, &spec)));
        }
        let providers = Self::from_roles(&json!(roles), env)?;
        Ok((providers, roles))
    }

    /// The endpoints of roles that were resolved before, as a run's settings hold them under `models`.
    ///
    /// # Errors
    /// Exit 4 when a configured model lacks its credential, 2 when a variable is written wrong.
    pub fn from_roles(roles: &Value, env: impl Fn(&str) -> Option<String>) -> Result<Self, EffectError> {
        let key = KEYS
            .iter()
            .find_map(|name| Some(((*name).to_owned(), env(name).filter(|value| !value.is_empty())?)));
        let mut endpoints = BTreeMap::new();
        for (role, value) in roles.as_object().into_iter().flatten() {
            let text = |key: &str| value[key].as_str().map(str::to_owned);
            let (Some(provider), Some(name), Some(url)) = (text("provider"), text("name"), text("url"))
            else {
                continue;
            };
            if key.is_none() && !spec::is_loopback(&url) {
                return Err(EffectError::new(
                    "model.credential",
                    CREDENTIAL,
                    format!(
                        "model {provider}/{name} for role `{role}` is configured, and its credential is not"
                    ),
                )
                .help(format!(
                    "set {} (or {}), or unset PRUNELLA_MODEL to go on with the playbook alone",
                    KEYS[0], KEYS[1]
                )));
            }
            endpoints.insert((provider, name), url);
        }
        let patience = match env("PRUNELLA_MODEL_TIMEOUT") {
            Some(text) => spec::duration(&text)?,
            None => PATIENCE,
        };
        let price = env("PRUNELLA_MODEL_PRICE").map(|text| spec::price(&text)).transpose()?;
        Ok(Self { endpoints, key, patience, price, client: wire::client()? })
    }

    /// The credentials by name, for redaction.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.key.iter().cloned().collect()
    }

    /// Performs `model.call`.
    ///
    /// # Errors
    /// Exit 30 when the model cannot be reached, throttles, times out or breaks its envelope (worth another try) or
    /// refuses the request (not worth one); 4 when it refuses the credential.
    pub async fn ask(&self, request: &ModelRequest, blobs: &dyn Blobs) -> Result<Done, EffectError> {
        let url =
            self.endpoints.get(&(request.provider.clone(), request.model.clone())).ok_or_else(|| {
                EffectError::new(
                    "model.unknown",
                    FAILED,
                    format!("model {}/{} is not configured here", request.provider, request.model),
                )
            })?;
        let stored = |e: prunella_engine::NodeError| EffectError::new(&e.code, 6, e.message);
        let text = |blob| Ok(String::from_utf8_lossy(&blobs.get(blob).map_err(stored)?).into_owned());
        let mut said = vec![json!({"role": "user", "content": text(&request.prompt)?})];
        for message in &request.history {
            let message = serde_json::from_str(&text(message)?).map_err(|e| {
                EffectError::new("model.history", FAILED, format!("a message of the history: {e}"))
            })?;
            said.push(message);
        }
        let post = wire::Post {
            client: &self.client,
            url,
            key: self.key.as_ref().map(|key| key.1.as_str()),
            patience: self.patience,
        };
        let answer = match post.send(&body(request, &said, true)).await {
            // Some servers do not know response_format; the prompt asks for JSON as well.
            Err(refused) if refused.status == Some(400) && request.schema.is_some() => {
                post.send(&body(request, &said, false)).await
            }
            other => other,
        }
        .map_err(|refused| refused.error)?;
        let cost = self.price.map(|price| spec::cost(price, answer.input_tokens, answer.output_tokens));
        let message = answer.message.map(|message| blobs.put(message.to_string().as_bytes()));
        let response = ModelResponse {
            text: blobs.put(answer.text.as_bytes()).map_err(stored)?,
            stop: answer.stop,
            input_tokens: answer.input_tokens,
            output_tokens: answer.output_tokens,
            message: message.transpose().map_err(stored)?,
            cost_microusd: cost,
        };
        let cost_microusd = cost.unwrap_or_default();
        let response = serde_json::to_value(response)
            .map_err(|e| EffectError::new("model.response", 1, e.to_string()))?;
        Ok(Done { response, cost_microusd })
    }
}

/// A client for what is not a model.
///
/// # Errors
/// Exit 30 when there can be none.
pub(super) fn client() -> Result<reqwest::Client, EffectError> {
    wire::client()
}

fn usage(message: String) -> EffectError {
    EffectError::new("model.spec", USAGE, message)
}

/// What a run is pinned to for a role.
fn settings(role: &str, parameters: &ModelRole, spec: &ModelSpec) -> Value {
    let mut settings: Map<String, Value> = parameters.params.clone().into_iter().collect();
    settings.insert("role".to_owned(), json!(role));
    settings.insert("provider".to_owned(), json!(spec.provider));
    settings.insert("name".to_owned(), json!(spec.name));
    settings.insert("url".to_owned(), json!(spec.url));
    Value::Object(settings)
}

fn body(request: &ModelRequest, said: &[Value], with_schema: bool) -> Value {
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        messages.push(json!({"role": "system", "content": request.system}));
    }
    messages.extend(said.iter().cloned());
    let mut body = json!({"model": request.model, "messages": messages});
    if let Some(most) = request.max_tokens {
        body["max_tokens"] = json!(most);
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(schema) = request.schema.as_ref().filter(|_| with_schema) {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": false}});
    }
    if !request.tools.is_empty() {
        let tool = |tool: &ModelTool| {
            let (name, description, schema) = (&tool.name, &tool.description, &tool.schema);
            json!({"type": "function", "function": {"name": name, "description": description, "parameters": schema}})
        };
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body
}
