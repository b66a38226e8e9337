//! Logins that are kept beyond a run: cookies in a file for this user alone, or those of a person's own browser in the
//! format that other download tools take; user name and password in the system's keyring; and which of them a portal has
//! refused. Nothing here is ever logged.

mod kept;
mod keyring;
mod netscape;
mod private;
mod refused;

pub use kept::{Vault, usual_folder};
pub use keyring::{Keyring, KeyringError};
pub use netscape::CookieFile;
pub use refused::Refusals;
