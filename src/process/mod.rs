//! TODOC

pub(crate) mod health;
pub(crate) mod os;
pub(crate) mod output;
pub(crate) mod ports;
