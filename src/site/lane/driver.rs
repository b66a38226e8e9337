//! The driver of a lane: it owns the page of a session, and takes several orders at a time through frames of it. What needs
//! the page for itself, logins and walks in the tab, waits until no frame is open, and is done then; downloads by HTTP go on
//! meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::frames::conductor::{Conductor, FrameLimits};
use super::frames::host::FrameHost;
use super::job::{Job, MAX_LOGINS, first_cancelled, interrupted};
use super::walk::files::{FileClient, SessionIdentity};
use super::walk::order::{WalkContext, collect};
use super::walk::reason::{TabReason, Unfinished, WalkEnd};
use crate::backend::{AttemptError, BoxFuture, LaneOrder, LaneOrders, Page, Session, SessionError};
use crate::download::transfer::{ClientIdentity, TransferSlots};
use crate::model::{Lane, Receipt, WorkerId};
use crate::net::HttpClient;
use crate::site::context::PortalContext;
use crate::site::lane::learned::Learned;
use crate::site::lane::tab::TabLane;

/// How long an exchange with the conductor waits for news: well below any deadline of a script.
const NEWS_WITHIN: Duration = Duration::from_millis(500);

/// The same while other news may come from elsewhere: an order, or a walk that wants something of its frame.
const NEWS_SOON: Duration = Duration::from_millis(50);

/// How long the walks that have got news may take to say what they want next, before the conductor is asked again.
const WISHES_WITHIN: Duration = Duration::from_millis(15);

/// After so many frames the conductor is started anew: what pages leave behind goes with it.
const MOST_FRAMES: usize = 500;

/// A walk in frames that has ended.
pub(crate) struct Walked {
    job: Job,
    ended: Result<Receipt, Box<Unfinished>>,
}

/// What the lanes of all sessions share.
#[derive(Clone, Copy)]
pub(crate) struct LaneServices<'a> {
    pub(crate) tab: &'a TabLane,
    pub(crate) learned: &'a Learned,
    /// None where no files can be had by HTTP.
    pub(crate) client: Option<&'a HttpClient>,
    pub(crate) slots: &'a TransferSlots,
}

impl<'a> LaneServices<'a> {
    pub(crate) fn context(&self) -> &'a PortalContext {
        &self.tab.context
    }
}

/// The lane of one session.
pub(crate) struct LaneDriver<'a> {
    pub(crate) site: LaneServices<'a>,
    pub(crate) worker: WorkerId,
    pub(crate) orders: LaneOrders,
    /// No more orders will come.
    pub(crate) has_ended: bool,
    pub(crate) identity: SessionIdentity,
    pub(crate) host: FrameHost,
    pub(crate) walks: FuturesUnordered<BoxFuture<'a, Walked>>,
    /// For the tab.
    pub(crate) alone: VecDeque<Job>,
    /// Those that met a login page.
    pub(crate) in_doubt: Vec<Job>,
    /// Those that no frame was opened for, since the login failed.
    pub(crate) not_opened: Vec<(Job, AttemptError)>,
    pub(crate) conductor: Option<Conductor>,
    /// How many long polls the conductor knows.
    pub(crate) poll_count: usize,
    pub(crate) is_logged_in: bool,
    /// Whether the portal replaces the session's cookies again and again: they are read before each exchange.
    pub(crate) are_cookies_changing: bool,
    /// Whether the browser may save what a page starts by itself.
    pub(crate) may_download: bool,
}

/// The session cannot be used any more.
pub(crate) struct SessionGone;

impl<'a> LaneDriver<'a> {
    pub(crate) fn new(site: LaneServices<'a>, worker: WorkerId, orders: LaneOrders) -> Self {
        Self {
            site,
            worker,
            orders,
            has_ended: false,
            identity: SessionIdentity::default(),
            host: FrameHost::new(),
            walks: FuturesUnordered::new(),
            alone: VecDeque::new(),
            in_doubt: Vec::new(),
            not_opened: Vec::new(),
            conductor: None,
            poll_count: 0,
            is_logged_in: false,
            are_cookies_changing: false,
            may_download: true,
        }
    }

