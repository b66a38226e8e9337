//! Names of files and suppliers: ordinary ones, and those that break careless programs.

use super::files::FileKind;
use crate::demo::catalogue::rng::Rng;

/// How the portal announces a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileNaming {
    /// `attachment; filename="..."`, with the raw bytes of the name as many servers send them.
    Plain,
    /// `attachment` with both forms: an ASCII stand-in, and RFC 8187 `filename*=`.
    Extended,
    /// `attachment` with `filename*=` alone.
    ExtendedOnly,
    /// `inline; filename="..."`: a browser shows it by default.
    Inline,
    /// No such header; the name is the last part of the address.
    InAddress,
    /// No such header and no name in the address: only the link's title has it.
    TitleOnly,
}

impl FileNaming {
    /// The `Content-Disposition` of a file called `name`, unless there is none.
    pub(crate) fn disposition(self, name: &str) -> Option<Vec<u8>> {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let ascii: String = quoted.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
        let header = match self {
            Self::Plain => format!("attachment; filename=\"{quoted}\""),
            Self::Extended => format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", percent(name)),
            Self::ExtendedOnly => format!("attachment; filename*=UTF-8''{}", percent(name)),
            Self::Inline => format!("inline; filename=\"{quoted}\""),
            Self::InAddress | Self::TitleOnly => return None,
        };
        Some(header.into_bytes())
    }
}

/// Percent-encodes every byte that is not a letter, a digit or one of `-._~`, as in addresses and RFC 8187.
pub(crate) fn percent(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

/// Suppliers as in real data: accents, other scripts, characters that no folder name may contain.
pub(crate) const SUPPLIERS: &[&str] = &[
    "Acme Industrial Supply Ltd.",
    "Müller & Söhne GmbH",
    "Distribuidora São João S/A",
    "O'Neil / Partners <Consulting>",
    "株式会社サンプル",
    "Société Générale d'Équipement",
    "Nordic Tools AB",
    "\"Best\" Office: Everything?",
];

/// Ordinary names, used in turn.
pub(crate) const ORDINARY: &[(&str, FileKind)] = &[
    ("Purchase order.pdf", FileKind::Pdf),
    ("Quotation 2231.pdf", FileKind::Pdf),
    ("Delivery note.pdf", FileKind::Pdf),
    ("Price list.xlsx", FileKind::Xlsx),
    ("Specification.docx", FileKind::Docx),
    ("Site photo.png", FileKind::Png),
    ("Invoice 12.msg", FileKind::Msg),
    ("Drawings.zip", FileKind::Zip),
    ("Lines.csv", FileKind::Csv),
    ("Damage.jpg", FileKind::Jpg),
];

/// Names with letters of many scripts.
pub(crate) const SCRIPTS: &[(&str, FileKind)] = &[
    ("Angebot für Prüfgeräte – Größe L.pdf", FileKind::Pdf),
    ("見積書 令和8年.pdf", FileKind::Pdf),
    ("Relatório de inspeção nº 4.xlsx", FileKind::Xlsx),
];

/// Names that some file system refuses, or that would leave their folder.
pub(crate) const HOSTILE: &[(&str, FileKind)] = &[
    ("a:b*c?.pdf", FileKind::Pdf),
    ("CON.pdf", FileKind::Pdf),
    ("../../x.txt", FileKind::Txt),
    ("quote \"signed\" <final>|v2.pdf", FileKind::Pdf),
];

/// One of each kind that is not a PDF, and one PDF.
pub(crate) const FORMATS: &[(&str, FileKind)] = &[
    ("Contract.pdf", FileKind::Pdf),
    ("Contract.docx", FileKind::Docx),
    ("Calculation.xlsx", FileKind::Xlsx),
    ("Correspondence.msg", FileKind::Msg),
    ("Offer.html", FileKind::Html),
    ("Order export.xml", FileKind::Xml),
    ("Notes.txt", FileKind::Txt),
    ("Lines.csv", FileKind::Csv),
    ("Photos.zip", FileKind::Zip),
    ("Photo.jpg", FileKind::Jpg),
];

/// Files that a browser would show instead of saving.
pub(crate) const SHOWN: &[(&str, FileKind)] =
    &[("Scan 0001.pdf", FileKind::Pdf), ("Label.png", FileKind::Png), ("Remarks.txt", FileKind::Txt)];

/// A name of more than 200 characters, and one whose stem ends in dots.
pub(crate) fn long_names(dice: &mut Rng) -> Vec<(String, FileKind)> {
    let word = dice.pick(&["Rahmenvereinbarung ", "frame agreement ", "acuerdo marco "]);
    vec![
        (format!("{}.pdf", word.repeat(220 / word.len() + 1).trim_end()), FileKind::Pdf),
        ("Angebot v2 ...".to_owned(), FileKind::Txt),
        ("Final version..pdf".to_owned(), FileKind::Pdf),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposition_is_one_header_line_whatever_the_name() {
        let names = [ORDINARY, SCRIPTS, HOSTILE, FORMATS, SHOWN].concat();
        for naming in [FileNaming::Plain, FileNaming::Extended, FileNaming::ExtendedOnly, FileNaming::Inline] {
            for (name, _) in &names {
                let header = naming.disposition(name).unwrap();
                assert!(axum::http::HeaderValue::from_bytes(&header).is_ok(), "{naming:?} {name}");
            }
        }
    }

    #[test]
    fn the_extended_form_is_plain_ascii() {
        let header = FileNaming::Extended.disposition("Prüfung \"a\".pdf").unwrap();
        let text = String::from_utf8(header).unwrap();
        assert_eq!(text, "attachment; filename=\"Pr_fung \\\"a\\\".pdf\"; filename*=UTF-8''Pr%C3%BCfung%20%22a%22.pdf");
    }
}
