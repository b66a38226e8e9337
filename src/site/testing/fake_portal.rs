//! A portal without a browser: a scripted double of `Session` and `Page`. Several sessions can share one portal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::backend::{
    BoxFuture, Click, Cookie, DocumentInfo, DownloadEvent, ElementInfo, Page, PageActivity, Query, ResponseInfo,
    SessionError, Stability,
};
use crate::site::Recipe;
use crate::site::page::selectors::{
    any_of, mentioned_requisition_selector, other_selector, outside_asides, requisition_selector, without_exclusions,
};
use crate::site::recipe::parse::load;

pub(crate) use crate::site::testing::offers::{FakeReply, Offer, button, file, link};
use crate::site::testing::offers::{describe, element};
pub(crate) use crate::site::testing::portal_state::Portal;
pub(crate) use crate::site::testing::shown::{FakeControl, Shown, Waits};

pub(crate) const BASE: &str = "https://acme.test";

/// What a portal says about an order that is not there.
pub(crate) const OOPS: &str = "Oops! We couldn't find what you wanted";

#[derive(Clone, Default)]
pub(crate) struct FakePortal(Arc<Mutex<Portal>>);

impl FakePortal {
    pub(crate) fn with(path: &str, shown: Shown) -> Self {
        let portal = Self::default();
        portal.state().pages.insert(path.to_owned(), shown);
        portal
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Portal> {
        self.0.lock().unwrap()
    }

    pub(crate) fn session(&self) -> FakeSession {
        FakeSession(FakePage {
            portal: self.clone(),
            recipe: load("coupa").unwrap(),
            url: "about:blank".into(),
            shown: Shown { has_marker: false, ..Shown::default() },
            is_login: false,
            ticket: None,
            typed: None,
            folder: PathBuf::new(),
            events: Vec::new(),
            answers: Vec::new(),
            endless: None,
            download_count: 0,
            settle_count: 0,
            cancelled: Vec::new(),
            again: None,
            effect: json!({}),
        })
    }
}

pub(crate) struct FakeSession(pub(crate) FakePage);

pub(crate) struct FakePage {
    pub(crate) portal: FakePortal,
    pub(super) recipe: Recipe,
    pub(super) url: String,
    pub(super) shown: Shown,
    pub(super) is_login: bool,
    pub(crate) ticket: Option<u32>,
    typed: Option<String>,
    pub(super) folder: PathBuf,
    pub(super) events: Vec<DownloadEvent>,
    pub(super) answers: Vec<ResponseInfo>,
    /// The download that never ends, and its bytes so far.
    pub(super) endless: Option<(String, u64)>,
    /// The address of a download that begins again after the next click.
    pub(super) again: Option<String>,
    pub(super) download_count: usize,
    settle_count: usize,
    pub(crate) cancelled: Vec<String>,
    /// What the last click has shown.
    pub(super) effect: Value,
}

impl FakePage {
    fn open(&mut self, url: &str) -> Result<(), SessionError> {
        let portal = self.portal.state();
        if portal.is_unreachable {
            return Err(SessionError::Unreachable { url: url.to_owned(), why: "ERR_CONNECTION_REFUSED".to_owned() });
        }
        let (url, shown, is_login) = portal.answer(url, self.ticket);
        (self.url, self.shown, self.is_login) = (url, shown, is_login);
        drop(portal);
        self.portal.state().visits.push(self.url.clone());
        Ok(())
    }

    fn send_form(&mut self) {
        let mut portal = self.portal.state();
        portal.form_count += 1;
        if let Some((path, shown, has_form)) = portal.form_answers.pop_front() {
            self.typed = None;
            (self.url, self.shown, self.is_login) = (format!("{BASE}{path}"), shown, has_form);
            return;
        }
        if self.typed.take().as_deref() == portal.password {
            portal.accepted_count += 1;
            portal.ticket += 1;
            self.ticket = Some(portal.ticket);
            self.is_login = false;
            self.url = format!("{BASE}/");
        } else {
            portal.refused_count += 1;
            self.shown.notice = "Invalid login or password";
        }
    }

    /// What the login check is answered, by address and whether a stranger asks.
    /// What a script that requests the login check is answered.
    fn answer_check(&self, args: &[Value]) -> Value {
        let portal = self.portal.state();
        if portal.is_unreachable || portal.check_fails {
            return Value::Null;
        }
        let ticket = self.ticket.filter(|_| args[4] == Value::Bool(false));
        let (url, shown, is_login) = portal.answer(args[0].as_str().unwrap_or_default(), ticket);
        let notices: Vec<_> = [shown.notice].into_iter().filter(|notice| !notice.is_empty()).collect();
        let has_marker = shown.has_marker && !is_login;
        json!({
            "url": url, "status": shown.status, "title": "", "hasForm": is_login, "hasMarker": has_marker,
            "notices": notices,
        })
    }

