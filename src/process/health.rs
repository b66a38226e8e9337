//! Whether a driver still answers, asked of it directly: not through a session, which may be what stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout};

/// How long a driver may take to answer. It answers at once, also while all its sessions stand still; on a machine that
/// is full it was seen to take some hundred milliseconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// After how many questions in a row without an answer a driver is given up: one alone may be the machine's fault.
const MAX_SILENT: u32 = 2;

/// How a driver is, as last found.
#[derive(Debug, Default)]
pub(crate) struct HealthState {
    is_silent: AtomicBool,
    /// 0 before the first answer.
    answer_micros: AtomicU64,
    is_given_up: AtomicBool,
}

impl HealthState {
    /// Whether it answered when it was last asked.
    pub(crate) fn is_well(&self) -> bool {
        !self.is_silent.load(Ordering::Acquire) && !self.is_given_up.load(Ordering::Acquire)
    }

    /// How long its last answer took.
    pub(crate) fn answer_micros(&self) -> Option<u64> {
        Some(self.answer_micros.load(Ordering::Acquire)).filter(|micros| *micros > 0)
    }

    /// It is not asked for anything any more.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    /// Asks the driver on this port how it is, for ever, and calls `give_up` when it has been silent twice in a row.
    pub(crate) async fn look_in(self: Arc<Self>, port: u16, every: Duration, give_up: impl Fn()) {
        let mut silent_count = 0;
        loop {
            match answer_time(port).await {
                Some(time) => {
                    silent_count = 0;
                    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
                    self.answer_micros.store(micros, Ordering::Release);
                }
                None => silent_count += 1,
            }
            self.is_silent.store(silent_count > 0, Ordering::Release);
            if silent_count >= MAX_SILENT {
                give_up();
            }
            sleep(every).await;
        }
    }
}

/// Asks the driver that listens on this port of the loopback interface for its status, on a connection of its own, and
/// gives the time that it took to answer; none when it is silent for two seconds, or nobody listens there. Dropping the
/// future closes the connection.
pub(crate) async fn answer_time(port: u16) -> Option<Duration> {
    let client: Client<_, String> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0) // an idle connection would show nothing the next time
        .build(HttpConnector::new());
    let request = Request::get(format!("http://127.0.0.1:{port}/status")).body(String::new()).ok()?;
    let asked = Instant::now();
    match timeout(ANSWERED_WITHIN, client.request(request)).await {
        Ok(Ok(answer)) if answer.status().is_success() => Some(asked.elapsed()),
        Ok(Ok(answer)) => {
            tracing::debug!(port, status = %answer.status(), "the driver answers, but says that it is not well");
            None
        }
        Ok(Err(why)) => {
            tracing::debug!(port, %why, "the driver cannot be asked how it is");
            None
        }
        Err(_elapsed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn answering(text: &'static str) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        port
    }

    #[tokio::test]
    async fn a_driver_that_answers_is_well_and_one_that_complains_is_not() {
        let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert!(answer_time(port).await.is_some());
        let port = answering("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(answer_time(port).await, None);
    }

    #[tokio::test]
    async fn one_that_takes_the_question_and_says_nothing_is_not_well() {
        let port = answering("").await;
        tokio::time::pause(); // the two seconds pass at once
        assert_eq!(answer_time(port).await, None);
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_well() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(answer_time(port).await, None);
    }
}
