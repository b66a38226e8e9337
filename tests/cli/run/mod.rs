//! Runs from start to end: calls, inputs, filters, signals and what is left after a kill.

mod browsers;
mod calls;
mod demo;
mod filters;
mod folders;
mod inputs;
mod kills;
mod resume;
mod signals;
