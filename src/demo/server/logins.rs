//! Sessions of the portal: logins, forms, one-time addresses.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::fs::hex;

/// After this many refused passwords in a row the account is locked, as on real portals.
const MAX_REFUSED: u32 = 3;

/// Result of a submitted login form.
#[derive(Debug)]
pub(crate) enum LoginResult {
    /// Logged in: the new cookie, and the address that was requested first.
    In { cookie: String, wanted: String },
    /// The password is right, and a code is needed: the cookie of this visit.
    Half { cookie: String },
    /// Wrong user name or password.
    Refused,
    /// Too many wrong passwords.
    Locked,
    /// The form was not issued to this visitor.
    Forged,
}

/// All visitors of a portal.
pub(crate) struct Logins {
    username: String,
    password: SecretString,
    secrets: OneTimeKeys,
    book: Mutex<SessionTable>,
}

#[derive(Default)]
struct SessionTable {
    visits: HashMap<String, LoginSession>,
    tickets: HashMap<String, u64>,
    refused_in_a_row: u32,
    is_single: bool,
    has_second_step: bool,
    handed_out: Vec<SecretString>,
}

struct LoginSession {
    form_token: String,
    wanted: String,
    is_in: bool,
    /// The password was right, and the code is missing.
    is_half: bool,
}

impl SessionTable {
    fn keep(&mut self, cookie: &str, visit: LoginSession) {
        self.handed_out.extend([cookie, &visit.form_token].map(SecretString::from));
        self.visits.insert(cookie.to_owned(), visit);
    }
}

impl Logins {
    pub(crate) fn new(username: &str) -> Self {
        let secrets = OneTimeKeys::new();
        let password = SecretString::from(format!("demo-{}", secrets.next()));
        Self { username: username.to_owned(), password, secrets, book: Mutex::default() }
    }

    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    pub(crate) fn password(&self) -> &SecretString {
        &self.password
    }

    /// Whether this cookie belongs to a login.
    pub(crate) fn is_in(&self, cookie: Option<&str>) -> bool {
        cookie.is_some_and(|cookie| self.book().visits.get(cookie).is_some_and(|visit| visit.is_in))
    }

    /// The form token of this cookie's visit; empty if there is none.
    pub(crate) fn form_token(&self, cookie: Option<&str>) -> String {
        let book = self.book();
        cookie.and_then(|cookie| book.visits.get(cookie)).map(|visit| visit.form_token.clone()).unwrap_or_default()
    }

    /// Starts a visit without a login, or continues one: returns the cookie and the form token. `wanted` is the address that a
    /// login leads to; an empty one changes nothing.
    pub(crate) fn visit(&self, cookie: Option<&str>, wanted: &str) -> (String, String) {
        let mut book = self.book();
        if let Some(cookie) = cookie
            && let Some(visit) = book.visits.get_mut(cookie).filter(|visit| !visit.is_in)
        {
            if !wanted.is_empty() {
                visit.wanted = wanted.to_owned();
            }
            return (cookie.to_owned(), visit.form_token.clone());
        }
        let (cookie, form_token) = (self.secrets.next(), self.secrets.next());
        let visit =
            LoginSession { form_token: form_token.clone(), wanted: wanted.to_owned(), is_in: false, is_half: false };
        book.keep(&cookie, visit);
        (cookie, form_token)
    }

    /// Handles a submitted login form.
    pub(crate) fn enter(&self, cookie: Option<&str>, token: &str, username: &str, password: &str) -> LoginResult {
        let mut book = self.book();
        let Some((cookie, visit)) = cookie.and_then(|cookie| Some((cookie, book.visits.get(cookie)?))) else {
            return LoginResult::Forged;
        };
        if visit.form_token != token {
            return LoginResult::Forged;
        }
        if book.refused_in_a_row >= MAX_REFUSED {
            return LoginResult::Locked;
        }
        if username != self.username || password != self.password.expose_secret() {
            book.refused_in_a_row += 1;
            return LoginResult::Refused;
        }
        let wanted = visit.wanted.clone();
        book.refused_in_a_row = 0;
        book.visits.remove(cookie); // a cookie from before the login must not become the login
        if book.is_single {
            book.visits.retain(|_, visit| !visit.is_in);
        }
        let (cookie, is_half) = (self.secrets.next(), book.has_second_step);
        let form_token = self.secrets.next();
        if is_half {
            book.keep(&cookie, LoginSession { form_token, wanted, is_in: false, is_half });
            return LoginResult::Half { cookie };
        }
        book.keep(&cookie, LoginSession { form_token, wanted: String::new(), is_in: true, is_half });
        LoginResult::In { cookie, wanted }
    }

    /// Handles the code of the second step, which is the form token. Returns whether it is right.
    pub(crate) fn take_code(&self, cookie: Option<&str>, code: &str) -> bool {
        let mut book = self.book();
        let visit = cookie.and_then(|cookie| book.visits.get_mut(cookie));
        let Some(visit) = visit.filter(|visit| visit.is_half && visit.form_token == code) else { return false };
        (visit.is_half, visit.is_in) = (false, true);
        true
    }

