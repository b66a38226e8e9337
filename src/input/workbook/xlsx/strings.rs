//! The texts that the cells of a workbook share.

use std::io::BufRead;

use quick_xml::events::Event;

use crate::input::cell::clipped;
use crate::input::error::SheetError;
use crate::input::workbook::package::Package;
use crate::input::workbook::xml::{Xml, ends_early};

/// Most texts of a workbook.
pub(crate) const MAX_STRINGS: usize = 10_000_000;

/// Reads all of them.
pub(crate) fn read(package: &mut Package<'_>, path: &str) -> Result<Vec<Box<str>>, SheetError> {
    let mut strings = Vec::new();
    let Some(mut xml) = package.xml(path)? else { return Ok(strings) };
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == "si" => {
                if strings.len() == MAX_STRINGS {
                    return Err(SheetError::TooLarge);
                }
                strings.push(clipped(&rich_text(&mut xml, "si")?).into());
            }
            Event::Eof => return Ok(strings),
            _ => {}
        }
    }
}

/// The text of the element `name`, which has begun: that of its runs, without phonetic hints.
pub(crate) fn rich_text<R: BufRead>(xml: &mut Xml<R>, name: &str) -> Result<String, SheetError> {
    let mut text = String::new();
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == "t" => text.push_str(&xml.text_until("t")?),
            Event::Start(start) if start.local_name().as_ref() == "rPh" => xml.skip("rPh")?,
            Event::End(end) if end.local_name().as_ref() == name => return Ok(unescaped(text)),
            Event::Eof => return Err(ends_early()),
            _ => {}
        }
    }
}

/// `_x000D_` stands for a sign that XML does not allow.
pub(crate) fn unescaped(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("_x") {
        plain.push_str(before);
        let sign =
            after.get(..5).and_then(|code| code.strip_suffix('_')).and_then(|code| u32::from_str_radix(code, 16).ok());
        match sign.and_then(char::from_u32) {
            Some(sign) => {
                plain.push(sign);
                rest = &after[5..];
            }
            None => {
                plain.push_str("_x");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_xml_does_not_allow_are_read() {
        for (text, plain) in [
            ("a_x000D_b", "a\rb"),
            ("_x", "_x"),
            ("_x00", "_x00"),
            ("_xzzzz_", "_xzzzz_"),
            ("a_xé000_", "a_xé000_"),
            ("x_x005F_x", "x_x"),
        ] {
            assert_eq!(unescaped(text.to_owned()), plain);
        }
    }

    #[test]
    fn runs_are_one_text_without_their_pronunciation() {
        let mut xml = Xml::of_text("<si><r><t>PO </t></r><r><rPr/><t>15262984</t></r><rPh><t>x</t></rPh></si>");
        xml.next().unwrap();
        assert_eq!(rich_text(&mut xml, "si").unwrap(), "PO 15262984");
    }
}
