//! What files of some types end in, so that one that was cut short is known without its length.

use super::signature::OLE2;

/// How many bytes at the end of a file are read: an archive's end may be followed by a comment of 64 KiB.
pub(crate) const TAIL: u64 = 66 * 1024;

/// Readers look for the end of a PDF in its last 1024 bytes; some programs write more than that behind it.
const PDF_END_WITHIN: usize = 4 * 1024;

/// Programs write little behind the end of a GIF.
const GIF_END_WITHIN: usize = 1024;

/// The entry of a free sector in the table of an OLE2 file.
const FREE_SECTOR: u32 = u32::MAX;

/// The numbers of sectors end here; what is above has a meaning of its own.
const MAX_SECTOR: u32 = 0xffff_fffa;

/// What is missing at the end of a file of `size` bytes that begins with `head` and ends with `tail`. None as well for
/// all types that do not end in anything of their own.
pub(crate) fn missing_end(head: &[u8], tail: &[u8], size: u64) -> Option<&'static str> {
    let has = |within: usize, mark: &[u8]| {
        tail[tail.len().saturating_sub(within)..].windows(mark.len()).any(|bytes| bytes == mark)
    };
    if head.starts_with(b"%PDF-") {
        (!has(PDF_END_WITHIN, b"%%EOF")).then_some("the PDF has no %%EOF")
    } else if head.starts_with(b"PK\x03\x04") {
        (!has(tail.len(), b"PK\x05\x06")).then_some("the archive has no directory at its end")
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        (!has(tail.len(), b"IEND")).then_some("the PNG has no IEND chunk")
    } else if head.starts_with(b"\xff\xd8\xff") {
        // cameras write notes and films behind the picture: only what ends amid its pixels is cut
        let is_amid_picture = tail.len() as u64 == size || is_picture_data(tail);
        (is_amid_picture && !has(tail.len(), b"\xff\xd9")).then_some("the JPEG has no end marker")
    } else if head.starts_with(b"GIF8") {
        // some programs leave the last byte out
        (!has(GIF_END_WITHIN, b"\0;") && !tail.ends_with(b"\0")).then_some("the GIF has no trailer")
    } else if head.starts_with(OLE2) {
        last_sector(head, tail, size)
            .is_some_and(|(sector, length)| (u64::from(sector) + 1) * length >= size)
            .then_some("the compound file has sectors after its end")
    } else {
        None
    }
}

/// Whether bytes are the pixels of a JPEG: its only bytes `ff` are escaped, or begin the next part of the picture.
fn is_picture_data(bytes: &[u8]) -> bool {
    let mut marks = bytes.windows(2).filter(|pair| pair[0] == 0xff).map(|pair| pair[1]).peekable();
    marks.peek().is_some() && marks.all(|next| matches!(next, 0 | 0xff | 0xc4 | 0xd0..=0xd7 | 0xda | 0xdb | 0xdd))
}

