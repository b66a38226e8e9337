//! Where a transfer may go next: redirects are followed by hand, each under the rules of the first address.

use url::Url;

use super::error::TransferError;
use crate::download::DownloadLimits;

/// Most redirects in a row, as in browsers.
pub(crate) const MAX_REDIRECTS: usize = 20;

/// Refuses an address that a file must not come from. The client applies the network policy.
pub(crate) fn check(url: &Url, limits: &DownloadLimits<'_>) -> Result<(), TransferError> {
    if (limits.is_login)(url.as_str()) {
        return Err(TransferError::LoginEnded);
    }
    (limits.may_come_from)(url.as_str()).map_err(|host| TransferError::Elsewhere { host })
}

/// Whether an answer of this status leads elsewhere.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The address that an answer from `from` leads to.
pub(crate) fn target(from: &Url, location: Option<&[u8]>) -> Result<Url, TransferError> {
    let bad = |why| TransferError::BadRedirect { why };
    let location = location.ok_or_else(|| bad("it has no address"))?;
    let text = std::str::from_utf8(location).map_err(|_| bad("its address is not text"))?;
    let to = from.join(text.trim()).map_err(|_| bad("its address is not valid"))?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(bad("it leads from an encrypted address to one that is not")); // browsers refuse such downloads, too
    }
    Ok(to)
}

/// What `Referer` says on a request to `to` for a file that `page` lists: the whole address on the page's own host, its
/// host alone elsewhere, nothing on an unencrypted way (the policy `strict-origin-when-cross-origin`, the browsers'
/// default).
pub(crate) fn referer(page: &Url, to: &Url) -> Option<String> {
    if !matches!(page.scheme(), "http" | "https") || page.scheme() == "https" && to.scheme() == "http" {
        return None;
    }
    if page.origin() != to.origin() {
        return Some(format!("{}/", page.origin().ascii_serialization()));
    }
    let mut page = page.clone();
    page.set_fragment(None);
    // both succeed for addresses that have a host
    let _ = (page.set_username(""), page.set_password(None));
    Some(page.into())
}

/// Host and port, under which transfers are counted.
pub(crate) fn host_of(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_redirect_leads_where_its_address_says() {
        let from = url("https://acme.test/a/b?c");
        for (location, to) in [
            ("/x", Some("https://acme.test/x")),
            ("x", Some("https://acme.test/a/x")),
            ("?d", Some("https://acme.test/a/b?d")),
            ("//cdn.test/x", Some("https://cdn.test/x")),
            (" https://cdn.test/x#y ", Some("https://cdn.test/x#y")),
            ("http://acme.test/x", None),
            ("https://[", None),
        ] {
            let found = target(&from, Some(location.as_bytes())).ok();
            assert_eq!(found.as_ref().map(Url::as_str), to, "{location}");
        }
        assert!(target(&from, None).is_err() && target(&from, Some(b"\xff")).is_err());
        assert!(target(&url("http://acme.test/"), Some(b"https://acme.test/")).is_ok());
    }

    #[test]
    fn only_the_pages_own_host_learns_its_whole_address() {
        let page = url("https://me:pa55@acme.test/order_headers/7?t=1#lines");
        for (to, sent) in [
            ("https://acme.test/files/1", Some("https://acme.test/order_headers/7?t=1")),
            ("https://cdn.test/1", Some("https://acme.test/")),
            ("http://acme.test/1", None),
        ] {
            assert_eq!(referer(&page, &url(to)).as_deref(), sent, "{to}");
        }
        assert_eq!(referer(&url("data:,x"), &page), None);
    }
}
