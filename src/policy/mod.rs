//! Floor 1: the rules. Pure decisions: everything that is needed comes in as an argument, the clock included (as the
//! time since the pool's start), so that each can be tested without a runtime.

mod autoscale;
mod backoff;
mod circuit_breaker;
mod concurrency;
mod leak;
mod memory;
mod queue;
mod restart;
mod retry;
mod session_life;

pub use autoscale::{BYTES_PER_WORKER, Load, Sizing, workers_for};
pub use backoff::retry_delay;
pub use circuit_breaker::{Admission, GivenUp, SiteGate};
pub use concurrency::OrderPace;
pub use leak::{Countable, LeakWatch};
pub use memory::{MemoryScale, Room};
pub use queue::TaskQueue;
pub use restart::{Broke, Restart, Restarts};
pub use retry::{Verdict, verdict};
pub use session_life::{MAX_STRIKES, Wear, Worn, is_worn};
