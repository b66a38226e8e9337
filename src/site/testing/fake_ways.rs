//! What the double of a page does beside clicks: it saves addresses, takes marks, and moves what was clicked.

use serde_json::{Value, json};

use super::fake_portal::{BASE, FakePage};
use super::offers::{AfterClick, FakeReply, Offer, button, file};
use crate::backend::{DownloadEvent, Initiator, ResponseInfo};
use crate::site::page::selectors::without_exclusions;

impl FakePage {
    /// Has the browser save what is at an address: what is shown, what a link leads to, or what is beside a button.
    pub(crate) fn save(&mut self, address: &str, is_shown: bool) {
        self.portal.state().clicks.push(format!("Address {}", address.strip_prefix(BASE).unwrap_or(address)));
        let offers = self.shown.offers.clone();
        let of_link = offers.iter().find(|offer| offer.href.as_deref() == Some(address));
        let beside = offers.iter().filter_map(|offer| offer.address.as_ref()).find(|(beside, _)| beside == address);
        let shown = offers.iter().find_map(|offer| match &offer.answer {
            FakeReply::Inline(_, bytes) if is_shown => Some(file("shown", bytes)),
            _ => None,
        });
        let answer =
            shown.or(beside.map(|(_, answer)| (**answer).clone())).or(of_link.map(|offer| offer.answer.clone()));
        let answer = match answer.unwrap_or(FakeReply::Answered(404)) {
            FakeReply::Handled(name, bytes) => file(name, bytes),
            other => other,
        };
        self.set_off(&Offer { answer, ..button("", FakeReply::Silence) });
    }

    /// Writes marks onto buttons.
    pub(crate) fn mark(&mut self, args: &[Value]) {
        let css = args[0].as_str().unwrap_or_default().to_owned();
        let labels: Vec<_> =
            self.listed(&css).into_iter().map(|offer| (offer.label.clone(), offer.answer.clone())).collect();
        for (nth, text) in args[1].as_array().into_iter().flatten().zip(args[2].as_array().into_iter().flatten()) {
            let nth = usize::try_from(nth.as_u64().unwrap_or_default()).unwrap_or_default();
            let buttons = self.shown.offers.iter_mut().filter(|offer| offer.href.is_none());
            if let (Some(button), true) = (buttons.into_iter().nth(nth), nth < labels.len()) {
                button.mark = text.as_str().map(str::to_owned);
            }
        }
    }

    /// Moves what was clicked.
    pub(crate) fn moved(&mut self, css: &str, nth: usize, after_click: AfterClick) {
        if after_click == AfterClick::Stays {
            return;
        }
        let is_button =
            self.recipe.attachments.buttons.iter().any(|listing| without_exclusions(&self.recipe, listing) == css);
        let at = self.shown.offers.iter().enumerate().filter(|(_, offer)| offer.href.is_none() == is_button).nth(nth);
        if let Some((at, _)) = at {
            let moved = self.shown.offers.remove(at);
            self.shown.offers.push(moved);
        }
        if after_click == AfterClick::IsMadeAnew {
            self.shown.offers.iter_mut().for_each(|offer| offer.mark = None);
        }
    }

    /// What a click, or an address that is saved, sets off.
    pub(super) fn set_off(&mut self, offer: &Offer) {
        self.effect =
            json!({ "isLeft": false, "isBusy": false, "url": self.url, "type": "text/html", "addresses": [] });
        self.download_count += 1;
        let id = format!("d{}", self.download_count);
        let address = offer.href.clone().filter(|href| !href.starts_with("javascript:"));
        let url = address.unwrap_or_else(|| BASE.to_owned());
        let began = |name: &str| DownloadEvent::Started { id: id.clone(), url: url.clone(), name: name.to_owned() };
        let completed = |id: String, size: u64| DownloadEvent::Completed { id, size, is_length_told: true };
        if let Some(url) = self.again.take() {
            let id = format!("again-{id}");
            std::fs::write(self.folder.join(&id), "again").unwrap();
            let name = "again".to_owned();
            self.events.extend([DownloadEvent::Started { id: id.clone(), url, name }, completed(id, 5)]);
        }
        match offer.answer.clone() {
            FakeReply::File(name, bytes) => {
                std::fs::write(self.folder.join(&id), &bytes).unwrap();
                self.events.extend([began(name), completed(id, bytes.len() as u64)]);
            }
            FakeReply::Twice(name, text) => {
                self.set_off(&Offer { answer: file(name, text), ..offer.clone() });
                self.again = Some(url);
            }
            FakeReply::Silence | FakeReply::Handled(..) | FakeReply::Hang => {}
            FakeReply::Preview(path) => {
                self.effect["addresses"] = json!([{ "kind": "iframe", "url": format!("{BASE}{path}") }]);
            }
            FakeReply::Inline(media_type, _) => {
                self.url = format!("{BASE}/shown");
                (self.effect["isLeft"], self.effect["type"]) = (true.into(), media_type.into());
            }
            FakeReply::LoginShown => (self.is_login, self.portal.state().password) = (true, Some("right")),
            FakeReply::LoginSent => {
                self.portal.state().password = Some("right");
                let answer = file("b.html", "<!DOCTYPE html><html><input name=\"user[login]\">");
                self.set_off(&Offer { answer, ..offer.clone() });
            }
            FakeReply::Cut => {
                let half = DownloadEvent::Progress { id: id.clone(), received: 5 };
                self.events.extend([began("x"), half, DownloadEvent::Canceled { id }]);
            }
            FakeReply::Answered(status) => self.answers.push(ResponseInfo {
                url: format!("{BASE}/attachment_file"),
                status,
                initiator: Initiator::Navigation,
                media_type: None,
                retry_after: None,
            }),
            FakeReply::Endless => {
                self.events.push(began("x"));
                self.endless = Some((id, 0));
            }
            FakeReply::Standstill => self.events.push(began("x")),
            FakeReply::Short => {
                std::fs::write(self.folder.join(&id), "12").unwrap();
                self.events.extend([began("x"), completed(id, 3)]);
            }
        }
    }
}
