//! Files by HTTP, without a browser: one address to one staged file, with the cookies of a session and every check that a
//! download of a browser gets. A browser downloads where the portal refuses this client.

mod decode;
mod disposition;
mod error;
mod fetch;
mod identity;
mod redirect;
mod slots;
mod staged;
#[cfg(test)]
mod tests;

pub use error::TransferError;
pub use fetch::{AddressLifetime, Transfer, TransferRules, Transferred};
pub use identity::ClientIdentity;
pub use slots::{OrderSlots, SlotLimits, TransferSlots};
