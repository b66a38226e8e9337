//! What the pages of the double show.

use serde_json::{Value, json};

use crate::backend::PageActivity;
use crate::site::testing::offers::Offer;

/// One page of the portal.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) has_marker: bool,
    pub(crate) notice: &'static str,
    pub(crate) supplier: &'static str,
    pub(crate) requisitions: Vec<String>,
    /// The same where another order's may be linked.
    pub(crate) mentioned: Vec<String>,
    /// Linked as soon as a file was fetched.
    pub(crate) late_requisitions: Vec<String>,
    /// Addresses of the orders that are linked.
    pub(crate) orders_linked: Vec<String>,
    /// The title, with the number of the order.
    pub(crate) title: &'static str,
    /// What a requisition says about its orders.
    pub(crate) orders: &'static str,
    pub(crate) offers: Vec<Offer>,
    /// Texts among its attachments, the second list from the first file on.
    pub(crate) notes: [Vec<&'static str>; 2],
    /// What it is doing each time it is waited for.
    pub(crate) activity: PageActivity,
    pub(crate) waits: Waits,
    /// On the page from the second wait on.
    pub(crate) stragglers: Vec<Offer>,
    /// What it says about its own list.
    pub(crate) signs: Value,
    /// What can be clicked to see more, one after another.
    pub(crate) controls: Vec<FakeControl>,
}

/// How long the page takes to say what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    No,
    /// As long as it may.
    ToTheEnd,
    /// The same, and then it does not say.
    InVain,
}

/// Something that shows more when it is clicked.
#[derive(Clone, Debug)]
pub(crate) struct FakeControl {
    /// `open` or `more`.
    pub(crate) kind: &'static str,
    pub(crate) text: &'static str,
    pub(crate) reveals: Vec<Offer>,
    /// How many of the first attachments it replaces.
    pub(crate) takes: usize,
    /// Whether it is still there afterwards.
    pub(crate) stays: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            status: 200,
            has_marker: true,
            notice: "",
            supplier: "ACME",
            requisitions: Vec::new(),
            mentioned: Vec::new(),
            late_requisitions: Vec::new(),
            orders_linked: Vec::new(),
            title: "",
            orders: "",
            offers: Vec::new(),
            notes: [Vec::new(), Vec::new()],
            activity: PageActivity { is_settled: true, is_tracked: true, ..PageActivity::default() },
            waits: Waits::No,
            stragglers: Vec::new(),
            signs: json!({ "isComplete": true, "saysNone": false, "areas": [{ "count": 1, "shown": 1 }] }),
            controls: Vec::new(),
        }
    }
}
