//! What the tests of process pools share.

use std::time::Duration;

use coupa_batch::process::{ProcessLease, ProcessPool, ServiceStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The bound of all waiting: no test is to be near it.
const LIMIT: Duration = Duration::from_secs(100);

/// The answer to a GET; none if the connection ends without one.
pub(crate) async fn get(lease: &ProcessLease, path: &str) -> Option<String> {
    let answer = async {
        let mut stream = TcpStream::connect(lease.address()).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", lease.address());
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    };
    timeout(LIMIT, answer).await.unwrap()
}

/// Waits until the service is as wanted, and returns it.
pub(crate) async fn until(pool: &ProcessPool, name: &str, is_so: impl Fn(&ServiceStatus) -> bool) -> ServiceStatus {
    let waiting = async {
        loop {
            let status = pool.status().service(name).unwrap().clone();
            if is_so(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // asks again: nothing tells
        }
    };
    match timeout(LIMIT, waiting).await {
        Ok(status) => status,
        Err(_) => panic!("timed out with {:#?}", pool.status()),
    }
}

/// Whether a process runs; one that has ended and is not reaped yet does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// Waits until none of the processes runs.
pub(crate) async fn until_gone(pids: impl IntoIterator<Item = u32>) {
    for pid in pids {
        let waiting = async {
            while runs(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await; // asks again: nothing tells
            }
        };
        assert!(timeout(LIMIT, waiting).await.is_ok(), "process {pid} is left");
    }
}

/// The ids of all processes of a service.
pub(crate) fn pids(status: &ServiceStatus) -> Vec<u32> {
    status.instances.iter().filter_map(|instance| instance.pid).collect()
}
