//! What distinguishes an attachment from the others of its page, also after the page has shown its list again.
//!
//! Best is its address. A button without one has only its name; where several have the same name, each is marked in the
//! page, and has its place only until then.
//!
//! What a page is told apart by holds for that page alone: the pages of one order may list two files of one name.

pub(crate) mod address;
pub(crate) mod listed;

use std::collections::{BTreeSet, HashMap};

use address::{AddressKey, Addresses, PathRules};
use url::{Position, Url};

use crate::download::opaque_id;
use crate::model::{FileOrigin, ListingId};

/// The attribute that holds the place of a button among those of its name.
pub(crate) const MARK: &str = "data-recipe-place";

/// Marks buttons. Arguments: what finds them, their places among that, the texts to write.
pub(crate) const WRITE_MARKS: &str = "const found = document.querySelectorAll(arguments[0]); \
    arguments[1].forEach((nth, at) => { const element = found[nth]; \
    if (element && !element.hasAttribute(arguments[3])) element.setAttribute(arguments[3], arguments[2][at]); }); return null";

/// What distinguishes an attachment from the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ListingKey {
    /// Its address.
    Address(String),
    /// What of its address does not change each time that the page shows it, and its name.
    ShortAddress(String),
    /// A button without an address.
    Button {
        /// Its name.
        name: String,
        /// Its place among those of that name, from 1.
        place: usize,
        /// How many have that name. If that changes, nothing is known of which is which.
        count: usize,
    },
}

impl ListingKey {
    /// What distinguishes it from the others of the order. An address leads to the same file from every page; all else
    /// is of its page alone.
    pub(crate) fn id(&self, shown_on: ShownOn<'_>) -> ListingId {
        let page = shown_on.in_words();
        opaque_id(&match self {
            Self::Address(address) => format!("link {address}"),
            Self::ShortAddress(rest) => format!("link {page} {rest}"),
            Self::Button { name, place, count: 1 } => format!("button {page} {place} {name}"),
            Self::Button { name, place, count } => format!("button {page} {place} of {count} {name}"),
        })
    }

    /// Whether it is told from others by its place alone, so that another look, or another attempt, may mean another
    /// one.
    pub(crate) fn is_by_place(&self) -> bool {
        matches!(self, Self::Button { count: 2.., .. })
    }
}

/// The page that lists attachments, by the address that was asked for: it may change its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownOn<'a> {
    pub(crate) origin: FileOrigin,
    pub(crate) url: &'a Url,
}

impl ShownOn<'_> {
    /// An order has one page and may have several requisitions.
    fn in_words(&self) -> String {
        match self.origin {
            FileOrigin::Order => format!("{:?}", self.origin),
            FileOrigin::Requisition => {
                format!("{:?} {}", self.origin, &self.url[Position::BeforePath..Position::AfterQuery])
            }
        }
    }
}

/// What a page shows of one attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownListing<'a> {
    pub(crate) label: &'a str,
    pub(crate) address: Option<&'a str>,
    /// What an earlier look has written onto it.
    pub(crate) mark: Option<&'a str>,
}

/// The keys of all attachments that a page shows at one moment. Buttons of one name are counted whichever listing finds them.
pub(crate) fn keys<'a>(shown: &[ShownListing<'a>], rules: &PathRules<'_>) -> Vec<ListingKey> {
    let addresses = Addresses::new(shown.iter().filter_map(|shown| Some((shown.address?, shown.label))), rules);
    let mut buttons: HashMap<&str, Places> = HashMap::new();
    for button in shown.iter().filter(|shown| shown.address.is_none()) {
        buttons.entry(button.label).or_default().count(button.mark);
    }
    let key = |shown: &ShownListing<'a>| match shown.address {
        Some(address) => match addresses.key(address) {
            AddressKey::Whole(address) => ListingKey::Address(address),
            AddressKey::Cut(rest) => ListingKey::ShortAddress(rest),
        },
        None => {
            let places = buttons.entry(shown.label).or_default();
            let place = places.next(shown.mark);
            ListingKey::Button { name: shown.label.to_owned(), place, count: places.count }
        }
    };
    shown.iter().map(key).collect()
}

/// The text that marks a button.
pub(crate) fn mark(place: usize, count: usize) -> String {
    format!("{place} of {count}")
}

/// The places of the buttons of one name.
#[derive(Default)]
struct Places {
    count: usize,
    /// Places that marks speak of.
    marked: BTreeSet<String>,
    given: BTreeSet<usize>,
}

