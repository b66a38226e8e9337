//! Which orders exist, what each shows and which files hang on it: all of it follows from a seed.

use sha2::{Digest, Sha256};

use super::files::{self, FileKind};
use super::names::{FileNaming, percent};
use crate::demo::catalogue::rng::Rng;
use crate::demo::portal_kind::PortalKind;
use crate::fs::hex;
use crate::model::{FileOrigin, OrderStatus, PoNumber};

/// What an order is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderKind {
    /// Attachments as links, named and typed as one would wish.
    Links,
    /// Attachments as buttons without an address, late and replaced once.
    Buttons,
    /// Both shapes on one page.
    Both,
    /// None on the order, some on its requisition.
    OnRequisition,
    /// None on the order, and a requisition that this login may not see.
    RequisitionDenied,
    /// None anywhere.
    Empty,
    /// No such order, told in English.
    MissingEnglish,
    /// No such order, told in Portuguese.
    MissingPortuguese,
    /// There is one, for others.
    Denied,
    /// Two different files with one name.
    SameName,
    /// One file, listed in the header and again in a comment.
    ListedTwice,
    /// Names that want out of their folder or that Windows refuses.
    HostileNames,
    /// Names of many scripts, in both forms of `Content-Disposition`.
    Scripts,
    /// Long names and names that end in dots.
    LongNames,
    /// Files that a browser would rather show than save.
    Shown,
    /// One file of each format, among them HTML that is an attachment.
    Formats,
    /// One file of some 2 MB, and one of no bytes at all.
    Sizes,
    /// A page that names no supplier.
    NoSupplier,
}

/// Where on the page an attachment is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Header,
    Lines,
    Comments,
}

/// One file and the way in which the portal offers it.
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
    /// Its bytes, the same each time.
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

/// One number that can be asked for.
#[derive(Clone, Debug)]
pub(crate) struct DemoOrder {
    pub(crate) po: PoNumber,
    pub(crate) kind: OrderKind,
    pub(crate) supplier: Option<&'static str>,
    /// Which of the two shapes the supplier has on the page.
    pub(crate) is_supplier_attribute: bool,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) requisition: Option<Requisition>,
    /// For what is on the page only for a person to look at.
    pub(crate) looks: u64,
}

impl DemoOrder {
    /// How an honest run ends for it.
    pub(crate) fn status(&self) -> OrderStatus {
        match self.kind {
            OrderKind::MissingEnglish | OrderKind::MissingPortuguese => OrderStatus::PoNotFound,
            OrderKind::Denied => OrderStatus::AccessDenied,
            OrderKind::RequisitionDenied => OrderStatus::PrNotAccessible,
            OrderKind::Empty => OrderStatus::NoAttachments,
            _ => OrderStatus::Completed,
        }
    }

    /// The files that an honest run brings when it looks at the requisition of orders without attachments.
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
