//! Whether a page that lists no attachment has none. "None" is a verdict that nobody looks at again, so it takes a page
//! that says so or an area for attachments that is there and empty, and time in which nothing came after all.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::classify::{PageKind, classify, describe};
use crate::backend::{AttemptError, Page, SessionError, Stability};
use crate::model::FileOrigin;
use crate::site::context::PortalContext;
use crate::site::page::snapshot::{PageSnapshot, any_of};
use crate::site::{Recipe, Selector};

const EMPTINESS: &str = include_str!("emptiness.js");

/// What a longer look at a page that listed nothing has shown.
pub(crate) struct Recheck {
    pub(crate) snapshot: PageSnapshot,
    pub(crate) finding: Emptiness,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Emptiness {
    /// It lists something after all, or it is another page by now: the sight tells.
    Seen,
    /// There is nothing.
    Nothing,
    /// It neither lists an attachment nor shows that there is none; the text says what it lacks.
    Unproven(String),
    /// Something was still to come when time was up; the text says what.
    Restless(String),
}

impl Emptiness {
    /// What kind of page it is, if that is decided by it.
    pub(crate) fn kind(&self, snapshot: &PageSnapshot) -> Option<PageKind> {
        match self {
            Self::Unproven(why) => Some(PageKind::Unknown(format!(
                "{}, which lists no attachment and does not show that there is none: {why}",
                describe(&snapshot.look.evidence)
            ))),
            Self::Seen | Self::Nothing | Self::Restless(_) => None,
        }
    }
}

/// What the page says for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmptinessFacts {
    is_complete: bool,
    says_none: bool,
    /// For each area of the recipe.
    areas: Vec<AttachmentArea>,
    /// Something in an area that could be an attachment.
    holds: Option<String>,
    /// Words that count attachments, and more than none.
    speaks: Option<String>,
    /// A mark that something is on its way.
    busy: Option<String>,
    /// How many milliseconds ago a script has fetched something that it had not fetched before.
    fetched_before: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct AttachmentArea {
    count: usize,
    shown: usize,
}

impl EmptinessFacts {
    async fn ask(page: &mut dyn Page, recipe: &Recipe) -> Result<Self, SessionError> {
        let attachments = &recipe.attachments;
        let any = |selectors: &[Selector]| (!selectors.is_empty()).then(|| any_of(selectors));
        let areas: Vec<_> = attachments.areas.iter().map(Selector::as_str).collect();
        let wanted = json!({
            "areas": areas,
            "none": any(&attachments.none),
            "never": any(&attachments.never.css),
            "busy": any(&attachments.busy),
            "words": attachments.words,
        });
        match page.evaluate(EMPTINESS, vec![wanted]).await? {
            // a dialog of the page broke in; it is asked again
            Value::Null => Ok(Self { busy: Some("a dialog".to_owned()), ..Self::default() }),
            answer => serde_json::from_value(answer)
                .map_err(|why| SessionError::Refused(format!("the page's answer cannot be understood: {why}"))),
        }
    }

    /// Why there may be an attachment all the same; none if the page shows that there is none.
    fn doubt(&self, recipe: &Recipe) -> Option<String> {
        let attachments = &recipe.attachments;
        if let Some(text) = &self.speaks {
            return Some(format!("it says {text:?}"));
        }
        if self.says_none {
            return None;
        }
        if attachments.areas.is_empty() {
            return Some("nothing on it is what attachments.none says".to_owned());
        }
        for (css, area) in attachments.areas.iter().zip(&self.areas) {
            if area.count == 0 {
                return Some(format!("it has no {:?}, where attachments stand (attachments.areas)", css.as_str()));
            }
            if area.shown == 0 {
                return Some(format!("its {:?}, where attachments stand, is hidden", css.as_str()));
            }
        }
        let held = self.holds.as_ref();
        held.map(|held| {
            format!("where attachments stand there is {held}, which could be one; if it is none, name it in attachments.never")
        })
    }

    /// What is still to come.
    fn awaited(&self, still: Duration) -> Option<String> {
        if !self.is_complete {
            return Some("it was still loading".to_owned());
        }
        if let Some(mark) = &self.busy {
            return Some(format!("{mark} said that something was still to come"));
        }
        let is_fetching = self.fetched_before.is_some_and(|millis| millis < still.as_secs_f64() * 1000.0);
        is_fetching.then(|| "its scripts were still fetching".to_owned())
    }
}

/// Looks at a page that has come to rest and lists nothing, for longer: until it lists something, shows that there is
/// nothing, or time is up.
pub(crate) async fn look_longer(
    page: &mut dyn Page,
    context: &PortalContext,
    wanted: &Url,
    origin: FileOrigin,
) -> Result<Recheck, AttemptError> {
    let recipe = &context.recipe;
    let stability = context.stability(Duration::ZERO);
    let still = recipe.settle.empty_for.0.min(stability.at_most / 2);
    let attachments = &recipe.attachments;
    let mut watched = PageSnapshot::settling(recipe);
    watched.extend([&attachments.areas, &attachments.none].into_iter().flatten().map(|css| css.as_str().to_owned()));
    let until = Instant::now() + stability.at_most;
    let mut last_awaited = None;
    loop {
        let at_most = until.saturating_duration_since(Instant::now());
        let is_quiet = page.settle(&watched, Stability { unchanged_for: still, at_most, ..stability }).await?;
        let mut snapshot = PageSnapshot::take(page, recipe, origin).await?;
        if !snapshot.attachments.is_empty() {
            // with all the patience that it would have had if the list had been there at once
            snapshot.is_at_rest = page.settle(&PageSnapshot::settling(recipe), stability).await?;
            snapshot =
                PageSnapshot { is_at_rest: snapshot.is_at_rest, ..PageSnapshot::take(page, recipe, origin).await? };
            return Ok(Recheck { snapshot, finding: Emptiness::Seen });
        }
        if classify(recipe, wanted, &snapshot.look) != PageKind::Wanted {
            return Ok(Recheck { snapshot, finding: Emptiness::Seen });
        }
        let facts = EmptinessFacts::ask(page, recipe).await?;
        tracing::debug!(?origin, ?facts, "a page lists nothing");
        let (doubt, awaited) = (facts.doubt(recipe), facts.awaited(still));
        let is_over = !is_quiet || Instant::now() >= until;
        if awaited.is_some() && !is_over {
            last_awaited = awaited;
            continue;
        }
        let finding = match (doubt, awaited) {
            (Some(doubt), _) => Emptiness::Unproven(doubt),
            (None, Some(awaited)) => Emptiness::Restless(awaited),
            (None, None) if is_quiet => Emptiness::Nothing,
            (None, None) => Emptiness::Restless(last_awaited.unwrap_or_else(|| "it kept changing".to_owned())),
        };
        return Ok(Recheck { snapshot, finding });
    }
}
