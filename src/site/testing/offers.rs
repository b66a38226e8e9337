//! What the pages of the double offer, and what a click on it sets off.

use crate::backend::ElementInfo;
use crate::site::page::identity::MARK;
use crate::site::testing::fake_portal::BASE;

/// What a click on an attachment sets off.
#[derive(Clone, Debug)]
pub(crate) enum FakeReply {
    File(&'static str, Vec<u8>),
    /// Nothing ever begins, and the page is at rest.
    Silence,
    /// A handler of the page keeps the click from doing anything; its address gives this file.
    Handled(&'static str, &'static str),
    /// The file comes, and begins once more after the next click.
    Twice(&'static str, &'static str),
    /// A viewer opens in the page, with the file's address.
    Preview(&'static str),
    /// The browser shows what it got: its media type, and its bytes.
    Inline(&'static str, &'static str),
    /// The login has ended: its page is shown, or sent as the file.
    LoginShown,
    LoginSent,
    Cut,
    /// The portal answers with this status instead.
    Answered(u16),
    /// More bytes come each time that the browser is asked, without an end.
    Endless,
    /// The browser does not come back from the click.
    Hang,
    /// It begins and then nothing more comes.
    Standstill,
    /// The browser reports more bytes than the disk has.
    Short,
}

#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Of a link; a button has none.
    pub(crate) href: Option<String>,
    pub(crate) label: String,
    pub(crate) answer: FakeReply,
    /// On the page from this many downloads on.
    pub(crate) appears_after: usize,
    pub(crate) is_wider: bool,
    /// The address beside a button, and what it answers.
    pub(crate) address: Option<(String, Box<FakeReply>)>,
    /// What the page does with it when it is clicked.
    pub(crate) after_click: AfterClick,
    /// What has been written onto it.
    pub(crate) mark: Option<String>,
}

/// What the page does with an attachment that was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterClick {
    Stays,
    /// Goes to the end of the list.
    GoesLast,
    /// The same, and the whole list is created again.
    IsMadeAnew,
}

const PLAIN: Offer = Offer {
    href: None,
    label: String::new(),
    answer: FakeReply::Silence,
    appears_after: 0,
    is_wider: false,
    address: None,
    after_click: AfterClick::Stays,
    mark: None,
};

pub(crate) fn link(id: u32, label: &str, answer: FakeReply) -> Offer {
    let href = Some(format!("{BASE}/attachment_file/{id}"));
    Offer { href, label: label.to_owned(), answer, ..PLAIN }
}

pub(crate) fn button(label: &str, answer: FakeReply) -> Offer {
    Offer { label: label.to_owned(), answer, ..PLAIN }
}

pub(crate) fn file(name: &'static str, text: &str) -> FakeReply {
    FakeReply::File(name, text.as_bytes().to_vec())
}

/// An element with its text and its attributes.
pub(crate) fn element(text: &str, attributes: &[(&str, &str)]) -> ElementInfo {
    let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    ElementInfo { text: text.to_owned(), attributes: attributes.iter().map(pair).collect() }
}

/// What is found of an offer.
pub(crate) fn describe(offer: &Offer) -> ElementInfo {
    match &offer.href {
        Some(href) => element(&offer.label, &[("href", href)]),
        None => {
            let label = format!("{} file attachment", offer.label);
            let beside = offer.address.iter().map(|(address, _)| ("^data-url", address.as_str()));
            let mark = offer.mark.iter().map(|mark| (MARK, mark.as_str()));
            let attributes: Vec<_> = [("aria-label", label.as_str())].into_iter().chain(beside).chain(mark).collect();
            element("", &attributes)
        }
    }
}
