//! What leaves the program besides the files themselves.

pub mod report;
