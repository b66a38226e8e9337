//! What the pool does when memory or processors run short, and when something leaks.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytesize::ByteSize;
use coupa_batch::backend::MemoryReader;
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{MemoryLevel, MemoryReading, PoolStatus, WorkerId, WorkerState};
use coupa_batch::pool::PersistentWorkerPool;
use tokio::sync::Semaphore;

use crate::doubles::{Remote, ScriptedSite, StubSessions, orders};

const LONG: Duration = Duration::from_secs(300);

/// Reads what the test wrote last.
#[derive(Clone, Default)]
pub(crate) struct FakeMemory(Arc<Mutex<MemoryReading>>);

impl FakeMemory {
    /// Of 1000 bytes, so many are in use, and workers 1, 2, … hold these.
    pub(crate) fn set(&self, used: u64, workers: &[u64]) {
        let workers = workers.iter().zip(1..).map(|(bytes, worker)| (WorkerId(worker), *bytes)).collect();
        let reading =
            MemoryReading { total_bytes: 1000, available_bytes: 1000 - used, workers, ..MemoryReading::default() };
        *self.0.lock().unwrap() = reading;
    }

    pub(crate) fn set_cpu(&self, share: f64) {
        self.0.lock().unwrap().cpu = Some(share);
    }
}

impl MemoryReader for FakeMemory {
    fn read(&mut self, _: &[(WorkerId, u32)]) -> MemoryReading {
        self.0.lock().unwrap().clone()
    }
}

/// A pool on doubles whose memory is what `memory` says. Its first sample, which may have been taken before there were any
/// workers, is over.
pub(crate) async fn pool_on(config: PoolConfig, memory: &FakeMemory) -> (PersistentWorkerPool, Arc<Remote>) {
    let remote = Arc::new(Remote::default());
    let pool = PersistentWorkerPool::builder(config)
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(&remote))))
        .journal(Arc::new(MemoryJournal::new()))
        .memory(Box::new(memory.clone()))
        .start()
        .unwrap();
    until(&pool, |status| status.memory.total_bytes > 0).await;
    (pool, remote)
}

pub(crate) async fn until(pool: &PersistentWorkerPool, what: impl FnMut(&Arc<PoolStatus>) -> bool) {
    let there =
        tokio::time::timeout(Duration::from_secs(3600), async { pool.watch().wait_for(what).await.map(drop) }).await;
    assert!(there.is_ok(), "it never came: {:?}", pool.status());
}

