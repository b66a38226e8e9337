//! XML of workbooks, event by event, with bounds: no part unpacks to more than [`MAX_UNPACKED`], and no text or tag is
//! longer than [`MAX_EVENT`].

use std::io::{self, BufRead, Read};

use bytesize::ByteSize;
use quick_xml::Reader;
use quick_xml::encoding::DecodingReader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

use crate::input::error::{MAX_UNPACKED, SheetError};

/// Longest text or tag; one cell holds at most 32,767 characters.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Reads events. Empty elements have an end as well.
pub(crate) struct Xml<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
}

impl<'a> Xml<Bounded<&'a [u8]>> {
    /// XML that is in memory already.
    pub(crate) fn of_text(text: &'a str) -> Self {
        Self::of_reader(Bounded::new(text.as_bytes(), MAX_UNPACKED))
    }
}

impl<R: BufRead> Xml<Bounded<DecodingReader<R>>> {
    /// XML in any encoding, of at most `max`.
    pub(crate) fn of_bytes(source: R, max: ByteSize) -> Self {
        Self::of_reader(Bounded::new(DecodingReader::new(source), max))
    }
}

impl<R: BufRead> Xml<R> {
    fn of_reader(source: R) -> Self {
        let mut reader = Reader::from_reader(source);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        Self { reader, buffer: Vec::new() }
    }

    /// The next event; [`Event::Eof`] at the end.
    pub(crate) fn next(&mut self) -> Result<Event<'_>, SheetError> {
        self.buffer.clear();
        self.reader.read_event_into(&mut self.buffer).map_err(|why| damaged(&why))
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The text up to the end of the element `name`, which has begun; also that of the elements in it.
    pub(crate) fn text_until(&mut self, name: &str) -> Result<String, SheetError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::End(end) if end.local_name().as_ref() == name => return Ok(text),
                Event::Eof => return Err(ends_early()),
                event => push_text(&event, &mut text),
            }
        }
    }

    /// Goes on to the end of the element `name`, which has begun and holds no other of that name.
    pub(crate) fn skip(&mut self, name: &str) -> Result<(), SheetError> {
        loop {
            match self.next()? {
                Event::End(end) if end.local_name().as_ref() == name => return Ok(()),
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }
}

/// The file is shorter than it should be.
pub(crate) fn ends_early() -> SheetError {
    SheetError::Damaged("it ends in the middle".to_owned())
}

fn damaged(why: &quick_xml::Error) -> SheetError {
    match why {
        quick_xml::Error::Io(why) if why.kind() == io::ErrorKind::FileTooLarge => SheetError::TooLarge,
        quick_xml::Error::Io(_) => SheetError::Damaged("a part of it cannot be unpacked".to_owned()),
        _ => SheetError::Damaged("its XML is not well-formed".to_owned()),
    }
}

/// The text of an event, if it has any.
pub(crate) fn push_text(event: &Event<'_>, into: &mut String) {
    match event {
        Event::Text(text) => into.push_str(&text.xml10_content()),
        Event::CData(text) => into.push_str(&text.xml10_content()),
        Event::GeneralRef(name) => match name.resolve_char_ref() {
            Ok(Some(c)) => into.push(c),
            _ => into.push_str(resolve_predefined_entity(name).unwrap_or("\u{fffd}")),
        },
        _ => {}
    }
}

/// An attribute by its name without a namespace.
pub(crate) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found =
        attributes.with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(unescape(&found.value).map_or_else(|_| found.value.clone().into_owned(), |value| value.into_owned()))
}

/// Whether an attribute is set.
pub(crate) fn is_true(element: &BytesStart<'_>, name: &str) -> bool {
    attribute(element, name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

/// A reader that refuses to give more than a workbook can need.
pub(crate) struct Bounded<R> {
    inner: R,
    left: u64,
    since_tag: usize,
    max_event: usize,
}

impl<R> Bounded<R> {
    /// For XML.
    fn new(inner: R, max: ByteSize) -> Self {
        Self { inner, left: max.as_u64(), since_tag: 0, max_event: MAX_EVENT }
    }

    /// For what is no XML.
    pub(crate) fn binary(inner: R) -> Self {
        Self { max_event: usize::MAX, ..Self::new(inner, MAX_UNPACKED) }
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if !bytes.is_empty() && (self.left == 0 || self.since_tag > self.max_event) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn consume(&mut self, count: usize) {
        // a buffer that was filled before is given again
        let tag =
            self.inner.fill_buf().ok().and_then(|bytes| bytes.get(..count)?.iter().rposition(|byte| *byte == b'<'));
        self.since_tag = tag.map_or(self.since_tag.saturating_add(count), |at| count - at);
        self.left = self.left.saturating_sub(count as u64);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_with_their_entities() {
        let mut xml = Xml::of_text("<a x='1 &amp; 2' n:y='true'>b &lt;&#x41;<![CDATA[<c>]]><d/></a>");
        let Event::Start(start) = xml.next().unwrap() else { panic!() };
        assert_eq!(attribute(&start, "x").as_deref(), Some("1 & 2"));
        assert!(is_true(&start, "y") && !is_true(&start, "x"));
        assert_eq!(xml.text_until("a").unwrap(), "b <A<c>");
        assert!(matches!(Xml::of_text("<a>").text_until("a"), Err(SheetError::Damaged(_))));
    }

    #[test]
    fn a_text_without_an_end_is_cut() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into.fill(b'x');
                Ok(into.len())
            }
        }
        let mut xml =
            Xml::of_reader(Bounded::new(io::BufReader::new(io::Read::chain(&b"<a>"[..], Endless)), MAX_UNPACKED));
        assert!(matches!(xml.text_until("a"), Err(SheetError::TooLarge)));
    }
}
