//! Logins that are kept beyond a run: cookies in a file for this user alone, or those of a person's own browser in the
//! format that other download tools take. Nothing here is ever logged.

mod kept;
mod netscape;

pub use kept::{Vault, usual_folder};
pub use netscape::CookieFile;
