//! Logins that are kept beyond a run: cookies in a file for this user alone, or those of a person's own browser in the
//! format that other download tools take; user name and password in the system's keyring. Nothing here is ever logged.

mod kept;
mod keyring;
mod netscape;

pub use kept::{Vault, usual_folder};
pub use keyring::{Keyring, KeyringError};
pub use netscape::CookieFile;
