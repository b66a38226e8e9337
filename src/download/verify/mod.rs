//! Verification: whether a downloaded file is complete and what it claims to be.

pub(crate) mod content_type;
mod ends;
pub(crate) mod login_page;
pub(crate) mod markup;
pub(crate) mod signature;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{DownloadError, FinishedDownload};
use crate::download::order_dir::naming::extension;
use crate::download::staging::blocking;
use crate::download::verify::content_type::{contradicts, is_page};
use crate::download::verify::ends::{TAIL, missing_end};
pub use crate::download::verify::login_page::LoginSigns;
use crate::download::verify::markup::{Markup, markup};
use crate::download::verify::signature::{HEAD, check_claim, describe, is_error_text, may_be_markup, media_type};
use crate::fs::hex;
use crate::model::{FileRecord, ListingId};

/// A downloaded file that is complete and is what its name claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Where it is now, in the staging folder.
    pub staged: PathBuf,
    /// The name it is to get, as the portal gave it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the bytes are, as a media type, if their signature shows it.
    pub media_type: Option<String>,
    /// What the bytes are instead of what the name says, for a person; none when they agree.
    pub mismatch: Option<String>,
}

/// What is refused.
#[derive(Clone, Copy, Debug)]
pub struct VerifyRules<'a> {
    /// How a login page is recognised.
    pub login: LoginSigns<'a>,
    /// Whether a file is refused as well when its bytes are of another type than its name says. Otherwise it is kept:
    /// the portal has nothing better.
    pub strict_types: bool,
}

/// Reads the file that arrived and checks it against the `names` that it may get, best first.
///
/// Only what is not the attachment is refused: the login page, an error page, bytes that were cut off. A file whose
/// bytes are of another type than its name says is still the attachment; [`Verified::mismatch`] says so.
///
/// The first name whose extension the bytes agree with is taken, else the first. A web page is never accepted under a
/// later name than the best one: browsers call an error page `download.html`, whatever was requested.
///
/// A file of 0 bytes is accepted under any name: portals hold such files, and the browser has reported a complete
/// transfer of 0 bytes by then, so nothing was cut off.
///
/// # Errors
/// [`DownloadError::LoginPage`] for the portal's login page, whatever its name; [`DownloadError::NotAsClaimed`] for an
/// error page; [`DownloadError::DeclaredOtherwise`] when the portal itself declares a web page;
/// [`DownloadError::CutShort`] for a file whose length the portal did not send and whose end is missing;
/// [`DownloadError::WrongSize`], [`DownloadError::Disk`].
pub async fn verify(
    arrived: &FinishedDownload,
    names: Vec<String>,
    rules: VerifyRules<'_>,
) -> Result<Verified, DownloadError> {
    let (staged, expected, is_strict) = (arrived.path.clone(), arrived.size, rules.strict_types);
    let (markers, paths) = (rules.login.markers.to_vec(), rules.login.paths.to_vec());
    let (is_length_told, declared) = (arrived.is_length_told, arrived.declared.clone());
    blocking(move || {
        let FileContents { size, head, tail, sha256 } = read(&staged)?;
        if size != expected {
            return Err(DownloadError::WrongSize { expected, found: size });
        }
        if (LoginSigns { markers: &markers, paths: &paths }).match_page(&head) {
            return Err(DownloadError::LoginPage);
        }
        let (name, mismatch) = if size == 0 {
            (names.into_iter().next().unwrap_or_default(), None)
        } else {
            judge(names, &head, is_strict)?
        };
        let media_type = media_type(&head).map(str::to_owned);
        let extension = extension(&name);
        // what is certainly a file of a known type is not a page, whatever the portal declares
        let may_be_page = is_strict || media_type.as_deref().is_none_or(|kind| kind.starts_with("text/"));
        let is_believed = |declared: &String| may_be_page || !is_page(declared);
        let declared = declared.filter(is_believed).filter(|declared| contradicts(declared, extension.as_deref()));
        if let Some(declared) = declared {
            return Err(DownloadError::DeclaredOtherwise { name, declared });
        }
        if let Some(missing) = missing_end(&head, &tail, size).filter(|_| !is_length_told && size > 0) {
            return Err(DownloadError::CutShort { missing });
        }
        Ok(Verified { staged, name, size, sha256, media_type, mismatch })
    })
    .await
}

