use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coupa_batch::backend::SessionError;
use coupa_batch::executor::ResourcePoolError;
use coupa_batch::{BrowserSessions, ResourcePool};

use crate::doubles::{Remote, StubSessions};

fn sessions(keep: bool) -> (ResourcePool<BrowserSessions>, Arc<Remote>) {
    let remote = Arc::new(Remote::default());
    let sessions = BrowserSessions::new(Arc::new(StubSessions(Arc::clone(&remote))));
    let sessions = if keep { sessions.keep_cookies() } else { sessions };
    (ResourcePool::builder(sessions).max_size(2).build().unwrap(), remote)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_cleaned_is_lent_again_and_one_that_cannot_be_cleaned_is_replaced() {
    // these sessions can do no more than show an empty page
    for (keeps_cookies, opened) in [(true, 1), (false, 3)] {
        let (pool, remote) = sessions(keeps_cookies);
        for _ in 0..3 {
            let mut session = pool.acquire().await.unwrap();
            session.page().goto("https://portal.example/").await.unwrap();
        }
        let summary = pool.close(Duration::from_secs(5)).await;
        assert!(summary.is_clean(), "{summary:?}");
        assert_eq!(remote.opened.load(Ordering::SeqCst), opened, "cookies kept: {keeps_cookies}");
        assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_outgrown_its_profile_or_is_gone_is_replaced() {
    let (pool, remote) = sessions(true);
    remote.is_outgrown.store(true, Ordering::SeqCst);
    drop(pool.acquire().await.unwrap());
    let session = pool.acquire().await.unwrap();
    assert_eq!((remote.opened.load(Ordering::SeqCst), pool.status().replaced), (2, 1));
    session.kill_switch().kill();
    drop(session);
    assert!(pool.acquire().await.unwrap().is_usable());
    assert_eq!((remote.opened.load(Ordering::SeqCst), pool.status().replaced), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_start_is_told_to_who_acquires() {
    let (pool, remote) = sessions(false);
    remote.refuse_open.lock().unwrap().push_back(SessionError::NotStarted("no display".to_owned()));
    match pool.acquire().await.map(drop).unwrap_err() {
        ResourcePoolError::Create { source } => assert!(source.to_string().contains("no display")),
        other => panic!("{other}"),
    }
    assert!(pool.acquire().await.is_ok());
}
