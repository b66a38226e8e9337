//! The scheduler under random interleavings of every input.
//!
//! `actions` says what may happen, `world` and its `workers` play the engine around the scheduler, `checker` judges each turn
//! with rules of its own, and `planted` judges the checker.

mod actions;
mod checker;
mod planted;
mod properties;
mod sessions;
mod workers;
mod world;
