//! What the pages of all kinds of portals are made of.

use crate::demo::catalogue::orders::{Area, Attachment, DemoOrder, Requisition};
use crate::demo::catalogue::rng::Rng;

/// Why a portal shows no order. Portals have several wordings for the same.
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
    Requisition(&'a DemoOrder, &'a Requisition),
}

impl Shown<'_> {
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Order(order) => format!("Purchase order #{}", order.po.digits()),
            Self::Requisition(_, requisition) => format!("Requisition #{}", requisition.id),
        }
    }

    pub(crate) fn attachments(&self) -> &[Attachment] {
        match self {
            Self::Order(order) => &order.attachments,
            Self::Requisition(_, requisition) => &requisition.attachments,
        }
    }

    /// For what is on the page only for a person to look at.
    pub(crate) fn dice(&self) -> Rng {
        match self {
            Self::Order(order) => Rng::new(order.looks, 0),
            Self::Requisition(order, _) => Rng::new(!order.looks, 0),
        }
    }
}

/// The name of an area, as it stands in a page.
pub(crate) fn area_name(area: Area) -> &'static str {
    match area {
        Area::Header => "header",
        Area::Lines => "lines",
        Area::Comments => "comments",
    }
}
