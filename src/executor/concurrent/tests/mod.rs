//! How an executor behaves.

mod cancellation;
mod limits;
#[cfg(target_os = "linux")]
mod processes;
mod running;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::ConcurrentExecutor;

const LIMIT: Duration = Duration::from_millis(40);

fn executor(max_concurrent: usize) -> ConcurrentExecutor {
    ConcurrentExecutor::builder().max_concurrent(max_concurrent).build()
}

async fn until(what: impl Fn() -> bool) {
    let all = async {
        while !what() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), all).await.expect("timed out");
}

/// All permits are back, nothing waits, and each job has ended once.
async fn assert_all_came_back(executor: &ConcurrentExecutor, case: &str) {
    until(|| {
        let status = executor.status();
        (status.running, status.waiting, status.abandoned) == (0, 0, 0)
    })
    .await;
    let status = executor.status();
    let ended = status.succeeded + status.failed + status.timed_out + status.cancelled + status.refused;
    assert_eq!(ended, status.submitted, "{case}: {status:?}");
    assert_eq!(executor.shared.permits.available_permits(), status.max_concurrent, "{case}: {status:?}");
    assert_eq!(Arc::strong_count(&executor.shared), 1, "{case}: a job is left");
}
