//! What a click has set off, as the page tells, and whether a download can still come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::Way;
use crate::backend::{BoxFuture, Page, SessionError};
use crate::download::{Outlook, extension, percent_decoded};
use crate::site::Recipe;
use crate::site::page::selectors::any_of;

const EFFECT: &str = include_str!("effect.js");

/// For so long a page must have been at rest before it is believed that nothing comes.
const AT_REST_FOR: Duration = Duration::from_millis(700);

/// What a click has set off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClickEffect {
    /// Another document is shown than the one that was clicked in.
    pub(crate) is_left: bool,
    /// Something is still under way.
    pub(crate) is_busy: bool,
    /// What a dialog said. It was dismissed.
    pub(crate) said: Option<String>,
    /// The address shown.
    url: String,
    /// The media type of what is shown.
    #[serde(rename = "type")]
    media_type: String,
    status: Option<u16>,
    /// What the page shows now and did not before.
    addresses: Vec<AppearedAddress>,
}

/// An address that the page did not show before the click.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct AppearedAddress {
    /// The name of the element.
    kind: String,
    url: String,
}

/// Elements that show a document of its own.
const VIEWERS: &[&str] = &["iframe", "embed", "object"];

/// Elements that play something.
const PLAYERS: &[&str] = &["video", "audio", "source"];

impl AppearedAddress {
    /// Whether the last part of its path, or one value of its query, is the name `label`.
    fn has_name(&self, label: &str) -> bool {
        let name = label.trim().to_lowercase();
        let Ok(url) = Url::parse(&self.url) else { return false };
        let is_name = |text: &str| !name.is_empty() && text.trim().to_lowercase() == name;
        is_name(&percent_decoded(url.path().rsplit('/').next().unwrap_or_default()))
            || url.query_pairs().any(|(_, value)| is_name(&value))
    }

    /// Whether its path has a word for attachments in it.
    fn names_attachments(&self, recipe: &Recipe) -> bool {
        Url::parse(&self.url).is_ok_and(|url| recipe.attachments.are_named_in(url.path()))
    }

    /// Whether a script has made what is there.
    fn is_made(&self) -> bool {
        self.url.starts_with("blob:") || self.url.starts_with("data:")
    }
}

impl ClickEffect {
    /// Asks the page.
    ///
    /// # Errors
    /// The session's.
    pub(crate) async fn read(page: &mut dyn Page, recipe: &Recipe) -> Result<Self, SessionError> {
        match page.evaluate(EFFECT, vec![Value::from(any_of(&recipe.attachments.busy))]).await {
            // the page is being replaced, by one that takes its time perhaps, or a dialog broke in
            Err(SessionError::Refused(_) | SessionError::PageTimeout(_)) | Ok(Value::Null) => {
                Ok(Self { is_busy: true, ..Self::default() })
            }
            answer => serde_json::from_value(answer?)
                .map_err(|why| SessionError::Refused(format!("the page's response cannot be read: {why}"))),
        }
    }

    /// What may be the attachment `label` among what the click has shown, best first, and only what `is_allowed`.
    pub(crate) fn ways(&self, label: &str, recipe: &Recipe, is_allowed: impl Fn(&str) -> bool) -> Vec<Way> {
        if self.is_left && self.is_file(label) && is_allowed(&self.url) {
            return vec![Way::Shown(self.url.clone())];
        }
        let allowed: Vec<_> = self.addresses.iter().filter(|found| is_allowed(&found.url)).collect();
        let only = |wanted: &dyn Fn(&AppearedAddress) -> bool| {
            let shown: BTreeSet<_> =
                allowed.iter().filter(|found| wanted(found)).map(|found| found.url.as_str()).collect();
            // of several it cannot be told which
            if shown.len() == 1 { shown.first().map(|url| (*url).to_owned()) } else { None }
        };
        let is_picture = matches!(
            extension(label).as_deref(),
            Some("png" | "jpg" | "jpeg" | "gif" | "bmp" | "webp" | "svg" | "tif" | "tiff")
        );
        // a page shows icons and plays sounds of its own
        let is_of_attachments = |found: &AppearedAddress| found.is_made() || found.names_attachments(recipe);
        let kind = |found: &AppearedAddress, kinds: &[&str]| kinds.contains(&found.kind.as_str());
        let named = only(&|found| found.has_name(label));
        let made = only(&|found| found.url.starts_with("blob:") && (kind(found, VIEWERS) || kind(found, PLAYERS)));
        let picture = only(&|found| is_picture && kind(found, &["img"]) && is_of_attachments(found));
        let viewer = only(&|found| kind(found, VIEWERS));
        let player = only(&|found| kind(found, PLAYERS) && is_of_attachments(found));
        let guesses = [made, picture, viewer, player].into_iter().flatten();
        let mut ways: Vec<_> = named.iter().cloned().map(Way::Preview).collect();
        let mut known: BTreeSet<_> = named.into_iter().collect();
        ways.extend(guesses.filter(|url| known.insert(url.clone())).map(Way::Guess));
        ways
    }

    /// Whether a file is shown instead of a page of the portal, as far as the browser reports.
    fn is_file(&self, label: &str) -> bool {
        let is_page = self.media_type.contains("html");
        let is_web_page = matches!(extension(label).as_deref(), Some("html" | "htm" | "xhtml"));
        self.status.is_none_or(|status| status < 400)
            && self.url.starts_with("http")
            && !self.media_type.is_empty()
            && (!is_page || is_web_page)
    }
}

