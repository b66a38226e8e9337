//! Doubles for the seams, steered by a remote control and never by timing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coupa_batch::backend::{
    Attempt, AttemptError, BoxFuture, Click, CloseReport, Cookie, DocumentInfo, DownloadEvent, ElementInfo, History,
    Journal, JournalError, KillSwitch, Page, PageActivity, Query, ResponseInfo, Session, SessionError, SessionFactory,
    SessionHealth, Site, Stability,
};
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{Entry, FailureKind, FileRecord, Footprint, ListingId, Outcome, PoTask, Receipt, WorkerId};
use coupa_batch::pool::PersistentWorkerPool;
use secrecy::SecretString;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

#[path = "script.rs"]
mod script;

pub(crate) use script::Script;

/// Remote control of a pool on doubles.
#[derive(Default)]
pub(crate) struct Remote {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    holds: Mutex<HashMap<String, Arc<Semaphore>>>,
    pub(crate) log: Mutex<Vec<(String, WorkerId)>>,
    pub(crate) started: Notify,
    pub(crate) open_sessions: AtomicUsize,
    pub(crate) opened: AtomicUsize,
    pub(crate) killed: AtomicUsize,
    pub(crate) logged_in: AtomicUsize,
    pub(crate) refuse_open: Mutex<VecDeque<SessionError>>,
    pub(crate) refuse_log_in: Mutex<VecDeque<FailureKind>>,
    pub(crate) refuse_finalize: AtomicBool,
    pub(crate) refuse_append: AtomicBool,
    pub(crate) finalized: Mutex<Vec<String>>,
    /// What ends the attempt of a worker whose session is killed.
    pub(crate) kills: Mutex<HashMap<WorkerId, CancellationToken>>,
    pub(crate) asked_to_open: AtomicUsize,
    /// What the next probe finds.
    pub(crate) is_outgrown: AtomicBool,
    /// The most sessions that were open at once.
    pub(crate) most_open: AtomicUsize,
    /// When set, sessions after the first ones open only as permits are given.
    pub(crate) opening: Mutex<Option<Arc<Semaphore>>>,
    /// How long the pages of a worker's session take.
    pub(crate) page_times: Mutex<HashMap<WorkerId, Duration>>,
    /// Profile folders that the factory says there are.
    pub(crate) profile_count: AtomicUsize,
}

impl Remote {
    /// The next attempts at `po` do these, the ones after that are done.
    pub(crate) fn script(&self, po: &str, scripts: impl IntoIterator<Item = Script>) {
        self.scripts.lock().unwrap().insert(po.to_owned(), scripts.into_iter().collect());
    }

    /// Attempts at `po` wait until released.
    pub(crate) fn hold(&self, po: &str) {
        self.holds.lock().unwrap().insert(po.to_owned(), Arc::new(Semaphore::new(0)));
    }

    pub(crate) fn release(&self, po: &str) {
        self.holds.lock().unwrap()[po].add_permits(Semaphore::MAX_PERMITS >> 4);
    }

    /// The orders in which attempts were started.
    pub(crate) fn started_orders(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(po, _)| po.clone()).collect()
    }

    /// Waits until `count` attempts have been started.
    pub(crate) async fn until_started(&self, count: usize) {
        loop {
            let notified = self.started.notified();
            if self.log.lock().unwrap().len() >= count {
                return;
            }
            notified.await;
        }
    }
}

pub(crate) struct ScriptedSite(pub(crate) Arc<Remote>);

