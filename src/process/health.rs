//! Health checks of a child process, over HTTP or TCP, each on a connection of its own.

use std::error::Error as StdError;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use crate::text::rounded;

/// How long a healthy process may take to respond. Drivers respond at once, even while their sessions hang; on a machine
/// under full load it was seen to take some hundred milliseconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Result of the last health check.
#[derive(Debug, Default)]
pub(crate) struct HealthState {
    has_failed: AtomicBool,
    /// 0 before the first response.
    response_micros: AtomicU64,
}

impl HealthState {
    /// Whether the last check succeeded; true before the first one.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.has_failed.load(Ordering::Acquire)
    }

    /// How long the last response took, in microseconds; none before the first one.
    pub(crate) fn response_micros(&self) -> Option<u64> {
        Some(self.response_micros.load(Ordering::Acquire)).filter(|micros| *micros > 0)
    }

    /// Checks `url` every `period`, for ever.
    pub(crate) async fn check_every(self: Arc<Self>, url: String, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let time = response_time(&url).await;
            if let Some(time) = time {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
                self.response_micros.store(micros, Ordering::Release);
            }
            self.has_failed.store(time.is_none(), Ordering::Release);
        }
    }
}

/// Measures how long `url` takes to respond with success; none when it does not within two seconds. The address must be
/// one of this machine. Dropping the future closes the connection.
pub(crate) async fn response_time(url: &str) -> Option<Duration> {
    let checked = check_http(url, RESPONSE_TIMEOUT).await;
    checked.inspect_err(|why| tracing::debug!(url, %why, "health check failed")).ok()
}

/// Measures how long `url` takes to respond with success (2xx), or says why it does not. The address must be one of this
/// machine. Dropping the future closes the connection.
pub(crate) async fn check_http(url: &str, deadline: Duration) -> Result<Duration, String> {
    let client: Client<_, String> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0) // an idle connection would prove nothing the next time
        .build(HttpConnector::new());
    let request =
        Request::get(url).body(String::new()).map_err(|why| format!("{url} is not a valid address: {why}"))?;
    let sent = Instant::now();
    match timeout(deadline, client.request(request)).await {
        Ok(Ok(response)) if response.status().is_success() => Ok(sent.elapsed()),
        Ok(Ok(response)) => Err(format!("{url} answered with HTTP status {}", response.status())),
        Ok(Err(why)) => Err(format!("{url} cannot be reached: {}", innermost(&why))),
        Err(_elapsed) => Err(format!("{url} did not answer within {}", rounded(deadline))),
    }
}

/// Measures how long it takes to connect to a port of this machine, or says why that fails. Dropping the future closes
/// the connection.
pub(crate) async fn check_tcp(port: u16, deadline: Duration) -> Result<Duration, String> {
    let sent = Instant::now();
    match timeout(deadline, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        Ok(Ok(_)) => Ok(sent.elapsed()),
        Ok(Err(why)) => Err(format!("port {port} cannot be reached: {why}")),
        Err(_elapsed) => Err(format!("port {port} did not accept a connection within {}", rounded(deadline))),
    }
}

/// The cause at the bottom: those above it only say that there is one.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| (*cause).source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn responding(text: &'static str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/status", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        url
    }

    #[tokio::test]
    async fn success_is_healthy_and_an_error_status_is_not() {
        let url = responding("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert!(response_time(&url).await.is_some());
        let url = responding("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(response_time(&url).await, None);
    }

    #[tokio::test]
    async fn a_process_that_accepts_and_never_responds_is_unhealthy() {
        let url = responding("").await;
        tokio::time::pause(); // the two seconds pass at once
        assert_eq!(response_time(&url).await, None);
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_unhealthy() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/status", listener.local_addr().unwrap());
        let port = listener.local_addr().unwrap().port();
        assert!(check_tcp(port, RESPONSE_TIMEOUT).await.is_ok());
        drop(listener);
        assert_eq!(response_time(&url).await, None);
        for why in [check_http(&url, RESPONSE_TIMEOUT).await, check_tcp(port, RESPONSE_TIMEOUT).await] {
            assert!(why.unwrap_err().contains("refused"));
        }
    }
}
