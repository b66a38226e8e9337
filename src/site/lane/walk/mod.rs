//! The walk of one order in frames.

mod fetching;
pub(crate) mod files;
pub(crate) mod order;
pub(crate) mod reason;
#[cfg(test)]
mod tests;
