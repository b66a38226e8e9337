//! Generates one order of each kind.

use super::files::FileKind;
use super::names::{self, FileNaming};
use super::orders::{Area, Attachment, DemoOrder, OrderKind, Requisition};
use crate::demo::catalogue::rng::Rng;
use crate::model::PoNumber;

/// The kinds of 25 orders. More orders repeat them, fewer are their beginning: the first is plain, and the first ten vary.
pub(crate) const MIX: [OrderKind; 25] = [
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

/// Generator of one order.
pub(crate) struct OrderGenerator {
    seed: u64,
    at: u64,
    dice: Rng,
    next_file: u64,
}

impl OrderGenerator {
    pub(crate) fn new(seed: u64, at: usize) -> Self {
        let at = at as u64;
        Self { seed, at, dice: Rng::new(seed, at + 1), next_file: 0 }
    }

    pub(crate) fn order(&mut self, kind: OrderKind) -> DemoOrder {
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
            // has files of its own, which are not fetched as long as the order has some
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
                    files.push(self.file("Invoice.pdf", FileKind::Pdf, FileNaming::Plain, size));
                }
                files
            }
            OrderKind::ListedTwice => {
                let mut files = self.ordinary(2);
                files[0].areas = vec![Area::Header, Area::Comments];
                files
            }
            OrderKind::HostileNames => self.all(names::HOSTILE, &[FileNaming::Plain, FileNaming::ExtendedOnly]),
            OrderKind::Scripts => {
                self.all(names::SCRIPTS, &[FileNaming::Extended, FileNaming::ExtendedOnly, FileNaming::Plain])
            }
            OrderKind::LongNames => names::long_names(&mut self.dice)
                .into_iter()
                .map(|(name, kind)| self.file(&name, kind, FileNaming::Plain, 6_000))
                .collect(),
            OrderKind::Shown => {
                let mut files = self.all(names::SHOWN, &[FileNaming::Inline, FileNaming::InAddress]);
                files.push(self.file("Approval by e-mail.pdf", FileKind::Pdf, FileNaming::TitleOnly, 9_000));
                files
            }
            OrderKind::Formats => self.all(names::FORMATS, &[FileNaming::Plain, FileNaming::Extended]),
            OrderKind::Sizes => vec![
                self.file("Drawings complete.pdf", FileKind::Pdf, FileNaming::Plain, 2_000_000),
                self.file("Placeholder.txt", FileKind::Empty, FileNaming::Plain, 0),
            ],
            OrderKind::OnRequisition
            | OrderKind::RequisitionDenied
            | OrderKind::Empty
            | OrderKind::MissingEnglish
            | OrderKind::MissingPortuguese
            | OrderKind::Denied => Vec::new(),
        }
    }

    /// `count` files with different names, the first one a PDF: so of an order with attachments only the rule "always" searches
    /// the requisition.
    fn ordinary(&mut self, count: usize) -> Vec<Attachment> {
        let from = self.dice.between(0, names::ORDINARY.len() as u64) as usize;
        (0..count)
            .map(|n| {
                let (name, kind) =
                    names::ORDINARY[if n == 0 { from % 3 } else { 3 + (from + n) % (names::ORDINARY.len() - 3) }];
                let size = self.size();
                self.file(name, kind, FileNaming::Plain, size)
            })
            .collect()
    }

    fn all(&mut self, list: &[(&str, FileKind)], namings: &[FileNaming]) -> Vec<Attachment> {
        list.iter()
            .zip(namings.iter().cycle())
            .map(|((name, kind), naming)| {
                let size = self.size();
                self.file(name, *kind, *naming, size)
            })
            .collect()
    }

    /// Mostly small, sometimes 200 KB.
    fn size(&mut self) -> usize {
        let high = self.dice.pick(&[10_000, 20_000, 40_000, 40_000, 80_000, 200_000]);
        self.dice.between(2_000, high) as usize
    }

    fn file(&mut self, name: &str, kind: FileKind, naming: FileNaming, size: usize) -> Attachment {
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
