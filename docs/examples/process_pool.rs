//! Two web servers as a service: leased in turn, watched, ended. `cargo run --example process_pool`
//!
//! Needs `python3`; any other server that takes its port as an argument does as well.

use std::error::Error;
use std::time::Duration;

use coupa_batch::process::{HealthCheck, ProcessPool, ServiceConfig, ServiceError};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir();
    let web = ServiceConfig::new("python3")
        .args(["-m", "http.server", "{port}", "--bind", "127.0.0.1"])
        .dir(&folder)
        .processes(2..=4)
        .leases_per_process(8)
        .health_check(HealthCheck::http("/").every(Duration::from_secs(5)));

    let pool = ProcessPool::new();
    match pool.add("web", web) {
        Err(error @ ServiceError::Command { .. }) => {
            println!("skipped: {error}");
            return Ok(());
        }
        added => added?,
    }
    pool.ready("web").await?;

    for _ in 0..4 {
        let lease = pool.lease("web").await?;
        println!("{} is process {} of {}", lease.url(), lease.number(), lease.service());
        // requests to `lease.url()` go here; dropping the lease gives the process back
    }

    for service in pool.status().services {
        let healthy = service.healthy().count();
        println!("{}: {healthy} healthy, {} restarts", service.name, service.restarts);
    }
    let report = pool.close().await;
    println!("{} ended, {} killed, {} left", report.ended, report.killed, report.leftovers.len());
    Ok(())
}
