//! The driver of a lane: it owns the page of a session, and takes several orders at a time through frames of it. What needs
//! the page for itself, logins and walks in the tab, waits until no frame is open, and is done then; downloads by HTTP go on
//! meanwhile.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, future};
use tokio::time::{Instant, sleep, timeout};

use super::frames::conductor::{Conductor, FrameLimits};
use super::frames::files::{FileClient, SessionIdentity};
use super::frames::host::FrameHost;
use super::frames::reason::TabReason;
use super::frames::walk::{FrameWalk, WalkContext, WalkEnd};
use crate::backend::{
    AttemptError, BoxFuture, LaneEnd, LaneOrder, LaneOrders, Page, Session, SessionError, Site,
};
use crate::download::transfer::ClientIdentity;
use crate::model::{FailureKind, Lane, Receipt, WorkerId};
use crate::net::HttpClient;
use crate::site::portal::PortalSite;

/// How long an exchange with the conductor waits for news: well below any deadline of a script.
const NEWS_WITHIN: Duration = Duration::from_millis(500);

/// The same while other news may come from elsewhere: an order, or a walk that wants something of its frame.
const NEWS_SOON: Duration = Duration::from_millis(50);

/// How long the walks that have got news may take to say what they want next, before the conductor is asked again.
const WISHES_WITHIN: Duration = Duration::from_millis(15);

/// After so many frames the conductor is started anew: what pages leave behind goes with it.
const MOST_FRAMES: usize = 500;

/// How often an order is begun again because the login has ended.
const MAX_LOGINS: u32 = 2;

/// An order of the lane.
struct Job {
    order: LaneOrder,
    begun: Instant,
    /// How often it was begun again after a login.
    logins: u32,
    /// Why it is for the tab.
    reason: TabReason,
}

impl Job {
    fn end(self, result: Result<Receipt, AttemptError>, was_begun: bool, evidence: Option<String>) {
        let po = &self.order.attempt.order.po;
        match &result {
            Ok(receipt) => tracing::debug!(%po, lane = ?receipt.lane, reason = receipt.lane_reason, "an order has ended"),
            Err(error) => tracing::debug!(%po, kind = %error.kind, was_begun, "an order has failed: {error}"),
        }
        self.order.reply.send(LaneEnd { result, was_begun, evidence });
    }

    fn is_cancelled(&self) -> bool {
        self.order.attempt.cancel.is_cancelled()
    }
}

/// A walk in frames that has ended.
struct Walked {
    job: Job,
    ended: Result<Receipt, (WalkEnd, Receipt)>,
}

/// The lane of one session.
pub(crate) struct LaneDriver<'a> {
    site: &'a PortalSite,
    worker: WorkerId,
    orders: LaneOrders,
    /// No more orders will come.
    has_ended: bool,
    /// None where no files can be had by HTTP.
    client: Option<&'a HttpClient>,
    identity: SessionIdentity,
    host: FrameHost,
    walks: FuturesUnordered<BoxFuture<'a, Walked>>,
    /// For the tab.
    alone: VecDeque<Job>,
    /// Those that met a login page.
    in_doubt: Vec<Job>,
    /// Those that no frame was opened for, since the login failed.
    not_opened: Vec<(Job, AttemptError)>,
    conductor: Option<Conductor>,
    /// How many long polls the conductor knows.
    poll_count: usize,
    is_logged_in: bool,
    /// Whether the browser may save what a page starts by itself.
    may_download: bool,
}

/// The session cannot be used any more.
struct SessionGone;

impl<'a> LaneDriver<'a> {
    pub(crate) async fn new(site: &'a PortalSite, worker: WorkerId, orders: LaneOrders) -> Self {
        let client = match site.http_client().await {
            Ok(client) => Some(client),
            Err(why) => {
                tracing::warn!(%worker, "no files by HTTP, the browser downloads them: {why}");
                None
            }
        };
        Self {
            site,
            worker,
            orders,
            has_ended: false,
            client,
            identity: SessionIdentity::default(),
            host: FrameHost::new(),
            walks: FuturesUnordered::new(),
            alone: VecDeque::new(),
            in_doubt: Vec::new(),
            not_opened: Vec::new(),
            conductor: None,
            poll_count: 0,
            is_logged_in: false,
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
        self.host.opened_count() >= MOST_FRAMES || self.site.learned().polls().len() > self.poll_count
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
    async fn wait(&mut self, session: &dyn Session) -> Result<(), SessionGone> {
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
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(walked) = self.walks.next(), if !self.walks.is_empty() => self.walked(walked),
                order = self.orders.next(), if !self.has_ended => self.accept(order),
                () = self.host.listen() => {}
                () = first_cancelled(&self.alone) => self.end_cancelled(),
            }
        }
    }