/// Watches the page that was clicked in.
pub(crate) struct ClickOutlook<'a> {
    recipe: &'a Recipe,
    is_of_another: &'a (dyn Fn(&str) -> bool + Sync),
    at_rest_since: Option<Instant>,
}

impl<'a> ClickOutlook<'a> {
    pub(crate) fn new(recipe: &'a Recipe, is_of_another: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self { recipe, is_of_another, at_rest_since: None }
    }
}

impl Outlook for ClickOutlook<'_> {
    fn is_of_another(&self, address: &str) -> bool {
        (self.is_of_another)(address)
    }

    fn can_begin<'a>(&'a mut self, page: &'a mut dyn Page) -> BoxFuture<'a, Result<bool, SessionError>> {
        Box::pin(async move {
            if ClickEffect::read(page, self.recipe).await?.is_busy {
                self.at_rest_since = None;
                return Ok(true);
            }
            let since = *self.at_rest_since.get_or_insert_with(Instant::now);
            Ok(since.elapsed() < AT_REST_FOR)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn ways(effect: &ClickEffect, label: &str) -> Vec<Way> {
        effect.ways(label, &load("coupa").unwrap(), |address| address.contains("acme.test"))
    }

    fn appeared(found: &[(&str, &str)]) -> ClickEffect {
        let address = |&(kind, url): &(&str, &str)| AppearedAddress { kind: kind.to_owned(), url: url.to_owned() };
        ClickEffect { addresses: found.iter().map(address).collect(), ..ClickEffect::default() }
    }

    fn preview(address: &str) -> Vec<Way> {
        vec![Way::Preview(address.to_owned())]
    }

    #[test]
    fn what_a_click_leads_to_is_the_file_unless_it_is_a_page_or_an_error() {
        let left = |media_type: &str, status| ClickEffect {
            is_left: true,
            url: "https://acme.test/t/1".to_owned(),
            media_type: media_type.to_owned(),
            status,
            ..ClickEffect::default()
        };
        let shown = vec![Way::Shown("https://acme.test/t/1".to_owned())];
        assert_eq!(ways(&left("image/png", Some(200)), "scan.png"), shown);
        assert_eq!(ways(&left("text/plain", None), "note"), shown);
        assert_eq!(ways(&left("text/html", Some(200)), "terms.html"), shown);
        assert_eq!(ways(&left("text/html", Some(200)), "scan.png"), []);
        assert_eq!(ways(&left("text/plain", Some(404)), "note.txt"), []);
        let elsewhere = ClickEffect { url: "https://other.test/1".to_owned(), ..left("image/png", Some(200)) };
        assert_eq!(ways(&elsewhere, "scan.png"), []);
    }

    fn guess(address: &str) -> Vec<Way> {
        vec![Way::Guess(address.to_owned())]
    }

    #[test]
    fn a_preview_is_taken_by_its_name_or_as_the_only_viewer() {
        let file = "https://acme.test/v/Bid%20A.pdf?x=1";
        let logo = ("img", "https://acme.test/logo.png");
        assert_eq!(ways(&appeared(&[logo, ("a", "https://acme.test/help"), ("a", file)]), "Bid A.pdf"), preview(file));
        let viewer = ("iframe", "https://acme.test/v/1");
        assert_eq!(ways(&appeared(&[logo, viewer]), "Bid.pdf"), guess(viewer.1));
        assert_eq!(ways(&appeared(&[logo]), "Bid.pdf"), []);
        assert_eq!(ways(&appeared(&[viewer, ("embed", "https://acme.test/v/2")]), "Bid.pdf"), []);
        assert_eq!(ways(&appeared(&[("iframe", "https://other.test/Bid.pdf")]), "Bid.pdf"), []);
        let made = ("iframe", "blob:https://acme.test/1");
        assert_eq!(ways(&appeared(&[made, logo]), "Bid.pdf"), guess(made.1));
    }

    #[test]
    fn an_icon_or_a_sound_of_the_page_is_no_attachment() {
        for icon in ["https://acme.test/assets/spinner.gif", "https://acme.test/logo.png"] {
            for kind in ["img", "audio", "video", "source", "a"] {
                assert_eq!(ways(&appeared(&[(kind, icon)]), "scan.png"), [], "{kind}");
            }
        }
        for shown in
            ["https://acme.test/attachment/5", "blob:https://acme.test/5", "blob:https://acme.test/attachment_file/5"]
        {
            let icon = ("img", "https://acme.test/assets/spinner.gif");
            assert_eq!(ways(&appeared(&[icon, ("img", shown)]), "scan.png"), guess(shown));
        }
    }

    #[test]
    fn a_name_is_compared_as_a_whole_and_one_of_two_that_fit_is_not_taken() {
        for (address, is_it) in [
            ("https://acme.test/v/Counter-Offer.pdf", false),
            ("https://acme.test/Offer.pdf/share", false),
            ("https://acme.test/get?file=Counter-Offer.pdf", false),
            ("https://acme.test/v/offer.PDF?token=1#page=2", true),
            ("https://acme.test/get?name=Offer.pdf&x=1", true),
        ] {
            let expected = if is_it { preview(address) } else { Vec::new() };
            assert_eq!(ways(&appeared(&[("a", address)]), "Offer.pdf"), expected, "{address}");
        }
        let two = [("a", "https://acme.test/1/Offer.pdf"), ("a", "https://acme.test/2/Offer.pdf")];
        assert_eq!(ways(&appeared(&two), "Offer.pdf"), []);
        assert_eq!(ways(&appeared(&[two[0], two[0]]), "Offer.pdf"), preview(two[0].1));
    }
}
