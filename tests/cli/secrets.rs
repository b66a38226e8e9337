//! Neither the password nor the login's cookie is anywhere but where it belongs.

use std::fs;

use secrecy::ExposeSecret;

use crate::desk::{Desk, portal, processes_of};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn the_loudest_run_tells_neither_the_password_nor_the_cookie() {
    needs_browser!();
    let portal = portal(2).await;
    let desk = Desk::new();
    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let words = [pos[0].to_string(), pos[1].to_string(), "-vv".to_owned()];
    let mut run = desk.run(&portal, &words).env("COUPA_BATCH_LOG", "trace").start();
    run.works_on(&portal, &pos[1]).await;
    let password = portal.password().expose_secret().to_owned();
    let program = run.pid();
    let children: Vec<_> = processes_of(desk.path()).into_iter().filter(|(pid, _)| *pid != program).collect();
    assert!(children.len() > 2, "a driver and its browser: {children:?}");
    for (pid, line) in &children {
        assert!(!line.contains(&password), "the command line of {pid}");
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(); // may have ended
        let environment = String::from_utf8_lossy(&environment);
        assert!(
            !environment.contains(&password) && !environment.contains("COUPA_PASSWORD"),
            "the environment of {pid}"
        );
    }
    portal.faults().release_all();
    let ended = run.end().await;
    assert!(matches!(ended.code, Some(0 | 3)), "{ended}");
    let mut said = vec![("stdout", ended.stdout), ("stderr", ended.stderr)];
    for name in ["coupa-batch.log", "report.json", "report.csv"] {
        said.push((name, fs::read_to_string(desk.out().join(name)).unwrap()));
    }
    assert!(said[2].1.lines().count() > 10, "the log was to be loud");
    for (place, text) in &said {
        for secret in [password.as_str(), "_coupa_session", "authenticity_token="] {
            assert!(!text.contains(secret), "{secret} stands in {place}: {text}");
        }
    }
    assert_eq!(portal.counts().logins_accepted, 1);
    desk.assert_nothing_left().await;
    portal.stop().await;
}
