//! A scripted model behind a real socket, in the protocol of OpenAI-compatible servers.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A server that answers diagnoses and patches in turn.
pub struct ScriptedModel {
    server: MockServer,
    runtime: tokio::runtime::Runtime,
    script: Script,
}

/// What is said next. A request with a JSON Schema asks for a diagnosis, any other one for a patch.
#[derive(Clone)]
struct Script(Arc<Mutex<Lines>>);

struct Lines {
    patches: Vec<String>,
    next: usize,
    prompts: Vec<String>,
}

/// Says what a function of the request says.
struct Speaker<F> {
    says: F,
    script: Script,
}

impl<F: Fn(&Value) -> Value + Send + Sync> Respond for Speaker<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let message = (self.says)(&body);
        let mut lines = self.script.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.prompts.push(body["messages"].to_string());
        said(&message)
    }
}

/// An answer of the protocol with this message.
fn said(message: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "scripted", "object": "chat.completion", "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    }))
}

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.prompts.push(body["messages"].to_string());
        let text = if body["response_format"].is_object() {
            json!({"root_cause": "the scripted cause", "files": [], "fix_strategy": "the scripted strategy"})
                .to_string()
        } else {
            let said = lines.patches.get(lines.next).cloned().unwrap_or_default();
            lines.next += 1;
            said
        };
        said(&json!({"role": "assistant", "content": text}))
    }
}

impl ScriptedModel {
    /// A server that answers each request for a patch with the next of `patches`, then with nothing.
    ///
    /// # Panics
    /// When no loopback socket can be had.
    #[must_use]
    pub fn start(patches: &[String]) -> Self {
        let lines = Lines { patches: patches.to_vec(), next: 0, prompts: Vec::new() };
        let script = Script(Arc::new(Mutex::new(lines)));
        Self::serve(script.clone(), script)
    }

    /// A server that answers every request with `response`.
    ///
    /// # Panics
    /// When no loopback socket can be had.
    #[must_use]
    pub fn always(response: ResponseTemplate) -> Self {
        let lines = Lines { patches: Vec::new(), next: 0, prompts: Vec::new() };
        Self::serve(Script(Arc::new(Mutex::new(lines))), response)
    }

    /// A server that answers each request, its body as JSON, with the message that `says` gives. A text becomes a
    /// message of its own.
    ///
    /// # Panics
    /// When no loopback socket can be had.
    #[must_use]
    pub fn speaking(says: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        let lines = Lines { patches: Vec::new(), next: 0, prompts: Vec::new() };
        let script = Script(Arc::new(Mutex::new(lines)));
        let says = move |body: &Value| match says(body) {
            Value::String(text) => json!({"role": "assistant", "content": text}),
            message => message,
        };
        Self::serve(script.clone(), Speaker { says, script })
    }

    fn serve(script: Script, responder: impl Respond + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the server");
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(method("POST"))
                .and(path("/v1/chat/completions"))
                .respond_with(responder)
                .mount(&server)
                .await;
            server
        });
        Self { server, runtime, script }
    }

    /// What `PRUNELLA_MODEL` is set to for this server.
    #[must_use]
    pub fn spec(&self) -> String {
        self.named("scripted")
    }

    /// A model of this name on this server, as `--model ROLE=…` takes it.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        format!("openai/{name}@{}/v1", self.server.uri())
    }

    /// The messages of all requests so far, as JSON text.
    ///
    /// # Panics
    /// Never: the lock is only held for a moment.
    #[must_use]
    pub fn prompts(&self) -> Vec<String> {
        self.script.0.lock().unwrap_or_else(PoisonError::into_inner).prompts.clone()
    }

    /// How many requests came in.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.runtime.block_on(self.server.received_requests()).unwrap_or_default().len()
    }
}