    /// One exchange with the conductor.
    async fn exchange(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        let Some(conductor) = self.conductor.clone() else {
            self.host.lose_all();
            return Ok(());
        };
        if self.identity.is_old() {
            self.read_cookies(session.page()).await;
        }
        let commands = self.host.take_commands();
        let may_hear_more = !self.has_ended || self.walks.len() > self.host.open_count();
        let within = match (self.host.has_open(), may_hear_more) {
            (false, _) => Duration::ZERO, // the last commands close frames
            (true, true) => NEWS_SOON,
            (true, false) => NEWS_WITHIN,
        };
        let exchanged = self.meanwhile(conductor.exchange(session.page(), &commands, within)).await;
        let events = match exchanged {
            Ok(events) => events,
            Err(why) if session.is_usable() => {
                tracing::info!(worker = %self.worker, "the page that holds frames has gone: {why}");
                self.leave_conductor();
                return Ok(());
            }
            Err(_) => return Err(SessionGone),
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

    fn leave_conductor(&mut self) {
        self.conductor = None;
        self.host.lose_all();
    }

    /// Takes an order on, or notes that no more will come.
    fn accept(&mut self, order: Option<LaneOrder>) {
        let Some(order) = order else {
            self.has_ended = true;
            return;
        };
        let reason = if order.is_alone { TabReason::Alone } else { TabReason::NoFrames };
        let job = Job { begun: Instant::now(), logins: 0, reason, order };
        if job.is_cancelled() {
            job.end(Err(interrupted()), false, None);
        } else if job.order.is_alone || self.client.is_none() || self.site.learned().are_frames_denied() {
            self.alone.push_back(job);
        } else {
            self.walk(job);
        }
    }

    /// Begins an order in frames.
    fn walk(&mut self, job: Job) {
        let Some(client) = self.client else { return self.alone.push_back(job) };
        let (context, learned) = (self.site.context(), self.site.learned());
        let files =
            FileClient { context, client, identity: self.identity.clone(), slots: self.site.transfer_slots().of_order() };
        let shared = WalkContext { context, learned, frames: self.host.opener(), files };
        self.walks.push(Box::pin(async move {
            let ended = FrameWalk::new(shared, &job.order.attempt, job.begun).collect().await;
            Walked { job, ended }
        }));
    }

    /// What follows from the end of a walk in frames.
    fn walked(&mut self, Walked { mut job, ended }: Walked) {
        let (end, receipt) = match ended {
            Ok(receipt) => {
                self.site.login().saw_order(self.site.context().order_page(&job.order.attempt.order.po));
                return job.end(Ok(Receipt { lane: Some(Lane::Frames), ..receipt }), true, None);
            }
            Err(ended) => ended,
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
        let (cancelled, rest): (Vec<_>, _) = std::mem::take(&mut self.alone).into_iter().partition(Job::is_cancelled);
        self.alone = rest;
        cancelled.into_iter().for_each(|job| job.end(Err(interrupted()), true, None));
    }

    /// Starts the conductor. False if there is none to be had; those who wait for a frame are told.
    async fn start_conductor(&mut self, session: &mut dyn Session) -> Result<bool, SessionGone> {
        let (site, context) = (self.site, self.site.context());
        if self.may_download {
            let denied = self.meanwhile(session.page().deny_downloads()).await;
            self.may_download = denied.is_err();
        }
        let polls = site.learned().polls();
        self.poll_count = polls.len();
        let limits = FrameLimits { polls, ..FrameLimits::of(&context.recipe) };
        let homes = [context.at("/robots.txt"), context.at("/favicon.ico")];
        let mut error = None;
        for home in homes {
            if !session.is_usable() {
                return Err(SessionGone);
            }
            context.pace.turn(&tokio_util::sync::CancellationToken::new()).await;
            let started = self.meanwhile(Conductor::start(session.page(), &home, &context.recipe, &limits)).await;
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
                site.learned().deny();
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
        if let Some((agent, languages, cookies)) = self.meanwhile(read).await {
            let identity = ClientIdentity::new(&self.site.context().base, &cookies, &agent).speaking(&languages);
            self.identity.set(identity);
        }
    }

    /// Reads the cookies again, after the portal has replaced one.
    async fn read_cookies(&mut self, page: &mut dyn Page) {
        self.read_identity(page).await;
    }

    /// Does all that needs the page for itself.
    async fn work_alone(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        self.answer_not_opened(session).await;
        self.resolve_doubts(session).await;
        if !self.is_logged_in && (self.host.has_waiting() || !self.alone.is_empty()) {
            self.log_in(session).await?;
        }
        while self.is_logged_in
            && let Some(job) = self.alone.pop_front()
        {
            self.walk_in_tab(session, job).await?;
        }
        if session.is_usable() { Ok(()) } else { Err(SessionGone) }
    }

    /// Answers those that no frame was opened for. The page still shows why.
    async fn answer_not_opened(&mut self, session: &mut dyn Session) {
        let mut shown = false;
        for (job, error) in std::mem::take(&mut self.not_opened) {
            // while a person is waited for there is nothing new to see
            let is_worth_it = !std::mem::replace(&mut shown, true) && error.retry_after.is_none();
            let evidence = if is_worth_it { self.evidence(session, &job, &error).await } else { None };
            job.end(Err(error), false, evidence);
        }
    }

    /// Tells pages that want a login from a login that has ended.
    async fn resolve_doubts(&mut self, session: &mut dyn Session) {
        let doubts = std::mem::take(&mut self.in_doubt);
        let Some(first) = doubts.first() else { return };
        let order = self.site.context().order_page(&first.order.attempt.order.po);
        let site = self.site;
        let is_in_force = match self.conductor {
            Some(_) if self.is_logged_in => {
                self.meanwhile(site.login().is_in_force(session.page(), &order)).await
            }
            _ => Some(self.is_logged_in),
        };
        self.is_logged_in &= is_in_force != Some(false);
        for job in doubts {
            if self.is_logged_in {
                self.alone.push_back(Job { reason: TabReason::Login, ..job });
            } else {
                self.walk(Job { logins: job.logins + 1, ..job });
            }
        }
        // their wishes are to be heard before it is decided whether a login is due
        if !self.is_logged_in {
            while let Some(Some(walked)) = self.walks.next().now_or_never() {
                self.walked(walked);
            }
            self.host.gather();
        }
    }

    async fn log_in(&mut self, session: &mut dyn Session) -> Result<(), SessionGone> {
        self.leave_conductor();
        let (site, worker) = (self.site, self.worker);
        let error = match self.meanwhile(site.log_in(worker, session)).await {
            Ok(()) => {
                self.is_logged_in = true;
                return Ok(());
            }
            Err(error) => error,
        };
        if !session.is_usable() {
            return Err(SessionGone);
        }
        tracing::debug!(%worker, kind = %error.kind, "not logged in: {error}");
        self.host.refuse_waiting(&error);
        for job in std::mem::take(&mut self.alone) {
            self.not_opened.push((job, copy(&error)));
        }
        Ok(())
    }

    /// Walks one order in the page itself.
    async fn walk_in_tab(&mut self, session: &mut dyn Session, mut job: Job) -> Result<(), SessionGone> {
        if job.is_cancelled() {
            job.end(Err(interrupted()), true, None);
            return Ok(());
        }
        self.leave_conductor();
        self.may_download = true;
        let site = self.site;
        let walk = site.walk_in_tab(session, &job.order.attempt, job.begun);
        let result = self.meanwhile(walk).await;
        if !session.is_usable() {
            return Err(SessionGone);
        }
        let reason = job.reason.to_string();
        let in_tab = |receipt: Receipt| Receipt { lane: Some(Lane::Tab), lane_reason: reason.clone(), ..receipt };
        match result {
            Ok(receipt) => {
                self.learn(&job);
                job.end(Ok(in_tab(receipt)), true, None);
            }
            Err(error) if error.kind == FailureKind::LoginRequired && job.logins < MAX_LOGINS => {
                let there = error.receipt.iter().flat_map(|receipt| receipt.files.iter().cloned());
                job.order.attempt.have.extend(there);
                job.logins += 1;
                self.is_logged_in = false;
                self.alone.push_front(job);
            }
            Err(error) => {
                self.is_logged_in &= error.kind != FailureKind::LoginRequired;
                let evidence = self.evidence(session, &job, &error).await;
                let receipt = error.receipt.map(|receipt| Box::new(in_tab(*receipt)));
                job.end(Err(AttemptError { receipt, ..error }), true, evidence);
            }
        }
        Ok(())
    }

    /// What a page says of frames that the tab shows well.
    fn learn(&mut self, job: &Job) {
        if job.reason == TabReason::Denied {
            self.site.learned().note_denied();
        }
        if self.site.learned().are_frames_denied() {
            self.orders.want(1);
        }
    }

    /// Keeps what the page shows of a failure, and tells where.
    async fn evidence(&mut self, session: &mut dyn Session, job: &Job, error: &AttemptError) -> Option<String> {
        // what was stopped from outside says nothing about the portal, and a full disk takes no evidence
        if matches!(error.kind, FailureKind::Interrupted | FailureKind::DiskFull) || job.is_cancelled() {
            return None;
        }
        let (site, limit) = (self.site, self.site.context().deadlines.page);
        // dropped in the middle it leaves the session with a command under way, which makes the session unusable
        let kept = self.meanwhile(timeout(limit, site.capture_evidence(session, &job.order.attempt, error))).await;
        kept.unwrap_or_else(|_elapsed| {
            let limit = humantime::format_duration(limit);
            tracing::warn!(worker = %self.worker, "evidence was not saved within {limit} (page_timeout)");
            None
        })
    }
}

/// Waits until one of them is cancelled.
async fn first_cancelled(jobs: &VecDeque<Job>) {
    if jobs.is_empty() {
        return future::pending().await;
    }
    let cancelled = jobs.iter().map(|job| Box::pin(job.order.attempt.cancel.cancelled()));
    future::select_all(cancelled).await;
}

fn interrupted() -> AttemptError {
    AttemptError::new(FailureKind::Interrupted, "the run was stopped before the order was finished")
}

/// The same for another order.
fn copy(error: &AttemptError) -> AttemptError {
    AttemptError { retry_after: error.retry_after, ..AttemptError::new(error.kind, error.message.clone()) }
}
