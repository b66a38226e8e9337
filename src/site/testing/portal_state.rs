//! What a fake portal shows, wants and has seen.

use std::collections::{HashMap, VecDeque};

use super::fake_portal::{BASE, OOPS};
use super::shown::Shown;

#[derive(Default)]
pub(crate) struct Portal {
    pub(crate) pages: HashMap<String, Shown>,
    /// A login is wanted, with this password.
    pub(crate) password: Option<&'static str>,
    /// The value of the cookie that is let in.
    pub(crate) ticket: u32,
    pub(crate) accepted_count: u32,
    pub(crate) refused_count: u32,
    pub(crate) is_unreachable: bool,
    pub(crate) sends_elsewhere: bool,
    /// Whoever was logged in and no longer is gets "not found" at every address but the login's.
    pub(crate) hides_ended_login: bool,
    /// Whoever never was gets it, too.
    pub(crate) hides_from_strangers: bool,
    /// What the next forms are answered with: the path, the page, and whether the form is on it.
    pub(crate) form_answers: VecDeque<(&'static str, Shown, bool)>,
    pub(crate) form_count: u32,
    /// The login check cannot be requested by a script.
    pub(crate) check_fails: bool,
    /// Its sessions are gone, and can only be asked what they last said.
    pub(crate) is_dead: bool,
    /// How often a session is refused its cookies.
    pub(crate) cookies_refused: u32,
    pub(crate) clicks: Vec<String>,
    pub(crate) visits: Vec<String>,
}

impl Portal {
    /// What a request with this ticket is answered with: the address, the page, and whether it is the login page.
    pub(crate) fn answer(&self, url: &str, ticket: Option<u32>) -> (String, Shown, bool) {
        let path = url.strip_prefix(BASE).unwrap_or(url);
        let is_in = self.password.is_none() || ticket.is_some_and(|ticket| ticket == self.ticket);
        let nothing = Shown { has_marker: false, ..Shown::default() };
        let is_hidden = self.hides_ended_login && (ticket.is_some() || self.hides_from_strangers);
        if !is_in && is_hidden && !path.starts_with("/sessions") {
            return (url.to_owned(), Shown { notice: OOPS, ..nothing }, false);
        }
        let is_login = !is_in || path.starts_with("/sessions");
        match is_login {
            true if self.sends_elsewhere => ("https://idp.test/saml".to_owned(), nothing, false),
            true => (format!("{BASE}/sessions/new"), nothing, true),
            false => {
                let absent = Shown { notice: if self.hides_ended_login { OOPS } else { "" }, ..nothing };
                (url.to_owned(), self.pages.get(path).cloned().unwrap_or(absent), false)
            }
        }
    }
}