    /// Runs until no more orders come and all have been answered, or until the session is unusable: what was not answered
    /// then is lost with it.
    pub(crate) async fn run(mut self, session: &mut dyn Session) {
        while !self.is_done() {
            if let Err(SessionGone) = self.step(session).await {
                let worker = self.worker;
                tracing::debug!(%worker, "the session ended under its orders");
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.has_ended && self.walks.is_empty() && !self.wants_page()
    }

    /// Whether something waits for the page itself.
    fn wants_page(&self) -> bool {
        let is_login_due = !self.is_logged_in && self.host.has_waiting();
        is_login_due || !self.alone.is_empty() || !self.in_doubt.is_empty() || !self.not_opened.is_empty()
    }

    /// Whether the conductor is to be started anew before it opens another frame.
    fn is_worn(&self) -> bool {
        self.host.opened_count() >= MOST_FRAMES || self.site.learned.polls().len() > self.poll_count
    }

    async fn step(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        self.host.gather();
        if !session.is_usable() {
            return Err(SessionGone);
        }
        let is_open = self.host.has_open();
        if self.wants_page() {
            if !is_open {
                return self.work_alone(session).await;
            }
        } else if self.host.has_waiting() {
            if self.conductor.is_some() && self.is_worn() {
                if !is_open {
                    self.leave_conductor();
                    return Ok(()); // the next step starts another one
                }
            } else if self.conductor.is_some() || self.start_conductor(session).await? {
                self.host.open_waiting();
            }
        }
        if self.host.has_open() || self.host.has_commands() {
            self.exchange(session).await
        } else {
            self.wait(session).await
        }
    }

    /// Waits for whatever comes next while no frame is open.
    async fn wait(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        tokio::select! {
            biased;
            Some(walked) = self.walks.next(), if !self.walks.is_empty() => self.walked(walked),
            order = self.orders.next(), if !self.has_ended => self.accept(order),
            () = self.host.listen() => {}
            why = session.ended() => {
                tracing::debug!(worker = %self.worker, "the browser has ended: {why}");
                return Err(SessionGone);
            }
        }
        Ok(())
    }

    /// Does `work` in the page while all else goes on.
    pub(crate) async fn meanwhile<T>(&mut self, mut work: BoxFuture<'_, T>) -> T {
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(walked) = self.walks.next(), if !self.walks.is_empty() => self.walked(walked),
                order = self.orders.next(), if !self.has_ended => self.accept(order),
                () = self.host.listen() => {}
                () = first_cancelled(self.alone.iter().chain(&self.in_doubt)) => self.end_cancelled(),
            }
        }
    }

    /// One exchange with the conductor.
    async fn exchange(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        let Some(conductor) = self.conductor.clone() else {
            self.host.lose_all();
            return Ok(());
        };
        if self.are_cookies_changing || self.identity.is_old() {
            self.read_identity(session.page()).await;
        }
        let commands = self.host.take_commands();
        let may_hear_more = !self.has_ended || self.walks.len() > self.host.open_count();
        let within = match (self.host.has_open(), may_hear_more) {
            (false, _) => Duration::ZERO, // the last commands close frames
            (true, true) => NEWS_SOON,
            (true, false) => NEWS_WITHIN,
        };
        let exchanged = self.meanwhile(Box::pin(conductor.exchange(session.page(), &commands, within))).await;
        let events = match exchanged {
            Ok(events) => events,
            Err(SessionError::Refused(why)) if session.is_usable() => {
                tracing::info!(worker = %self.worker, "the page that holds frames has gone: {why}");
                self.leave_conductor();
                return Ok(());
            }
            Err(why) => {
                // one of its frames keeps the page busy for ever, or the browser has gone: nothing more comes of any of them
                tracing::info!(worker = %self.worker, "the page that holds frames does not answer: {why}");
                session.kill_switch().kill();
                return Err(SessionGone);
            }
        };
        let mut awaited = events.len();
        self.host.deliver(events);
        // what the walks make of it goes along with the next exchange
        let soon = sleep(WISHES_WITHIN);
        tokio::pin!(soon);
        while awaited > 0 {
            awaited -= 1;
            tokio::select! {
                biased;
                Some(walked) = self.walks.next(), if !self.walks.is_empty() => self.walked(walked),
                () = self.host.listen() => {}
                () = &mut soon => break,
            }
        }
        Ok(())
    }

    pub(crate) fn leave_conductor(&mut self) {
        self.conductor = None;
        self.host.lose_all();
    }

    /// Takes an order on, or notes that no more will come.
    fn accept(&mut self, order: Option<LaneOrder>) {
        let Some(order) = order else {
            self.has_ended = true;
            return;
        };
        let reason = match self.site.client {
            _ if order.is_alone => TabReason::Alone,
            None => TabReason::NoClient,
            Some(_) => TabReason::NoFrames,
        };
        let job = Job { logins: 0, reason, order };
        if job.is_cancelled() {
            job.end(Err(interrupted()), false, None);
        } else if job.order.is_alone || self.site.client.is_none() || self.site.learned.are_frames_denied() {
            self.alone.push_back(job);
        } else {
            self.walk(job);
        }
    }

