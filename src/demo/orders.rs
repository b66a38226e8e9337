//! Which orders exist, what each shows and which files hang on it: all of it follows from a seed.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::files::{self, Dice, FileKind};
use super::names::{self, Naming, percent};
use crate::model::{FileOrigin, OrderStatus, PoNumber};

/// What an order is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderKind {
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

/// The mix of 25 orders; more repeat it, fewer are its beginning, so the first is plain and the first ten are varied.
const MIX: [OrderKind; 25] = [
    OrderKind::Links,
    OrderKind::Buttons,
    OrderKind::Both,
    OrderKind::OnRequisition,
    OrderKind::MissingEnglish,
    OrderKind::HostileNames,
    OrderKind::Empty,
    OrderKind::SameName,
    OrderKind::Denied,
    OrderKind::ListedTwice,
    OrderKind::Links,
    OrderKind::Buttons,
    OrderKind::MissingPortuguese,
    OrderKind::Shown,
    OrderKind::Scripts,
    OrderKind::RequisitionDenied,
    OrderKind::Both,
    OrderKind::Sizes,
    OrderKind::NoSupplier,
    OrderKind::LongNames,
    OrderKind::OnRequisition,
    OrderKind::Formats,
    OrderKind::Links,
    OrderKind::Buttons,
    OrderKind::Links,
];

/// Where on the page an attachment is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Header,
    Lines,
    Comments,
}

/// One file and the way in which the portal offers it.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) kind: FileKind,
    pub(super) naming: Naming,
    pub(super) areas: Vec<Area>,
    pub(super) is_button: bool,
    size: usize,
    seed: u64,
}

impl Attachment {
    /// Its bytes, the same each time.
    pub(super) fn bytes(&self) -> Vec<u8> {
        files::bytes(self.kind, self.size, &self.name, Dice::new(self.seed, self.id))
    }

    /// The SHA-256 of its bytes, and how many there are.
    pub(super) fn digest(&self) -> (String, u64) {
        let bytes = self.bytes();
        (hex(&Sha256::digest(&bytes)), bytes.len() as u64)
    }