    fn offers(&self, wanted: impl Fn(&Offer) -> bool) -> Vec<&Offer> {
        let is_file_shown = self.url == format!("{BASE}/shown"); // in place of the page
        let is_there = |offer: &&Offer| !is_file_shown && offer.appears_after <= self.download_count && wanted(offer);
        self.shown.offers.iter().filter(is_there).collect()
    }

    fn found(&self, css: &str) -> Vec<ElementInfo> {
        let recipe = &self.recipe;
        let text = |text: &str| element(text, &[]);
        let once = |is_there: bool, found: ElementInfo| if is_there { vec![found] } else { Vec::new() };
        if css == any_of(&recipe.order.markers) || css == any_of(&recipe.requisition.markers) {
            once(self.shown.has_marker, text(""))
        } else if [&recipe.login.form, &recipe.login.username, &recipe.login.password]
            .map(|field| field.as_str())
            .contains(&css)
        {
            once(self.is_login, text(""))
        } else if css == any_of(&recipe.errors.css) || css == recipe.login.refusal.as_str() {
            once(!self.shown.notice.is_empty(), text(self.shown.notice))
        } else if css == requisition_selector(recipe) {
            let late = self.shown.late_requisitions.iter().filter(|_| self.download_count > 0);
            self.shown.requisitions.iter().chain(late).map(|href| element("", &[("href", href)])).collect()
        } else if mentioned_requisition_selector(recipe).is_some_and(|mentions| css == mentions) {
            self.shown.mentioned.iter().map(|href| element("", &[("href", href)])).collect()
        } else if css == "a[href]" {
            self.shown.orders_linked.iter().map(|href| element("", &[("href", href)])).collect()
        } else if css == outside_asides(recipe, &recipe.order.number[0].css) {
            once(!self.shown.title.is_empty(), text(self.shown.title))
        } else if css == outside_asides(recipe, &recipe.requisition.orders[0].css) {
            once(!self.shown.orders.is_empty(), text(self.shown.orders))
        } else if css == other_selector(recipe, &recipe.attachments.notes[0]) {
            let [notes, late] = &self.shown.notes;
            let late = late.iter().filter(|_| self.download_count > 0);
            notes.iter().chain(late).map(|note| text(note)).collect()
        } else if css == recipe.order.supplier[0].css.as_str() {
            once(self.shown.has_marker, text(self.shown.supplier))
        } else {
            self.listed(css).into_iter().map(describe).collect()
        }
    }

    pub(super) fn listed(&self, css: &str) -> Vec<&Offer> {
        let attachments = &self.recipe.attachments;
        let is = |listing| without_exclusions(&self.recipe, listing) == css;
        let is_script = |offer: &Offer| offer.href.as_ref().is_some_and(|href| href.starts_with("javascript:"));
        if attachments.links.iter().any(is) {
            self.offers(|offer| offer.href.is_some() && !offer.is_wider && !is_script(offer))
        } else if attachments.scripted.iter().any(is) {
            self.offers(is_script)
        } else if attachments.buttons.iter().any(is) {
            self.offers(|offer| offer.href.is_none())
        } else if attachments.wider_links.iter().any(is) {
            self.offers(|offer| offer.href.is_some())
        } else {
            Vec::new()
        }
    }

    /// Clicks the next control, or only looks for it.
    fn click_control(&mut self, is_look: bool) -> Value {
        let Some(control) = self.shown.controls.first().cloned() else { return Value::Bool(false) };
        if !is_look {
            self.portal.state().clicks.push(format!("Control {}", control.text));
            self.shown.offers.drain(..control.takes);
            self.shown.offers.extend(control.reveals);
            if control.stays {
                self.shown.controls[0].reveals.clear();
            } else {
                self.shown.controls.remove(0);
            }
        }
        json!({ "kind": control.kind, "text": control.text })
    }
}

fn cookie(value: String) -> Cookie {
    let (name, value) = ("_coupa_session".into(), value.into());
    Cookie { name, value, domain: None, path: None, secure: true, http_only: true, expiry: None, same_site: None }
}

impl Page for FakePage {
    fn goto<'a>(&'a mut self, url: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        now!(self.open(url))
    }

