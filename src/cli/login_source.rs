//! Where user name and password come from: the variables, or else the system's keyring.

use crate::config::PoolConfig;
use crate::credentials::{Keyring, KeyringError};

/// Where user name and password come from.
#[derive(Debug)]
pub(crate) enum LoginSource {
    /// `COUPA_USERNAME` and `COUPA_PASSWORD`.
    Variables,
    /// What `login --save-password` saved.
    Keyring,
    /// There are none; with the reason, where the keyring could not be asked.
    Nowhere(Option<KeyringError>),
}

impl LoginSource {
    /// Takes them from the keyring when the variables are not set, and leaves the configuration as it is when there is
    /// no keyring: a run goes on without. Blocks for half a minute at most.
    pub(crate) fn fill(config: &mut PoolConfig) -> Self {
        if config.site.credentials.is_some() {
            return Self::Variables;
        }
        let Some(base) = &config.site.base_url else { return Self::Nowhere(None) };
        match Keyring::of(base).load() {
            Ok(Some(credentials)) => {
                config.site.credentials = Some(credentials);
                Self::Keyring
            }
            Ok(None) => Self::Nowhere(None),
            Err(why) => Self::Nowhere(Some(why)),
        }
    }

    /// The place in words; none when there is none.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Variables => Some("the environment"),
            Self::Keyring => Some("the keyring"),
            Self::Nowhere(_) => None,
        }
    }

    /// What a person should know of it before a run begins.
    pub(crate) fn remark(&self) -> Option<String> {
        match self {
            Self::Keyring => {
                Some("user name and password: from the system's keyring (`coupa-batch logout` removes them)".to_owned())
            }
            // where there is no keyring, nothing can have been saved in it
            Self::Nowhere(Some(why)) if !why.is_absent() => Some(format!("note: {why}; going on without it")),
            Self::Variables | Self::Nowhere(_) => None,
        }
    }
}
