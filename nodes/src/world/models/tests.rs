//! Over real sockets.

use std::time::Duration;

use prunella_engine::blob::{Blobs, MemoryBlobs};
use wiremock::matchers::{body_partial_json, header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn said(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10}
    }))
}

/// Asks a server that always answers with `response`, with these variables set.
async fn ask_with(
    server: &MockServer,
    vars: &[(&str, &str)],
    schema: Option<Value>,
) -> Result<(Done, String), EffectError> {
    let spec = format!("openai/a/model@{}/v1", server.uri());
    let env = |name: &str| {
        vars.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
            .or_else(|| (name == "PRUNELLA_MODEL").then(|| spec.clone()))
    };
    let role = ModelRole { uses: Some("default".to_owned()), ..ModelRole::default() };
    let (providers, roles) = Providers::configure(&IndexMap::from([("fixer".to_owned(), role)]), &[], env)?;
    assert_eq!(roles["fixer"]["name"], "a/model");
    let blobs = MemoryBlobs::default();
    let request = ModelRequest {
        provider: "openai".to_owned(),
        model: "a/model".to_owned(),
        system: "be brief".to_owned(),
        prompt: blobs.put(b"hello").unwrap(),
        schema,
        max_tokens: Some(50),
        ..ModelRequest::default()
    };
    let done = providers.ask(&request, &blobs).await?;
    let response: ModelResponse = serde_json::from_value(done.response.clone()).unwrap();
    let text = String::from_utf8(blobs.get(&response.text).unwrap()).unwrap();
    Ok((done, text))
}

async fn always(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(response).mount(&server).await;
    server
}

#[tokio::test]
async fn an_answer_comes_with_its_tokens_and_its_price() {
    let server = always(said("hi")).await;
    let (done, text) = ask_with(&server, &[("PRUNELLA_MODEL_PRICE", "3.00,15.00")], None).await.unwrap();
    assert_eq!(text, "hi");
    assert_eq!(done.response["input_tokens"], 1000);
    assert_eq!(done.cost_microusd, 3150);
}

#[tokio::test]
async fn the_credential_enters_in_the_transport_and_never_in_an_error() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Bearer very-secret"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let error = ask_with(&server, &[("PRUNELLA_API_KEY", "very-secret")], None).await.unwrap_err();
    assert_eq!(error.code, "model.failed", "the header matched");
    assert!(!format!("{error:?}").contains("very-secret"));
}

#[tokio::test]
async fn a_server_without_response_format_is_asked_again_without_it() {
    let server = MockServer::start().await;
    Mock::given(body_partial_json(json!({"response_format": {"type": "json_schema"}})))
        .respond_with(ResponseTemplate::new(400))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(said("{}")).with_priority(2).mount(&server).await;
    let (_, text) = ask_with(&server, &[], Some(json!({"type": "object"}))).await.unwrap();
    assert_eq!(text, "{}");
}

#[tokio::test]
async fn each_way_of_failing_has_its_code() {
    let html = ResponseTemplate::new(200).set_body_string("<html>gateway</html>");
    let empty = ResponseTemplate::new(200).set_body_json(json!({"choices": []}));
    let slow = said("late").set_delay(Duration::from_secs(20));
    for (response, code, exit, retryable) in [
        (ResponseTemplate::new(429).insert_header("retry-after", "7"), "model.throttled", 30, true),
        (ResponseTemplate::new(503), "model.failed", 30, true),
        (ResponseTemplate::new(401), "model.credential", 4, false),
        (ResponseTemplate::new(404), "model.refused", 30, false),
        (html, "model.envelope", 30, true),
        (empty, "model.envelope", 30, true),
        (slow, "model.timeout", 30, true),
    ] {
        let server = always(response).await;
        let error = ask_with(&server, &[("PRUNELLA_MODEL_TIMEOUT", "150ms")], None).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.exit, error.retryable), (code, exit, retryable), "{error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spec = format!("openai/m@http://127.0.0.1:{port}/v1");
    let role =
        json!({"fixer": {"provider": "openai", "name": "m", "url": ModelSpec::parse(&spec).unwrap().url}});
    let providers = Providers::from_roles(&role, |_| None).unwrap();
    let request =
        ModelRequest { provider: "openai".to_owned(), model: "m".to_owned(), ..ModelRequest::default() };
    let error = providers.ask(&request, &MemoryBlobs::default()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("model.unreachable", true));
}

#[test]
fn a_model_elsewhere_needs_a_credential() {
    let role = IndexMap::from([("fixer".to_owned(), ModelRole::default())]);
    let env =
        |name: &str| (name == "PRUNELLA_MODEL").then(|| "openai/m@https://models.example/v1".to_owned());
    let Err(error) = Providers::configure(&role, &[], env) else { panic!("it is not needed") };
    assert_eq!(error.exit, 4);
    assert!(error.message.contains("fixer"));
}

#[test]
fn without_configuration_every_role_is_null() {
    let role = IndexMap::from([("fixer".to_owned(), ModelRole::default())]);
    let (_, roles) = Providers::configure(&role, &[], |_| None).unwrap();
    assert_eq!(roles["fixer"], Value::Null);
}

#[test]
fn a_model_is_written_with_its_provider_and_url() {
    let spec = ModelSpec::parse("openai/org/model@v2@http://127.0.0.1:1/v1/").unwrap();
    assert_eq!((spec.name.as_str(), spec.url.as_str()), ("org/model@v2", "http://127.0.0.1:1/v1"));
    for wrong in ["", "openai", "openai/", "nobody/m@http://127.0.0.1/v1"] {
        assert_eq!(ModelSpec::parse(wrong).unwrap_err().exit, 2, "{wrong}");
    }
}

#[test]
fn only_this_machine_is_loopback() {
    assert!(
        spec::is_loopback("http://127.0.0.1:80/v1")
            && spec::is_loopback("http://[::1]/")
            && spec::is_loopback("http://localhost:1/")
    );
    assert!(
        !spec::is_loopback("http://10.0.0.1/")
            && !spec::is_loopback("https://localhost.example/")
            && !spec::is_loopback("nonsense")
    );
}
