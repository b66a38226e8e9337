//! Floor 1: the rules. Pure decisions: everything that is needed comes in as an argument, the clock included (as the
//! time since the pool's start), so that each can be tested without a runtime.

mod backoff;
mod gate;
mod pace;
mod queue;
mod recycle;
mod scale;
mod verdict;

pub use backoff::retry_delay;
pub use gate::{Admission, GivenUp, SiteGate};
pub use pace::OrderPace;
pub use queue::TaskQueue;
pub use recycle::{Wear, is_worn};
pub use scale::MemoryScale;
pub use verdict::{Verdict, verdict};