impl Places {
    fn count(&mut self, mark: Option<&str>) {
        self.count += 1;
        self.marked.extend(mark.map(str::to_owned));
    }

    /// The place of the next one in the order of the page: the one that its mark says, else the first that no mark
    /// speaks of.
    fn next(&mut self, own: Option<&str>) -> usize {
        let count = self.count;
        let own =
            own.and_then(|own| (1..=count).find(|&place| mark(place, count) == own && !self.given.contains(&place)));
        let is_free = |place: &usize| !self.given.contains(place);
        let unmarked = |place: &usize| is_free(place) && !self.marked.contains(&mark(*place, count));
        let place = own.or_else(|| (1..=count).find(unmarked)).or_else(|| (1..=count).find(is_free)).unwrap_or(count);
        self.given.insert(place);
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn button(mark: Option<&'static str>) -> ShownListing<'static> {
        ShownListing { label: "scan.pdf", address: None, mark }
    }

    fn keys_of<'a>(shown: &[ShownListing<'a>]) -> Vec<ListingKey> {
        let page = "https://acme.test/order_headers/7".parse().unwrap();
        keys(shown, &PathRules { page: &page, words: Vec::new() })
    }

    fn places(marks: &[Option<&'static str>]) -> Vec<usize> {
        let shown: Vec<_> = marks.iter().map(|mark| button(*mark)).collect();
        let place = |key| match key {
            ListingKey::Button { place, .. } => place,
            ListingKey::Address(_) | ListingKey::ShortAddress(_) => 0,
        };
        keys_of(&shown).into_iter().map(place).collect()
    }

    #[test]
    fn a_marked_button_keeps_its_place_wherever_it_stands() {
        assert_eq!(places(&[None, None]), [1, 2]);
        assert_eq!(places(&[Some("2 of 2"), Some("1 of 2")]), [2, 1]);
        assert_eq!(places(&[None, Some("1 of 2")]), [2, 1], "one that was replaced is the one that has no mark");
        assert_eq!(places(&[Some("2 of 2"), None, None]), [1, 2, 3], "marks of another count say nothing");
        assert_eq!(places(&[Some("1 of 2"), Some("1 of 2")]), [1, 2], "a copy of a marked one is another one");
    }

    #[test]
    fn another_count_makes_other_keys_and_one_of_its_name_is_known_by_that_alone() {
        let key = |count| ListingKey::Button { name: "a".into(), place: 1, count };
        let id = |count| id_on(&key(count), FileOrigin::Order, 7);
        assert!(id(1) != id(2) && id(2) != id(3));
        assert!(!key(1).is_by_place() && key(2).is_by_place());
    }

    fn id_on(key: &ListingKey, origin: FileOrigin, page: u32) -> ListingId {
        let url = format!("https://acme.test/pages/{page}").parse().unwrap();
        key.id(ShownOn { origin, url: &url })
    }

    #[test]
    fn what_is_known_by_more_than_its_address_is_another_one_on_another_page() {
        let button = ListingKey::Button { name: "image001.png".into(), place: 1, count: 1 };
        let uuid = |end| format!("https://acme.test/files/3f1c2a9e-77b0-4d53-9a51-0123456789a{end}");
        let link = |address: &str| {
            let shown = ShownListing { label: "image001.png", address: Some(address), mark: None };
            keys_of(&[shown]).remove(0)
        };
        let (order, requisition) = (FileOrigin::Order, FileOrigin::Requisition);
        for (one, other) in [(&button, &button), (&link(&uuid(1)), &link(&uuid(2)))] {
            assert_ne!(id_on(one, order, 7), id_on(other, requisition, 70));
            assert_ne!(id_on(one, requisition, 70), id_on(other, requisition, 71));
        }
        let plain = link("https://acme.test/attachment_file/8");
        assert_eq!(id_on(&plain, order, 7), id_on(&plain, requisition, 70));
    }

    proptest! {
        #[test]
        fn no_two_buttons_have_one_key_whatever_their_marks_say(
            marks in prop::collection::vec(prop::option::of(prop::sample::select(vec!["1 of 2", "2 of 2", "1 of 3", "3 of 3", "x"])), 0..5)
        ) {
            let places = places(&marks);
            let distinct: BTreeSet<_> = places.iter().collect();
            prop_assert_eq!(distinct.len(), marks.len());
            prop_assert!(places.iter().all(|place| (1..=marks.len()).contains(place)));
        }
    }
}
