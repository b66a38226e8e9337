//! What the double of a page does beside clicks: it saves addresses, takes marks, moves what was
//! clicked, and has controls that show more.

use serde_json::{Value, json};

use super::fake_portal::{BASE, FakePage};
use super::offers::{AfterClick, FakeReply, Offer, button, file};
use crate::site::page::selectors::without_exclusions;

impl FakePage {
    /// Has the browser save what is at an address: what is shown, what a link leads to, or what stands beside a button.
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

    /// Clicks the next control, or only looks for it.
    pub(super) fn click_control(&mut self, is_look: bool) -> Value {
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
