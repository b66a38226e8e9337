//! An address that is a secret.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::error::InvalidValue;

/// Shorter parts of an address are not secret, and removing them would make logs unreadable.
const SHORTEST_SECRET: usize = 12;

/// An address that is a secret as a whole, as those of webhooks are: whoever knows it may write there. Only its origin is
/// ever shown, also by `Debug`.
#[derive(Clone)]
pub struct SecretUrl {
    address: SecretString,
    origin: String,
}

impl SecretUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`InvalidValue`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let wrong = || InvalidValue::new("it is not an address such as https://hooks.example.com/…");
        match Url::parse(text.trim()) {
            Ok(address) if address.has_host() => Ok(Self::from(address)),
            Ok(_) => Err(wrong()),
            Err(why) => Err(wrong().caused_by(why)),
        }
    }

    /// The whole address, to send something there.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.address.expose_secret()
    }

    /// Scheme, host and port, which may be shown.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What no log may contain: the whole address, and each longer part after the host.
    #[must_use]
    pub fn secret_parts(&self) -> Vec<SecretString> {
        let Ok(address) = Url::parse(self.expose()) else { return vec![self.address.clone()] };
        let behind = address[url::Position::BeforePath..].to_owned();
        let segments = address.path().split('/').map(str::to_owned);
        let values = address.query_pairs().map(|(_, value)| value.into_owned());
        let user = [address.username().to_owned(), address.password().unwrap_or_default().to_owned()];
        std::iter::once(self.expose().to_owned())
            .chain([behind])
            .chain(segments)
            .chain(values)
            .chain(user)
            .filter(|part| part.len() >= SHORTEST_SECRET)
            .map(SecretString::from)
            .collect()
    }
}

impl From<Url> for SecretUrl {
    fn from(address: Url) -> Self {
        Self { origin: address.origin().ascii_serialization(), address: String::from(address).into() }
    }
}

impl PartialEq for SecretUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({}/…)", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_is_shown() {
        let address = SecretUrl::parse(" https://me:hunter2hunter2@hooks.test:8443/T0/s3cret-s3cret?k=t0ken-t0ken-t0 ");
        let address = address.unwrap();
        assert_eq!(address.origin(), "https://hooks.test:8443");
        assert_eq!(format!("{address:?}"), "SecretUrl(https://hooks.test:8443/…)");
        let parts = address.secret_parts();
        let parts: Vec<_> = parts.iter().map(ExposeSecret::expose_secret).collect();
        let behind = "/T0/s3cret-s3cret?k=t0ken-t0ken-t0";
        assert_eq!(parts, [address.expose(), behind, "s3cret-s3cret", "t0ken-t0ken-t0", "hunter2hunter2"]);
    }

    #[test]
    fn a_refusal_does_not_repeat_it() {
        for text in ["", "hooks.test/s3cret", "https://", "https://hooks.test:s3cret/", "mailto:s3cret@test"] {
            let why = SecretUrl::parse(text).unwrap_err().to_string();
            assert!(!why.contains("s3cret"), "{why}");
        }
    }
}
