//! The bytes of a file, generated from its kind, size and seed on each request, so that many orders need no memory.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::demo::catalogue::rng::Rng;

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Pdf,
    Png,
    Jpg,
    Zip,
    Xlsx,
    Docx,
    Msg,
    Csv,
    Xml,
    Txt,
    Html,
    Empty,
}

impl FileKind {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpg => "image/jpeg",
            Self::Zip => "application/zip",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Msg => "application/vnd.ms-outlook",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xml => "application/xml",
            Self::Txt | Self::Empty => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// The bytes of a file of `kind` with about `size` bytes; it contains `title` if the format has text.
pub(crate) fn bytes(kind: FileKind, size: usize, title: &str, mut dice: Rng) -> Vec<u8> {
    match kind {
        FileKind::Pdf => pdf(size, title, &mut dice),
        FileKind::Png => png(size, &mut dice),
        FileKind::Jpg => jpg(size, &mut dice),
        FileKind::Zip => archive(&[("readme.txt", title.as_bytes()), ("data.bin", &dice.noise(size))]),
        FileKind::Xlsx => xlsx(size, title, &mut dice),
        FileKind::Docx => docx(size, title, &mut dice),
        FileKind::Msg => msg(size, &mut dice),
        FileKind::Csv => rows(size, "line;article;quantity;price\r\n", &mut dice),
        FileKind::Txt => rows(size, &format!("{title}\n\n"), &mut dice),
        FileKind::Xml => {
            let lines = rows(size, "", &mut dice);
            let mut bytes = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<order><title>{}</title><lines>\n",
                escaped(title)
            )
            .into_bytes();
            bytes.extend_from_slice(&lines);
            bytes.extend_from_slice(b"</lines></order>\n");
            bytes
        }
        FileKind::Html => {
            let lines = rows(size, "", &mut dice);
            let mut bytes = format!(
                "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1><pre>\n",
                escaped(title)
            )
            .into_bytes();
            bytes.extend_from_slice(&lines);
            bytes.extend_from_slice(b"</pre></body></html>\n");
            bytes
        }
        FileKind::Empty => Vec::new(),
    }
}

/// Escapes text for elements and quoted attributes of HTML and XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn rows(size: usize, heading: &str, dice: &mut Rng) -> Vec<u8> {
    const ARTICLES: &[&str] = &["hex bolt M8", "drill 6 mm", "Kabel 3x1,5", "câble réseau", "label printer", "ネジ"];
    let mut text = heading.to_owned();
    let mut line = 1;
    while text.len() < size {
        let (article, count, price) = (dice.pick(ARTICLES), dice.between(1, 500), dice.between(100, 99_999));
        text.push_str(&format!("{line};{article};{count};{}.{:02}\r\n", price / 100, price % 100));
        line += 1;
    }
    text.into_bytes()
}

/// One page with its title, and a meaningless stream for the size.
fn pdf(size: usize, title: &str, dice: &mut Rng) -> Vec<u8> {
    // the standard fonts only have Latin letters, and ( ) \ would need escaping
    let shown: String = title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-')).collect();
    let text = format!("BT /F1 20 Tf 60 760 Td ({shown}) Tj 0 -30 Td (Demo document) Tj ET");
    let noise = dice.noise(size);
    let mut bytes = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut places = Vec::new();
    let mut object = |bytes: &mut Vec<u8>, body: &[u8]| {
        places.push(bytes.len());
        bytes.extend_from_slice(format!("{} 0 obj\n", places.len()).as_bytes());
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\nendobj\n");
    };
    object(&mut bytes, b"<< /Type /Catalog /Pages 2 0 R >>");
    object(&mut bytes, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    object(
        &mut bytes,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    );
    object(&mut bytes, format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()).as_bytes());
    object(&mut bytes, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    let mut filler = format!("<< /Length {} >>\nstream\n", noise.len()).into_bytes();
    filler.extend_from_slice(&noise);
    filler.extend_from_slice(b"\nendstream");
    object(&mut bytes, &filler);
    let table = bytes.len();
    bytes.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).as_bytes());
    for place in &places {
        bytes.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", places.len() + 1);
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

/// A picture of grey noise. Its data is stored uncompressed, which only needs two checksums.
pub(crate) fn png(size: usize, dice: &mut Rng) -> Vec<u8> {
    let side = (size as f64).sqrt().clamp(1.0, 2_000.0) as usize;
    let mut raw = Vec::with_capacity(side * (side + 1));
    for _ in 0..side {
        raw.push(0); // this row is not filtered
        raw.extend_from_slice(&dice.noise(side));
    }
    let mut packed = vec![0x78, 0x01];
    let mut blocks = raw.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        packed.push(u8::from(blocks.peek().is_none()));
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&(!length).to_le_bytes());
        packed.extend_from_slice(block);
    }
    packed.extend_from_slice(&adler(&raw).to_be_bytes());
    let mut header = Vec::new();
    header.extend_from_slice(&(side as u32).to_be_bytes());
    header.extend_from_slice(&(side as u32).to_be_bytes());
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    for (name, body) in [(b"IHDR", header), (b"IDAT", packed), (b"IEND", Vec::new())] {
        bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
        let from = bytes.len();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&body);
        let sum = crc(&bytes[from..]);
        bytes.extend_from_slice(&sum.to_be_bytes());
    }
    bytes
}

fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// A grey square of 8 by 8 pixels, after comments that fill the size.
fn jpg(size: usize, dice: &mut Rng) -> Vec<u8> {
    let mut bytes = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x01\x00\x48\x00\x48\x00\x00".to_vec();
    for comment in dice.noise(size).chunks(60_000) {
        bytes.extend_from_slice(b"\xFF\xFE");
        bytes.extend_from_slice(&(comment.len() as u16 + 2).to_be_bytes());
        bytes.extend_from_slice(comment);
    }
    bytes.extend_from_slice(b"\xFF\xDB\x00\x43\x00");
    bytes.extend_from_slice(&[1; 64]);
    bytes.extend_from_slice(b"\xFF\xC0\x00\x0B\x08\x00\x08\x00\x08\x01\x01\x11\x00");
    for table in [0x00, 0x10] {
        // one code of one bit, for "no difference" and for "end of block"
        bytes.extend_from_slice(b"\xFF\xC4\x00\x14");
        bytes.push(table);
        bytes.push(1);
        bytes.extend_from_slice(&[0; 16]);
    }
    bytes.extend_from_slice(b"\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00\x3F\xFF\xD9");
    bytes
}

/// The header of a compound file, as Outlook writes it, and meaningless sectors.
fn msg(size: usize, dice: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..8].copy_from_slice(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]);
    bytes[24..34].copy_from_slice(&[0x3E, 0, 3, 0, 0xFE, 0xFF, 9, 0, 6, 0]);
    bytes.extend_from_slice(&dice.noise(size.div_ceil(512) * 512));
    bytes
}

fn xlsx(size: usize, title: &str, dice: &mut Rng) -> Vec<u8> {
    let sheet = format!(
        "<?xml version=\"1.0\"?><worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>\
         <row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{}</t></is></c></row></sheetData></worksheet>",
        escaped(title)
    );
    archive(&[
        ("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"png\" ContentType=\"image/png\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/><Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/></Types>"),
        ("_rels/.rels", b"<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
        ("xl/workbook.xml", b"<?xml version=\"1.0\"?><workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets><sheet name=\"Order\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"),
        ("xl/_rels/workbook.xml.rels", b"<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ("xl/media/image1.png", &png(size, dice)),
    ])
}

fn docx(size: usize, title: &str, dice: &mut Rng) -> Vec<u8> {
    let text = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>\
         <w:p><w:r><w:t>{}</w:t></w:r></w:p></w:body></w:document>",
        escaped(title)
    );
    archive(&[
        ("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"png\" ContentType=\"image/png\"/><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>"),
        ("_rels/.rels", b"<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>"),
        ("word/document.xml", text.as_bytes()),
        ("word/media/image1.png", &png(size, dice)),
    ])
}

fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    // a fixed date: with the current one the same seed would give different bytes
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in parts {
        // writing to memory does not fail
        let _ = zip.start_file(*name, options).is_ok_and(|()| zip.write_all(body).is_ok());
    }
    zip.finish().map(Cursor::into_inner).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: FileKind) -> Vec<u8> {
        bytes(kind, 5_000, "Order & more", Rng::new(1, 2))
    }

    #[test]
    fn every_kind_is_recognised_by_its_signature() {
        for (kind, wanted) in [
            (FileKind::Pdf, "pdf"),
            (FileKind::Png, "png"),
            (FileKind::Jpg, "jpg"),
            (FileKind::Zip, "zip"),
            (FileKind::Xlsx, "xlsx"),
            (FileKind::Docx, "docx"),
        ] {
            let bytes = made(kind);
            assert_eq!(infer::get(&bytes).map(|found| found.extension()), Some(wanted), "{kind:?}");
        }
        assert!(made(FileKind::Msg).starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]));
        assert!(made(FileKind::Empty).is_empty());
    }

    #[test]
    fn texts_are_texts() {
        for kind in [FileKind::Csv, FileKind::Xml, FileKind::Txt, FileKind::Html] {
            assert!(String::from_utf8(made(kind)).is_ok(), "{kind:?}");
        }
    }

    #[test]
    fn archives_can_be_read_back() {
        for kind in [FileKind::Zip, FileKind::Xlsx, FileKind::Docx] {
            let mut archive = zip::ZipArchive::new(Cursor::new(made(kind))).unwrap();
            for part in 0..archive.len() {
                std::io::copy(&mut archive.by_index(part).unwrap(), &mut std::io::sink()).unwrap();
            }
            assert!(archive.len() >= 2);
        }
    }

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
        assert_eq!(adler(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn every_object_of_a_pdf_is_where_its_table_says() {
        let bytes = made(FileKind::Pdf);
        let end = String::from_utf8_lossy(&bytes[bytes.len() - 200..]).into_owned();
        let table: usize = end.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let lines: Vec<_> = std::str::from_utf8(&bytes[table..]).unwrap().lines().skip(3).take(6).collect();
        for (number, line) in lines.iter().enumerate() {
            let place: usize = line[..10].parse().unwrap();
            assert!(bytes[place..].starts_with(format!("{} 0 obj", number + 1).as_bytes()));
        }
    }
}
