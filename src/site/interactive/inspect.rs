//! What a recipe finds on one real page, for the person who writes it.

use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::backend::{AttemptError, Page, Query};
use crate::download::extension;
use crate::model::{FileOrigin, PoNumber};
use crate::site::context::PortalContext;
use crate::site::interactive::InteractiveLogin;
use crate::site::page::classify::{PageKind, classify, without_query};
use crate::site::page::emptiness;
use crate::site::page::identity::ShownOn;
use crate::site::page::number::is_number_of;
use crate::site::page::readiness::controls::ControlKind;
use crate::site::page::readiness::unlisted::Unlisted;
use crate::site::page::readiness::{PageReader, Reading, controls};
use crate::site::page::selectors::without_exclusions;
use crate::site::page::snapshot::PageSnapshot;
use crate::site::recipe::parse::{built_in_recipes, load};
use crate::site::recipe::selectors::check_all;
use crate::site::{ColumnSelector, NameSource, error};

const MARK: &str = include_str!("mark.js");

/// So often is what shows more of a list clicked.
const MAX_CLICKS: usize = 20;

/// Texts of so many elements are shown.
const SHOWN_TEXTS: usize = 3;

/// What a recipe finds on a page.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The address that is shown, without its query.
    pub url: String,
    /// The title.
    pub title: String,
    /// What the page was taken for, in words.
    pub kind: String,
    /// Whether it is the requested page.
    pub is_understood: bool,
    /// Whether it came to rest in time.
    pub is_at_rest: bool,
    /// What each selector finds, in the order of the recipe.
    pub finds: Vec<SelectorMatch>,
    /// What would be fetched, by the name that the page gives it.
    pub attachments: Vec<String>,
    /// Why the list may be incomplete, and which entries are not files.
    pub remarks: Vec<String>,
    /// What each built-in recipe makes of the page.
    pub fits: Vec<RecipeFit>,
    /// The page with a frame around each find, as PNG.
    pub picture: Vec<u8>,
}

/// What a built-in recipe makes of a page.
#[derive(Clone, Debug)]
pub struct RecipeFit {
    /// The name of the recipe.
    pub name: String,
    /// Whether it takes the page for what was asked for.
    pub is_understood: bool,
    /// How many attachments it finds.
    pub attachment_count: usize,
}

/// What one selector finds.
#[derive(Clone, Debug)]
pub struct SelectorMatch {
    /// Its key in the recipe, such as `order.supplier[0]`.
    pub key: String,
    /// The selector.
    pub css: String,
    /// How many elements it finds.
    pub count: usize,
    /// The texts of the first ones.
    pub texts: Vec<String>,
}

/// Which page to look at.
#[derive(Clone, Debug)]
pub enum InspectTarget {
    /// The page of an order.
    Order(PoNumber),
    /// A page of the portal; a requisition if its address is not an order's.
    Address(Url),
}

impl InteractiveLogin {
    /// Gets in, opens a page and looks at it with every selector of the recipe. Dropping the future makes the session
    /// unusable.
    ///
    /// # Errors
    /// [`AttemptError`]: no login, a selector that the browser cannot parse, or the portal's or the session's trouble.
    pub async fn inspect(&self, page: &mut dyn Page, target: &InspectTarget) -> Result<Inspection, AttemptError> {
        let context = self.login.context();
        check_all(page, &context.recipe, &context.recipe_name).await?;
        self.login.log_in(page).await?;
        let recipe = &context.recipe;
        let (url, origin) = match target {
            InspectTarget::Order(po) => (context.order_page(po), FileOrigin::Order),
            InspectTarget::Address(url) if context.is_order_page(url) => (url.clone(), FileOrigin::Order),
            InspectTarget::Address(url) => (url.clone(), FileOrigin::Requisition),
        };
        page.goto(url.as_str()).await.map_err(|error| error::of_session(error, &context.base))?;
        let begun = Instant::now();
        let reader = PageReader { context, url: &url, origin, begun, until: begun + context.deadlines.attempt };
        let mut reading = reader.read(page).await?;
        for _ in 0..MAX_CLICKS {
            let before = reading.snapshot.listed_count;
            let control = match reading.kind {
                PageKind::Wanted => controls::click_next(page, recipe).await?,
                _ => None,
            };
            let Some(control) = control else { break };
            reading = reader.read_after_click(page).await?;
            if control.kind == ControlKind::More && reading.snapshot.listed_count <= before {
                break;
            }
        }
        let rest = controls::next(page, recipe).await?;
        if reading.kind == PageKind::Wanted && reading.snapshot.attachments.is_empty() && reading.awaited.is_none() {
            reading = reader.read_longer(page).await?;
        }
        let Reading { snapshot, mut kind, signs, failed, awaited } = reading;
        if kind == PageKind::Wanted
            && snapshot.attachments.is_empty()
            && let Some(doubt) = emptiness::doubt(&signs, recipe)
        {
            kind = emptiness::unproven(&snapshot.look.evidence, &doubt);
        }
        let mut remarks: Vec<String> =
            snapshot.others.iter().map(|other| format!("{} is not fetched: {}", other.name, other.reason)).collect();
        remarks.extend(
            Unlisted::find(&signs, &failed, rest.as_ref(), recipe)
                .map(|unlisted| format!("the list is incomplete: {}", unlisted.why)),
        );
        remarks.extend(awaited.as_ref().map(|awaited| format!("the page was not read completely: {awaited}")));
        if let (InspectTarget::Order(po), Some(shown)) = (target, snapshot.numbers.first())
            && !is_number_of(shown, po, recipe.order.numbers.prefix_counts)
        {
            remarks.push(format!("the page shows another number than {po}: {shown}"));
        }
        let is_at_rest = awaited.is_none();
        let selectors = selectors(context);
        let queries: Vec<_> =
            selectors.iter().map(|(_, css)| Query { css: css.clone(), attributes: Vec::new() }).collect();
        let answers = page.query(&queries).await?;
        let finds = selectors.into_iter().zip(answers).map(|((key, css), found)| SelectorMatch {
            key,
            css,
            count: found.len(),
            texts: found
                .into_iter()
                .map(|found| found.text)
                .filter(|text| !text.is_empty())
                .take(SHOWN_TEXTS)
                .collect(),
        });
        let finds: Vec<_> = finds.collect();
        let mut fits = Vec::new();
        for (name, _) in built_in_recipes() {
            let Ok(other) = load(name) else { continue };
            let seen = PageSnapshot::take(page, &other, ShownOn { origin, url: &url }).await?;
            fits.push(RecipeFit {
                name: (*name).to_owned(),
                is_understood: classify(&other, &url, &seen.look) == PageKind::Wanted,
                attachment_count: seen.attachments.len(),
            });
        }
        let marks: Vec<Value> =
            finds.iter().filter(|find| find.count > 0).map(|find| json!([find.key, find.css])).collect();
        page.evaluate(MARK, vec![Value::Array(marks)]).await?;
        let name = |label: &str| match extension(label) {
            None if label.is_empty() => "(no name: it gets the name of its download)".to_owned(),
            _ => label.to_owned(),
        };
        Ok(Inspection {
            url: without_query(&snapshot.look.evidence.url).to_owned(),
            title: snapshot.look.evidence.title.clone(),
            is_understood: kind == PageKind::Wanted,
            kind: in_words(&kind),
            is_at_rest,
            finds,
            fits,
            remarks,
            attachments: snapshot.attachments.iter().map(|listed| name(&listed.label)).collect(),
            picture: page.screenshot().await?,
        })
    }
}

