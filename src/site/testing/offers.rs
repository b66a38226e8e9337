//! What the pages of the double offer, and what a click on it sets off.

use crate::site::testing::fake_portal::BASE;

/// What a click on an attachment sets off.
#[derive(Clone, Debug)]
pub(crate) enum FakeReply {
    File(&'static str, Vec<u8>),
    /// Nothing ever begins.
    Silence,
    /// The login has ended: its page is shown, or sent as the file.
    LoginShown,
    LoginSent,
    Cut,
    /// The portal answers with this status instead.
    Answered(u16),
    /// More bytes come each time that the browser is asked, without an end.
    Endless,
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
}

pub(crate) fn link(id: u32, label: &str, answer: FakeReply) -> Offer {
    let href = Some(format!("{BASE}/attachment_file/{id}"));
    Offer { href, label: label.to_owned(), answer, appears_after: 0, is_wider: false }
}

pub(crate) fn button(label: &str, answer: FakeReply) -> Offer {
    Offer { href: None, label: label.to_owned(), answer, appears_after: 0, is_wider: false }
}

pub(crate) fn file(name: &'static str, text: &str) -> FakeReply {
    FakeReply::File(name, text.as_bytes().to_vec())
}
