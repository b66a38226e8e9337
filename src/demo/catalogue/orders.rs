//! Which orders exist, what each shows and which files hang on it: all of it follows from a seed.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::files::{self, FileKind};
use super::names::{FileNaming, percent};
use crate::demo::catalogue::generate::{MIX, OrderGenerator};
use crate::demo::catalogue::rng::Rng;
use crate::demo::portal_kind::PortalKind;
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

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
            OrderKind::Denied => OrderStatus::Failed,
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

/// Everything that the portal has.
#[derive(Debug)]
pub(crate) struct Catalogue {
    orders: Vec<DemoOrder>,
    by_digits: HashMap<String, usize>,
    by_requisition: HashMap<String, usize>,
    by_file: HashMap<u64, usize>,
}

impl Catalogue {
    /// `count` orders (at least one) that follow from `seed`.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let orders: Vec<_> = (0..count.max(1))
            .zip(MIX.iter().cycle())
            .map(|(at, kind)| OrderGenerator::new(seed, at).order(*kind))
            .collect();
        let mut by_file = HashMap::new();
        for (at, order) in orders.iter().enumerate() {
            let all = order.attachments.iter().chain(order.requisition.iter().flat_map(|pr| &pr.attachments));
            by_file.extend(all.map(|file| (file.id, at)));
        }
        Self {
            by_digits: orders.iter().enumerate().map(|(at, order)| (order.po.digits().to_owned(), at)).collect(),
            by_requisition: orders
                .iter()
                .enumerate()
                .filter_map(|(at, order)| Some((order.requisition.as_ref()?.id.clone(), at)))
                .collect(),
            by_file,
            orders,
        }
    }

    pub(crate) fn orders(&self) -> &[DemoOrder] {
        &self.orders
    }

    pub(crate) fn order(&self, digits: &str) -> Option<&DemoOrder> {
        self.by_digits.get(digits).map(|at| &self.orders[*at])
    }

    /// The order that a requisition belongs to, and the requisition.
    pub(crate) fn requisition(&self, id: &str) -> Option<(&DemoOrder, &Requisition)> {
        let order = &self.orders[*self.by_requisition.get(id)?];
        Some((order, order.requisition.as_ref()?))
    }

    /// The order that a file belongs to, and the file.
    pub(crate) fn file(&self, id: u64) -> Option<(&DemoOrder, &Attachment)> {
        let order = &self.orders[*self.by_file.get(&id)?];
        let mut all = order.attachments.iter().chain(order.requisition.iter().flat_map(|pr| &pr.attachments));
        Some((order, all.find(|file| file.id == id)?))
    }
}
