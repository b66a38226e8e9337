//! Parts that the pages of all kinds of portals share.

use crate::demo::catalogue::orders::{Area, Attachment, DemoOrder};
use crate::demo::catalogue::rng::Rng;

/// Why a portal does not show an order, in one of several wordings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Missing,
    MissingOtherwise,
    MissingPortuguese,
    Denied,
    DeniedOtherwise,
}

/// A page with attachments.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    Order(&'a DemoOrder),
    /// A requisition of an order, by its number, with what it lists.
    Requisition(&'a DemoOrder, &'a str, &'a [Attachment]),
}

impl Shown<'_> {
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Order(order) => format!("Purchase order #{}", order.po.digits()),
            Self::Requisition(_, id, _) => format!("Requisition #{id}"),
        }
    }

    pub(crate) fn attachments(&self) -> &[Attachment] {
        match self {
            Self::Order(order) => &order.attachments,
            Self::Requisition(_, _, attachments) => attachments,
        }
    }

    /// Randomness for the decoration of the page.
    pub(crate) fn dice(&self) -> Rng {
        match self {
            Self::Order(order) => Rng::new(order.looks, 0),
            Self::Requisition(order, ..) => Rng::new(!order.looks, 0),
        }
    }
}

/// The name of an area in the markup.
pub(crate) fn area_name(area: Area) -> &'static str {
    match area {
        Area::Header => "header",
        Area::Lines => "lines",
        Area::Comments => "comments",
    }
}
