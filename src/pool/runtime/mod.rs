//! What the scheduler decides is done here: dispatcher, supervisor, workers, the sampler of memory.

pub(crate) mod channel;
pub(crate) mod dispatcher;
pub(crate) mod handover;
pub(crate) mod replies;
pub(crate) mod sampler;
pub(crate) mod supervisor;
pub(crate) mod worker;
