//! The synchronous heart: `(now, Input) -> Effects`. It decides everything and does nothing: no await, no I/O, no clock.
//!
//! `words` is what goes in and out, `heart` the turn; what it decides of orders, of who works on them, of the browsers
//! and of the pool as a whole stands in `orders`, `staff`, `upkeep` and `stages`.

mod heart;
mod orders;
mod staff;
mod stages;
mod upkeep;
mod words;

pub(super) use heart::Core;
pub(super) use words::{Act, Directive, Input, Request, Rules, Sample};
