//! The synchronous heart: `(now, Input) -> Effects`. It decides everything and does nothing: no await, no I/O, no clock.
//!
//! `words` is what goes in and out, `heart` the turn; what it decides of orders, of who works on them, of the browsers
//! and of the pool as a whole stands in `orders`, `staff`, `upkeep` and `stages`.

pub(crate) mod capacity;
pub(crate) mod heart;
pub(crate) mod messages;
pub(crate) mod stage;
pub(crate) mod tasks;
pub(crate) mod workers;

pub(crate) use heart::Scheduler;
pub(crate) use messages::{DesiredState, Effect, Input, Request, ResourceSample, SchedulerConfig};
