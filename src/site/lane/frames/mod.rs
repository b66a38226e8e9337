//! The frames lane: several orders at a time in frames of one page of the portal, the conductor. Whatever is in doubt here is
//! for the tab lane to judge (`docs/adr/0040-orders-in-frames.md`).

mod collect;
mod conductor;
mod messages;

pub use collect::{FrameLane, FrameOutcome, ListedFile, TabReason};
pub use conductor::{Conductor, FrameLimits};
pub use messages::{Catch, CaughtAddress, FrameEvent, FrameOrder, FramePage};
