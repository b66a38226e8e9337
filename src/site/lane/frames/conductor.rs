//! The conductor: one page of a session that holds several orders in frames.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::messages::{FrameCommand, FrameEvent};
use crate::backend::{Page, SessionError};
use crate::model::FileOrigin;
use crate::site::Recipe;
use crate::site::page::marks;
use crate::site::page::readiness::controls::{self, CONTROLS};
use crate::site::page::readiness::signs::{PageSigns, SIGNS, SignPatience};
use crate::site::page::selectors::{any_of, listing_selectors};
use crate::site::page::snapshot::PageSnapshot;

const HOOK: &str = include_str!("hook.js");
const READ: &str = include_str!("read.js");
const CONDUCTOR: &str = include_str!("conductor.js");
const EXCHANGE: &str =
    "const exchange = window[arguments[0]]; return exchange ? exchange(arguments[1], arguments[2]) : null;";

/// How long things in a frame may take.
#[derive(Clone, Debug)]
pub(crate) struct FrameLimits {
    /// So long must a list be unchanged after all that is evidence of more has gone.
    pub(crate) quiet_for: Duration,
    /// Timers that a page sets itself while it loads count as something to come if they are due within this.
    pub(crate) timers_up_to: Duration,
    /// When a page that still has something to come is given up.
    pub(crate) at_most: Duration,
    /// The same for one that waits for a request about its list.
    pub(crate) at_latest: Duration,
    /// How long a click may show no effect, requests under way not counted.
    pub(crate) silence: Duration,
    /// How long a page that lists nothing must be unchanged.
    pub(crate) empty_for: Duration,
    /// Requests that stay open for ever, by what the hook tells them by.
    pub(crate) polls: Vec<String>,
}

impl FrameLimits {
    /// Those that follow from a recipe, for pages that may take `page` at most.
    #[must_use]
    pub(crate) fn of(recipe: &Recipe, page: Duration) -> Self {
        let at_most = recipe.settle.at_most.0.min(page);
        Self {
            quiet_for: Duration::from_millis(150),
            timers_up_to: recipe.settle.after_load.0,
            at_most,
            at_latest: page.max(at_most),
            silence: Duration::from_secs(3),
            empty_for: recipe.settle.empty_for.0.min(at_most / 2),
            polls: Vec::new(),
        }
    }
}

/// A handle to the conductor of a session. It ends with the page that it was started on.
#[derive(Clone, Debug)]
pub(crate) struct Conductor {
    /// Under which name the page has it: one that no page can guess.
    key: String,
}

impl Conductor {
    /// Opens `home`, which should be a page of the portal without scripts, and makes it the conductor.
    ///
    /// # Errors
    /// [`SessionError::Refused`] when another host's page is shown there, or one of the browser; as [`Page::goto`] and [`Page::evaluate`]. Dropping the future makes the session unusable.
    pub(crate) async fn start(
        page: &mut dyn Page,
        home: &Url,
        recipe: &Recipe,
        limits: &FrameLimits,
    ) -> Result<Self, SessionError> {
        page.goto(home.as_str()).await?;
        let key = format!("c{:016x}", RandomState::new().build_hasher().finish());
        let looks: serde_json::Map<_, _> = [FileOrigin::Order, FileOrigin::Requisition]
            .map(|origin| (look_name(origin).to_owned(), look(recipe, origin)))
            .into_iter()
            .collect();
        let config = json!({
            "origin": home.origin().ascii_serialization(),
            "looks": looks,
            "polls": limits.polls,
            "pollParts": recipe.settle.long_polls,
            "words": recipe.attachments.telling_words().collect::<Vec<_>>(),
            "loginPaths": recipe.address.login_paths,
            "quietFor": millis(limits.quiet_for),
            "afterLoad": millis(recipe.settle.after_load.0),
            "emptyFor": millis(limits.empty_for),
            "timersUpTo": millis(limits.timers_up_to),
            "atMost": millis(limits.at_most),
            "atLatest": millis(limits.at_latest),
            "silence": millis(limits.silence),
        });
        // the one script for marks, with another document and its own arguments
        let marks = format!("const marksOf = (document) => function () {{ {} }};", marks::WRITE);
        // and those of what a page says of its own list, for the window of a frame
        let of_window = |name: &str, script: &str| {
            format!("const {name} = (window, document, location, performance) => function () {{ {script}\n}};")
        };
        let (signs, controls) = (of_window("signsOf", SIGNS), of_window("controlsOf", CONTROLS));
        let script = [HOOK, READ, &marks, &signs, &controls, CONDUCTOR].join("\n");
        match page.evaluate(&script, vec![json!(key), config]).await? {
            Value::Bool(true) => Ok(Self { key }),
            _ => Err(SessionError::Refused(format!(
                "{} does not show a page of the portal that can hold frames",
                home.path()
            ))),
        }
    }

    /// Hands over commands, and waits for what becomes of any frame, `at_most` at most.
    ///
    /// # Errors
    /// [`SessionError::Refused`] when the conductor is gone, or when what came back cannot be read; as [`Page::evaluate`].
    pub(crate) async fn exchange(
        &self,
        page: &mut dyn Page,
        commands: &[FrameCommand],
        at_most: Duration,
    ) -> Result<Vec<FrameEvent>, SessionError> {
        let refused = |why: String| SessionError::Refused(why);
        let commands = serde_json::to_value(commands).map_err(|why| refused(why.to_string()))?;
        match page.evaluate(EXCHANGE, vec![json!(self.key), commands, json!(millis(at_most))]).await? {
            Value::Null => Err(refused("the page that held the frames is gone".to_owned())),
            events => serde_json::from_value(events)
                .map_err(|why| refused(format!("the frames sent an unexpected message: {why}"))),
        }
    }
}

/// The name of a look, by which orders are opened.
pub(crate) fn look_name(origin: FileOrigin) -> &'static str {
    match origin {
        FileOrigin::Order => "order",
        FileOrigin::Requisition => "requisition",
    }
}

/// What is looked for on pages of one kind.
fn look(recipe: &Recipe, origin: FileOrigin) -> Value {
    let queries = PageSnapshot::queries(recipe, origin);
    let marker = queries.first().map(|query| query.css.clone());
    let queries: Vec<_> =
        queries.iter().map(|query| json!({ "css": query.css, "attributes": query.attributes })).collect();
    let attachments = &recipe.attachments;
    let areas: Vec<_> = attachments.areas.iter().map(crate::site::Selector::as_str).collect();
    let around = [&attachments.areas, &attachments.places, &attachments.none].into_iter().flatten();
    let around: Vec<_> = around.map(crate::site::Selector::as_str).collect();
    let (listed, wider) = listing_selectors(recipe);
    let listed = [listed, wider].concat();
    // the page has nothing more to wait for
    let patience = SignPatience { at_most: Duration::ZERO, until_complete: false, fetched_before: Duration::ZERO };
    let busy = &attachments.busy;
    json!({
        "queries": queries,
        "marks": marks::requests(recipe),
        "settling": PageSnapshot::settling(recipe),
        "marker": marker,
        "listed": listed,
        "around": around,
        "signs": PageSigns::wanted(recipe, patience),
        "controls": controls::wanted(recipe, true),
        "areas": areas,
        "busy": (!busy.is_empty()).then(|| any_of(busy)),
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
