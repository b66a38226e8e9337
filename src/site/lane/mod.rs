//! Ways to bring an order's files. All of them read pages by the same recipe and with the same code.

pub(crate) mod driver;
pub(crate) mod frames;
pub(crate) mod learned;
