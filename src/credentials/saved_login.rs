//! One file for each portal, in a folder for this user alone.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::files;
use crate::backend::{Cookie, LoginStore, LoginStoreError, SavedLogin};

/// A saved login is a few kilobytes; a longer file was not written by this program.
const MAX_BYTES: u64 = 4 << 20;

/// Default folder of saved logins: in the user's own folder for the state of programs (Linux:
/// `$XDG_STATE_HOME/coupa-batch/logins`). None when this user has no home.
#[must_use]
pub fn usual_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "coupa-batch")?;
    Some(folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).join("logins"))
}

/// The saved login of one portal.
#[derive(Clone, Debug)]
pub struct SavedLoginFile {
    folder: PathBuf,
    file: PathBuf,
}

impl SavedLoginFile {
    /// That of the portal at `base`, in `folder`. Nothing is made yet.
    #[must_use]
    pub fn of(folder: &Path, base: &Url) -> Self {
        Self { folder: folder.to_owned(), file: folder.join(format!("{}.json", files::stem(base))) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Saves these cookies in place of earlier ones; readable by this user alone from the first moment
    /// on. There is never half a file. Blocks while it writes.
    ///
    /// # Errors
    /// [`LoginStoreError`] when the folder cannot be written.
    pub fn save(&self, cookies: &[Cookie]) -> Result<(), LoginStoreError> {
        self.write(cookies).map_err(|why| self.failed("written", &why))
    }

    fn write(&self, cookies: &[Cookie]) -> io::Result<()> {
        let written = StoredLogin {
            saved_at: Timestamp::now(),
            cookies: cookies.iter().map(|cookie| CookieRecord::from(cookie.clone())).collect(),
        };
        files::write(&self.folder, &self.file, &written)
    }

    /// Removes the saved login. Returns whether there was one.
    ///
    /// # Errors
    /// [`LoginStoreError`] when it cannot be removed.
    pub fn wipe(&self) -> Result<bool, LoginStoreError> {
        files::remove(&self.file).map_err(|why| self.failed("removed", &why))
    }

    /// Removes the saved logins of all portals in `folder`. Returns how many there were.
    ///
    /// # Errors
    /// [`LoginStoreError`] when one cannot be removed.
    pub fn wipe_all(folder: &Path) -> Result<usize, LoginStoreError> {
        let files = files::files(folder, "json")?;
        files
            .into_iter()
            .try_fold(0, |wiped, file| Ok(wiped + usize::from(Self { folder: folder.to_owned(), file }.wipe()?)))
    }

    fn failed(&self, what: &str, why: &dyn std::fmt::Display) -> LoginStoreError {
        LoginStoreError::Unusable(format!(
            "the saved login {} cannot be {what}: {why}; `coupa-batch login` makes a new one in the folder login_dir",
            self.file.display()
        ))
    }
}

impl LoginStore for SavedLoginFile {
    fn load(&self) -> Result<Option<SavedLogin>, LoginStoreError> {
        let Some(bytes) = files::read(&self.file, MAX_BYTES).map_err(|why| self.failed("read", &why))? else {
            return Ok(None);
        };
        // the parser's own words could quote a secret
        let written: StoredLogin = serde_json::from_slice(&bytes).map_err(|_| self.failed("read", &"it is damaged"))?;
        let cookies = written.cookies.into_iter().map(Cookie::from).collect();
        Ok(Some(SavedLogin { cookies, saved_at: written.saved_at }))
    }
}

#[derive(Serialize, Deserialize)]
struct StoredLogin {
    #[serde(rename = "kept_at")]
    saved_at: Timestamp,
    cookies: Vec<CookieRecord>,
}

/// The one place where the value of a cookie is written out.
#[derive(Serialize, Deserialize)]
struct CookieRecord {
    name: String,
    value: String,
    domain: Option<String>,
    path: Option<String>,
    secure: bool,
    http_only: bool,
    expiry: Option<u64>,
    same_site: Option<String>,
}

impl From<Cookie> for CookieRecord {
    fn from(cookie: Cookie) -> Self {
        let Cookie { name, value, domain, path, secure, http_only, expiry, same_site } = cookie;
        let value = value.expose_secret().to_owned();
        Self { name, value, domain, path, secure, http_only, expiry, same_site }
    }
}

impl From<CookieRecord> for Cookie {
    fn from(cookie: CookieRecord) -> Self {
        let CookieRecord { name, value, domain, path, secure, http_only, expiry, same_site } = cookie;
        Self { name, value: SecretString::from(value), domain, path, secure, http_only, expiry, same_site }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn cookie(value: &str) -> Cookie {
        Cookie {
            name: "_coupa_session".to_owned(),
            value: value.to_owned().into(),
            domain: Some("acme.test".to_owned()),
            path: Some("/".to_owned()),
            secure: true,
            http_only: true,
            expiry: None,
            same_site: Some("Lax".to_owned()),
        }
    }

    fn base() -> Url {
        "https://acme.test:8443".parse().unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_and_can_be_wiped() {
        let folder = tempfile::tempdir().unwrap();
        let file = SavedLoginFile::of(&folder.path().join("new"), &base());
        assert!(file.load().unwrap().is_none());
        file.save(&[cookie("first")]).unwrap();
        file.save(&[cookie("s3cret")]).unwrap();
        let saved = file.load().unwrap().unwrap();
        assert_eq!(saved.cookies[0].value.expose_secret(), "s3cret");
        assert!(saved.cookies[0].http_only && saved.cookies[0].expiry.is_none());
        assert!(!format!("{saved:?}").contains("s3cret"));
        assert!(
            SavedLoginFile::of(&folder.path().join("new"), &"https://acme.test".parse().unwrap())
                .load()
                .unwrap()
                .is_none()
        );
        assert!(file.wipe().unwrap() && !file.wipe().unwrap());
        file.save(&[cookie("again")]).unwrap();
        assert_eq!(SavedLoginFile::wipe_all(&folder.path().join("new")).unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = SavedLoginFile::of(folder.path(), &base());
        file.save(&[cookie("s3cret")]).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(file.path(), text.replace("\"secure\":true", "\"secure\":\"s3cret\"")).unwrap();
        let told = file.load().unwrap_err().to_string();
        assert!(told.contains("coupa-batch login") && !told.contains("s3cret"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_file_are_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = SavedLoginFile::of(&folder.path().join("new"), &base());
        file.save(&[cookie("s3cret")]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.path().join("new")), mode(file.path())), (0o700, 0o600));
    }
}
