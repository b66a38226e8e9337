//! A pool of real browsers before the demo portal.
#![allow(dead_code, reason = "each test program uses another part")]

use std::num::NonZeroUsize;
use std::time::Duration;

use coupa_batch::demo::{DemoConfig, DemoPortal, PortalLatency, check};
use coupa_batch::pool::ShutdownReport;
use coupa_batch::{LaneChoice, PersistentWorkerPool, PoNumber, PoolConfig, TaskHandle, WorkerCount};

use crate::browser::{Flavour, Rig};

/// The recipe of the portal's pages, with less waiting than for late elements.
const QUICK_RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/recipes/quick-coupa.toml");

/// A portal, an output folder and the settings of a pool that works on both.
pub(crate) struct Scenario {
    pub(crate) rig: Rig,
    pub(crate) portal: DemoPortal,
    pub(crate) out: tempfile::TempDir,
    pub(crate) config: PoolConfig,
}

impl Scenario {
    /// None without a browser.
    pub(crate) async fn new(orders: usize, workers: u32) -> Option<Self> {
        let rig = Rig::new(Flavour::Installed)?;
        let demo = DemoConfig { orders, pace: PortalLatency::prompt(), ..DemoConfig::default() };
        let portal = DemoPortal::start(demo).await.unwrap();
        let out = tempfile::tempdir().unwrap();
        let mut config = rig.config.clone();
        let count = NonZeroUsize::new(workers as usize).unwrap();
        config.worker_count = WorkerCount::Exactly(count);
        config.scaling.max = count;
        config.scaling.is_automatic = false;
        config.out = out.path().to_owned();
        config.site.base_url = Some(portal.base_url());
        config.site.recipe = QUICK_RECIPE.to_owned();
        // what is steered here is one order at a time; tests/browser/lanes and batch have several of a browser
        config.site.lane = LaneChoice::Tab;
        config.site.credentials = Some(coupa_batch::config::Credentials {
            username: portal.username().to_owned(),
            password: portal.password(),
        });
        config.retry.delay_min = Duration::from_millis(10);
        config.retry.throttle_delay = Duration::from_millis(10);
        config.deadlines.download = Duration::from_secs(8);
        Some(Self { rig, portal, out, config })
    }

    pub(crate) async fn start(&self) -> PersistentWorkerPool {
        PersistentWorkerPool::start(self.config.clone()).await.unwrap()
    }

    pub(crate) fn orders(&self) -> Vec<PoNumber> {
        self.portal.orders()
    }

    /// Shuts the pool down and looks at what is left: nothing may be.
    pub(crate) async fn end(&self, pool: PersistentWorkerPool) -> ShutdownReport {
        let report = pool.shutdown().await.unwrap();
        assert_eq!(report.leftovers, Vec::<String>::new());
        self.rig.until_nothing_is_left().await;
        assert!(!self.out.path().join(".coupa-batch/landing").exists(), "a staging folder is left");
        report
    }

    /// Every status and every file as the portal has it.
    pub(crate) fn check(&self, handles: &[TaskHandle]) {
        let outcomes: Vec<_> = handles
            .iter()
            .map(|handle| (handle.po().clone(), (*handle.outcome().expect("it has ended")).clone()))
            .collect();
        let mismatches = check(&self.portal, self.out.path(), &outcomes);
        for mismatch in &mismatches {
            let outcome = outcomes.iter().find(|(po, _)| mismatch.to_string().contains(po.digits()));
            println!("{mismatch}: {outcome:?}");
        }
        assert!(mismatches.is_empty(), "{}", mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
