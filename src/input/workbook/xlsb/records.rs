//! Records of a part: kind and length, each in seven bits a byte, then the data.

use std::io::{BufRead, ErrorKind, Read};

use encoding_rs::UTF_16LE;

use crate::input::error::SheetError;
use crate::input::workbook::xml::{Bounded, ends_early};

/// Longest record: one cell holds at most 32,767 characters, and a formula some kilobytes.
const MAX_RECORD: usize = 1024 * 1024;

pub(crate) struct Records<R> {
    source: Bounded<R>,
    data: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source: Bounded::binary(source), data: Vec::new() }
    }

    /// Reads the next record and gives its kind; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<u16>, SheetError> {
        let Some(low) = self.byte()? else { return Ok(None) };
        let kind = match low {
            0x80.. => u16::from(low & 0x7f) | u16::from(self.byte()?.ok_or_else(ends_early)? & 0x7f) << 7,
            _ => u16::from(low),
        };
        let mut len = 0_usize;
        for place in 0..4 {
            let byte = self.byte()?.ok_or_else(ends_early)?;
            len |= usize::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        if len > MAX_RECORD {
            // what is so long is a picture or the like, and none of the cells
            self.skip(len)?;
        } else {
            self.data.resize(len, 0);
            self.source.read_exact(&mut self.data).map_err(|why| failed(&why))?;
        }
        Ok(Some(kind))
    }

    /// The data of the record.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    fn byte(&mut self) -> Result<Option<u8>, SheetError> {
        let mut byte = [0];
        match self.source.read_exact(&mut byte) {
            Ok(()) => Ok(Some(byte[0])),
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(why) => Err(failed(&why)),
        }
    }

    fn skip(&mut self, len: usize) -> Result<(), SheetError> {
        self.data.clear();
        let skipped = std::io::copy(&mut (&mut self.source).take(len as u64), &mut std::io::sink());
        match skipped {
            Ok(count) if count == len as u64 => Ok(()),
            Ok(_) => Err(ends_early()),
            Err(why) => Err(failed(&why)),
        }
    }
}

fn failed(why: &std::io::Error) -> SheetError {
    match why.kind() {
        ErrorKind::FileTooLarge => SheetError::TooLarge,
        ErrorKind::UnexpectedEof => ends_early(),
        _ => SheetError::Damaged("a part of it cannot be unpacked".to_owned()),
    }
}

pub(crate) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}

/// A text with its length before it.
pub(crate) fn wide_text(data: &[u8]) -> Option<String> {
    let len = usize::try_from(u32_at(data, 0)?).ok()?;
    let text = data.get(4..4_usize.checked_add(len.checked_mul(2)?)?)?;
    Some(UTF_16LE.decode_without_bom_handling(text).0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_to_their_end() {
        let mut records = Records::new(&[0x13, 2, 7, 8, 0x80, 0x02, 0][..]);
        assert_eq!((records.next().unwrap(), records.data()), (Some(19), &[7, 8][..]));
        assert_eq!((records.next().unwrap(), records.data()), (Some(256), &[][..]));
        assert_eq!(records.next().unwrap(), None);
        for cut in [&[0x13][..], &[0x13, 2, 7], &[0x80], &[0x13, 0xff, 0xff, 0xff, 0x7f]] {
            let mut records = Records::new(cut);
            assert!(matches!(records.next(), Err(SheetError::Damaged(_))), "{cut:?}");
        }
    }

    #[test]
    fn texts_are_read_within_their_bounds() {
        assert_eq!(wide_text(&[1, 0, 0, 0, 0x41, 0]).as_deref(), Some("A"));
        assert_eq!(wide_text(&[2, 0, 0, 0, 0x41, 0]), None);
        assert_eq!(wide_text(&[0xff, 0xff, 0xff, 0xff]), None);
    }
}
