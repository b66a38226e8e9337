//! Orders of the portal with their attachments.

use sha2::{Digest, Sha256};

use super::files::{self, FileKind};
use super::names::{FileNaming, percent};
use crate::demo::catalogue::rng::Rng;
use crate::demo::portal_kind::PortalKind;
use crate::fs::hex;
use crate::model::{FileOrigin, OrderStatus, PoNumber};

/// Kind of order, by what it tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderKind {
    /// Attachments as links with proper names and types.
    Links,
    /// Attachments as buttons without an address, which appear late and are replaced once.
    Buttons,
    /// Links and buttons on one page.
    Both,
    /// None on the order, some on its requisition.
    OnRequisition,
    /// None on the order, and a requisition that this login may not see.
    RequisitionDenied,
    /// None anywhere.
    Empty,
    /// No such order, with an English message.
    MissingEnglish,
    /// No such order, with a Portuguese message.
    MissingPortuguese,
    /// An order that this login may not see.
    Denied,
    /// Two different files with one name.
    SameName,
    /// One file, listed in the header and again in a comment.
    ListedTwice,
    /// Names that would leave their folder or that Windows refuses.
    HostileNames,
    /// Names of many scripts, in both forms of `Content-Disposition`.
    Scripts,
    /// Long names and names that end in dots.
    LongNames,
    /// Files that a browser would show instead of saving.
    Shown,
    /// One file of each format, among them HTML that is an attachment.
    Formats,
    /// One file of some 2 MB, and one of no bytes at all.
    Sizes,
    /// A page without a supplier.
    NoSupplier,
}

/// Area of the page that lists an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Header,
    Lines,
    Comments,
}

/// A file, and how the portal offers it.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) kind: FileKind,
    pub(crate) naming: FileNaming,
    pub(crate) areas: Vec<Area>,
    pub(crate) is_button: bool,
    pub(crate) size: usize,
    pub(crate) seed: u64,
}

impl Attachment {
    /// Its bytes, the same on each call.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        files::bytes(self.kind, self.size, &self.name, Rng::new(self.seed, self.id))
    }

    /// The SHA-256 of its bytes, and how many there are.
    pub(crate) fn digest(&self) -> (String, u64) {
        let bytes = self.bytes();
        (hex(&Sha256::digest(&bytes)), bytes.len() as u64)
    }

    /// The address of a link; buttons have none.
    pub(crate) fn address(&self, look: PortalKind) -> String {
        match self.naming {
            _ if look == PortalKind::CoupaPrefixed => format!("{}/{}/{}", look.files(), self.id, percent(&self.name)),
            FileNaming::InAddress => format!("{}/{}/{}", look.files(), self.id, percent(&self.name)),
            _ => format!("{}/{}", look.files(), self.id),
        }
    }
}

/// A requisition that an order came from.
#[derive(Clone, Debug)]
pub(crate) struct Requisition {
    pub(crate) id: String,
    pub(crate) is_denied: bool,
    pub(crate) attachments: Vec<Attachment>,
}

impl Requisition {
    /// The number of a second requisition, where a portal shows the files of this one on two.
    pub(crate) fn second_id(&self) -> String {
        format!("2{}", self.id)
    }

    /// Its files on the first one and on the second one then.
    pub(crate) fn halves(&self) -> (&[Attachment], &[Attachment]) {
        self.attachments.split_at(self.attachments.len() / 2)
    }
}

/// One order number that can be requested.
#[derive(Clone, Debug)]
pub(crate) struct DemoOrder {
    pub(crate) po: PoNumber,
    pub(crate) kind: OrderKind,
    pub(crate) supplier: Option<&'static str>,
    /// Which of two kinds of markup the supplier has.
    pub(crate) is_supplier_attribute: bool,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) requisition: Option<Requisition>,
    /// Randomness for the decoration of the page.
    pub(crate) looks: u64,
}

impl DemoOrder {
    /// The status that a correct run reports.
    pub(crate) fn status(&self) -> OrderStatus {
        match self.kind {
            OrderKind::MissingEnglish | OrderKind::MissingPortuguese => OrderStatus::PoNotFound,
            OrderKind::Denied => OrderStatus::AccessDenied,
            OrderKind::RequisitionDenied => OrderStatus::PrNotAccessible,
            OrderKind::Empty => OrderStatus::NoAttachments,
            _ => OrderStatus::Completed,
        }
    }

    /// The files that a correct run brings, if it searches the requisitions of orders without attachments.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&Attachment, FileOrigin)> {
        let own = self.attachments.iter().map(|file| (file, FileOrigin::Order));
        let others = self
            .requisition
            .iter()
            .filter(|_| self.attachments.is_empty())
            .flat_map(|requisition| requisition.attachments.iter().map(|file| (file, FileOrigin::Requisition)));
        own.chain(others)
    }
}
