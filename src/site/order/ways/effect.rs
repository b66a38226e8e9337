//! What a click has set off, as the page tells, and whether a download can still come of it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

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
                .map_err(|why| SessionError::Refused(format!("the page's answer cannot be understood: {why}"))),
        }
    }

    /// What may be the attachment `label` among what the click has shown, best first, and only what `is_allowed`.
    pub(crate) fn ways(&self, label: &str, is_allowed: impl Fn(&str) -> bool) -> Vec<Way> {
        if self.is_left && self.is_file(label) && is_allowed(&self.url) {
            return vec![Way::Shown(self.url.clone())];
        }
        let allowed: Vec<_> = self.addresses.iter().filter(|found| is_allowed(&found.url)).collect();
        let name = label.to_lowercase();
        let has_name = |found: &&&AppearedAddress| {
            let path = found.url.split(['?', '#']).next().unwrap_or_default();
            !name.is_empty() && percent_decoded(&found.url).to_lowercase().contains(&name)
                || path.starts_with("blob:") && found.kind != "a"
        };
        let viewers = |kinds: &[&str]| {
            let shown: Vec<_> = allowed.iter().filter(|found| kinds.contains(&found.kind.as_str())).collect();
            // of several it cannot be told which
            (shown.len() == 1).then(|| shown[0].url.clone())
        };
        let is_picture = matches!(
            extension(label).as_deref(),
            Some("png" | "jpg" | "jpeg" | "gif" | "bmp" | "webp" | "svg" | "tif" | "tiff")
        );
        let named = allowed.iter().find(has_name).map(|found| found.url.clone());
        let picture = if is_picture { viewers(&["img"]) } else { None };
        let viewer = viewers(&["iframe", "embed", "object"]).or_else(|| viewers(&["video", "audio", "source"]));
        let mut found: Vec<_> = [named, picture, viewer].into_iter().flatten().collect();
        found.dedup();
        found.into_iter().map(Way::Preview).collect()
    }

    /// Whether what is shown is no page of the portal but a file, as far as the browser tells.
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
    at_rest_since: Option<Instant>,
}

impl<'a> ClickOutlook<'a> {
    pub(crate) fn new(recipe: &'a Recipe) -> Self {
        Self { recipe, at_rest_since: None }
    }
}

impl Outlook for ClickOutlook<'_> {
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

    fn ways(effect: &ClickEffect, label: &str) -> Vec<Way> {
        effect.ways(label, |address| address.contains("acme.test"))
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

    #[test]
    fn a_preview_is_taken_by_its_name_or_as_the_only_one() {
        let file = "https://acme.test/v/Bid%20A.pdf?x=1";
        let logo = ("img", "https://acme.test/logo.png");
        assert_eq!(ways(&appeared(&[logo, ("a", "https://acme.test/help"), ("a", file)]), "Bid A.pdf"), preview(file));
        let viewer = ("iframe", "https://acme.test/v/1");
        assert_eq!(ways(&appeared(&[logo, viewer]), "Bid.pdf"), preview(viewer.1));
        assert_eq!(ways(&appeared(&[logo]), "scan.png"), preview(logo.1));
        assert_eq!(ways(&appeared(&[logo]), "Bid.pdf"), []);
        assert_eq!(ways(&appeared(&[viewer, ("embed", "https://acme.test/v/2")]), "Bid.pdf"), []);
        assert_eq!(ways(&appeared(&[("iframe", "https://other.test/Bid.pdf")]), "Bid.pdf"), []);
        let made = ("iframe", "blob:https://acme.test/1");
        assert_eq!(ways(&appeared(&[made]), "Bid.pdf"), preview(made.1));
    }
}
