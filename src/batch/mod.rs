//! TODOC

pub(crate) mod canary;
pub(crate) mod notices;
pub(crate) mod run;
pub(crate) mod run_record;
pub(crate) mod selection;
pub(crate) mod stop;
