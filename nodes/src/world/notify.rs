//! Effect `message.send`: a message to a configured channel.
//!
//! A channel is an environment variable, `PRUNELLA_NOTIFY_NAME=webhook@URL` or `slack@URL`. Its address is a credential:
//! no error, response or trace has it. A message is sent at least once, with the effect's key in `Idempotency-Key`: after
//! a crash it is sent again under the same key, since nothing can ask a webhook what it got.

use std::collections::BTreeMap;
use std::time::Duration;

use prunella_engine::{Call, Done, EffectError};
use serde_json::{Value, json};

use crate::effects::{NotifyRequest, NotifyResponse};
use crate::world::models;

/// Exit code of a configuration that is written wrong.
const USAGE: u8 = 2;
/// Exit code of a receiver that refuses.
const REFUSED: u8 = 32;
/// What the variables' names begin with.
const PREFIX: &str = "PRUNELLA_NOTIFY_";
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a channel wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `{"format": 1, "run": …, "node": …, "text": …}`.
    Webhook,
    /// `{"text": …}`.
    Slack,
}

/// The configured channels.
pub struct Channels {
    /// By name in upper case, `-` as `_`.
    by_name: BTreeMap<String, (Form, reqwest::Url)>,
    client: reqwest::Client,
}

impl Channels {
    /// The channels that these environment variables configure.
    ///
    /// # Errors
    /// Exit 2 for one that is written wrong; its value is not told.
    pub fn configure(vars: impl Iterator<Item = (String, String)>) -> Result<Self, EffectError> {
        let mut by_name = BTreeMap::new();
        for (name, value) in vars {
            let Some(channel) = name.strip_prefix(PREFIX).filter(|channel| !channel.is_empty()) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let parsed = value.split_once('@').and_then(|(form, url)| {
                let form = match form {
                    "webhook" => Form::Webhook,
                    "slack" => Form::Slack,
                    _ => return None,
                };
                let url = reqwest::Url::parse(url).ok()?;
                matches!(url.scheme(), "http" | "https").then_some((form, url))
            });
            let parsed = parsed.ok_or_else(|| {
                EffectError::new("notify.channel", USAGE, format!("{name} is no channel"))
                    .help("write webhook@URL or slack@URL")
            })?;
            by_name.insert(channel.to_ascii_uppercase(), parsed);
        }
        Ok(Self { by_name, client: models::client()? })
    }

    /// The addresses by variable, for redaction.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.by_name.iter().map(|(name, (_, url))| (format!("{PREFIX}{name}"), url.to_string())).collect()
    }

    /// Performs `message.send`.
    ///
    /// # Errors
    /// Exit 32 when the receiver cannot be reached or fails (worth another try). One that refuses is a response.
    pub async fn send(&self, request: &NotifyRequest, call: &Call) -> Result<Done, EffectError> {
        let key = request.channel.to_ascii_uppercase().replace('-', "_");
        let Some((form, url)) = self.by_name.get(&key) else {
            let why = format!("no channel `{}` is configured ({PREFIX}{key})", request.channel);
            return done(NotifyResponse { sent: false, why });
        };
        let body = match form {
            Form::Slack => json!({"text": request.text}),
            Form::Webhook => json!({
                "format": 1,
                "run": call.run,
                "node": call.lane.node.to_string(),
                "text": request.text,
            }),
        };
        let sent = self
            .client
            .post(url.clone())
            .timeout(PATIENCE)
            .header("Idempotency-Key", &call.key)
            .json(&body)
            .send()
            .await;
        let failed = |why: String| {
            let message = format!("the channel `{}` {why}", request.channel);
            EffectError::new("notify.failed", REFUSED, message)
        };
        let status = match sent {
            Ok(response) => response.status(),
            Err(e) if e.is_timeout() => return Err(failed("did not answer in time".to_owned()).retryable()),
            Err(_) => return Err(failed("cannot be reached".to_owned()).retryable()),
        };
        match status.as_u16() {
            200..=299 => done(NotifyResponse { sent: true, why: String::new() }),
            408 | 425 | 429 | 500.. => Err(failed(format!("answered {status}")).retryable()),
            _ => done(NotifyResponse { sent: false, why: format!("the channel answered {status}") }),
        }
    }
}