/// The last sector that an OLE2 file uses, as far as its header and the last part of its table tell, and the length of
/// one.
fn last_sector(head: &[u8], tail: &[u8], size: u64) -> Option<(u32, u64)> {
    let number =
        |bytes: &[u8], at: usize| bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let length = match head.get(0x1e..0x20)? {
        [9, 0] => 512_u16,
        [12, 0] => 4096,
        _ => return None,
    };
    let tables = usize::try_from(number(head, 0x2c)?).ok().filter(|tables| (1..=109).contains(tables))?;
    let table_at = |nth: usize| number(head, 0x4c + 4 * nth).filter(|sector| *sector < MAX_SECTOR);
    let firsts = [0x30, 0x3c].into_iter().filter_map(|at| number(head, at));
    let mut last = firsts.chain((0..tables).filter_map(table_at)).filter(|sector| *sector < MAX_SECTOR).max()?;
    let table = (u64::from(table_at(tables - 1)?) + 1) * u64::from(length);
    let tail_at = size.saturating_sub(tail.len() as u64);
    let part = |bytes: &[u8], from: u64| {
        let from = usize::try_from(table.checked_sub(from)?).ok()?;
        bytes.get(from..from.checked_add(usize::from(length))?).map(<[u8]>::to_vec)
    };
    if let Some(entries) = part(head, 0).or_else(|| part(tail, tail_at)) {
        let per_table = usize::from(length) / 4;
        let used = (0..per_table).rev().find(|nth| number(&entries, 4 * nth).is_some_and(|entry| entry != FREE_SECTOR));
        let used = used.and_then(|nth| u32::try_from((tables - 1) * per_table + nth).ok());
        last = last.max(used.unwrap_or_default());
    }
    Some((last, u64::from(length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(bytes: &[u8]) -> Option<&'static str> {
        let tail = &bytes[bytes.len().saturating_sub(usize::try_from(TAIL).unwrap())..];
        missing_end(&bytes[..bytes.len().min(64 * 1024)], tail, bytes.len() as u64)
    }

    /// Pixels of a JPEG, `length` bytes.
    fn pixels(length: usize) -> Vec<u8> {
        [0x12, 0xff, 0, 0x34, 0xff, 0xd1].into_iter().cycle().take(length).collect()
    }

    /// An OLE2 file of three sectors: its table, its directory, a stream.
    fn compound() -> Vec<u8> {
        let mut header = vec![0_u8; 512];
        header[..8].copy_from_slice(OLE2);
        header[0x1e] = 9;
        header[0x2c] = 1;
        header[0x30] = 1;
        header[0x3c..0x40].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
        header[0x4c..].fill(0xff);
        header[0x4c..0x50].fill(0);
        let mut table = vec![0xff_u8; 512];
        for nth in 0..3 {
            table[4 * nth..4 * nth + 4].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
        }
        [header, table, vec![1; 1024]].concat()
    }

    #[test]
    fn the_end_is_looked_for_where_it_may_be() {
        let pdf = |after: usize| [b"%PDF-1.7 %%EOF".to_vec(), vec![b'\n'; after]].concat();
        for (bytes, is_whole) in [
            (pdf(1_000), true),
            (pdf(5_000), false),
            (b"%PDF-1.7 obj".to_vec(), false),
            ([b"PK\x03\x04x".to_vec(), b"PK\x05\x06".to_vec(), vec![0; 65_553]].concat(), true),
            (b"PK\x03\x04xxxxx".to_vec(), false),
            (b"PK\x05\x06".to_vec(), true),
            (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82".to_vec(), true),
            (b"\x89PNG\r\n\x1a\n....".to_vec(), false),
            (b"plain".to_vec(), true),
            (Vec::new(), true),
        ] {
            assert_eq!(missing(&bytes).is_none(), is_whole, "{:?}", &bytes[..bytes.len().min(12)]);
        }
    }

    #[test]
    fn a_jpeg_that_ends_amid_its_pixels_is_cut_and_one_with_more_behind_it_is_not() {
        let begin = b"\xff\xd8\xff\xe0\0\x10JFIF";
        let film: Vec<u8> = (0..200_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
        for (rest, is_whole) in [
            (pixels(900), false),
            (pixels(200_000), false),
            ([pixels(200_000), b"\xff\xd9".to_vec()].concat(), true),
            ([pixels(900), b"\xff\xd9".to_vec(), vec![0; 30_000]].concat(), true),
            ([pixels(900), b"\xff\xd9".to_vec(), vec![0; 300_000]].concat(), true),
            ([pixels(900), b"\xff\xd9\0\0\0\x18ftypmp42".to_vec(), film].concat(), true),
        ] {
            assert_eq!(missing(&[&begin[..], &rest].concat()).is_none(), is_whole, "{} bytes", rest.len());
        }
    }

    #[test]
    fn a_gif_and_a_compound_file_that_were_cut_are_known() {
        for (bytes, is_whole) in [
            (&b"GIF89a..\x02ab\0;"[..], true),
            (b"GIF89a..\0;\0\0\0", true),
            (b"GIF89a..\x02ab\0", true),
            (b"GIF89a..\x02a", false),
        ] {
            assert_eq!(missing(bytes).is_none(), is_whole, "{bytes:?}");
        }
        let whole = compound();
        assert_eq!(missing(&whole), None);
        assert_eq!(missing(&whole[..whole.len() - 100]), None, "some programs do not fill the last sector");
        assert!(missing(&whole[..whole.len() - 512]).is_some());
        assert!(missing(&whole[..600]).is_some());
        assert_eq!(missing(OLE2), None, "a file that does not say is not refused");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_search(begin in prop::sample::select(vec![OLE2, b"GIF8", b"\xff\xd8\xff"]), rest in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = missing(&[begin, &rest].concat());
        }
    }
}
