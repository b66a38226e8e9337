//! Ways to bring an order's files, one folder each. All of them read pages by the same recipe and with the same code.

pub mod frames;