impl Site for ScriptedSite {
    fn log_in<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(async move {
            self.0.logged_in.fetch_add(1, Ordering::SeqCst);
            match self.0.refuse_log_in.lock().unwrap().pop_front() {
                Some(kind) => Err(AttemptError::new(kind, format!("scripted {kind}"))),
                None => Ok(()),
            }
        })
    }

    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(async move {
            let po = attempt.order.po.to_string();
            self.0.log.lock().unwrap().push((po.clone(), attempt.worker));
            self.0.started.notify_waiters();
            let hold = self.0.holds.lock().unwrap().get(&po).cloned();
            let script =
                self.0.scripts.lock().unwrap().get_mut(&po).and_then(VecDeque::pop_front).unwrap_or(Script::Done);
            let held = async {
                if let Some(hold) = hold {
                    let _permit = hold.acquire().await.unwrap();
                }
            };
            let death = self.0.kills.lock().unwrap()[&attempt.worker].clone();
            if script == Script::Ignore {
                session.page().goto("about:hang").await?;
            }
            tokio::select! {
                () = held => {}
                () = attempt.cancel.cancelled() => return Err(AttemptError::new(FailureKind::Interrupted, "cancelled")),
                () = death.cancelled() => return Err(AttemptError::new(FailureKind::SessionLost, "killed")),
            }
            let receipt = Receipt {
                supplier: Some("Double".to_owned()),
                listed_count: 1,
                files: vec![FileRecord {
                    path: format!("Double/{po}__WORK/a.pdf"),
                    name: "a.pdf".to_owned(),
                    size: 3,
                    sha256: "00".repeat(32),
                    listings: vec![ListingId::new("a")],
                    ..FileRecord::default()
                }],
                ..Receipt::default()
            };
            let failed = |kind: FailureKind| AttemptError::new(kind, format!("scripted {kind}"));
            let failed_with = |kind, receipt| AttemptError { receipt: Some(Box::new(receipt)), ..failed(kind) };
            match script {
                Script::Done => Ok(receipt),
                Script::Empty => Ok(Receipt::default()),
                Script::Fail(kind) => Err(failed(kind)),
                Script::FailPartly(kind) => Err(failed_with(kind, receipt)),
                Script::FailKnowingSupplier(kind) => {
                    Err(failed_with(kind, Receipt { supplier: receipt.supplier, ..Receipt::default() }))
                }
                Script::Panic => panic!("scripted panic of {po}"),
                Script::PanicPartly => {
                    attempt.interim.set(receipt);
                    panic!("scripted panic of {po}")
                }
                Script::IgnorePartly => {
                    attempt.interim.set(receipt);
                    session.page().goto("about:hang").await?;
                    std::future::pending().await
                }
                Script::Hang | Script::Ignore => {
                    attempt.cancel.cancelled().await;
                    Err(AttemptError::new(FailureKind::Interrupted, "cancelled"))
                }
            }
        })
    }

    fn finalize<'a>(&'a self, task: &'a PoTask, outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(async move {
            if self.0.refuse_finalize.load(Ordering::SeqCst) {
                return Err(AttemptError::new(FailureKind::DiskFull, "no room left"));
            }
            self.0.finalized.lock().unwrap().push(task.po.to_string());
            Ok(outcome)
        })
    }
}

pub(crate) struct StubSessions(pub(crate) Arc<Remote>);

impl SessionFactory for StubSessions {
    fn open(&self, worker: WorkerId) -> BoxFuture<'_, Result<Box<dyn Session>, SessionError>> {
        Box::pin(async move {
            self.0.asked_to_open.fetch_add(1, Ordering::SeqCst);
            let opening = self.0.opening.lock().unwrap().clone();
            if let Some(opening) = opening {
                opening.acquire().await.unwrap().forget();
            }
            if let Some(refusal) = self.0.refuse_open.lock().unwrap().pop_front() {
                return Err(refusal);
            }
            let open = self.0.open_sessions.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most_open.fetch_max(open, Ordering::SeqCst);
            self.0.opened.fetch_add(1, Ordering::SeqCst);
            let death = CancellationToken::new();
            self.0.kills.lock().unwrap().insert(worker, death.clone());
            let remote = Arc::clone(&self.0);
            Ok(Box::new(StubSession { worker, remote, is_usable: true, death }) as Box<dyn Session>)
        })
    }

    fn footprint(&self) -> Footprint {
        Footprint { profile_count: self.0.profile_count.load(Ordering::SeqCst), ..Footprint::default() }
    }
}

struct StubSession {
    worker: WorkerId,
    remote: Arc<Remote>,
    is_usable: bool,
    death: CancellationToken,
}

