//! Ways to fetch an order's files. All of them read pages by the same recipe and with the same code
//! (`docs/adr/0044-lanes-of-a-session.md`).

mod alone;
pub(crate) mod driver;
mod frames;
mod job;
pub(crate) mod learned;
pub(crate) mod tab;
mod walk;
