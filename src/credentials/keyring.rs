//! User name and password in the system's keyring: the Secret Service of a Linux desktop, the Keychain of macOS, the
//! Credential Manager of Windows. One item for each portal, which holds both.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
use url::Url;

use crate::config::Credentials;
use crate::text::rounded;

/// The name under which a person finds these items in the keyring's own window.
const SERVICE: &str = "coupa-batch";

/// How long a keyring may take. One that is locked asks the person at the desktop, who needs a moment to type.
const DEADLINE: Duration = Duration::from_secs(30);

/// The system's keyring cannot be used. The text says why and what helps, and holds no secret.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum KeyringError {
    /// No keyring, as on most servers and in most containers.
    #[error("no keyring service is running here ({0}): use COUPA_USERNAME and COUPA_PASSWORD")]
    Absent(String),
    /// It is locked, or nobody unlocked it.
    #[error(
        "the system's keyring is locked ({0}): unlock it, for example by logging in at the desktop, or use COUPA_USERNAME \
         and COUPA_PASSWORD"
    )]
    Locked(String),
    /// It did not answer in time; it may be waiting for somebody to unlock it.
    #[error(
        "the system's keyring did not answer within {}: unlock it and try again, or use COUPA_USERNAME and \
         COUPA_PASSWORD",
        rounded(*.0)
    )]
    Silent(Duration),
    /// The entry was not written by this program, or there are several.
    #[error("coupa-batch's entry in the system's keyring cannot be used: {0}; remove it and save the password again")]
    Damaged(&'static str),
    /// It refused for another reason.
    #[error("the system's keyring refused: {0}; use COUPA_USERNAME and COUPA_PASSWORD")]
    Refused(String),
}

impl KeyringError {
    /// Whether there is simply no keyring, which needs no message.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    fn of(why: Error) -> Self {
        match why {
            Error::NoDefaultStore => Self::Absent(why.to_string()),
            Error::NoStorageAccess(why) => Self::Locked(why.to_string()),
            // these two contain the secret's bytes
            Error::BadEncoding(_) | Error::BadDataFormat(..) => Self::Damaged("it is not text"),
            Error::Ambiguous(_) => Self::Damaged("there are several"),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Opens the system's store.
type Open = dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync;

/// The keyring's item for one portal.
#[derive(Clone)]
pub struct Keyring {
    open: Arc<Open>,
    portal: String,
    deadline: Duration,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("portal", &self.portal).finish_non_exhaustive()
    }
}

impl Keyring {
    /// That of the portal at `base`, in the keyring of this system. Nothing is asked yet.
    #[must_use]
    pub fn of(base: &Url) -> Self {
        Self { open: Arc::new(system_store), portal: base.origin().ascii_serialization(), deadline: DEADLINE }
    }

    /// Saves user name and password, in place of those that were there. Blocks, for half a minute at most.
    ///
    /// # Errors
    /// [`KeyringError`]. After [`KeyringError::Silent`] they may yet be saved, when somebody unlocks it later.
    pub fn save(&self, credentials: &Credentials) -> Result<(), KeyringError> {
        let written = WrittenRef { username: &credentials.username, password: credentials.password.expose_secret() };
        let Ok(bytes) = serde_json::to_vec(&written) else {
            return Err(KeyringError::Damaged("user name and password cannot be written")); // two texts always can
        };
        let secret = SecretSlice::from(bytes);
        self.ask_item(move |item| item.set_secret(secret.expose_secret()))
    }

    /// The saved user name and password, if any. Blocks for half a minute at most.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn load(&self) -> Result<Option<Credentials>, KeyringError> {
        let found = self.ask_item(|item| match item.get_secret() {
            Ok(bytes) => Ok(Some(SecretSlice::from(bytes))),
            Err(Error::NoEntry) => Ok(None),
            Err(why) => Err(why),
        })?;
        let Some(bytes) = found else { return Ok(None) };
        // the parser's own words could quote the password
        let written: Written = serde_json::from_slice(bytes.expose_secret())
            .map_err(|_| KeyringError::Damaged("it was not written by this program"))?;
        Ok(Some(Credentials { username: written.username, password: SecretString::from(written.password) }))
    }

    /// Removes them. Tells whether there were any. Blocks, for half a minute at most.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn wipe(&self) -> Result<bool, KeyringError> {
        self.ask_item(remove)
    }

    /// Removes those of all portals. Returns how many there were. Blocks, for half a minute at most.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn wipe_all() -> Result<usize, KeyringError> {
        bounded(&(Arc::new(system_store) as Arc<Open>), DEADLINE, |store| {
            let items = store.search(&HashMap::from([all_of_ours()]))?;
            items.iter().try_fold(0, |count, item| Ok(count + usize::from(remove(item)?)))
        })
    }

    fn ask_item<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let portal = self.portal.clone();
        bounded(&self.open, self.deadline, move |store| {
            question(&store.build(SERVICE, &portal, modifiers().as_ref())?)
        })
    }
}

fn remove(item: &Entry) -> keyring_core::Result<bool> {
    match item.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(why) => Err(why),
    }
}