impl Drop for StubSession {
    fn drop(&mut self) {
        self.remote.open_sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Session for StubSession {
    fn page(&mut self) -> &mut dyn Page {
        self
    }
    fn kill_switch(&self) -> KillSwitch {
        let (remote, death) = (Arc::clone(&self.remote), self.death.clone());
        KillSwitch::new(move || {
            death.cancel();
            remote.killed.fetch_add(1, Ordering::SeqCst);
        })
    }
    fn root_pid(&self) -> Option<u32> {
        None
    }
    fn is_usable(&self) -> bool {
        self.is_usable && !self.death.is_cancelled()
    }
    fn median_page_time(&self) -> Option<Duration> {
        self.remote.page_times.lock().unwrap().get(&self.worker).copied()
    }
    fn driver_output(&self) -> String {
        String::new()
    }
    fn ended(&self) -> BoxFuture<'_, SessionError> {
        Box::pin(async {
            self.death.cancelled().await;
            SessionError::Lost("its browser has ended".to_owned())
        })
    }
    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>> {
        let is_outgrown = self.remote.is_outgrown.swap(false, Ordering::SeqCst);
        Box::pin(async move { Ok(SessionHealth { is_outgrown, ..SessionHealth::default() }) })
    }
    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport> {
        Box::pin(async move {
            drop(self);
            CloseReport::default()
        })
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, SessionError>> {
    Box::pin(async move { Ok(value) })
}

type Answer<'a, T> = BoxFuture<'a, Result<T, SessionError>>;

impl Page for StubSession {
    fn goto<'a>(&'a mut self, url: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        Box::pin(async move {
            if url == "about:hang" {
                self.is_usable = false; // as a command dropped midway leaves it
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
    fn url(&mut self) -> BoxFuture<'_, Result<String, SessionError>> {
        answer("about:blank".to_owned())
    }
    fn query<'a>(&'a mut self, queries: &'a [Query]) -> BoxFuture<'a, Result<Vec<Vec<ElementInfo>>, SessionError>> {
        answer(vec![Vec::new(); queries.len()])
    }
    fn settle<'a>(&'a mut self, _: &'a [String], _: &'a Stability) -> Answer<'a, PageActivity> {
        answer(PageActivity { is_settled: true, ..PageActivity::default() })
    }
    fn click<'a>(&'a mut self, _: &'a str, _: usize, _: Click) -> BoxFuture<'a, Result<bool, SessionError>> {
        answer(false)
    }
    fn fill<'a>(&'a mut self, _: &'a str, _: &'a SecretString) -> BoxFuture<'a, Result<(), SessionError>> {
        answer(())
    }
    fn evaluate<'a>(
        &'a mut self,
        _: &'a str,
        _: Vec<serde_json::Value>,
    ) -> BoxFuture<'a, Result<serde_json::Value, SessionError>> {
        answer(serde_json::Value::Null)
    }
    fn document(&mut self) -> BoxFuture<'_, Result<DocumentInfo, SessionError>> {
        answer(DocumentInfo::default())
    }
    fn screenshot(&mut self) -> BoxFuture<'_, Result<Vec<u8>, SessionError>> {
        answer(Vec::new())
    }
    fn cookies(&mut self) -> BoxFuture<'_, Result<Vec<Cookie>, SessionError>> {
        answer(Vec::new())
    }
    fn add_cookies<'a>(&'a mut self, _: &'a [Cookie]) -> BoxFuture<'a, Result<(), SessionError>> {
        answer(())
    }
    fn set_download_dir<'a>(&'a mut self, _: &'a std::path::Path) -> BoxFuture<'a, Result<(), SessionError>> {
        answer(())
    }
    fn download_events(&mut self) -> BoxFuture<'_, Result<Vec<DownloadEvent>, SessionError>> {
        answer(Vec::new())
    }
    fn responses(&mut self) -> BoxFuture<'_, Result<Vec<ResponseInfo>, SessionError>> {
        answer(Vec::new())
    }
    fn cancel_download<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<(), SessionError>> {
        answer(())
    }
}

/// A journal that can be told to refuse.
pub(crate) struct SwitchJournal(pub(crate) Arc<Remote>, MemoryJournal);

impl Journal for SwitchJournal {
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>> {
        if self.0.refuse_append.load(Ordering::SeqCst) {
            return Box::pin(async { Err(JournalError::Unusable("scripted".to_owned())) });
        }
        self.1.append(batch)
    }
    fn history(&self) -> BoxFuture<'_, Result<History, JournalError>> {
        self.1.history()
    }
}

pub(crate) fn config(workers: u32) -> PoolConfig {
    PoolConfig::builder().worker_count(workers).retry_delay(Duration::from_secs(15)).build().unwrap()
}

/// A pool on doubles with `workers` workers.
pub(crate) fn pool(workers: u32) -> (PersistentWorkerPool, Arc<Remote>) {
    pool_with(config(workers))
}

pub(crate) fn pool_with(config: PoolConfig) -> (PersistentWorkerPool, Arc<Remote>) {
    let remote = Arc::new(Remote::default());
    (start(config, &remote), remote)
}

pub(crate) fn start(config: PoolConfig, remote: &Arc<Remote>) -> PersistentWorkerPool {
    PersistentWorkerPool::builder(config)
        .sessions(Arc::new(StubSessions(Arc::clone(remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(remote))))
        .journal(Arc::new(SwitchJournal(Arc::clone(remote), MemoryJournal::new())))
        .start()
        .unwrap()
}

pub(crate) fn orders(numbers: impl IntoIterator<Item = u64>) -> Vec<PoTask> {
    numbers.into_iter().map(|number| PoTask::new(format!("PO{number}").parse().unwrap())).collect()
}

/// A site that costs nothing: every order lists no files.
struct NoSite;

impl Site for NoSite {
    fn log_in<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn collect<'a>(&'a self, _: &'a mut dyn Session, _: &'a Attempt) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(std::future::ready(Ok(Receipt::default())))
    }
    fn finalize<'a>(&'a self, _: &'a PoTask, outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

/// A pool on a site that costs nothing, whose sessions are never worn.
pub(crate) fn quiet_pool(workers: u32) -> PersistentWorkerPool {
    let config = PoolConfig::builder().worker_count(workers).recycle_after(u32::MAX).build().unwrap();
    PersistentWorkerPool::builder(config)
        .sessions(Arc::new(StubSessions(Arc::new(Remote::default()))))
        .site(Arc::new(NoSite))
        .journal(Arc::new(MemoryJournal::new()))
        .start()
        .unwrap()
}
