//! TODOC

pub(crate) mod assets;
pub(crate) mod connection;
pub(crate) mod logins;
pub(crate) mod respond;
pub(crate) mod response;
pub(crate) mod routes;