#[tokio::test(start_paused = true)]
async fn where_memory_is_short_the_worn_session_is_closed_first() {
    let memory = FakeMemory::default();
    memory.set(700, &[100]);
    let config = PoolConfig::builder().worker_count(1).recycle_after(3).build().unwrap();
    let (pool, remote) = pool_on(config, &memory).await;
    until(&pool, |status| status.memory_level == MemoryLevel::Elevated).await;
    pool.submit_tasks(orders(1..=10)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!((remote.opened.load(Ordering::SeqCst), remote.most_open.load(Ordering::SeqCst)), (4, 1));
    assert_eq!(pool.status().workers[&WorkerId(1)].recycle_count, 3);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn critical_memory_takes_the_fattest_browser_and_its_order_is_repeated_at_no_cost() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let config = PoolConfig::builder().worker_count(3).retry_limit(0).build().unwrap();
    let (pool, remote) = pool_on(config, &memory).await;
    for po in 1..=3 {
        remote.hold(&format!("PO{po}"));
    }
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    let fattest = remote.log.lock().unwrap()[1].clone();
    tokio::time::sleep(Duration::from_secs(40)).await; // a fresh browser would not be taken
    let mut sizes = [200, 200, 200];
    sizes[usize::from(fattest.1.0) - 1] = 500;
    memory.set(950, &sizes);
    until(&pool, |status| status.memory_level == MemoryLevel::Critical).await;
    until(&pool, |status| status.worker_count == 2).await;
    memory.set(500, &[200, 200, 200]);
    for po in 1..=3 {
        remote.release(&format!("PO{po}"));
    }
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    let status = pool.status();
    assert!(remote.killed.load(Ordering::SeqCst) > 0);
    assert_eq!(status.tasks.completed, 3, "no try was left, and none was needed");
    assert_eq!(remote.started_orders().iter().filter(|po| **po == fattest.0).count(), 2);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn critical_memory_does_not_wait_for_a_browser_to_grow_old() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let (pool, remote) = pool_on(PoolConfig::builder().worker_count(3).build().unwrap(), &memory).await;
    until(&pool, |status| status.worker_count == 3).await;
    (1..=3).for_each(|po| remote.hold(&format!("PO{po}")));
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    let began = tokio::time::Instant::now();
    memory.set(950, &[100, 300, 100]);
    until(&pool, |status| status.worker_count == 2).await;
    memory.set(500, &[100, 300, 100]);
    assert!(began.elapsed() < Duration::from_secs(15), "it is ended at the first critical reading");
    assert_eq!(remote.asked_to_open.load(Ordering::SeqCst), 3, "no other one follows it");
    (1..=3).for_each(|po| remote.release(&format!("PO{po}")));
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_fills_the_memory_again_and_again_is_not_repeated_for_ever() {
    let memory = FakeMemory::default();
    memory.set(950, &[900]);
    // and none of that is the browser's fault
    let config = PoolConfig::builder().worker_count(1).retry_limit(0).restart_limit(0).build().unwrap();
    let (pool, remote) = pool_on(config, &memory).await;
    remote.hold("PO1");
    pool.submit_tasks(orders(1..=1)).await.unwrap();
    pool.wait_for_completion(Some(Duration::from_secs(3600))).await.unwrap();
    let status = pool.status();
    assert_eq!((status.tasks.failed, status.workers[&WorkerId(1)].restart_count), (1, 0));
    assert_eq!(remote.started_orders().len(), 4, "three times at no cost, once at its own");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn high_memory_retires_the_fattest_worker_after_its_order_and_no_other() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let (pool, remote) = pool_on(PoolConfig::builder().worker_count(3).build().unwrap(), &memory).await;
    let held = || (1..=3).chain(10..=40).map(|po| format!("PO{po}"));
    held().for_each(|po| remote.hold(&po));
    pool.submit_tasks(orders(1..=40)).await.unwrap();
    remote.until_started(3).await;
    let at_work: BTreeMap<_, _> = remote.log.lock().unwrap().iter().cloned().collect();
    let fattest = at_work["PO2"];
    let mut sizes = [200, 200, 200];
    sizes[usize::from(fattest.0) - 1] = 300;
    memory.set(800, &sizes);
    until(&pool, |status| status.worker_target == 2).await;
    memory.set(700, &sizes);
    // the others go on, whoever calls first; then it is its turn, though there is work for all three
    remote.release("PO1");
    remote.release("PO3");
    remote.until_started(11).await;
    assert_eq!(pool.status().workers.len(), 3);
    remote.release("PO2");
    until(&pool, |status| status.workers.len() == 2).await;
    assert!(!pool.status().workers.contains_key(&fattest));
    assert_eq!(remote.started_orders().len(), 11);
    held().for_each(|po| remote.release(&po));
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!(remote.killed.load(Ordering::SeqCst), 0);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn under_a_shrinking_limit_six_workers_become_two_and_six_again_while_the_batch_completes() {
    let memory = FakeMemory::default();
    memory.set(300, &[]);
    let config = PoolConfig::builder().worker_count(6).min_workers(2).build().unwrap();
    let (pool, remote) = pool_on(config, &memory).await;
    until(&pool, |status| status.worker_count == 6).await;
    remote.hold("PO500");
    pool.submit_tasks(orders(1..=500)).await.unwrap();
    memory.set(800, &[100; 6]);
    until(&pool, |status| status.worker_count == 2).await;
    memory.set(300, &[]);
    until(&pool, |status| status.worker_count == 6).await;
    remote.release("PO500");
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!(pool.status().tasks.completed, 500);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_workers_than_settings_said_can_be_asked_for_where_memory_allows() {
    let memory = FakeMemory::default();
    memory.set(300, &[]);
    let (pool, _remote) = pool_on(PoolConfig::builder().worker_count(2).build().unwrap(), &memory).await;
    pool.control().scale_to(5).await.unwrap();
    until(&pool, |status| status.worker_count == 5).await;
    memory.set(800, &[100; 5]);
    until(&pool, |status| status.worker_count == 3).await;
    memory.set(300, &[100; 3]);
    until(&pool, |status| status.worker_count == 5).await;
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_grows_while_nothing_is_in_work_is_warned_of() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .finish(),
    );
    let (pool, remote) = pool_on(PoolConfig::builder().worker_count(2).build().unwrap(), &memory).await;
    for profile_count in [2, 3, 6] {
        remote.profile_count.store(profile_count, Ordering::SeqCst);
        let is_quiet = |status: &PoolStatus| status.workers.values().all(|worker| worker.status == WorkerState::Idle);
        until(&pool, |status| status.footprint.profile_count == profile_count && is_quiet(status)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("possible leak: 6 profile folders while idle"), "{told}");
    assert_eq!(told.lines().count(), 1, "each is told once, and noise not at all: {told}");
    pool.shutdown().await.unwrap();
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_waits_while_the_processors_or_the_memory_are_past_their_limit() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    memory.set_cpu(0.95);
    let config = PoolConfig::builder().worker_count(3).max_cpu(0.9).min_free_memory(ByteSize(400)).build().unwrap();
    let (pool, remote) = pool_on(config, &memory).await;
    until(&pool, |status| status.held_back.as_deref().is_some_and(|why| why.contains("95 %"))).await;
    until(&pool, |status| status.worker_count == 3).await;
    for po in 1..=3 {
        remote.hold(&format!("PO{po}"));
    }
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(remote.started_orders().len(), 1, "one is always in work");
    memory.set(650, &[]);
    until(&pool, |status| status.held_back.as_deref().is_some_and(|why| why.contains("350 B"))).await;
    assert_eq!(remote.started_orders().len(), 1);
    memory.set(100, &[]);
    remote.until_started(3).await;
    assert_eq!(pool.status().held_back, None);
    for po in 1..=3 {
        remote.release(&format!("PO{po}"));
    }
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_told_of_each_rise_and_not_of_each_reading() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let (pool, _remote) = pool_on(PoolConfig::builder().worker_count(1).build().unwrap(), &memory).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    pool.on_memory_pressure(0.5, move |reading| sink.lock().unwrap().push(reading.available_bytes));
    for used in [450, 500, 600, 450, 550, 390, 510] {
        memory.set(used, &[]);
        until(&pool, |status| status.memory.available_bytes == 1000 - used).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(*told.lock().unwrap(), [500, 490]);
    let monitor = pool.memory_monitor();
    assert_eq!((monitor.reading().available_bytes, monitor.level()), (490, MemoryLevel::Normal));
    memory.set(800, &[]);
    until(&pool, |status| status.memory.available_bytes == 200).await;
    assert_eq!((monitor.reading().available_bytes, monitor.level()), (200, MemoryLevel::High));
    pool.shutdown().await.unwrap();
    assert_eq!(monitor.reading().available_bytes, 200, "the last one is kept");
}

#[tokio::test(start_paused = true)]
async fn a_browser_far_beyond_its_memory_does_not_wait_for_its_turn_to_be_renewed() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let mut config = PoolConfig::builder().worker_count(2).build().unwrap();
    config.recycle.memory = ByteSize(100);
    let (pool, remote) = pool_on(config, &memory).await;
    until(&pool, |status| status.worker_count == 2).await;
    // the first to be renewed never comes up
    *remote.opening.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    pool.submit_tasks(orders(1..=4)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    memory.set(100, &[120, 0]);
    until(&pool, |status| status.memory.workers.len() == 2).await;
    assert_eq!(pool.status().worker_count, 2);
    memory.set(100, &[120, 200]);
    until(&pool, |status| status.worker_count == 1).await;
    pool.control().abort().await.unwrap();
    pool.shutdown().await.unwrap();
}

/// Says when it is asked the second time, and answers only when it is let.
struct Slow {
    memory: FakeMemory,
    asked: u32,
    is_asked: tokio::sync::mpsc::UnboundedSender<()>,
    may_answer: std::sync::mpsc::Receiver<()>,
}

impl MemoryReader for Slow {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        self.asked += 1;
        if self.asked == 2 {
            self.is_asked.send(()).unwrap();
            self.may_answer.recv().unwrap();
        }
        self.memory.read(roots)
    }
}

#[tokio::test]
async fn a_reading_that_takes_too_long_does_not_end_the_watch() {
    let memory = FakeMemory::default();
    memory.set(100, &[]);
    let (is_asked, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (answer, may_answer) = std::sync::mpsc::channel();
    let remote = Arc::new(Remote::default());
    let interval = Duration::from_millis(20);
    let config = PoolConfig::builder().worker_count(1).memory_interval(interval).build().unwrap();
    let pool = PersistentWorkerPool::builder(config)
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(&remote))))
        .journal(Arc::new(MemoryJournal::new()))
        .memory(Box::new(Slow { memory: memory.clone(), asked: 0, is_asked, may_answer }))
        .start()
        .unwrap();
    asked.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await; // the deadline passes
    tokio::time::resume();
    memory.set(950, &[]);
    answer.send(()).unwrap();
    until(&pool, |status| status.memory_level == MemoryLevel::Critical).await;
    pool.shutdown().await.unwrap();
}
