//! Where user name and password come from: the environment, or else the system's keyring.

use super::{Keyring, KeyringError};
use crate::config::PoolConfig;

/// Where user name and password come from.
#[derive(Debug)]
pub enum LoginSource {
    /// `COUPA_USERNAME` and `COUPA_PASSWORD`.
    Environment,
    /// Saved by `login --save-password`.
    Keyring,
    /// There are none; with the reason, if the keyring could not be read.
    None(Option<KeyringError>),
}

impl LoginSource {
    /// Adds them to the configuration from the keyring, unless the environment has given them. Without a keyring the
    /// configuration stays as it is, and the run continues without them. Blocks for at most half a minute.
    pub fn fill(config: &mut PoolConfig) -> Self {
        if config.site.credentials.is_some() {
            return Self::Environment;
        }
        let Some(base) = &config.site.base_url else { return Self::None(None) };
        match Keyring::of(base).load() {
            Ok(Some(credentials)) => {
                config.site.credentials = Some(credentials);
                Self::Keyring
            }
            Ok(None) => Self::None(None),
            Err(why) => Self::None(Some(why)),
        }
    }

    /// The source in words, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Environment => Some("the environment"),
            Self::Keyring => Some("the keyring"),
            Self::None(_) => None,
        }
    }

    /// What a person should know about it before a run begins.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        match self {
            Self::Keyring => {
                Some("user name and password: from the system's keyring (`coupa-batch logout` removes them)".to_owned())
            }
            // without a keyring, nothing can have been saved in it
            Self::None(Some(why)) if !why.is_absent() => Some(format!("note: {why}; continuing without it")),
            Self::Environment | Self::None(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Credentials;

    #[test]
    fn the_environment_is_asked_first_and_only_a_broken_keyring_is_worth_a_remark() {
        let mut config = PoolConfig::builder().base_url("https://acme.test/").build().unwrap();
        config.site.credentials = Some(Credentials { username: "me".into(), password: "right".into() });
        let source = LoginSource::fill(&mut config);
        assert_eq!((source.name(), source.remark()), (Some("the environment"), None));
        assert_eq!(LoginSource::None(None).remark(), None);
        assert!(LoginSource::Keyring.remark().unwrap().contains("coupa-batch logout"));
    }
}
