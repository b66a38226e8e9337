//! Logins beyond a run: saved cookies in a file for this user alone; those of a person's own browser, in the format of
//! other download tools; user name and password from the environment or the system's keyring; and which of these a portal has
//! refused. Nothing here is ever logged.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod cookies_txt;
mod files;
#[cfg(feature = "keyring")]
mod keyring;
mod rejected;
mod saved_login;
#[cfg(feature = "keyring")]
mod source;

pub use cookies_txt::CookieFile;
#[cfg(feature = "keyring")]
pub use keyring::{Keyring, KeyringError};
pub use rejected::RejectedLogins;
pub use saved_login::{SavedLoginFile, usual_folder};
#[cfg(feature = "keyring")]
pub use source::LoginSource;
