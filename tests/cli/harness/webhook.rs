//! A webhook on this machine that remembers what it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than any notice takes; only keeps a test that waits in vain from waiting for ever.
const AT_MOST: Duration = Duration::from_secs(60);

/// What stands in the address behind the host, as chat programs have it.
pub(crate) const TOKEN: &str = "T0KEN-of-the-h00k-5ecret";

/// How it answers.
#[derive(Clone)]
pub(crate) enum Answers {
    Well,
    /// Never.
    Never,
    /// Sends whoever asks elsewhere.
    To(String),
    /// With 503 so many times, then well.
    Busy(usize),
}

pub(crate) struct TestWebhook {
    pub(crate) address: String,
    told: watch::Receiver<Vec<Value>>,
    server: JoinHandle<()>,
}

impl TestWebhook {
    pub(crate) async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/services/{TOKEN}?wait={TOKEN}", listener.local_addr().unwrap());
        let (tell, told) = watch::channel(Vec::new());
        let answers = Arc::new(Mutex::new(answers));
        let router = Router::new().fallback(move |body: Bytes| {
            tell.send_modify(|all: &mut Vec<Value>| all.push(serde_json::from_slice(&body).unwrap()));
            let answers = Arc::clone(&answers);
            async move {
                let answer = match &mut *answers.lock().unwrap() {
                    Answers::Well => Some(StatusCode::OK.into_response()),
                    Answers::Never => None,
                    Answers::To(place) => {
                        Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place.clone())]).into_response())
                    }
                    Answers::Busy(0) => Some(StatusCode::NO_CONTENT.into_response()),
                    Answers::Busy(left) => {
                        *left -= 1;
                        Some(StatusCode::SERVICE_UNAVAILABLE.into_response())
                    }
                };
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending::<Response>().await,
                }
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, told, server }
    }

    /// An address where nobody is.
    pub(crate) fn nowhere() -> String {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        format!("http://127.0.0.1:{port}/services/{TOKEN}")
    }

    /// Waits until it was told of `event`.
    pub(crate) async fn hears(&mut self, event: &str) {
        let heard = self.told.wait_for(|all| all.iter().any(|one| one["event"] == event));
        let heard = tokio::time::timeout(AT_MOST, heard).await;
        assert!(heard.is_ok_and(|heard| heard.is_ok()), "it never heard of {event}");
    }

    /// All that it was told.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.told.borrow().clone()
    }

    /// The events that it was told of.
    pub(crate) fn events(&self) -> Vec<String> {
        self.told().iter().map(|one| one["event"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for TestWebhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}
