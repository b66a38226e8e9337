//! One order: open its pages, understand them, fetch what they list.

pub(crate) mod blame;
pub(crate) mod budget;
pub(crate) mod collect;
pub(crate) mod draft;
pub(crate) mod fetch;
pub(crate) mod open;
pub(crate) mod requisitions;
pub(crate) mod turns;
pub(crate) mod ways;
