//! Several orders at a time through the frames of one session: what each lists, and the address of each file.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use url::Url;

use super::conductor::{Conductor, FrameLimits, look_name};
use super::messages::{Catch, CaughtAddress, FrameCommand, FrameEvent, FrameNews, FrameOrder, FramePage};
use crate::backend::{Page, SessionError};
use crate::site::Recipe;
use crate::site::page::classify::{PageKind, classify};
use crate::site::page::snapshot::PageSnapshot;

/// How long one exchange waits for news: well below any deadline of a script.
const NEWS_WITHIN: Duration = Duration::from_secs(1);

/// A file of an order and its address.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// What the page calls it.
    pub label: String,
    /// Where it is.
    pub address: Url,
    /// Whether the address was made for this click and may be valid only once.
    pub is_once: bool,
}

/// Without the address.
impl fmt::Debug for ListedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedFile").field("label", &self.label).field("is_once", &self.is_once).finish_non_exhaustive()
    }
}

/// What became of an order in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameOutcome {
    /// Its page was understood, and each file has an address.
    Listed(Vec<ListedFile>),
    /// The tab lane is to judge.
    ToTab(TabReason),
}

/// Why an order is for the tab lane to judge. It costs the order nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabReason {
    /// Its page cannot be shown in a frame.
    Denied,
    /// Its page went elsewhere by itself.
    Moved,
    /// Something was still to come when time was up.
    Unsettled(String),
    /// It is not the requested page, or says so.
    NotWanted,
    /// It lists nothing, which a frame does not prove.
    Empty,
    /// The address of a file could not be fetched without asking for the file.
    Uncaught(String),
    /// More was listed after the clicks.
    Changed,
    /// What the page shows could not be read.
    Unreadable(String),
}

/// An order in flight.
struct InFlight {
    order: FrameOrder,
    /// What its page listed; none before it has settled.
    listed: Option<PageSnapshot>,
    caught: BTreeMap<usize, Url>,
}

/// Takes orders through the frames of one session.
#[derive(Debug)]
pub struct FrameLane<'a> {
    recipe: &'a Recipe,
    conductor: Conductor,
}

impl<'a> FrameLane<'a> {
    /// Starts the conductor on `home`.
    ///
    /// # Errors
    /// As [`Conductor::start`].
    pub async fn start(
        page: &mut dyn Page,
        home: &Url,
        recipe: &'a Recipe,
        limits: &FrameLimits,
    ) -> Result<Self, SessionError> {
        Ok(Self { recipe, conductor: Conductor::start(page, home, recipe, limits).await? })
    }

    /// Takes all `orders` through, `slots` at a time, and hands each outcome to `done` as soon as it is known:
    /// addresses may be good for seconds only.
    ///
    /// # Errors
    /// [`SessionError`]: what has no outcome by then is to be done again, elsewhere. Dropping the future makes the
    /// session unusable.
    pub async fn run(
        &self,
        page: &mut dyn Page,
        orders: Vec<FrameOrder>,
        slots: usize,
        mut done: impl FnMut(FrameOrder, FrameOutcome),
    ) -> Result<(), SessionError> {
        let mut waiting = VecDeque::from(orders);
        let mut in_flight: BTreeMap<u32, InFlight> = BTreeMap::new();
        let mut commands = Vec::new();
        loop {
            while in_flight.len() < slots.max(1)
                && let Some(order) = waiting.pop_front()
            {
                let (id, url, look) = (order.id, order.url.to_string(), look_name(order.origin));
                commands.push(FrameCommand::Open { id, url, look });
                in_flight.insert(id, InFlight { order, listed: None, caught: BTreeMap::new() });
            }
            // the last commands close frames
            let wait = if in_flight.is_empty() { Duration::ZERO } else { NEWS_WITHIN };
            let events = self.conductor.exchange(page, &std::mem::take(&mut commands), wait).await?;
            if in_flight.is_empty() {
                return Ok(());
            }
            for FrameEvent { id, news, took } in events {
                let Some(flight) = in_flight.get_mut(&id) else { continue };
                tracing::trace!(id, took, ?news, "news of a frame");
                match self.take(flight, news) {
                    Next::Wait => {}
                    Next::Catch(elements) => commands.push(FrameCommand::Catch { id, elements }),
                    Next::End(outcome) => {
                        commands.push(FrameCommand::Close { id });
                        if let Some(flight) = in_flight.remove(&id) {
                            done(flight.order, outcome);
                        }
                    }
                }
            }
        }
    }