/// Every selector that is looked for on a page, with its key.
fn selectors(context: &PortalContext) -> Vec<(String, String)> {
    let recipe = &context.recipe;
    let mut all = vec![("login.form".to_owned(), recipe.login.form.as_str().to_owned())];
    let mut list = |key: &str, selectors: &[crate::site::Selector]| {
        all.extend(selectors.iter().enumerate().map(|(at, css)| (format!("{key}[{at}]"), css.as_str().to_owned())));
    };
    list("order.markers", &recipe.order.markers);
    list("order.requisition", &recipe.order.requisition);
    list("order.aside", &recipe.order.aside);
    list("order.comments", &recipe.order.comments);
    list("order.mentions", &recipe.order.mentions);
    list("requisition.markers", &recipe.requisition.markers);
    list("errors.css", &recipe.errors.css);
    list("attachments.never.css", &recipe.attachments.never.css);
    list("attachments.never.except", &recipe.attachments.never.except);
    list("attachments.script_links", &recipe.attachments.script_links);
    list("attachments.areas", &recipe.attachments.areas);
    list("attachments.places", &recipe.attachments.places);
    list("attachments.none", &recipe.attachments.none);
    list("attachments.busy", &recipe.attachments.busy);
    let attachments = &recipe.attachments;
    let suppliers = recipe.order.supplier.iter().enumerate();
    all.extend(suppliers.map(|(at, source)| (format!("order.supplier[{at}]"), source.css.as_str().to_owned())));
    for (key, sources) in [("order.number", &recipe.order.number), ("requisition.orders", &recipe.requisition.orders)] {
        let sources = sources.iter().enumerate();
        all.extend(sources.map(|(at, source)| (format!("{key}[{at}]"), source.css.as_str().to_owned())));
    }
    for (key, listings) in
        [("links", &attachments.links), ("buttons", &attachments.buttons), ("wider_links", &attachments.wider_links)]
    {
        let found = listings.iter().enumerate();
        for (at, listing) in found {
            all.push((format!("attachments.{key}[{at}]"), without_exclusions(recipe, listing)));
            all.extend(listing.name.iter().enumerate().filter_map(|(nth, name)| match name {
                NameSource::Cell(ColumnSelector { row, css }) => {
                    let css = format!(":is({}) :is({})", row.as_str(), css.as_str());
                    Some((format!("attachments.{key}[{at}].name[{nth}]"), css))
                }
                NameSource::Title
                | NameSource::AriaLabel
                | NameSource::Download
                | NameSource::Text
                | NameSource::Href => None,
            }));
        }
    }
    all
}

fn in_words(kind: &PageKind) -> String {
    match kind {
        PageKind::Wanted => "the page that was asked for".to_owned(),
        PageKind::Login => "the login page".to_owned(),
        PageKind::Elsewhere(host) => format!("a page of {host}"),
        PageKind::NotFound(notice) => format!("not found: {notice:?}"),
        PageKind::NotAllowed(notice) => format!("not allowed: {notice:?}"),
        PageKind::Throttled => "the portal throttles".to_owned(),
        PageKind::Down(status) => format!("a server error of the portal ({status})"),
        PageKind::Unreached(why) => format!("not a page of the portal: {why}"),
        PageKind::Unknown(what) => format!("not a page that the recipe recognises: {what}"),
    }
}
