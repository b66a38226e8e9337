//! The seam to a login that is kept beyond a run.

use jiff::Timestamp;
use secrecy::SecretString;
use thiserror::Error;

use super::Cookie;

/// A login that somebody made before: the cookies that let in. The values are secrets, and `Debug` does not show them.
#[derive(Clone, Debug)]
pub struct SavedLogin {
    /// What a browser that logged in holds.
    pub cookies: Vec<Cookie>,
    /// When it was kept; another time means another login.
    pub kept_at: Timestamp,
}

/// Where a login is kept. Asked at the start of a run, and again whenever the login has ended: a person may have made a
/// new one meanwhile.
pub trait LoginStore: Send + Sync {
    /// The login that is kept now; none when there is none. Blocks while it reads.
    ///
    /// # Errors
    /// [`LoginStoreError`] when what is kept cannot be read.
    fn load(&self) -> Result<Option<SavedLogin>, LoginStoreError>;
}

/// What remembers beyond a run that the portal refused a user name with a password. Both methods block, for up to a second
/// of work.
pub trait RejectionStore: Send + Sync {
    /// When the portal refused this pair; none when it did not, as far as is remembered.
    ///
    /// # Errors
    /// [`LoginStoreError`] when what is remembered cannot be read.
    fn refused_at(&self, username: &str, password: &SecretString) -> Result<Option<Timestamp>, LoginStoreError>;

    /// Remembers that the portal has refused this pair. The password itself is kept nowhere.
    ///
    /// # Errors
    /// [`LoginStoreError`] when it cannot be written.
    fn remember(&self, username: &str, password: &SecretString) -> Result<(), LoginStoreError>;
}

/// Why a password that was refused `at` some time is not sent to the portal at `base`, and what helps.
#[must_use]
pub fn refused_before(base: &str, at: Timestamp) -> String {
    format!(
        "the portal refused this user name with this password at {at:.0}, so they are not sent again: repeated refusals lock \
         an account. Give another password (COUPA_PASSWORD, or `coupa-batch login --save-password`); if this one is right \
         after all, `coupa-batch login --base-url {base}` with it tries it once more, and a success makes it forgotten"
    )
}

/// A kept login cannot be read or written. The text says which and what helps, and holds no secret.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct LoginStoreError(pub String);
