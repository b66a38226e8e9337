//! The part of a recipe that says what is an attachment.

use serde::Deserialize;

use super::Selector;

/// A word must be so long that it means something as a part of an address.
const SHORTEST_WORD: usize = 4;

/// What is an attachment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Attachments {
    /// Links with the file's address.
    #[serde(default)]
    pub links: Vec<Listing>,
    /// Links that are looked at only when there are neither links nor buttons.
    #[serde(default)]
    pub wider_links: Vec<Listing>,
    /// Buttons whose script asks for the file.
    #[serde(default)]
    pub buttons: Vec<Listing>,
    /// What is never one.
    #[serde(default)]
    pub never: Exclusions,
    /// Where attachments stand. A page without attachments must show each of them, with nothing in it that could be one,
    /// or something of `none`.
    #[serde(default)]
    pub areas: Vec<Selector>,
    /// Further places where attachments may stand. They need not be on a page; one that is must be as empty as an area.
    #[serde(default)]
    pub places: Vec<Selector>,
    /// What says that there are none.
    #[serde(default)]
    pub none: Vec<Selector>,
    /// What marks an area, something in it or something around it as still waiting for its content.
    #[serde(default)]
    pub busy: Vec<Selector>,
    /// What attachments are called where a page counts them, such as in `Attachments (2)`, in any case of letters.
    #[serde(default)]
    pub words: Vec<String>,
    /// What is clicked before the list is read, each once: a tab or a section that has attachments behind it.
    #[serde(default)]
    pub open: Vec<Control>,
    /// What is clicked as long as it brings more attachments, such as `Show more`.
    #[serde(default)]
    pub more: Vec<Control>,
}

/// Something on a page that is clicked so that it shows more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Control {
    /// What finds it.
    pub css: Selector,
    /// What it says, one of these: in any case of letters, numbers and punctuation left out. Any text if empty.
    #[serde(default)]
    pub texts: Vec<String>,
}

/// One way in which attachments are listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Listing {
    /// What finds them.
    pub css: Selector,
    /// Where their name is read, best first.
    pub name: Vec<NameSource>,
    /// Endings that are no part of the name.
    #[serde(default)]
    pub name_ends: Vec<String>,
    /// Attributes that hold the file's address, of a button or of the nearest element around it. Such a file is fetched without a
    /// click.
    #[serde(default)]
    pub address: Vec<String>,
}

/// Where an attachment's name is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameSource {
    /// The attribute `title`.
    Title,
    /// The attribute `aria-label`.
    AriaLabel,
    /// The attribute `download`.
    Download,
    /// The element's text.
    Text,
    /// The last part of its address.
    Href,
    /// The text of another cell of its row.
    Cell(ColumnSelector),
}

/// Another cell of the row that an element stands in; in a table, or in whatever a portal builds its rows of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnSelector {
    /// The row: the nearest element around that this matches.
    pub row: Selector,
    /// The cell: the first one in the row that this finds.
    pub css: Selector,
}

impl Attachments {
    /// Whether a path has one of the words for attachments in it.
    pub(crate) fn are_named_in(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        self.words
            .iter()
            .map(|word| word.to_lowercase())
            .any(|word| word.len() >= SHORTEST_WORD && path.contains(&word))
    }
}

/// What is never an attachment, whatever finds it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Exclusions {
    /// What finds them.
    #[serde(default)]
    pub css: Vec<Selector>,
    /// What a link or button says that is none, such as `Add file`: in any case of letters, numbers and punctuation left
    /// out.
    #[serde(default)]
    pub texts: Vec<String>,
}
