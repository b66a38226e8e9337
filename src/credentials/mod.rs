//! Logins that are kept beyond a run: cookies in a file for this user alone, or those of a person's own browser in the
//! format that other download tools take; user name and password in the system's keyring; and which of them a portal has
//! refused. Nothing here is ever logged.

mod cookies_txt;
#[cfg(feature = "keyring")]
mod keyring;
mod private;
mod rejected;
mod saved_login;

pub use cookies_txt::CookieFile;
#[cfg(feature = "keyring")]
pub use keyring::{Keyring, KeyringError};
pub use rejected::RejectedLogins;
pub use saved_login::{SavedLoginFile, usual_folder};
