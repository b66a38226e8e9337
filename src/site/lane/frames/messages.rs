//! What goes to the conductor and what comes back. All that comes back was made by a page: it is checked where it is
//! used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::backend::{DocumentInfo, ElementInfo, FailedRequest};
use crate::site::page::readiness::controls::FoundControl;
use crate::site::page::readiness::signs::PageSigns;

/// An element to click, for the address behind it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Catch {
    /// What distinguishes it from the others of its frame.
    pub(crate) key: usize,
    /// What finds it.
    pub(crate) css: String,
    /// Its place among what that finds.
    pub(crate) nth: usize,
}

/// A command to the conductor.
#[derive(Debug, Serialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub(crate) enum FrameCommand {
    Open { id: u32, url: String, look: &'static str },
    Catch { id: u32, elements: Vec<Catch> },
    Close { id: u32 },
}

/// What became of a frame.
#[derive(Debug, Deserialize)]
pub(crate) struct FrameEvent {
    /// Which frame.
    pub(crate) id: u32,
    /// How long it has been open by then, in milliseconds; 0 where that says nothing.
    #[serde(default)]
    pub(crate) took: u64,
    /// What happened.
    #[serde(flatten)]
    pub(crate) news: FrameNews,
}

/// What happened in a frame.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum FrameNews {
    /// Nothing of the page is still to come.
    Settled {
        /// What it shows.
        page: Box<FramePage>,
    },
    /// Something was still to come when time was up.
    Unsettled {
        /// What, for a person.
        why: String,
        /// Requests that were not answered and are not about this page, without their numbers.
        #[serde(default)]
        waiting: Vec<String>,
    },
    /// The portal does not let its page be shown in a frame, has led to another host, or cannot be reached.
    Denied,
    /// A script of the page has gone elsewhere.
    Moved,
    /// The page could not be read.
    Broken {
        /// Why.
        why: String,
    },
    /// An element was clicked.
    Caught {
        /// Which one.
        key: usize,
        /// What the click led to.
        caught: CaughtAddress,
    },
    /// All elements were clicked; the page was looked at once more.
    Looked {
        /// What its queries find now.
        found: Vec<Vec<ElementInfo>>,
    },
}

/// A page as it was when nothing was to come any more.
#[derive(Debug, Deserialize)]
pub(crate) struct FramePage {
    /// What it shows.
    pub(crate) document: DocumentInfo,
    /// What the queries of its look find.
    pub(crate) found: Vec<Vec<ElementInfo>>,
    /// What it says of its own list.
    pub(crate) signs: PageSigns,
    /// A control that would show more of its list.
    pub(crate) control: Option<FoundControl>,
    /// Requests of its scripts that failed.
    pub(crate) failed: Vec<FailedRequest>,
}

/// What a click led to. The page was kept from going there: nothing was asked of the address yet.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum CaughtAddress {
    /// An address, which may be valid only once.
    Address {
        /// The address.
        url: String,
    },
    /// A form that would be sent: only a browser can.
    Form {
        /// Where to.
        url: String,
    },
    /// Nothing, for as long as a click is waited for.
    Silent,
    /// The element, or its page, was not there any more.
    Gone,
}

/// Without the address.
impl fmt::Debug for CaughtAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address { .. } => "Address",
            Self::Form { .. } => "Form",
            Self::Silent => "Silent",
            Self::Gone => "Gone",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_and_show_no_address() {
        let signs = json!({ "isComplete": true, "saysNone": false, "areas": [], "holds": null, "busy": null, "fetchedBefore": null });
        let settled = json!({ "id": 7, "took": 120, "kind": "settled", "page": {
            "document": { "url": "https://acme.test/7", "title": "x", "text": "y", "status": 200 },
            "signs": signs, "control": null, "failed": [{ "path": "/a", "status": 500, "isOfPage": true, "isNamed": false }],
            "found": [[{ "text": "a", "attributes": { "href": "https://acme.test/f" } }], []],
        }});
        let event: FrameEvent = serde_json::from_value(settled).unwrap();
        assert!(matches!(&event.news, FrameNews::Settled { page } if page.found[0][0].text == "a"), "{event:?}");
        let caught =
            json!({ "id": 7, "kind": "caught", "key": 2, "caught": { "kind": "address", "url": "https://a/t0ken" } });
        let event: FrameEvent = serde_json::from_value(caught).unwrap();
        assert!(!format!("{event:?}").contains("t0ken"), "{event:?}");
        for kind in ["denied", "moved"] {
            serde_json::from_value::<FrameEvent>(json!({ "id": 1, "took": 3, "kind": kind })).unwrap();
        }
        let command = FrameCommand::Catch { id: 7, elements: vec![Catch { key: 2, css: "a".into(), nth: 1 }] };
        let wanted = json!({ "act": "catch", "id": 7, "elements": [{ "key": 2, "css": "a", "nth": 1 }] });
        assert_eq!(serde_json::to_value(command).unwrap(), wanted);
    }
}
