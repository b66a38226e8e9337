//! Workbooks that are zip archives of parts, which refer to each other by relationships.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Read};

use bytesize::ByteSize;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::Event;
use zip::ZipArchive;

use super::xml::{Bounded, Xml, attribute};
use crate::input::book::SheetInfo;
use crate::input::error::{MAX_UNPACKED, SheetError};

/// Largest part that only describes the others.
const MAX_DESCRIPTION: ByteSize = ByteSize::mb(50);

/// The parts of a workbook.
pub(crate) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// By their names in small letters: some programs write another case, or backslashes.
    parts: HashMap<String, usize>,
}

/// What one part of a package is to another.
pub(crate) struct Relationship {
    pub(crate) id: String,
    /// The last word of its type, such as `worksheet`.
    pub(crate) kind: String,
    /// The path of the part.
    pub(crate) target: String,
}

impl<'a> Package<'a> {
    /// Opens the archive.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, SheetError> {
        let damaged = |_| SheetError::Damaged("it is a ZIP archive that is damaged or cut off".to_owned());
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        let names = (0..archive.len()).filter_map(|at| Some((plain(&archive.name_for_index(at)?.ok()?), at)));
        let parts = names.collect();
        Ok(Self { archive, parts })
    }

    /// The bytes of a part; none if it is not there.
    pub(crate) fn part(&mut self, path: &str) -> Result<Option<impl BufRead + '_>, SheetError> {
        let Some(at) = self.parts.get(&plain(path)) else { return Ok(None) };
        match self.archive.by_index(*at) {
            Ok(part) => Ok(Some(BufReader::new(part))),
            Err(zip::result::ZipError::UnsupportedArchive(why)) if why.contains("assword") => Err(SheetError::Locked),
            Err(_) => Err(SheetError::Damaged(format!("its part {path} cannot be unpacked"))),
        }
    }

    /// A part as XML; none if it is not there.
    pub(crate) fn xml(
        &mut self,
        path: &str,
    ) -> Result<Option<Xml<Bounded<DecodingReader<impl BufRead + '_>>>>, SheetError> {
        Ok(self.part(path)?.map(|part| Xml::of_bytes(part, MAX_UNPACKED)))
    }

    /// A part as XML that describes the workbook and holds none of its cells.
    pub(crate) fn small_xml(
        &mut self,
        path: &str,
    ) -> Result<Option<Xml<Bounded<DecodingReader<impl BufRead + '_>>>>, SheetError> {
        Ok(self.part(path)?.map(|part| Xml::of_bytes(part, MAX_DESCRIPTION)))
    }

    /// A part as text in UTF-8; none if it is not there.
    pub(crate) fn text(&mut self, path: &str) -> Result<Option<String>, SheetError> {
        let Some(part) = self.part(path)? else { return Ok(None) };
        let mut text = String::new();
        let limit = MAX_UNPACKED.as_u64();
        let read = DecodingReader::new(part).take(limit + 1).read_to_string(&mut text);
        match read {
            Ok(_) if text.len() as u64 > limit => Err(SheetError::TooLarge),
            Ok(_) => Ok(Some(text)),
            Err(_) => Err(SheetError::Damaged(format!("its part {path} cannot be unpacked"))),
        }
    }

    /// What the part at `path` refers to; `""` is the package itself.
    pub(crate) fn relationships(&mut self, path: &str) -> Result<Vec<Relationship>, SheetError> {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let mut found = Vec::new();
        let Some(mut xml) = self.small_xml(&format!("{folder}/_rels/{file}.rels"))? else { return Ok(found) };
        loop {
            match xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "Relationship" => {
                    let (id, kind) = (attribute(&start, "Id"), attribute(&start, "Type"));
                    if let (Some(id), Some(kind), Some(target)) = (id, kind, attribute(&start, "Target")) {
                        let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                        found.push(Relationship { id, kind, target: resolved(folder, &target) });
                    }
                }
                Event::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    /// The part that is the workbook; none if this is not a workbook of Excel.
    pub(crate) fn workbook(&mut self) -> Result<Option<String>, SheetError> {
        let told =
            self.relationships("")?.into_iter().find(|link| link.kind == "officeDocument").map(|link| link.target);
        let usual = ["xl/workbook.xml", "xl/workbook.bin"].map(str::to_owned);
        let known =
            told.into_iter().filter(|path| !path.starts_with("word/") && !path.starts_with("ppt/")).chain(usual);
        Ok(known.into_iter().find(|path| self.parts.contains_key(&plain(path))))
    }

    /// What the archive is, if it is not a workbook.
    pub(crate) fn kind(&self) -> &'static str {
        let has = |start: &str| self.parts.keys().any(|name| name.starts_with(start));
        match () {
            () if has("word/") => "a Word document",
            () if has("ppt/") => "a PowerPoint presentation",
            () if has("index/") || has("index.") => "a document of Apple's Numbers or Pages",
            () if has("content.xml") => "an OpenDocument file, but not a spreadsheet",
            () => "a ZIP archive, but not a workbook",
        }
    }
}

fn plain(path: &str) -> String {
    path.trim_start_matches(['/', '\\']).replace('\\', "/").to_lowercase()
}

/// `target` as seen from `folder`.
fn resolved(folder: &str, target: &str) -> String {
    if target.starts_with(['/', '\\']) {
        return plain(target);
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split(['/', '\\']) {
        match part {
            "." | "" => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The worksheets among the sheets that a workbook lists as name, visibility and relationship.
pub(crate) fn worksheets(
    listed: Vec<(SheetInfo, String)>,
    links: &[Relationship],
) -> Result<(Vec<SheetInfo>, Vec<String>), SheetError> {
    let mut sheets = Vec::new();
    for (info, id) in listed {
        match links.iter().find(|link| link.id == id) {
            Some(link) if link.kind == "worksheet" => sheets.push((info, link.target.clone())),
            Some(_) => {} // a chart or a dialogue: no rows
            None => return Err(SheetError::Damaged(format!("its sheet {:?} is missing", info.name))),
        }
    }
    Ok(sheets.into_iter().unzip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_however_they_are_written() {
        for (target, path) in [
            ("worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("/xl/worksheets/Sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("../xl/./worksheets\\sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("../../../x", "x"),
        ] {
            assert_eq!(resolved("xl", target), path, "{target}");
        }
    }
}