    /// The address of a link; buttons have none.
    pub(super) fn address(&self) -> String {
        match self.naming {
            Naming::InAddress => format!("/attachments/attachment_file/{}/{}", self.id, percent(&self.name)),
            _ => format!("/attachments/attachment_file/{}", self.id),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A requisition that an order came from.
#[derive(Clone, Debug)]
pub(super) struct Requisition {
    pub(super) id: String,
    pub(super) is_denied: bool,
    pub(super) attachments: Vec<Attachment>,
}

/// One number that can be asked for.
#[derive(Clone, Debug)]
pub(super) struct DemoOrder {
    pub(super) po: PoNumber,
    pub(super) kind: OrderKind,
    pub(super) supplier: Option<&'static str>,
    /// Which of the two shapes the supplier has on the page.
    pub(super) is_supplier_attribute: bool,
    pub(super) attachments: Vec<Attachment>,
    pub(super) requisition: Option<Requisition>,
    /// For what is on the page only for a person to look at.
    pub(super) looks: u64,
}

impl DemoOrder {
    /// How an honest run ends for it.
    pub(super) fn status(&self) -> OrderStatus {
        match self.kind {
            OrderKind::MissingEnglish | OrderKind::MissingPortuguese => OrderStatus::PoNotFound,
            OrderKind::Denied => OrderStatus::Failed,
            OrderKind::RequisitionDenied => OrderStatus::PrNotAccessible,
            OrderKind::Empty => OrderStatus::NoAttachments,
            _ => OrderStatus::Completed,
        }
    }

    /// The files that an honest run brings when it looks at the requisition of orders without attachments.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (&Attachment, FileOrigin)> {
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
pub(super) struct Catalogue {
    orders: Vec<DemoOrder>,
    by_digits: HashMap<String, usize>,
    by_requisition: HashMap<String, usize>,
    by_file: HashMap<u64, usize>,
}

impl Catalogue {
    /// `count` orders (at least one) that follow from `seed`.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let orders: Vec<_> =
            (0..count.max(1)).zip(MIX.iter().cycle()).map(|(at, kind)| Maker::new(seed, at).order(*kind)).collect();
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

    pub(super) fn orders(&self) -> &[DemoOrder] {
        &self.orders
    }

    pub(super) fn order(&self, digits: &str) -> Option<&DemoOrder> {
        self.by_digits.get(digits).map(|at| &self.orders[*at])
    }

    /// The order that a requisition belongs to, and the requisition.
    pub(super) fn requisition(&self, id: &str) -> Option<(&DemoOrder, &Requisition)> {
        let order = &self.orders[*self.by_requisition.get(id)?];
        Some((order, order.requisition.as_ref()?))
    }

    /// The order that a file belongs to, and the file.
    pub(super) fn file(&self, id: u64) -> Option<(&DemoOrder, &Attachment)> {
        let order = &self.orders[*self.by_file.get(&id)?];
        let mut all = order.attachments.iter().chain(order.requisition.iter().flat_map(|pr| &pr.attachments));
        Some((order, all.find(|file| file.id == id)?))
    }
}

/// Makes one order.
struct Maker {
    seed: u64,
    at: u64,
    dice: Dice,
    next_file: u64,
}

impl Maker {
    fn new(seed: u64, at: usize) -> Self {
        let at = at as u64;
        Self { seed, at, dice: Dice::new(seed, at + 1), next_file: 0 }
    }

    fn order(&mut self, kind: OrderKind) -> DemoOrder {
        let attachments = self.attachments(kind);
        let is_shown = !matches!(kind, OrderKind::MissingEnglish | OrderKind::MissingPortuguese | OrderKind::Denied);
        DemoOrder {
            po: self.number(),
            kind,
            supplier: (is_shown && kind != OrderKind::NoSupplier).then(|| self.dice.pick(names::SUPPLIERS)),
            is_supplier_attribute: self.at.is_multiple_of(2),
            requisition: self.requisition(kind),
            attachments,
            looks: self.dice.roll(),
        }
    }

    /// A number of eight digits, larger than that of the order before.
    #[expect(
        clippy::expect_used,
        reason = "digits after PO or PM are a number by construction; a test makes thousands"
    )]
    fn number(&mut self) -> PoNumber {
        let digits = 15_000_000 + self.seed % 50_000 + self.at * 137 + self.dice.between(0, 137);
        let prefix = self.dice.pick(&["PO", "PO", "PO", "PM", ""]);
        format!("{prefix}{digits}").parse().expect("a number of digits")
    }

    fn requisition(&mut self, kind: OrderKind) -> Option<Requisition> {
        let (is_denied, attachments) = match kind {
            OrderKind::OnRequisition => {
                let mut files = self.ordinary(2);
                if self.at.is_multiple_of(4) {
                    files[0].is_button = true;
                }
                (false, files)
            }
            OrderKind::RequisitionDenied => (true, Vec::new()),
            OrderKind::Empty => (false, Vec::new()),
            // has files of its own, which nobody wants as long as the order has some
            OrderKind::Links | OrderKind::Both => (false, self.ordinary(1)),
            _ => return None,
        };
        Some(Requisition { id: (7_000_000 + self.at).to_string(), is_denied, attachments })
    }

    fn attachments(&mut self, kind: OrderKind) -> Vec<Attachment> {
        match kind {
            OrderKind::Links | OrderKind::NoSupplier => {
                let count = self.dice.between(2, 5) as usize;
                self.ordinary(count)
            }
            OrderKind::Buttons => {
                let count = self.dice.between(1, 4) as usize;
                let mut files = self.ordinary(count);
                files.iter_mut().for_each(|file| file.is_button = true);
                files
            }
            OrderKind::Both => {
                let mut files = self.ordinary(4);
                files[1].is_button = true;
                files[3].is_button = true;
                files
            }
            OrderKind::SameName => {
                let mut files = self.ordinary(1);
                for size in [7_000, 12_000] {
                    files.push(self.file("Invoice.pdf", FileKind::Pdf, Naming::Plain, size));
                }
                files
            }
            OrderKind::ListedTwice => {
                let mut files = self.ordinary(2);
                files[0].areas = vec![Area::Header, Area::Comments];
                files
            }
            OrderKind::HostileNames => self.all(names::HOSTILE, &[Naming::Plain, Naming::ExtendedOnly]),
            OrderKind::Scripts => self.all(names::SCRIPTS, &[Naming::Extended, Naming::ExtendedOnly, Naming::Plain]),
            OrderKind::LongNames => names::long_names(&mut self.dice)
                .into_iter()
                .map(|(name, kind)| self.file(&name, kind, Naming::Plain, 6_000))
                .collect(),
            OrderKind::Shown => {
                let mut files = self.all(names::SHOWN, &[Naming::Inline, Naming::InAddress]);
                files.push(self.file("Approval by e-mail.pdf", FileKind::Pdf, Naming::TitleOnly, 9_000));
                files
            }
            OrderKind::Formats => self.all(names::FORMATS, &[Naming::Plain, Naming::Extended]),
            OrderKind::Sizes => vec![
                self.file("Drawings complete.pdf", FileKind::Pdf, Naming::Plain, 2_000_000),
                self.file("Placeholder.txt", FileKind::Empty, Naming::Plain, 0),
            ],
            OrderKind::OnRequisition
            | OrderKind::RequisitionDenied
            | OrderKind::Empty
            | OrderKind::MissingEnglish
            | OrderKind::MissingPortuguese
            | OrderKind::Denied => Vec::new(),
        }
    }

    /// `count` files with names that differ, the first one a PDF: so no rule about requisitions changes what is wanted
    /// of an order that has attachments, unless it says "always".
    fn ordinary(&mut self, count: usize) -> Vec<Attachment> {
        let from = self.dice.between(0, names::ORDINARY.len() as u64) as usize;
        (0..count)
            .map(|n| {
                let (name, kind) =
                    names::ORDINARY[if n == 0 { from % 3 } else { 3 + (from + n) % (names::ORDINARY.len() - 3) }];
                let size = self.size();
                self.file(name, kind, Naming::Plain, size)
            })
            .collect()
    }

    fn all(&mut self, list: &[(&str, FileKind)], namings: &[Naming]) -> Vec<Attachment> {
        list.iter()
            .zip(namings.iter().cycle())
            .map(|((name, kind), naming)| {
                let size = self.size();
                self.file(name, *kind, *naming, size)
            })
            .collect()
    }

    /// Mostly small, at times 200 KB.
    fn size(&mut self) -> usize {
        let high = self.dice.pick(&[10_000, 20_000, 40_000, 40_000, 80_000, 200_000]);
        self.dice.between(2_000, high) as usize
    }

    fn file(&mut self, name: &str, kind: FileKind, naming: Naming, size: usize) -> Attachment {
        let id = 100_000 + self.at * 100 + self.next_file;
        let area = [Area::Header, Area::Comments, Area::Lines][self.next_file as usize % 3];
        self.next_file += 1;
        Attachment {
            id,
            name: name.to_owned(),
            kind,
            naming,
            areas: vec![area],
            is_button: false,
            size,
            seed: self.seed,
        }
    }
}
