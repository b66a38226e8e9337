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

pub use autoscale::{Autoscaler, BYTES_PER_WORKER, LoadSample, workers_for};
pub use backoff::retry_delay;
pub use circuit_breaker::{CircuitBreaker, Permit, TripCause};
pub use concurrency::AdaptiveLimit;
pub use leak::{LeakDetector, LeakKind};
pub use memory::{MemoryLimit, MemoryScaler};
pub use queue::TaskQueue;
pub use restart::{FailureStage, RestartDecision, RestartTracker};
pub use retry::{RetryDecision, verdict};
pub use session_life::{MAX_PAGE_TIMEOUTS, RecycleReason, SessionUsage, recycle_reason};
