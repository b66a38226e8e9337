//! Child processes: started in their own group, their output captured, their health checked, ended with all they started.

pub(crate) mod child;
pub(crate) mod health;
pub(crate) mod os;
pub(crate) mod output;
pub(crate) mod ports;
