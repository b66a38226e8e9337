//! When a page counts as read: on evidence, and never because time has passed.
//!
//! A list of attachments is complete when the document is complete, nothing that could bring a part of it is under way
//! (no request of the page pending, nothing marked as busy), and what is looked for has stopped changing. Time only
//! bounds the wait; a page that is not read by then has given no verdict.

pub(crate) mod controls;
pub(crate) mod long_polls;
pub(crate) mod signs;
pub(crate) mod unlisted;

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::classify::{PageKind, classify};
use crate::backend::{AttemptError, FailedRequest, Page, PageActivity, SessionError, Stability};
use crate::model::{FailureKind, FileOrigin};
use crate::site::context::PortalContext;
use crate::site::page::identity::ShownOn;
use crate::site::page::readiness::signs::{PageSigns, SignPatience};
use crate::site::page::snapshot::PageSnapshot;

/// How long a page that is still waiting for something is watched before it is read again.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// So often is a page opened, and a request waited for as long as a page may take, before it is believed that waiting does not
/// help: one that has nothing to say of the order, and one that may bring its list.
const VAIN_WAITS_FOR_POLL: u32 = 1;
const VAIN_WAITS: u32 = 2;

/// What a page is still waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The document has not loaded.
    Document,
    /// A mark says that something is on its way.
    Busy(String),
    /// Its scripts have asked for these addresses.
    Requests(Vec<String>),
    /// The same, and each time that the page was opened: nothing says that waiting will help.
    EachTime(Vec<String>),
    /// What is looked for keeps changing.
    Change,
    /// It did not say what it was doing: nothing may be concluded from what it lists.
    Unread,
    /// The attempt has no more time for it.
    OutOfTime,
}

impl Awaited {
    /// What kind of failure it is of a page that is not read because of it.
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::EachTime(_) => FailureKind::PageChanged,
            Self::Document | Self::Busy(_) | Self::Requests(_) | Self::Change | Self::Unread | Self::OutOfTime => {
                FailureKind::StepTimeout
            }
        }
    }

    /// Whether the page was waited for as long as a page may take.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Requests(_) | Self::EachTime(_))
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("it was still loading"),
            Self::Busy(mark) => write!(f, "{mark} said that something was still to come"),
            Self::Requests(paths) if paths.is_empty() => f.write_str("its scripts were still fetching"),
            Self::Requests(paths) => write!(
                f,
                "its request for {} was not answered (a request that always stays open belongs in settle.long_polls)",
                paths.join(", ")
            ),
            Self::EachTime(paths) => write!(
                f,
                "its request for {paths} was not answered, each time that the page was opened: if it always stays open, add {paths:?} \
                 to settle.long_polls in the recipe; if it brings the list, the portal does not answer it",
                paths = paths.join(", ")
            ),
            Self::Change => f.write_str("it kept changing"),
            Self::Unread => f.write_str("its scripts kept the browser too busy to tell whether more was to come"),
            Self::OutOfTime => f.write_str(
                "the attempt's time was used up before all of it had been shown (task_timeout allows more time per attempt)",
            ),
        }
    }
}

/// A page as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) snapshot: PageSnapshot,
    pub(crate) kind: PageKind,
    pub(crate) signs: PageSigns,
    /// Requests of its scripts that failed.
    pub(crate) failed: Vec<FailedRequest>,
    /// What it was still waiting for when the time was up; none when it counts as read.
    pub(crate) awaited: Option<Awaited>,
}

/// Reads one page.
pub(crate) struct PageReader<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) url: &'a Url,
    pub(crate) origin: FileOrigin,
    /// When the page was asked for.
    pub(crate) begun: Instant,
    /// Until when the attempt has time for the page.
    pub(crate) until: Instant,
}

