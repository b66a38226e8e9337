//! The one HTTP client of the program, with its one TLS provider.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, StatusCode, header, redirect};
use serde_json::Value;

/// How long one request may take, from its connection to its response.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Sends JSON to one address. Follows no redirect.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client);

/// Why a request failed. Never holds the address, which may be a secret.
#[derive(Debug)]
pub(crate) struct RequestError {
    /// What happened, for a person.
    pub(crate) why: String,
    /// Whether another try may help, and cannot have the request arrive twice.
    pub(crate) may_retry: bool,
}

impl HttpClient {
    /// A client for `address`. Plain `http`, which is for this machine alone, goes past any proxy. Reads the system's
    /// certificates on a thread for blocking work.
    ///
    /// # Errors
    /// A message, when the system's certificates cannot be used.
    pub(crate) async fn for_address(address: &str) -> Result<Self, String> {
        let is_plain = address.starts_with("http:");
        let built = tokio::task::spawn_blocking(move || {
            // an error says that a provider is installed already, which is as good
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = Client::builder()
                .user_agent(concat!("coupa-batch/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT_DEADLINE)
                .timeout(REQUEST_DEADLINE);
            if is_plain { builder.no_proxy() } else { builder }.build()
        });
        match built.await {
            Ok(Ok(client)) => Ok(Self(client)),
            Ok(Err(why)) => Err(chain(&why.without_url())),
            Err(why) => Err(format!("preparing the HTTP client failed: {why}")),
        }
    }

    /// Sends `body` to `address` by POST. Dropping the future may leave it sent.
    ///
    /// # Errors
    /// [`RequestError`] when there was no response, or one without success.
    pub(crate) async fn post_json(&self, address: &str, body: &Value) -> Result<(), RequestError> {
        let request = self.0.post(address).header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        match request.send().await {
            Ok(response) => judge(response.status()),
            // one that was sent and not answered may have arrived
            Err(why) => Err(RequestError { may_retry: why.is_connect(), why: chain(&why.without_url()) }),
        }
    }
}

fn judge(status: StatusCode) -> Result<(), RequestError> {
    if status.is_success() {
        return Ok(());
    }
    let may_retry = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let note = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    Err(RequestError { why: format!("it answered {status}{note}"), may_retry })
}

/// An error with its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text += &format!(": {why}");
        cause = why.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_failure_is_told_without_the_address() {
        // a port that nobody listens on any more
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://me:hunter2@127.0.0.1:{port}/s3cret?k=t0ken");
        let client = HttpClient::for_address(&address).await.unwrap();
        let failed = client.post_json(&address, &json!({})).await.unwrap_err();
        assert!(failed.may_retry && failed.why.contains("refused"), "{}", failed.why);
        for secret in ["hunter2", "s3cret", "t0ken"] {
            assert!(!failed.why.contains(secret), "{}", failed.why);
        }
    }

    #[tokio::test]
    async fn a_client_for_tls_can_be_built() {
        HttpClient::for_address("https://hooks.test/x").await.unwrap();
    }

    #[test]
    fn only_a_passing_answer_is_worth_another_try() {
        let again = |status: u16| judge(StatusCode::from_u16(status).unwrap()).map_err(|error| error.may_retry);
        assert_eq!([200, 204].map(again), [Ok(()); 2]);
        assert_eq!([301, 400, 404].map(again), [Err(false); 3]);
        assert_eq!([429, 500, 503].map(again), [Err(true); 3]);
    }
}