    fn url(&mut self) -> BoxFuture<'_, Result<String, SessionError>> {
        now!(Ok(self.url.clone()))
    }

    fn query<'a>(&'a mut self, queries: &'a [Query]) -> BoxFuture<'a, Result<Vec<Vec<ElementInfo>>, SessionError>> {
        now!(Ok(queries.iter().map(|query| self.found(&query.css)).collect()))
    }

    fn settle<'a>(
        &'a mut self,
        _: &'a [String],
        stability: &'a Stability,
    ) -> BoxFuture<'a, Result<PageActivity, SessionError>> {
        self.settle_count += 1;
        if self.settle_count > 1 {
            let stragglers = std::mem::take(&mut self.shown.stragglers);
            self.shown.offers.extend(stragglers);
        }
        Box::pin(async move {
            if self.shown.waits != Waits::No {
                tokio::time::sleep(stability.at_most).await;
            }
            match self.shown.waits {
                Waits::No | Waits::ToTheEnd => Ok(self.shown.activity.clone()),
                Waits::InVain => Err(SessionError::PageTimeout("script timeout".to_owned())),
            }
        })
    }

    fn click<'a>(&'a mut self, css: &'a str, nth: usize, how: Click) -> BoxFuture<'a, Result<bool, SessionError>> {
        if css == self.recipe.login.submit.as_str() {
            self.send_form();
            return now!(Ok(true));
        }
        let offer = self.listed(css).get(nth).copied().cloned();
        if let Some(offer) = &offer {
            self.portal.state().clicks.push(format!("{how:?} {}", offer.label));
            if matches!(offer.answer, FakeReply::Hang) {
                return Box::pin(std::future::pending());
            }
            self.set_off(offer);
            self.moved(css, nth, offer.after_click);
        }
        now!(Ok(offer.is_some()))
    }

    fn fill<'a>(&'a mut self, css: &'a str, text: &'a SecretString) -> BoxFuture<'a, Result<(), SessionError>> {
        if css == self.recipe.login.password.as_str() {
            self.typed = Some(text.expose_secret().to_owned());
        }
        now!(Ok(()))
    }

    fn evaluate<'a>(&'a mut self, script: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value, SessionError>> {
        if script.contains("isStranger") {
            return now!(Ok(self.answer_check(&args)));
        }
        if script.contains("outerHTML") {
            return now!(Ok(json!([format!("<p>{:?} right</p>", self.ticket), true])));
        }
        if script.contains("coupa-batch.clicked") {
            return now!(Ok(self.click_control(args[0]["isLook"] == true)));
        }
        if script.contains("isPutOff") {
            self.effect["url"] = json!(self.url);
            return now!(Ok(self.effect.clone()));
        }
        if script.contains("MOST_KEPT") {
            self.save(args[0].as_str().unwrap_or_default(), args[2] == Value::Bool(true));
            return now!(Ok(Value::Null));
        }
        if script.contains("hasAttribute(arguments[3])") {
            self.mark(&args);
            return now!(Ok(Value::Null));
        }
        let is_of_signs = script.contains("fetchedBefore");
        now!(Ok(if is_of_signs { self.shown.signs.clone() } else { Value::Bool(true) }))
    }

    fn document(&mut self) -> BoxFuture<'_, Result<DocumentInfo, SessionError>> {
        now!(Ok(DocumentInfo { url: self.url.clone(), status: Some(self.shown.status), ..DocumentInfo::default() }))
    }

    fn screenshot(&mut self) -> BoxFuture<'_, Result<Vec<u8>, SessionError>> {
        now!(Ok(b"\x89PNG".to_vec()))
    }

    fn cookies(&mut self) -> BoxFuture<'_, Result<Vec<Cookie>, SessionError>> {
        let mut portal = self.portal.state();
        if portal.cookies_refused > 0 {
            portal.cookies_refused -= 1;
            return now!(Err(SessionError::Refused("unexpected alert open".to_owned())));
        }
        now!(Ok(self.ticket.map(|ticket| cookie(ticket.to_string())).into_iter().collect()))
    }

    fn add_cookies<'a>(&'a mut self, cookies: &'a [Cookie]) -> BoxFuture<'a, Result<(), SessionError>> {
        self.ticket = cookies.first().and_then(|cookie| cookie.value.expose_secret().parse().ok());
        now!(Ok(()))
    }

    fn set_download_dir<'a>(&'a mut self, folder: &'a Path) -> BoxFuture<'a, Result<(), SessionError>> {
        self.folder = folder.to_owned();
        self.events.clear();
        now!(Ok(()))
    }

    fn download_events(&mut self) -> BoxFuture<'_, Result<Vec<DownloadEvent>, SessionError>> {
        let mut events = std::mem::take(&mut self.events);
        if let Some((id, received)) = &mut self.endless {
            *received += 100_000;
            events.push(DownloadEvent::Progress { id: id.clone(), received: *received });
        }
        now!(Ok(events))
    }

    fn responses(&mut self) -> BoxFuture<'_, Result<Vec<ResponseInfo>, SessionError>> {
        now!(Ok(std::mem::take(&mut self.answers)))
    }

    fn cancel_download<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        self.cancelled.push(id.to_owned());
        self.endless = self.endless.take().filter(|(endless, _)| endless != id);
        now!(Ok(()))
    }
}
