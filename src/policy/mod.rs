//! Floor 1: the rules. Pure decisions: each gets all that it needs as arguments, time included (as the time since the
//! pool's start), so that it can be tested without a runtime.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod autoscale;
mod canary;
mod circuit_breaker;
mod concurrency;
mod isolation;
mod leak;
mod memory;
mod queue;
mod retry;
mod session_life;

pub use autoscale::{Autoscaler, BYTES_PER_WORKER, LoadSample, workers_for};
pub use canary::{has_passed, judge_canary};
pub use circuit_breaker::{CircuitBreaker, Permit, SiteFailure, TripCause};
pub use concurrency::AdaptiveLimit;
pub use isolation::{Isolation, isolation};
pub use leak::{LeakDetector, LeakKind};
pub use memory::{MemoryLimit, MemoryScaler};
pub use queue::TaskQueue;
pub use retry::{RetryDecision, is_first_attempt, retry_decision, retry_delay};
pub use session_life::{
    FailureStage, MAX_PAGE_TIMEOUTS, RecycleReason, RestartDecision, RestartTracker, SessionUsage, recycle_reason,
};