/// The name for a file that begins with `head`, and what it is instead of what that name says.
fn judge(names: Vec<String>, head: &[u8], is_strict: bool) -> Result<(String, Option<String>), DownloadError> {
    let claimed = names.first().and_then(|name| extension(name));
    if is_error_text(claimed.as_deref(), head) {
        let name = names.into_iter().next().unwrap_or_default();
        let (claimed, found) = (claim(claimed.as_deref()), "an error message of the portal".to_owned());
        return Err(DownloadError::NotAsClaimed { name, claimed, found });
    }
    let candidate_count = if markup(head) == Markup::None { names.len() } else { 1 };
    let mut first_refusal = None;
    for name in names.into_iter().take(candidate_count) {
        let claimed = extension(&name);
        match check_claim(claimed.as_deref(), head) {
            // a name that claims nothing is no way out for bytes that have just been caught
            Ok(()) if claimed.is_some() || first_refusal.is_none() => return Ok((name, None)),
            Ok(()) => {}
            Err(found) => {
                first_refusal.get_or_insert((name, claimed, found));
            }
        }
    }
    let Some((name, claimed, found)) = first_refusal else { return Ok(("attachment".to_owned(), None)) };
    if !is_strict && may_be_markup(claimed.as_deref(), head) {
        return Ok((name, Some(describe(head))));
    }
    Err(DownloadError::NotAsClaimed { name, claimed: claim(claimed.as_deref()), found })
}

fn claim(extension: Option<&str>) -> String {
    extension.map_or("a file without an extension".to_owned(), |ending| format!("a .{ending} file"))
}

/// How much of a web page is read: its style sheets may precede its form.
const PAGE: u64 = 1024 * 1024;

/// What is looked at of a file.
struct FileContents {
    size: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    sha256: String,
}

/// Size, beginning, end and digest of a file, which is on the disk for good afterwards.
fn read(path: &Path) -> Result<FileContents, DownloadError> {
    let fail = |why| DownloadError::at(path, why);
    // Windows syncs only what is open for writing
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
    let (size, mut head, sha256) = digest(&mut file).map_err(fail)?;
    if markup(&head) != Markup::None {
        head.clear();
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        file.by_ref().take(PAGE).read_to_end(&mut head).map_err(fail)?;
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).map_err(fail)?;
    file.by_ref().take(TAIL).read_to_end(&mut tail).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    Ok(FileContents { size, head, tail, sha256 })
}

fn digest(file: &mut File) -> std::io::Result<(u64, Vec<u8>, String)> {
    let mut hasher = Sha256::new();
    let mut head = Vec::new();
    let mut size = 0;
    let mut buffer = vec![0; HEAD];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        hasher.update(&buffer[..count]);
        let wanted = HEAD - head.len();
        head.extend_from_slice(&buffer[..count.min(wanted)]);
        size += count as u64;
    }
    Ok((size, head, hex(&hasher.finalize())))
}

/// An id that is the same for the same `text` and does not show it.
pub(crate) fn opaque_id(text: &str) -> ListingId {
    ListingId::new(hex(&Sha256::digest(text)[..8]))
}

/// Whether the file of `record` is still in `out` as it was placed: its size first, then its digest. Blocks for as
/// long as reading it takes. A link in its place is not it.
#[must_use]
pub fn is_intact(out: &Path, record: &FileRecord) -> bool {
    is_whole(&out.join(&record.path), record.size, &record.sha256)
}

/// Whether `path` is a file of this size and digest, and no link to one.
pub(crate) fn is_whole(path: &Path, size: u64, sha256: &str) -> bool {
    has_size(path, size) && digest_of(path).is_ok_and(|digest| digest == sha256)
}

/// Whether `path` is a file of this size, and no link to one.
pub(crate) fn has_size(path: &Path, size: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
}

/// SHA-256 of a file that is in its place already.
pub(crate) fn digest_of(path: &Path) -> std::io::Result<String> {
    digest(&mut File::open(path)?).map(|(_, _, sha256)| sha256)
}

#[cfg(test)]
mod tests {
    use super::super::candidate_names;
    use super::*;
    use crate::model::FailureKind;

    async fn verified(bytes: &[u8], names: &[&str]) -> Result<Verified, DownloadError> {
        verified_with(bytes, names, true, false).await
    }

