//! The seam to a login that is kept beyond a run.

use jiff::Timestamp;
use thiserror::Error;

use super::Cookie;

/// A login that somebody made before: the cookies that let in. The values are secrets, and `Debug` does not show them.
#[derive(Clone, Debug)]
pub struct KeptLogin {
    /// What a browser that logged in holds.
    pub cookies: Vec<Cookie>,
    /// When it was kept; another time means another login.
    pub kept_at: Timestamp,
}

/// Where a login is kept. Asked at the start of a run, and again whenever the login has ended: a person may have made a
/// new one meanwhile.
pub trait LoginKeep: Send + Sync {
    /// The login that is kept now; none when there is none. Blocks while it reads.
    ///
    /// # Errors
    /// [`LoginKeepError`] when what is kept cannot be read.
    fn load(&self) -> Result<Option<KeptLogin>, LoginKeepError>;
}

/// A kept login cannot be read or written. The text says which and what helps, and holds no secret.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct LoginKeepError(pub String);
