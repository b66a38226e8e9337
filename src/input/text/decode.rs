//! Bytes of a text file to text.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How much of a file without a mark is looked at to tell UTF-16 by its zeros.
const SAMPLE: usize = 2048;

/// Text with one kind of line break. `None` when the bytes are not text at all.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned()
    } else if let Some(encoding) = unmarked_utf_16(bytes) {
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else {
        // the one 8-bit encoding that office programs of the West write; every byte means something in it
        WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
    };
    if text.contains('\0') {
        return None;
    }
    // one kind of break, so that blank lines can be counted
    Some(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// UTF-16 without a mark: digits and separators have a zero as every second byte.
fn unmarked_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    if !bytes.len().is_multiple_of(2) || half < 2 {
        return None;
    }
    match (even, odd) {
        (0, odd) if odd * 2 > half => Some(UTF_16LE),
        (even, 0) if even * 2 > half => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_read() {
        let wide: Vec<u8> = "PO é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16: Vec<u8> = [&[0xff, 0xfe][..], &wide].concat();
        let utf16_be: Vec<u8> =
            [0xfe, 0xff].into_iter().chain("PO é".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [&b"\xef\xbb\xbfPO \xc3\xa9"[..], b"PO \xc3\xa9", b"PO \xe9", &utf16, &utf16_be, &wide] {
            assert_eq!(decode(bytes).unwrap(), "PO é", "{bytes:?}");
        }
        assert_eq!(decode(b"\x00\x01\x02"), None);
        assert_eq!(decode(b"a\0b\0\0\0"), None);
    }
}
