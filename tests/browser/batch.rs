//! Whole batches through the public surface: the pool, real browsers, the embedded portal.

use coupa_batch::PersistentWorkerPool;
use coupa_batch::demo::{DemoConfig, DemoPortal, check};
use coupa_batch::model::{PoTask, Stage};

use crate::browser::Rig;

crate::on_the_installed_browser!(every_file_of_a_batch_is_there_verified);

async fn every_file_of_a_batch_is_there_verified(rig: Rig) {
    let portal = DemoPortal::start(DemoConfig::default()).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut config = rig.config.clone();
    config.out = out.path().to_owned();
    config.site.base_url = Some(portal.base_url());
    config.site.credentials =
        Some(coupa_batch::config::Credentials { username: portal.username().to_owned(), password: portal.password() });
    let pool = PersistentWorkerPool::start(config).await.unwrap();
    let handles = pool.submit_tasks(portal.orders().into_iter().map(PoTask::new)).await.unwrap();
    let completed = pool.wait_for_completion(None).await;
    let report = pool.shutdown().await.unwrap();
    completed.unwrap();
    assert_eq!(report.leftovers, Vec::<String>::new());
    assert_eq!(report.status.pool_status, Stage::Closed);
    let outcomes: Vec<_> =
        handles.iter().map(|handle| (handle.po().clone(), (*handle.outcome().unwrap()).clone())).collect();
    let mismatches = check(&portal, out.path(), &outcomes);
    assert!(mismatches.is_empty(), "{}", mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    assert_eq!(portal.counts().logins_accepted, 1, "one login for all workers");
    rig.until_nothing_is_left().await;
    portal.stop().await;
}
