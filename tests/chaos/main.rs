//! What a pool of real browsers bears: processes that are killed or stopped, memory that runs short, pages that hang,
//! portals that leak. Seeded, with the seed printed; shortened here, in full with `CHAOS_SECONDS=600`, `SOAK_ORDERS=2000`.
//! One test after the other, since they count what stands on the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![cfg(target_os = "linux")] // processes are looked for in /proc

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/edge_stand_in.rs"]
mod edge_stand_in;
#[path = "../support/pool.rs"]
mod pool;
#[path = "../support/rng.rs"]
mod rng;

mod faults;
mod memory_limit;
mod soak;

use tokio::sync::{Mutex, MutexGuard};

/// The turn of one test.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