    /// What follows from news of an order. Decides on data alone.
    fn take(&self, flight: &mut InFlight, news: FrameNews) -> Next {
        let to_tab = |why| Next::End(FrameOutcome::ToTab(why));
        match (news, &flight.listed) {
            (FrameNews::Denied, _) => to_tab(TabReason::Denied),
            (FrameNews::Moved, _) => to_tab(TabReason::Moved),
            (FrameNews::Unsettled { why, .. }, _) => to_tab(TabReason::Unsettled(why)),
            (FrameNews::Broken { why }, _) => to_tab(TabReason::Unreadable(why)),
            (FrameNews::Settled { page }, None) => self.settled(flight, page),
            (FrameNews::Caught { key, caught }, Some(listed)) => {
                let Some(button) = listed.attachments.get(key) else {
                    return to_tab(TabReason::Unreadable("an element that was not requested".to_owned()));
                };
                let address = match &caught {
                    CaughtAddress::Address { url } => Url::parse(url).ok().filter(is_web),
                    CaughtAddress::Form { .. } | CaughtAddress::Silent | CaughtAddress::Gone => None,
                };
                match address {
                    Some(address) => {
                        flight.caught.insert(key, address);
                        Next::Wait
                    }
                    None => to_tab(TabReason::Uncaught(format!("{}: {caught:?}", button.label))),
                }
            }
            (FrameNews::Looked { found }, Some(listed)) => {
                let document = listed.look.evidence.clone();
                let now = PageSnapshot::read(self.recipe, flight.order.shown_on(), found, document);
                let is_same =
                    now.attachments.iter().map(|file| &file.key).eq(listed.attachments.iter().map(|file| &file.key));
                if is_same { self.end(flight) } else { to_tab(TabReason::Changed) }
            }
            (FrameNews::Settled { .. }, Some(_)) | (FrameNews::Caught { .. } | FrameNews::Looked { .. }, None) => {
                to_tab(TabReason::Unreadable("messages out of order".to_owned()))
            }
        }
    }

    /// A page has settled: it is read, and its buttons are to be clicked.
    fn settled(&self, flight: &mut InFlight, page: FramePage) -> Next {
        let snapshot = PageSnapshot::read(self.recipe, flight.order.shown_on(), page.found, page.document);
        if classify(self.recipe, &flight.order.url, &snapshot.look) != PageKind::Wanted {
            return Next::End(FrameOutcome::ToTab(TabReason::NotWanted));
        }
        if snapshot.attachments.is_empty() {
            return Next::End(FrameOutcome::ToTab(TabReason::Empty));
        }
        let buttons = snapshot.attachments.iter().enumerate().filter_map(|(key, listed)| match listed.address {
            None => Some(Catch { key, css: listed.css.clone(), nth: listed.nth }),
            Some(_) => None,
        });
        let buttons: Vec<_> = buttons.collect();
        flight.listed = Some(snapshot);
        if buttons.is_empty() { self.end(flight) } else { Next::Catch(buttons) }
    }

    /// All addresses are known, or one is not to be had.
    fn end(&self, flight: &InFlight) -> Next {
        let listed = flight.listed.iter().flat_map(|snapshot| snapshot.attachments.iter().enumerate());
        let files = listed.map(|(key, listed)| {
            let (address, is_once) = match &listed.address {
                Some(address) => (Url::parse(address).ok().filter(is_web), false),
                None => (flight.caught.get(&key).cloned(), true),
            };
            let uncaught = || TabReason::Uncaught(listed.label.clone());
            address.map(|address| ListedFile { label: listed.label.clone(), address, is_once }).ok_or_else(uncaught)
        });
        Next::End(match files.collect() {
            Ok(files) => FrameOutcome::Listed(files),
            Err(why) => FrameOutcome::ToTab(why),
        })
    }
}

/// What is done next about an order.
enum Next {
    Wait,
    Catch(Vec<Catch>),
    End(FrameOutcome),
}

