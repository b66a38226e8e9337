//! Whether the end of a file is there. Only of files whose length was not told: a browser has counted the bytes of the
//! others, and files that are whole may end oddly.

/// How many bytes before the end of a file are looked at: the end of an archive may stand before a comment of 64 KiB.
pub(crate) const TAIL: u64 = 66 * 1024;

/// Readers look for the end of a PDF in its last 1024 bytes; some programs write more than that behind it.
const PDF_END_WITHIN: usize = 4 * 1024;

/// What lacks at the end of a file that begins with `head` and ends with `tail`. None as well for all types that do not
/// end in anything of their own.
pub(crate) fn lacks(head: &[u8], tail: &[u8]) -> Option<&'static str> {
    let has = |within: usize, mark: &[u8]| {
        tail[tail.len().saturating_sub(within)..].windows(mark.len()).any(|bytes| bytes == mark)
    };
    if head.starts_with(b"%PDF-") {
        (!has(PDF_END_WITHIN, b"%%EOF")).then_some("the %%EOF of a PDF lacks")
    } else if head.starts_with(b"PK\x03\x04") {
        (!has(tail.len(), b"PK\x05\x06")).then_some("the directory at the end of an archive lacks")
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        (!has(tail.len(), b"IEND")).then_some("the IEND of a PNG lacks")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let tail = &bytes[bytes.len().saturating_sub(TAIL as usize)..];
            assert_eq!(lacks(&bytes, tail).is_none(), is_whole, "{:?}", &bytes[..bytes.len().min(12)]);
        }
    }
}
