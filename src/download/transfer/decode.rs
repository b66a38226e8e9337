//! Bodies that a server has compressed for the way although that was not asked for.

use std::io::Write;

use flate2::write::GzDecoder;

/// The decoder is fed in pieces of this length: each may swell a thousandfold, and the limit of the file is looked at
/// between two of them.
const PIECE: usize = 1024;

/// Turns what came over the network into the bytes of the file.
pub(crate) enum BodyDecoder {
    /// They are the same.
    Plain,
    /// It is compressed with gzip.
    Gzip(Box<GzDecoder<Vec<u8>>>),
}

impl BodyDecoder {
    /// The decoder for a `Content-Encoding`.
    ///
    /// # Errors
    /// The coding, if only browsers read it.
    pub(crate) fn new(coding: Option<&str>) -> Result<Self, String> {
        match coding.unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip(Box::new(GzDecoder::new(Vec::new())))),
            other => Err(other.to_owned()),
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// The pieces to decode one after another.
    pub(crate) fn pieces<'a>(&self, received: &'a [u8]) -> std::slice::Chunks<'a, u8> {
        received.chunks(if self.is_plain() { usize::MAX } else { PIECE })
    }

    /// Decodes one piece.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn decode(&mut self, piece: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Plain => Ok(piece.to_vec()),
            Self::Gzip(decoder) => {
                let mut rest = piece;
                while !rest.is_empty() {
                    match decoder.write(rest).map_err(|why| why.to_string())? {
                        0 => break, // what follows the end is ignored, as browsers do
                        count => rest = &rest[count..],
                    }
                }
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }

    /// The last bytes, at the end of the body.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, String> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(decoder) => {
                decoder.try_finish().map_err(|why| why.to_string())?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(body: &[u8]) -> Result<Vec<u8>, String> {
        let mut decoder = BodyDecoder::new(Some("GZIP")).unwrap();
        let mut bytes = Vec::new();
        for piece in decoder.pieces(body) {
            bytes.extend(decoder.decode(piece)?);
        }
        bytes.extend(decoder.finish()?);
        Ok(bytes)
    }

    #[test]
    fn a_compressed_body_is_unpacked_to_its_end_and_no_further() {
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(unpacked(&packed(&bytes)).unwrap(), bytes);
        assert_eq!(unpacked(&[packed(b"abc"), b"trailing".to_vec()].concat()).unwrap(), b"abc");
        assert_eq!(unpacked(&packed(b"")).unwrap(), b"");
    }

    #[test]
    fn a_compressed_body_that_was_cut_or_is_none_is_an_error() {
        let whole = packed(&[7; 5000]);
        for length in [1, 10, whole.len() / 2, whole.len() - 1] {
            assert!(unpacked(&whole[..length]).is_err(), "{length}");
        }
        assert!(unpacked(b"%PDF-1.4 not compressed at all").is_err());
    }

    #[test]
    fn codings_that_only_browsers_read_are_named() {
        assert!(BodyDecoder::new(None).is_ok_and(|decoder| decoder.is_plain()));
        assert!(BodyDecoder::new(Some("identity")).is_ok_and(|decoder| decoder.is_plain()));
        assert_eq!(BodyDecoder::new(Some("br")).err().as_deref(), Some("br"));
        assert_eq!(BodyDecoder::new(Some("gzip, br")).err().as_deref(), Some("gzip, br"));
    }
}