    /// Whether this visit has given the right password and not yet the code.
    pub(crate) fn is_half(&self, cookie: Option<&str>) -> bool {
        cookie.is_some_and(|cookie| self.book().visits.get(cookie).is_some_and(|visit| visit.is_half))
    }

    /// Sets whether a code is needed after the password.
    pub(crate) fn set_second_step(&self, is_wanted: bool) {
        self.book().has_second_step = is_wanted;
    }

    /// Ends one login.
    pub(crate) fn end(&self, cookie: Option<&str>) {
        if let Some(cookie) = cookie {
            self.book().visits.remove(cookie);
        }
    }

    /// Ends every login.
    pub(crate) fn end_all(&self) {
        self.book().visits.retain(|_, visit| !visit.is_in);
    }

    /// Sets whether a login ends all older ones.
    pub(crate) fn set_single(&self, is_single: bool) {
        self.book().is_single = is_single;
    }

    /// All cookies and form tokens that were issued, ended ones included.
    pub(crate) fn handed_out(&self) -> Vec<SecretString> {
        self.book().handed_out.clone()
    }

    /// The number of open logins.
    pub(crate) fn open_count(&self) -> usize {
        self.book().visits.values().filter(|visit| visit.is_in).count()
    }

    /// Issues a one-time ticket for a file.
    pub(crate) fn issue(&self, file: u64) -> String {
        let ticket = self.secrets.next();
        self.book().tickets.insert(ticket.clone(), file);
        ticket
    }

    /// The file of a ticket, which is used up.
    pub(crate) fn redeem(&self, ticket: &str) -> Option<u64> {
        self.book().tickets.remove(ticket)
    }

    /// The file of a ticket, without using it up.
    pub(crate) fn ticket(&self, ticket: &str) -> Option<u64> {
        self.book().tickets.get(ticket).copied()
    }

    fn book(&self) -> MutexGuard<'_, SessionTable> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Generates texts that cannot be guessed, from a counter hashed with the standard library's random keys and SHA-256: enough
/// for a portal on loopback, without another crate.
struct OneTimeKeys {
    seed: [u8; 32],
    next: AtomicU64,
}

impl OneTimeKeys {
    fn new() -> Self {
        let mut seed = Sha256::new();
        let keys = RandomState::new();
        for n in 0_u64..4 {
            seed.update(keys.hash_one(n).to_le_bytes());
        }
        Self { seed: seed.finalize().into(), next: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.seed);
        digest.update(self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        hex(&digest.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(logins: &Logins, password: &str) -> LoginResult {
        let (cookie, token) = logins.visit(None, "/order_headers/7");
        logins.enter(Some(&cookie), &token, "demo", password)
    }

    fn right(logins: &Logins) -> String {
        match enter(logins, logins.password().expose_secret()) {
            LoginResult::In { cookie, wanted } => {
                assert_eq!(wanted, "/order_headers/7");
                cookie
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_right_password_lets_in_and_changes_the_cookie() {
        let logins = Logins::new("demo");
        let cookie = right(&logins);
        assert!(logins.is_in(Some(&cookie)));
        assert!(!logins.is_in(None));
        logins.end(Some(&cookie));
        assert!(!logins.is_in(Some(&cookie)));
    }

    #[test]
    fn a_form_of_another_visitor_is_refused() {
        let logins = Logins::new("demo");
        let (_, foreign) = logins.visit(None, "");
        let (cookie, _) = logins.visit(None, "");
        let password = logins.password().expose_secret().to_owned();
        assert!(matches!(logins.enter(Some(&cookie), &foreign, "demo", &password), LoginResult::Forged));
        assert!(matches!(logins.enter(None, "", "demo", &password), LoginResult::Forged));
    }

    #[test]
    fn three_wrong_passwords_lock_the_account() {
        let logins = Logins::new("demo");
        for _ in 0..MAX_REFUSED {
            assert!(matches!(enter(&logins, "wrong"), LoginResult::Refused));
        }
        assert!(matches!(enter(&logins, logins.password().expose_secret()), LoginResult::Locked));
    }

    #[test]
    fn a_second_login_ends_the_first_where_the_tenant_wants_it() {
        let logins = Logins::new("demo");
        let (first, second) = (right(&logins), right(&logins));
        assert!(logins.is_in(Some(&first)) && logins.is_in(Some(&second)));
        logins.set_single(true);
        let third = right(&logins);
        assert!(!logins.is_in(Some(&first)) && !logins.is_in(Some(&second)) && logins.is_in(Some(&third)));
        assert_eq!(logins.open_count(), 1);
    }

    #[test]
    fn a_ticket_is_good_for_one_time() {
        let logins = Logins::new("demo");
        let ticket = logins.issue(42);
        assert_eq!(logins.ticket(&ticket), Some(42));
        assert_eq!(logins.redeem(&ticket), Some(42));
        assert_eq!(logins.redeem(&ticket), None);
    }

    #[test]
    fn passwords_differ_from_start_to_start() {
        assert_ne!(Logins::new("demo").password().expose_secret(), Logins::new("demo").password().expose_secret());
    }
}