/// Whether an HTTP client can ask for it.
fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::FileOrigin;
    use crate::site::page::selectors::without_exclusions;
    use crate::site::recipe::parse::load;

    const ORDER: &str = "https://acme.test/order_headers/7";

    fn element(attributes: serde_json::Value) -> serde_json::Value {
        json!({ "text": "", "attributes": attributes })
    }

    fn button(name: &str) -> serde_json::Value {
        element(json!({ "aria-label": format!("{name} file attachment") }))
    }

    /// What the queries of an order page find: its marker, and these links and buttons.
    fn found(recipe: &Recipe, links: &[&str], buttons: &[&str]) -> serde_json::Value {
        let queries = PageSnapshot::queries(recipe, FileOrigin::Order);
        let finds = |listing| without_exclusions(recipe, listing);
        let lists = queries.iter().enumerate().map(|(at, query)| match &query.css {
            _ if at == 0 => vec![element(json!({}))],
            css if *css == finds(&recipe.attachments.buttons[0]) => buttons.iter().map(|name| button(name)).collect(),
            css if *css == finds(&recipe.attachments.links[0]) => {
                links.iter().map(|href| element(json!({ "href": href }))).collect()
            }
            _ => Vec::new(),
        });
        lists.collect::<Vec<_>>().into()
    }

    /// The outcome after these news, and the elements that were to be clicked.
    fn play(news: impl Fn(&Recipe) -> Vec<serde_json::Value>) -> (Option<FrameOutcome>, usize) {
        let recipe = load("coupa").unwrap();
        let lane = FrameLane { recipe: &recipe, conductor: Conductor::for_test() };
        let order = FrameOrder { id: 1, url: ORDER.parse().unwrap(), origin: FileOrigin::Order };
        let mut flight = InFlight { order, listed: None, caught: BTreeMap::new() };
        let mut clicked = 0;
        for news in news(&recipe) {
            match lane.take(&mut flight, serde_json::from_value(news).unwrap()) {
                Next::Wait => {}
                Next::Catch(elements) => clicked += elements.len(),
                Next::End(outcome) => return (Some(outcome), clicked),
            }
        }
        (None, clicked)
    }

    fn settled(recipe: &Recipe, links: &[&str], buttons: &[&str]) -> serde_json::Value {
        let document = json!({ "url": ORDER, "title": "", "text": "", "status": 200 });
        json!({ "kind": "settled", "page": { "document": document, "found": found(recipe, links, buttons) } })
    }

    fn caught(key: usize, url: &str) -> serde_json::Value {
        json!({ "kind": "caught", "key": key, "caught": { "kind": "address", "url": url } })
    }

    #[test]
    fn links_are_listed_at_once_and_buttons_after_a_click_on_each_and_another_look() {
        let link = "https://acme.test/attachment_file/1";
        let (outcome, clicked) = play(|recipe| vec![settled(recipe, &[link], &[])]);
        assert!(matches!(outcome, Some(FrameOutcome::Listed(files)) if !files[0].is_once), "{clicked}");
        let (outcome, clicked) = play(|recipe| {
            let looked = json!({ "kind": "looked", "found": found(recipe, &[link], &["a.pdf", "a.pdf"]) });
            let addresses = [caught(1, "https://acme.test/once/1"), caught(2, "https://acme.test/once/2")];
            [vec![settled(recipe, &[link], &["a.pdf", "a.pdf"])], addresses.to_vec(), vec![looked]].concat()
        });
        let Some(FrameOutcome::Listed(files)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(clicked, 2);
        let shown: Vec<_> = files.iter().map(|file| (file.address.path(), file.is_once)).collect();
        assert_eq!(shown, [("/attachment_file/1", false), ("/once/1", true), ("/once/2", true)]);
    }

    #[test]
    fn whatever_is_in_doubt_is_for_the_tab_lane_to_judge() {
        let with_button = |after: fn(&Recipe) -> serde_json::Value| {
            play(|recipe| vec![settled(recipe, &[], &["a.pdf"]), after(recipe)]).0
        };
        let elsewhere = |url: &str| json!({ "url": url, "title": "", "text": "", "status": 200 });
        let page = |recipe: &Recipe, url| json!({ "kind": "settled", "page": { "document": elsewhere(url), "found": found(recipe, &[], &["a.pdf"]) } });
        for (outcome, what) in [
            (play(|recipe| vec![settled(recipe, &[], &[])]).0, "an empty list"),
            (play(|recipe| vec![page(recipe, "https://acme.test/sessions/new")]).0, "a login page"),
            (play(|_| vec![json!({ "kind": "denied" })]).0, "a frame that is denied"),
            (play(|_| vec![caught(0, ORDER)]).0, "an address that nobody asked for"),
            (with_button(|recipe| settled(recipe, &[], &["a.pdf"])), "a page that settles twice"),
            (with_button(|_| caught(7, "https://acme.test/once/1")), "another element's address"),
            (with_button(|_| caught(0, "blob:https://acme.test/1")), "a file that the page has made"),
            (with_button(|_| caught(0, "javascript:alert(1)")), "an address that is none"),
            (
                with_button(|recipe| json!({ "kind": "looked", "found": found(recipe, &[], &["b.pdf"]) })),
                "another list",
            ),
            (with_button(|recipe| json!({ "kind": "looked", "found": found(recipe, &[], &["a.pdf"]) })), "no address"),
            (with_button(|_| json!({ "kind": "moved" })), "a page that went away"),
        ] {
            assert!(matches!(outcome, Some(FrameOutcome::ToTab(_))), "{what}: {outcome:?}");
        }
    }
}
