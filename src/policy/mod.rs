//! Floor 1: the rules. Pure decisions: everything that is needed comes in as an argument, the clock included (as the
//! time since the pool's start), so that each can be tested without a runtime.

mod backoff;
mod gate;
mod leak;
mod pace;
mod queue;
mod recycle;
mod restart;
mod scale;
mod sizing;
mod verdict;

pub use backoff::retry_delay;
pub use gate::{Admission, GivenUp, SiteGate};
pub use leak::{Countable, LeakWatch};
pub use pace::OrderPace;
pub use queue::TaskQueue;
pub use recycle::{MAX_STRIKES, Wear, Worn, is_worn};
pub use restart::{Broke, Restart, Restarts};
pub use scale::{MemoryScale, Room};
pub use sizing::{BYTES_PER_WORKER, Load, Sizing, workers_for};
pub use verdict::{Verdict, verdict};