fn done(response: NotifyResponse) -> Result<Done, EffectError> {
    let response: Value =
        serde_json::to_value(response).map_err(|e| EffectError::new("effect.response", 1, e.to_string()))?;
    Ok(Done::free(response))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prunella_engine::blob::MemoryBlobs;
    use prunella_engine::{Lane, Progress};
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn vars(pairs: &[(&str, String)]) -> Channels {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Channels::configure(pairs.into_iter()).unwrap()
    }

    async fn send(channels: &Channels, channel: &str) -> Result<Value, EffectError> {
        let request = NotifyRequest { channel: channel.to_owned(), text: "it broke".to_owned() };
        let call = Call {
            key: "key-1".to_owned(),
            run: "r1".to_owned(),
            lane: Lane::root("tell", 1),
            ordinal: 0,
            name: "message.send".to_owned(),
            request: Value::Null,
            blobs: Arc::new(MemoryBlobs::default()),
            progress: Progress::default(),
        };
        channels.send(&request, &call).await.map(|done| done.response)
    }

    #[tokio::test]
    async fn each_channel_gets_its_own_form_under_the_effects_key() {
        let server = MockServer::start().await;
        let slack = json!({"text": "it broke"});
        let plain = json!({"format": 1, "run": "r1", "node": "tell", "text": "it broke"});
        for (at, body) in [("/slack", slack), ("/hook", plain)] {
            Mock::given(method("POST"))
                .and(path(at))
                .and(header("Idempotency-Key", "key-1"))
                .and(body_json(body))
                .respond_with(ResponseTemplate::new(200))
                .expect(1)
                .mount(&server)
                .await;
        }
        let channels = vars(&[
            ("PRUNELLA_NOTIFY_ON_CALL", format!("slack@{}/slack", server.uri())),
            ("PRUNELLA_NOTIFY_OPS", format!("webhook@{}/hook", server.uri())),
            ("PRUNELLA_MODEL", "something else".to_owned()),
        ]);
        let sent = json!({"sent": true, "why": ""});
        assert_eq!(send(&channels, "on-call").await.unwrap(), sent);
        assert_eq!(send(&channels, "ops").await.unwrap(), sent);
        let secrets: Vec<String> = channels.secrets().into_iter().map(|(_, url)| url).collect();
        assert!(secrets.iter().any(|url| url.ends_with("/slack")) && secrets.len() == 2);
    }

    #[tokio::test]
    async fn what_is_not_configured_is_said_and_nothing_is_sent() {
        let said = send(&vars(&[]), "ops").await.unwrap();
        assert_eq!(
            said,
            json!({"sent": false, "why": "no channel `ops` is configured (PRUNELLA_NOTIFY_OPS)"})
        );
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_a_failure_is_tried_again() {
        for (status, sent, retryable) in [(404, true, false), (503, false, true), (429, false, true)] {
            let server = MockServer::start().await;
            Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
            let channels = vars(&[("PRUNELLA_NOTIFY_OPS", format!("webhook@{}/secret-path", server.uri()))]);
            match send(&channels, "ops").await {
                Ok(said) => assert!(sent && said["why"].as_str().unwrap().contains("404")),
                Err(error) => {
                    assert_eq!((error.retryable, error.exit, sent), (retryable, 32, false));
                    assert!(!format!("{error:?}").contains("secret-path"), "{error:?}");
                }
            }
        }
    }

    #[test]
    fn a_channel_that_is_written_wrong_is_refused_without_its_value() {
        for wrong in
            ["https://hooks.example/secret", "slack@ftp://x/secret", "mail@https://x/secret", "slack@"]
        {
            let pair = ("PRUNELLA_NOTIFY_OPS".to_owned(), wrong.to_owned());
            let Err(error) = Channels::configure(std::iter::once(pair)) else { panic!("{wrong}") };
            assert_eq!(error.exit, 2);
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