    /// Begins an order in frames.
    pub(crate) fn walk(&mut self, job: Job) {
        let Some(client) = self.site.client else { return self.alone.push_back(job) };
        let (context, learned) = (self.site.context(), self.site.learned);
        let files = FileClient { context, client, identity: self.identity.clone(), slots: self.site.slots.of_order() };
        let shared = WalkContext { context, learned, frames: self.host.opener(), files };
        self.walks.push(Box::pin(async move {
            let ended = collect(shared, &job.order.attempt).await;
            Walked { job, ended }
        }));
    }

    /// What follows from the end of a walk in frames.
    pub(crate) fn walked(&mut self, Walked { mut job, ended }: Walked) {
        let Unfinished { end, receipt } = match ended {
            Ok(receipt) => {
                self.site.tab.login.saw_order(self.site.context().order_page(&job.order.attempt.order.po));
                return job.end(Ok(Receipt { lane: Some(Lane::Frames), ..receipt }), true, None);
            }
            Err(unfinished) => *unfinished,
        };
        if !matches!(end, WalkEnd::Failed(_)) {
            // what is there already is not fetched again
            job.order.attempt.have.extend(receipt.files.iter().cloned());
        }
        match end {
            WalkEnd::ToTab(reason) => {
                tracing::debug!(po = %job.order.attempt.order.po, %reason, "an order goes to the tab");
                self.alone.push_back(Job { reason, ..job });
            }
            WalkEnd::LoginInDoubt if job.logins < MAX_LOGINS => self.in_doubt.push(job),
            WalkEnd::LoginInDoubt => self.alone.push_back(Job { reason: TabReason::Login, ..job }),
            WalkEnd::NotOpened(error) => self.not_opened.push((job, error)),
            WalkEnd::Failed(error) => {
                let receipt = Receipt { lane: Some(Lane::Frames), ..receipt };
                job.end(Err(AttemptError { receipt: Some(Box::new(receipt)), ..error }), true, None);
            }
        }
    }

    /// Answers those whose time was over before the page was free for them.
    fn end_cancelled(&mut self) {
        for job in std::mem::take(&mut self.alone) {
            if job.is_cancelled() {
                job.end(Err(interrupted()), true, None);
            } else {
                self.alone.push_back(job);
            }
        }
        for job in std::mem::take(&mut self.in_doubt) {
            if job.is_cancelled() {
                job.end(Err(interrupted()), true, None);
            } else {
                self.in_doubt.push(job);
            }
        }
    }

    /// Starts the conductor. False if there is none to be had; those who wait for a frame are told.
    async fn start_conductor(&mut self, session: &mut dyn Session) -> Result<bool, SessionGone> {
        let (site, context) = (self.site, self.site.context());
        if self.may_download {
            let denied = self.meanwhile(session.page().deny_downloads()).await;
            self.may_download = denied.is_err();
        }
        let polls = site.learned.polls();
        self.poll_count = polls.len();
        let limits = FrameLimits { polls, ..FrameLimits::of(&context.recipe, context.deadlines.page) };
        // the last one has scripts, as a rule, but it is always there
        let address = &context.recipe.address;
        let last = address.login_check.clone().unwrap_or_else(|| address.no_order_path());
        let homes = [context.at("/robots.txt"), context.at("/favicon.ico"), context.at(&last)];
        let mut error = None;
        for home in homes {
            if !session.is_usable() {
                return Err(SessionGone);
            }
            context.pace.turn(&tokio_util::sync::CancellationToken::new()).await;
            let started =
                self.meanwhile(Box::pin(Conductor::start(session.page(), &home, &context.recipe, &limits))).await;
            match started {
                Ok(conductor) => {
                    self.conductor = Some(conductor);
                    self.read_identity(session.page()).await;
                    return Ok(true);
                }
                Err(why) => error = Some(why),
            }
        }
        if let Some(why) = error {
            tracing::info!(worker = %self.worker, "no page of the portal can hold frames: {why}");
            if matches!(why, SessionError::Refused(_)) {
                site.learned.deny();
                self.orders.want(1);
            }
        }
        self.host.drop_waiting();
        Ok(false)
    }

    /// Reads as whom the browser asks. Without it no file is fetched, and the tab lane judges.
    async fn read_identity(&mut self, page: &mut dyn Page) {
        const AGENT: &str = "return [navigator.userAgent, navigator.languages.join(', ')]";
        let read = async {
            let agent = page.evaluate(AGENT, Vec::new()).await.ok()?;
            let (agent, languages): (String, String) = serde_json::from_value(agent).ok()?;
            let cookies = page.cookies().await.ok()?;
            Some((agent, languages, cookies))
        };
        if let Some((agent, languages, cookies)) = self.meanwhile(Box::pin(read)).await {
            let identity = ClientIdentity::new(&self.site.context().base, &cookies, &agent).speaking(&languages);
            self.identity.set(identity);
        }
    }
}
