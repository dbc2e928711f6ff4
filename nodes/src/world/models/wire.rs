//! The protocol: `POST URL/chat/completions`, its answer, and every way in which it can go wrong.

use std::sync::Once;
use std::time::Duration;

use prunella_engine::EffectError;
use reqwest::StatusCode;
use serde_json::Value;

use super::{CREDENTIAL, FAILED};

/// Most bytes of an answer.
const MOST: usize = 8 << 20;

/// What came back.
pub(super) struct Answer {
    pub(super) text: String,
    /// The whole message, where it calls something.
    pub(super) message: Option<Value>,
    pub(super) stop: String,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// Why nothing came back, with the status where there was one.
pub(super) struct Refused {
    pub(super) status: Option<u16>,
    pub(super) error: EffectError,
}

impl From<EffectError> for Refused {
    fn from(error: EffectError) -> Self {
        Self { status: None, error }
    }
}

/// A client over rustls with ring.
pub(super) fn client() -> Result<reqwest::Client, EffectError> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where the embedding program has chosen a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| EffectError::new("model.transport", FAILED, format!("no HTTP client: {e}")))
}

/// Where and how to ask.
pub(super) struct Post<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) url: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) patience: Duration,
}

impl Post<'_> {
    /// Asks once.
    pub(super) async fn send(&self, body: &Value) -> Result<Answer, Refused> {
        let request =
            self.client.post(format!("{}/chat/completions", self.url)).timeout(self.patience).json(body);
        let request = match self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let mut response = request.send().await.map_err(|e| self.transport(&e))?;
        let status = response.status();
        let wait =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.transport(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST {
                return Err(self.broken("is over 8 MiB").into());
            }
        }
        if !status.is_success() {
            return Err(Refused {
                status: Some(status.as_u16()),
                error: self.refused(status, wait.as_deref(), &bytes),
            });
        }
        Ok(self.answer(&bytes)?)
    }

    fn transport(&self, e: &reqwest::Error) -> EffectError {
        if e.is_timeout() {
            let message =
                format!("the model at {} did not answer in {} ms", self.url, self.patience.as_millis());
            return EffectError::new("model.timeout", FAILED, message).retryable();
        }
        // The innermost cause says what happened; what wraps it says where in the library.
        let mut cause: &dyn std::error::Error = e;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let why = cause.to_string();
        EffectError::new(
            "model.unreachable",
            FAILED,
            format!("the model at {} cannot be reached: {why}", self.url),
        )
        .retryable()
    }

    fn refused(&self, status: StatusCode, wait: Option<&str>, body: &[u8]) -> EffectError {
        let said = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|body| {
                body.pointer("/error/message").or_else(|| body.get("message"))?.as_str().map(str::to_owned)
            })
            .map(|said| {
                format!(": {}", said.chars().filter(|c| !c.is_control()).take(300).collect::<String>())
            })
            .unwrap_or_default();
        let wait = wait.map(|wait| format!(" (retry after {wait})")).unwrap_or_default();
        let message = format!("the model at {} answered {status}{wait}{said}", self.url);
        match status.as_u16() {
            401 | 403 => EffectError::new("model.credential", CREDENTIAL, message)
                .help("check the credential in PRUNELLA_API_KEY or OPENAI_API_KEY"),
            429 => EffectError::new("model.throttled", FAILED, message).retryable(),
            408 | 409 | 425 => EffectError::new("model.busy", FAILED, message).retryable(),
            code if code >= 500 => EffectError::new("model.failed", FAILED, message).retryable(),
            _ => EffectError::new("model.refused", FAILED, message),
        }
    }

    fn broken(&self, why: &str) -> EffectError {
        EffectError::new("model.envelope", FAILED, format!("the answer of the model at {} {why}", self.url))
            .help("is the URL that of an OpenAI-compatible endpoint, up to and including /v1?")
            .retryable()
    }

    /// The text in the envelope. Anything in the text is for the caller to judge.
    fn answer(&self, body: &[u8]) -> Result<Answer, EffectError> {
        let body: Value = serde_json::from_slice(body).map_err(|_| self.broken("is no JSON"))?;
        let choice = body.pointer("/choices/0").ok_or_else(|| self.broken("has no choices"))?;
        let message = choice.get("message").ok_or_else(|| self.broken("has no message"))?;
        let text = match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            // A refusal, or a model that said nothing.
            Some(Value::Null) | None => message["refusal"].as_str().unwrap_or_default().to_owned(),
            Some(_) => return Err(self.broken("has a content that is no text")),
        };
        let tokens =
            |name: &str| body.pointer(&format!("/usage/{name}")).and_then(Value::as_u64).unwrap_or_default();
        let calls = message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
        Ok(Answer {
            text,
            message: calls.then(|| message.clone()),
            stop: choice["finish_reason"].as_str().unwrap_or_default().to_owned(),
            input_tokens: tokens("prompt_tokens"),
            output_tokens: tokens("completion_tokens"),
        })
    }
}
