//! What leaves the program besides the files themselves.

pub mod notice;
pub mod report;