impl PageReader<'_> {
    /// Whether the attempt has no more time for the page.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Waits until the page counts as read, or `settle.at_most` is over. A request that is pending then is waited for
    /// until `page_timeout`: it is known that something is to come.
    ///
    /// # Errors
    /// The session's.
    pub(crate) async fn read(&self, page: &mut dyn Page) -> Result<Reading, AttemptError> {
        self.watch(page, self.context.recipe.settle.unchanged_for.0, &[]).await
    }

    /// The same after something on the page was clicked: what that brings may take a moment, as it does after the load.
    ///
    /// # Errors
    /// The session's.
    pub(crate) async fn read_after_click(&self, page: &mut dyn Page) -> Result<Reading, AttemptError> {
        let settle = &self.context.recipe.settle;
        self.watch(page, settle.after_load.0.max(settle.unchanged_for.0), &[]).await
    }

    /// Watches a page that lists nothing for longer: until it lists something, has been still for `settle.empty_for`,
    /// or the time is up.
    ///
    /// # Errors
    /// The session's.
    pub(crate) async fn read_longer(&self, page: &mut dyn Page) -> Result<Reading, AttemptError> {
        let settle = &self.context.recipe.settle;
        let attachments = &self.context.recipe.attachments;
        let areas = [&attachments.areas, &attachments.places, &attachments.none].into_iter().flatten();
        let areas: Vec<_> = areas.map(|css| css.as_str().to_owned()).collect();
        let still = settle.empty_for.0.min(self.context.stability(self.url).at_most / 2);
        let reading = self.watch(page, still, &areas).await?;
        if reading.snapshot.attachments.is_empty() {
            return Ok(reading);
        }
        // with all the patience that it would have had if the list had been there at once
        self.read(page).await
    }

    /// Waits until the page is complete and has been still for `still`.
    async fn watch(&self, page: &mut dyn Page, still: Duration, also: &[String]) -> Result<Reading, AttemptError> {
        let recipe = &self.context.recipe;
        let stability = self.context.stability(self.url);
        let until = Instant::now() + stability.at_most;
        let latest = (self.begun + self.context.deadlines.page).max(until);
        let (until, latest) = (until.min(self.until), latest.min(self.until));
        // what the attempt had hardly time for may be answered in another one
        let is_patient = latest.saturating_duration_since(self.begun) >= self.context.deadlines.page / 2;
        let mut watched = PageSnapshot::settling(recipe);
        watched.extend_from_slice(also);
        let mut limit = until;
        loop {
            let at_most = limit.saturating_duration_since(Instant::now());
            let stability = Stability { unchanged_for: still, at_most, ..stability.clone() };
            let (mut activity, is_unread) = match page.settle(&watched, &stability).await {
                Err(SessionError::PageTimeout(why)) => {
                    tracing::debug!(url = %self.url.path(), why, "a page did not say what it was doing");
                    (PageActivity::default(), true)
                }
                activity => (activity?, false),
            };
            // a request whose address speaks of attachments brings the list, however long it takes
            let registry = &self.context.long_polls;
            let (lists, polls): (Vec<_>, Vec<_>) = std::mem::take(&mut activity.long_polls)
                .into_iter()
                .partition(|request| recipe.attachments.are_named_in(&request.path));
            activity.pending.extend(lists);
            registry.learn(&polls, self.url);
            let mut is_vain = activity.pending.iter().all(|request| registry.is_vain(request, self.url, VAIN_WAITS));
            let snapshot = PageSnapshot::take(page, recipe, ShownOn { origin: self.origin, url: self.url }).await?;
            // where nothing is listed, what stays open on this page alone may be what brings the list
            if snapshot.attachments.is_empty() {
                let known = registry.keys(self.url);
                let unknown: Vec<_> = polls.into_iter().filter(|request| !known.contains(&request.key)).collect();
                is_vain &= unknown.iter().all(|request| registry.is_vain(request, self.url, VAIN_WAITS_FOR_POLL));
                activity.pending.extend(unknown);
            }
            let kind = classify(recipe, self.url, &snapshot.look);
            if !matches!(kind, PageKind::Wanted | PageKind::Unknown(_)) {
                return Ok(Reading { snapshot, kind, signs: PageSigns::default(), failed: Vec::new(), awaited: None });
            }
            let patience = SignPatience {
                at_most: until.saturating_duration_since(Instant::now()).min(self.context.within_script(ONE_LOOK)),
                until_complete: snapshot.attachments.is_empty(),
                fetched_before: if activity.is_tracked { Duration::ZERO } else { still },
            };
            let signs = ask(page, self.context, patience).await?;
            let mut awaited = awaited(&activity, &signs, patience);
            if let (Some(Awaited::Requests(paths)), true) = (&awaited, is_vain && !activity.pending.is_empty()) {
                awaited = Some(Awaited::EachTime(paths.clone()));
            }
            tracing::debug!(url = %self.url.path(), ?activity, ?signs, ?awaited, "looked at a page");
            let now = Instant::now();
            if is_unread {
                awaited = Some(Awaited::Unread);
            } else if awaited == Some(Awaited::Change) && now >= self.until {
                awaited = Some(Awaited::OutOfTime);
            }
            let has_time = match &awaited {
                // that was waited for already
                None | Some(Awaited::Change | Awaited::EachTime(_) | Awaited::OutOfTime) => false,
                Some(Awaited::Document | Awaited::Busy(_) | Awaited::Unread) => now < until,
                Some(Awaited::Requests(_)) => now < latest,
            };
            if !has_time {
                if matches!(awaited, Some(Awaited::Requests(_))) && is_patient {
                    registry.note_vain(&activity.pending, self.url, recipe.settle.long_poll_after.0);
                }
                return Ok(Reading { snapshot, kind, signs, failed: activity.failed, awaited });
            }
            limit = if now < until { until } else { latest };
        }
    }
}

/// Asks for the signs of a page; one that was replaced meanwhile is busy.
async fn ask(page: &mut dyn Page, context: &PortalContext, patience: SignPatience) -> Result<PageSigns, SessionError> {
    match PageSigns::ask(page, &context.recipe, patience).await {
        Err(SessionError::Refused(why) | SessionError::PageTimeout(why)) => {
            tracing::debug!(why, "the signs of a page could not be read");
            Ok(PageSigns { busy: Some("a page that was replaced or too busy".to_owned()), ..PageSigns::default() })
        }
        other => other,
    }
}

/// What is still to come, by what the page was doing and what it says.
fn awaited(activity: &PageActivity, signs: &PageSigns, patience: SignPatience) -> Option<Awaited> {
    if !activity.pending.is_empty() {
        let paths = activity.pending.iter().map(|request| request.path.clone());
        return Some(Awaited::Requests(paths.collect()));
    }
    if let Some(mark) = &signs.busy {
        return Some(Awaited::Busy(mark.clone()));
    }
    // a document that is still loading does not count as changing
    if !signs.is_complete && (patience.until_complete || !activity.is_settled) {
        return Some(Awaited::Document);
    }
    if !activity.is_settled {
        return Some(Awaited::Change);
    }
    // where the requests of a page cannot be counted, the last one that was answered must do
    let is_recent = |millis: u64| Duration::from_millis(millis) < patience.fetched_before;
    signs.fetched_before.is_some_and(is_recent).then(|| Awaited::Requests(Vec::new()))
}