    async fn verified_with(
        bytes: &[u8],
        names: &[&str],
        is_length_told: bool,
        strict_types: bool,
    ) -> Result<Verified, DownloadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        std::fs::write(&path, bytes).unwrap();
        let size = bytes.len() as u64;
        let (url, suggested) = (String::new(), String::new());
        let arrived = FinishedDownload { id: "id".into(), path, url, suggested, size, is_length_told, declared: None };
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let login = LoginSigns { markers: &["user[login]".to_owned()], paths: &[] };
        verify(&arrived, names, VerifyRules { login, strict_types }).await
    }

    const LOGIN: &[u8] = b"<!DOCTYPE html><html><form><input name=\"user[login]\"></form>";

    #[tokio::test]
    async fn a_login_page_is_never_a_file_whatever_it_is_called() {
        for name in ["Invoice.pdf", "page.html", "page", "notes.txt", "a.dwg"] {
            assert_eq!(verified(LOGIN, &[name]).await.unwrap_err().kind(), FailureKind::LoginRequired, "{name}");
        }
    }

    #[tokio::test]
    async fn a_login_page_is_known_behind_its_style_sheets() {
        let style = vec![b' '; 200_000];
        let page = [b"<!DOCTYPE html><html><style>", &style[..], b"</style><input name=\"user[login]\">"].concat();
        assert_eq!(verified(&page, &["terms.html"]).await.unwrap_err().kind(), FailureKind::LoginRequired);
    }

    #[tokio::test]
    async fn a_message_about_an_error_is_no_file_of_a_binary_type() {
        let json = b"{\"error\":\"session invalid\"}";
        let error = verified(json, &["Invoice.pdf", "Invoice.json"]).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::DownloadCorrupt);
        verified(json, &["answer.json"]).await.unwrap();
    }

    #[tokio::test]
    async fn a_message_that_quotes_a_login_page_is_a_file() {
        verified(b"see <input name=\"user[login]\">", &["mail.txt"]).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_page_is_no_way_round_the_label() {
        let page = b"<html><h1>Something went wrong</h1>";
        let error = verified(page, &["Invoice.pdf", "download.html"]).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::DownloadCorrupt);
        assert!(error.to_string().contains("Invoice.pdf"), "{error}");
        verified(page, &["terms.html"]).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_page_is_no_file_of_a_type_that_nobody_knows_and_none_without_a_type() {
        let page = b"<html><h1>An internal error occurred</h1>";
        let address = "https://acme.test/attachment_file/81";
        // what the browser makes up from the address and the type of the answer is not the portal's word
        for (label, suggested) in
            [("drawing.dwg", "81.html"), ("noext", "81.html"), ("", "81.htm"), ("x", "download.html")]
        {
            let names = candidate_names(label, suggested, address);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let error = verified(page, &names).await.unwrap_err();
            assert_eq!(error.kind(), FailureKind::DownloadCorrupt, "{names:?}");
        }
        let names = candidate_names("Our terms", "terms.html", address);
        assert_eq!(verified(page, &[&names[0]]).await.unwrap().name, "terms.html");
        let names = candidate_names("Our terms", "terms.html", "https://acme.test/terms.html");
        assert_eq!(verified(page, &[&names[0]]).await.unwrap().name, "terms.html");
    }

    #[tokio::test]
    async fn the_name_that_the_bytes_agree_with_is_taken() {
        let mail = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
        assert_eq!(verified(&mail, &["Offer.pdf", "Offer.msg"]).await.unwrap().name, "Offer.msg");
        assert_eq!(verified(&mail, &["Offer.pdf", "Offer"]).await.unwrap().name, "Offer.pdf");
    }

    #[tokio::test]
    async fn a_file_of_another_type_than_its_name_says_is_kept_and_told_unless_types_are_strict() {
        let pdf = &b"%PDF-1.4\n1 0 obj<</Len>>\n%%EOF\n"[..];
        let cases = [
            ("evil.txt", pdf, Some("application/pdf")),
            ("scan.jpg", pdf, Some("application/pdf")),
            ("list.csv", b"PK\x03\x04\x14\0\0\0\x08\0", Some("application/zip")),
            ("mail.msg", b"From: a@b\n\nhello", Some("text/plain")),
        ];
        for (name, bytes, media_type) in cases {
            let file = verified(bytes, &[name]).await.unwrap();
            assert_eq!((file.name.as_str(), file.media_type.as_deref()), (name, media_type));
            assert!(file.mismatch.is_some(), "{name}");
            let refused = verified_with(bytes, &[name], true, true).await.unwrap_err();
            assert_eq!(refused.kind(), FailureKind::DownloadCorrupt, "{name}");
        }
        assert_eq!(verified(pdf, &["a.pdf"]).await.unwrap().mismatch, None);
    }

    #[tokio::test]
    async fn a_file_without_its_end_is_whole_only_if_its_length_was_told() {
        let (whole, half) = (&b"%PDF-1.4\n1 0 obj<</Len>>\n%%EOF\n"[..], b"%PDF-1.4\n1 0 obj<</Len");
        verified_with(whole, &["a.pdf"], false, false).await.unwrap();
        verified_with(half, &["a.pdf"], true, false).await.unwrap();
        let error = verified_with(half, &["a.pdf"], false, false).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::DownloadCorrupt);
        assert!(error.to_string().contains("cut short"), "{error}");
        verified_with(b"", &["a.pdf"], false, false).await.unwrap();
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let file = verified(b"", &["Invoice.pdf"]).await.unwrap();
        assert_eq!(file.size, 0);
        assert_eq!(file.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[tokio::test]
    async fn a_file_longer_than_one_buffer_is_read_to_its_end() {
        let bytes = vec![b'a'; 1_000_000];
        let file = verified(&bytes, &["a.txt"]).await.unwrap();
        assert_eq!(file.size, 1_000_000);
        assert_eq!(file.sha256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
