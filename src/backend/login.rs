//! The seam to what is known of logins beyond a run.

use jiff::Timestamp;
use secrecy::SecretString;
use thiserror::Error;

use super::Cookie;

/// A saved login: the cookies of a session that was logged in. Their values are secrets, and `Debug` does not show them.
#[derive(Clone, Debug)]
pub struct SavedLogin {
    /// The cookies.
    pub cookies: Vec<Cookie>,
    /// When it was saved; another time means another login.
    pub saved_at: Timestamp,
}

/// Where a login is saved. Read at the start of a run, and again whenever the login has expired: a person may have saved a
/// new one meanwhile.
pub trait LoginStore: Send + Sync {
    /// The saved login, if there is one. Blocks while it reads.
    ///
    /// # Errors
    /// [`LoginStoreError`] when it cannot be read.
    fn load(&self) -> Result<Option<SavedLogin>, LoginStoreError>;
}

/// Remembers beyond a run that the portal refused a user name with a password. Both methods block, for up to a second.
pub trait RejectionStore: Send + Sync {
    /// When the portal refused this pair, if it is known to have done so.
    ///
    /// # Errors
    /// [`LoginStoreError`] when the record cannot be read.
    fn refused_at(&self, username: &str, password: &SecretString) -> Result<Option<Timestamp>, LoginStoreError>;

    /// Remembers that the portal refused this pair. The password itself is stored nowhere.
    ///
    /// # Errors
    /// [`LoginStoreError`] when it cannot be written.
    fn remember(&self, username: &str, password: &SecretString) -> Result<(), LoginStoreError>;
}

/// Why what is known of logins is of no use. The text says what helps, and never holds a secret.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LoginStoreError {
    /// A saved login, or the record of refused passwords, cannot be read or written.
    #[error("{0}")]
    Unusable(String),
    /// The portal has refused this user name with this password before.
    #[error(
        "the portal refused this user name with this password at {at:.0}, so they are not sent again: repeated \
         refusals lock an account. Give another password (COUPA_PASSWORD, or `coupa-batch login --save-password`). If \
         this one is correct, `coupa-batch login --base-url {portal}` tries it once more, and forgets the refusal if \
         it succeeds"
    )]
    Refused {
        /// Address of the portal.
        portal: String,
        /// When it refused them.
        at: Timestamp,
    },
}