/// Asks on a thread of its own, which is left behind when the keyring never answers: its calls cannot be cancelled.
fn bounded<T: Send + 'static>(
    open: &Arc<Open>,
    deadline: Duration,
    question: impl FnOnce(&CredentialStore) -> keyring_core::Result<T> + Send + 'static,
) -> Result<T, KeyringError> {
    let (answer, answered) = sync_channel(1);
    let open = Arc::clone(open);
    let asking = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        let told = match open() {
            Ok(store) => question(store.as_ref()).map_err(KeyringError::of),
            Err(why) => Err(KeyringError::Absent(why.to_string())),
        };
        let _ = answer.send(told); // whoever asked has given up
    });
    if let Err(why) = asking {
        return Err(KeyringError::Refused(format!("no thread for it could be started: {why}")));
    }
    match answered.recv_timeout(deadline) {
        Ok(told) => told,
        Err(RecvTimeoutError::Timeout) => Err(KeyringError::Silent(deadline)),
        Err(RecvTimeoutError::Disconnected) => Err(KeyringError::Refused("its library failed".to_owned())),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// What all items of this program have in common, in the words of the system's store.
fn all_of_ours() -> (&'static str, &'static str) {
    if cfg!(windows) { ("pattern", r"\.coupa-batch$") } else { ("service", SERVICE) }
}

/// On Windows an item follows its user to every machine of the domain unless it is marked as local.
fn modifiers() -> Option<HashMap<&'static str, &'static str>> {
    cfg!(all(windows, not(test))).then(|| HashMap::from([("persistence", "Local")]))
}

#[derive(Deserialize)]
struct Written {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct WrittenRef<'a> {
    username: &'a str,
    password: &'a str,
}

#[cfg(test)]
mod tests {
    use keyring_core::mock;

    use super::*;

    /// One keyring with the items of two portals.
    fn two() -> (Keyring, Keyring, Arc<mock::Store>) {
        let store = mock::Store::new().unwrap();
        let of = |base: &str| {
            let store = Arc::clone(&store);
            Keyring { open: Arc::new(move || Ok(store.clone())), ..Keyring::of(&base.parse().unwrap()) }
        };
        (of("https://acme.test/some/page?x=1"), of("https://acme.test:8443"), store)
    }

    fn me(password: &str) -> Credentials {
        Credentials { username: "me@acme.test".to_owned(), password: password.to_owned().into() }
    }

    fn item(store: &mock::Store, portal: &str) -> Entry {
        keyring_core::api::CredentialStoreApi::build(store, SERVICE, portal, None).unwrap()
    }

    #[test]
    fn what_is_saved_comes_back_for_its_portal_alone_and_can_be_wiped() {
        let (here, there, store) = two();
        assert!(here.load().unwrap().is_none());
        here.save(&me("first")).unwrap();
        here.save(&me("s3\"cret ü")).unwrap();
        let found = here.load().unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password.expose_secret()), ("me@acme.test", "s3\"cret ü"));
        assert!(there.load().unwrap().is_none());
        assert!(item(&store, "https://acme.test").get_secret().is_ok(), "found under the portal's address");
        assert!(here.wipe().unwrap() && !here.wipe().unwrap());
        assert!(here.load().unwrap().is_none());
        assert!(!format!("{found:?} {here:?}").contains("s3"));
    }

    #[test]
    fn what_somebody_else_wrote_is_told_without_what_is_in_it() {
        let (here, _, store) = two();
        for secret in [&b"hunter2"[..], b"{\"username\":\"hunter2\"}", b"\xff hunter2"] {
            item(&store, "https://acme.test").set_secret(secret).unwrap();
            let told = here.load().unwrap_err();
            assert!(matches!(told, KeyringError::Damaged(_)), "{told:?}");
            assert!(!format!("{told} {told:?}").contains("hunter2"), "{told:?}");
        }
        let told = KeyringError::of(Error::BadEncoding(b"hunter2".to_vec()));
        assert!(matches!(told, KeyringError::Damaged(_)), "{told}");
    }

    #[test]
    fn a_machine_without_a_keyring_is_told_what_to_do_instead() {
        let absent = Keyring { open: Arc::new(|| Err(Error::PlatformFailure("no bus".into()))), ..two().0 };
        for told in [absent.load().unwrap_err(), absent.save(&me("x")).unwrap_err(), absent.wipe().unwrap_err()] {
            assert!(told.is_absent(), "{told:?}");
            assert!(told.to_string().contains("no bus") && told.to_string().contains("COUPA_PASSWORD"), "{told}");
        }
    }

    #[test]
    fn a_locked_keyring_is_not_taken_for_an_empty_one() {
        let (here, _, store) = two();
        let locked = || Error::NoStorageAccess("prompt dismissed".into());
        let set = |error| {
            let item = item(&store, "https://acme.test");
            item.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
        };
        set(locked());
        assert!(matches!(here.load(), Err(KeyringError::Locked(why)) if why.contains("dismissed")));
        set(locked());
        assert!(matches!(here.wipe(), Err(KeyringError::Locked(_))));
        set(Error::Invalid("user".to_owned(), "too odd".to_owned()));
        let told = here.save(&me("hunter2")).unwrap_err().to_string();
        assert!(told.contains("too odd") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_keyring_that_never_answers_is_given_up() {
        let (held, release) = sync_channel::<()>(0);
        let release = std::sync::Mutex::new(release);
        let hanging = Keyring {
            open: Arc::new(move || {
                let _ = release.lock().unwrap().recv();
                Err(Error::NoDefaultStore)
            }),
            deadline: Duration::from_millis(20),
            ..two().0
        };
        assert!(matches!(hanging.load(), Err(KeyringError::Silent(_))));
        drop(held);
    }

    #[test]
    fn a_library_that_breaks_off_breaks_nothing_else() {
        let broken = Keyring { open: Arc::new(|| panic!("seen in a test")), ..two().0 };
        assert!(matches!(broken.load(), Err(KeyringError::Refused(_))));
    }
}
