//! A whole batch as a program runs it: real browsers, the embedded portal with all that is late on its pages, and the
//! built-in recipe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coupa_batch::batch::{BatchError, BatchEvent, BatchStatus};
use coupa_batch::demo::{DemoConfig, DemoPortal, check};
use coupa_batch::model::PoTask;
use coupa_batch::{Batch, PoolConfig};

use crate::browser::Rig;

crate::on_the_installed_browser!(every_file_of_a_batch_is_there_verified);

async fn every_file_of_a_batch_is_there_verified(rig: Rig) {
    let portal = DemoPortal::start(DemoConfig::default()).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let config = PoolConfig::builder()
        .base_url(portal.base_url())
        .credentials(portal.username(), portal.password())
        .profile_dir(rig.profiles.path())
        .login_dir(out.path().join("logins"))
        .worker_count(4)
        .out(out.path())
        .build()
        .unwrap();
    let tasks = || portal.orders().into_iter().map(PoTask::new);
    let finished = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&finished);
    let batch = Batch::new(config.clone()).observe(move |event| {
        if matches!(event, BatchEvent::OrderFinished { .. }) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let report = batch.run(tasks()).await.unwrap().unwrap();
    assert_eq!(report.status, BatchStatus::SomeFailed, "some orders are missing, or denied: {}", report.summary);
    assert_eq!((report.summary.orders, finished.load(Ordering::SeqCst)), (25, 25));
    let outcomes: Vec<_> = report
        .history
        .tasks
        .values()
        .map(|state| (state.order().po.clone(), state.outcome().unwrap().clone()))
        .collect();
    let mismatches = check(&portal, out.path(), &outcomes);
    assert!(mismatches.is_empty(), "{}", mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    assert_eq!(portal.counts().logins_accepted, 1, "one login for all workers");
    rig.until_nothing_is_left().await;

    let why = Batch::new(config).resume().await.unwrap_err();
    assert!(matches!(why, BatchError::NothingToResume(_)), "{why}");
    portal.stop().await;
}
