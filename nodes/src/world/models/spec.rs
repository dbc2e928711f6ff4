//! How a model is written down: `PROVIDER/NAME@URL`, and the small values beside it.

use std::net::IpAddr;
use std::time::Duration;

use prunella_engine::EffectError;

use super::usage;

/// The provider whose protocol is spoken here, and where it lives when no URL is given.
const PROVIDERS: [(&str, &str); 1] = [("openai", "https://api.openai.com/v1")];

/// A model and where to ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelSpec {
    pub(super) provider: String,
    pub(super) name: String,
    pub(super) url: String,
}

impl ModelSpec {
    /// Reads `PROVIDER/NAME@URL`; the name may hold slashes, the URL may be left out.
    pub(super) fn parse(text: &str) -> Result<Self, EffectError> {
        let wrong = |why: &str| {
            usage(format!("model `{text}`: {why}"))
                .help("write PROVIDER/NAME@URL, such as openai/some-model@http://127.0.0.1:8000/v1")
        };
        let (model, url) = match text.rfind("@http://").or_else(|| text.rfind("@https://")) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let (provider, name) = model.split_once('/').ok_or_else(|| wrong("there is no `/`"))?;
        if name.is_empty() {
            return Err(wrong("the name is empty"));
        }
        Self::new(provider, name, url)
    }

    /// A model of a known provider, at `url` or where the provider lives.
    pub(super) fn new(provider: &str, name: &str, url: Option<&str>) -> Result<Self, EffectError> {
        let (_, home) = PROVIDERS.iter().find(|(known, _)| *known == provider).ok_or_else(|| {
            let known: Vec<_> = PROVIDERS.iter().map(|(name, _)| *name).collect();
            usage(format!("there is no model provider `{provider}`")).help(format!(
                "there is: {} (any OpenAI-compatible endpoint, with its URL)",
                known.join(", ")
            ))
        })?;
        let url = url.unwrap_or(home).trim_end_matches('/').to_owned();
        Ok(Self { provider: provider.to_owned(), name: name.to_owned(), url })
    }
}

/// Whether `url` is on this machine, where no credential is needed.
pub(super) fn is_loopback(url: &str) -> bool {
    let host =
        reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reads `200ms`, `90s` or `5m`.
pub(super) fn duration(text: &str) -> Result<Duration, EffectError> {
    let number_ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(number_ends);
    let number: u64 =
        number.parse().map_err(|_| usage(format!("PRUNELLA_MODEL_TIMEOUT `{text}` is no duration")))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => {
            Err(usage(format!("PRUNELLA_MODEL_TIMEOUT `{text}` has no unit")).help("write 200ms, 90s or 5m"))
        }
    }
}

/// Reads `IN,OUT`: US dollars for a million tokens read and written.
pub(super) fn price(text: &str) -> Result<(f64, f64), EffectError> {
    let number =
        |text: &str| text.trim().parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    text.split_once(',').and_then(|(read, written)| number(read).zip(number(written))).ok_or_else(|| {
        usage(format!("PRUNELLA_MODEL_PRICE `{text}` is no pair of prices"))
            .help("write 3.00,15.00: US dollars for a million tokens, read and written")
    })
}

/// What an answer cost, in millionths of a US dollar: dollars for a million tokens are millionths for one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "token counts are far below 2^53, prices are not negative"
)]
pub(super) fn cost((read, written): (f64, f64), input: u64, output: u64) -> u64 {
    (read * input as f64 + written * output as f64).ceil() as u64
}
