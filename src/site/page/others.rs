//! Attachments that are not files: web addresses and texts. They are named in the report and not fetched.

use url::Url;

use super::classify::{is_same_host, without_query};
use crate::backend::ElementInfo;
use crate::download::opaque_id;
use crate::model::ListingId;
use crate::site::{Listing, NameSource, Recipe};

/// Names of texts are cut to this length.
const LONGEST_NAME: usize = 120;

/// How the addresses begin that people attach.
const WEB_SCHEMES: [&str; 6] = ["http", "https", "ftp", "ftps", "sftp", "file"];

/// What an attachment is that is not a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherKind {
    Web,
    Note,
}

/// An attachment that is not a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherAttachment {
    pub(crate) name: String,
    pub(crate) id: ListingId,
    /// Why it is not fetched.
    pub(crate) reason: String,
}

/// The listings of a recipe that find such attachments.
pub(crate) fn other_listings(recipe: &Recipe) -> impl Iterator<Item = (&Listing, OtherKind)> {
    let web = recipe.attachments.web.iter().map(|listing| (listing, OtherKind::Web));
    web.chain(recipe.attachments.notes.iter().map(|listing| (listing, OtherKind::Note)))
}

impl OtherAttachment {
    /// The attachment that an element is; none if it leads to where files may come from, or says nothing.
    pub(crate) fn of(
        recipe: &Recipe,
        (listing, kind): (&Listing, OtherKind),
        found: &ElementInfo,
        shown_at: Option<&Url>,
    ) -> Option<Self> {
        let attribute = |name: &str| found.attributes.get(name).map(String::as_str).unwrap_or_default();
        let address = ["href", "data-url"].map(attribute).into_iter().find(|address| !address.is_empty());
        let names = listing.name.iter().map(|source| match source {
            NameSource::Title => attribute("title"),
            NameSource::AriaLabel => attribute("aria-label"),
            NameSource::Download => attribute("download"),
            NameSource::Text => &found.text,
            NameSource::Href => without_query(address.unwrap_or_default()),
            NameSource::Cell(_) => "",
        });
        let name = names.map(|name| listing.name_of(name)).find(|name| !name.is_empty());
        match kind {
            OtherKind::Web => {
                let url = Url::parse(address?).ok().filter(|url| WEB_SCHEMES.contains(&url.scheme()))?;
                let is_allowed = |host: &str| recipe.address.allowed_hosts.iter().any(|allowed| allowed == host);
                if shown_at.is_some_and(|page| is_same_host(page, &url)) || url.host_str().is_some_and(is_allowed) {
                    return None;
                }
                let shown = without_query(url.as_str()).to_owned();
                let reason = format!("it is a web address, {shown}, not a file of the portal: open it in a browser");
                let id = opaque_id(&format!("web {url}"));
                Some(Self { name: name.unwrap_or(shown), id, reason })
            }
            OtherKind::Note => {
                let name: String = name?.chars().take(LONGEST_NAME).collect();
                let reason = "it is a text, not a file: read it on the page".to_owned();
                Some(Self { id: opaque_id(&format!("note {name}")), name, reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn of(kind: OtherKind, text: &str, href: &str) -> Option<OtherAttachment> {
        let mut recipe = load("coupa").unwrap();
        recipe.address.allowed_hosts = vec!["cdn.acme.test".to_owned()];
        let (listing, _) = other_listings(&recipe).find(|(_, found)| *found == kind).unwrap();
        let attributes =
            [("href".to_owned(), href.to_owned())].into_iter().filter(|(_, href)| !href.is_empty()).collect();
        let shown_at = "https://acme.test/order_headers/7".parse().unwrap();
        OtherAttachment::of(
            &recipe,
            (listing, kind),
            &ElementInfo { text: text.to_owned(), attributes },
            Some(&shown_at),
        )
    }

    #[test]
    fn a_web_address_is_named_and_a_page_of_the_portal_is_none() {
        let web = of(OtherKind::Web, "x.pdf", "https://files.example/x.pdf?token=s3cret").unwrap();
        assert_eq!(web.name, "x.pdf");
        assert!(
            web.reason.contains("https://files.example/x.pdf,") && !web.reason.contains("s3cret"),
            "{}",
            web.reason
        );
        assert_eq!(of(OtherKind::Web, "", "https://files.example/x.pdf").unwrap().name, "https://files.example/x.pdf");
        for address in
            ["https://acme.test/users/5", "https://cdn.acme.test/x.pdf", "javascript:void(0)", "mailto:a@b.example", ""]
        {
            assert_eq!(of(OtherKind::Web, "x", address), None, "{address}");
        }
    }

    #[test]
    fn an_address_of_a_file_server_is_named_too() {
        for address in ["ftp://files.example/x.pdf", "file://server/share/x.pdf"] {
            assert!(of(OtherKind::Web, "x.pdf", address).is_some_and(|web| web.reason.contains(address)), "{address}");
        }
    }

    #[test]
    fn a_text_is_named_by_its_beginning() {
        let note = of(OtherKind::Note, &"see the drawing ".repeat(50), "").unwrap();
        assert_eq!(note.name.chars().count(), LONGEST_NAME);
        assert_eq!(of(OtherKind::Note, "", ""), None);
    }
}
