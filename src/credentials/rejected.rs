//! What a portal has refused: no password, but a slow digest of user name and password, so that a later run knows the
//! pair when it meets it and does not send it once more.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pbkdf2::{Algorithm, Params, pbkdf2_hmac_with_params};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::files;
use crate::backend::{LoginStoreError, RejectionStore};
use crate::fs::hex;

/// How the digests are made. The number of rounds is OWASP's recommendation: whoever has the file needs this much work
/// per guess.
const METHOD: &str = "pbkdf2-hmac-sha256-600000";
const ALGORITHM: Algorithm = Algorithm::Pbkdf2Sha256;
const PARAMS: Params = Params::recommended_for(ALGORITHM);

/// Pairs that are remembered for one portal; the oldest go first.
const MAX_PAIRS: usize = 16;

/// A record is a few kilobytes; a longer file was not written by this program.
const MAX_BYTES: u64 = 64 << 10;

/// The ending of its file, which no saved login has.
const ENDING: &str = "refused";

/// The user names and passwords that one portal has refused.
#[derive(Clone, Debug)]
pub struct RejectedLogins {
    folder: PathBuf,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct StoredRejections {
    method: String,
    salt: String,
    refused: Vec<RejectedPair>,
}

#[derive(Serialize, Deserialize)]
struct RejectedPair {
    at: Timestamp,
    digest: String,
}

impl RejectedLogins {
    /// Those of the portal at `base`, in `folder`. Nothing is made yet.
    #[must_use]
    pub fn of(folder: &Path, base: &Url) -> Self {
        Self { folder: folder.to_owned(), file: folder.join(format!("{}.{ENDING}", files::stem(base))) }
    }

    /// Forgets them. Returns whether there were any. Blocks.
    ///
    /// # Errors
    /// [`LoginStoreError`] when the file cannot be removed.
    pub fn wipe(&self) -> Result<bool, LoginStoreError> {
        files::remove(&self.file).map_err(|why| self.failed("removed", &why))
    }

    /// Forgets those of all portals in `folder`. Returns how many portals had any.
    ///
    /// # Errors
    /// [`LoginStoreError`] when one cannot be removed.
    pub fn wipe_all(folder: &Path) -> Result<usize, LoginStoreError> {
        let files = files::files(folder, ENDING)?;
        files
            .into_iter()
            .try_fold(0, |wiped, file| Ok(wiped + usize::from(Self { folder: folder.to_owned(), file }.wipe()?)))
    }

    fn read(&self) -> Result<Option<StoredRejections>, LoginStoreError> {
        let Some(bytes) = files::read(&self.file, MAX_BYTES).map_err(|why| self.failed("read", &why))? else {
            return Ok(None);
        };
        let written: StoredRejections =
            serde_json::from_slice(&bytes).map_err(|_| self.failed("read", &"it is damaged"))?;
        if written.method != METHOD {
            return Err(self.failed("read", &"it was written by another version"));
        }
        Ok(Some(written))
    }

    fn failed(&self, what: &str, why: &dyn std::fmt::Display) -> LoginStoreError {
        LoginStoreError::Unusable(format!(
            "the record of refused passwords {} cannot be {what}: {why}; `coupa-batch logout` removes it",
            self.file.display()
        ))
    }
}

impl RejectionStore for RejectedLogins {
    fn refused_at(&self, username: &str, password: &SecretString) -> Result<Option<Timestamp>, LoginStoreError> {
        let Some(written) = self.read()? else { return Ok(None) };
        let digest = digest(&written.salt, username, password);
        Ok(written.refused.into_iter().find(|pair| pair.digest == digest).map(|pair| pair.at))
    }

    fn remember(&self, username: &str, password: &SecretString) -> Result<(), LoginStoreError> {
        // a damaged one is of no use
        let mut written = match self.read() {
            Ok(Some(written)) => written,
            Ok(None) | Err(_) => {
                let mut salt = [0; 16];
                getrandom::fill(&mut salt).map_err(|why| self.failed("written", &why))?;
                StoredRejections { method: METHOD.to_owned(), salt: hex(&salt), refused: Vec::new() }
            }
        };
        let digest = digest(&written.salt, username, password);
        written.refused.retain(|pair| pair.digest != digest);
        written.refused.push(RejectedPair { at: Timestamp::now(), digest });
        let too_many = written.refused.len().saturating_sub(MAX_PAIRS);
        written.refused.drain(..too_many);
        files::write(&self.folder, &self.file, &written).map_err(|why| self.failed("written", &why))
    }
}

/// Of the pair, separated by a character that no user name contains.
fn digest(salt: &str, username: &str, password: &SecretString) -> String {
    let pair = SecretString::from(format!("{username}\0{}", password.expose_secret()));
    let mut digest = [0; 32];
    pbkdf2_hmac_with_params(pair.expose_secret().as_bytes(), salt.as_bytes(), ALGORITHM, PARAMS, &mut digest);
    hex(&digest)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusals(folder: &Path) -> RejectedLogins {
        RejectedLogins::of(folder, &"https://acme.test".parse().unwrap())
    }

    #[test]
    fn a_refused_pair_is_known_again_and_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let refusals = refusals(folder.path());
        let secret = |text: &str| SecretString::from(text.to_owned());
        assert_eq!(refusals.refused_at("me", &secret("s3cret")).unwrap(), None);
        refusals.remember("me", &secret("s3cret")).unwrap();
        assert!(refusals.refused_at("me", &secret("s3cret")).unwrap().is_some());
        for (username, password) in [("me", "another"), ("you", "s3cret"), ("mes", "3cret")] {
            assert_eq!(refusals.refused_at(username, &secret(password)).unwrap(), None, "{username}");
        }
        let text = fs::read_to_string(&refusals.file).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("me\0"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&refusals.file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(refusals.wipe().unwrap() && !refusals.wipe().unwrap());
        assert_eq!(refusals.refused_at("me", &secret("s3cret")).unwrap(), None);
    }

    #[test]
    fn a_record_says_how_its_digests_are_made() {
        assert_eq!(METHOD, format!("pbkdf2-hmac-sha256-{}", PARAMS.rounds()));
    }

    #[test]
    fn a_record_that_is_damaged_says_so_and_is_replaced_by_the_next_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let (refusals, password) = (refusals(folder.path()), SecretString::from("s3cret".to_owned()));
        for damaged in ["{ half", r#"{"method":"md5","salt":"","refused":[]}"#] {
            fs::write(&refusals.file, damaged).unwrap();
            assert!(refusals.refused_at("me", &password).unwrap_err().to_string().contains("coupa-batch logout"));
        }
        refusals.remember("me", &password).unwrap();
        assert!(refusals.refused_at("me", &password).unwrap().is_some());
        assert_eq!(RejectedLogins::wipe_all(folder.path()).unwrap(), 1);
    }
}
