//! Neither the password nor a cookie of the login nor a token of a form is anywhere but where it belongs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coupa_batch::demo::{FaultRule, LoginAnswer, PortalFault, RequestTarget};
use secrecy::ExposeSecret;

use crate::harness::command::{TestEnv, portal, processes_of};
use crate::needs_browser;

/// Every file below `folder` at this moment, by its path.
fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else if let Ok(bytes) = fs::read(entry.path()) {
                found.insert(entry.path().display().to_string(), bytes);
            }
        }
    }
    found
}

/// The command lines of everything that belongs to the run, from now until `has_ended`.
fn watch_command_lines(folder: &Path, has_ended: &Arc<AtomicBool>) -> tokio::task::JoinHandle<BTreeMap<String, u32>> {
    let (folder, has_ended) = (folder.to_owned(), Arc::clone(has_ended));
    tokio::spawn(async move {
        let mut lines = BTreeMap::new();
        while !has_ended.load(Ordering::Acquire) {
            lines.extend(processes_of(&folder).into_iter().map(|(pid, line)| (line, pid)));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        lines
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loudest_run_tells_neither_the_password_nor_a_cookie_nor_a_token() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().add(
        FaultRule::new(PortalFault::LoginEnded(LoginAnswer::Page), RequestTarget::OrderPage)
            .for_order(&pos[0])
            .times(1),
    );
    // a page with the cookie and the token on it, of which evidence is kept
    portal.faults().add(FaultRule::new(PortalFault::WrongShape, RequestTarget::OrderPage).for_order(&pos[1]));
    portal.faults().hold(&pos[3]);
    let has_ended = Arc::new(AtomicBool::new(false));
    let watch = watch_command_lines(env.path(), &has_ended);
    let words = pos.iter().map(ToString::to_string).chain(["-vv".to_owned()]);
    let mut run = env.run(&portal, words).env("COUPA_BATCH_LOG", "trace").start();
    run.works_on(&portal, &pos[3]).await;
    // the journal as it is in the middle, with what has not been moved into its one file yet
    let mut places = files_below(&env.work());
    assert!(places.keys().any(|path| path.ends_with("-wal")), "{:?}", places.keys());
    let password = portal.password().expose_secret().to_owned();
    let program = run.pid();
    let children: Vec<_> = processes_of(env.path()).into_iter().filter(|(pid, _)| *pid != program).collect();
    assert!(children.len() > 2, "a driver and its browser: {children:?}");
    for (pid, _) in &children {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(); // may have ended
        let environment = String::from_utf8_lossy(&environment);
        assert!(
            !environment.contains(&password) && !environment.contains("COUPA_PASSWORD"),
            "the environment of {pid}"
        );
    }
    portal.faults().release_all();
    let ended = run.end().await;
    has_ended.store(true, Ordering::Release);
    assert_eq!(ended.code, Some(3), "{ended}");

    let lines = watch.await.unwrap();
    for part in ["coupa-batch run", "chromedriver", "--type=renderer"] {
        assert!(lines.keys().any(|line| line.contains(part)), "no {part} among {} processes", lines.len());
    }
    places.extend(lines.into_iter().map(|(line, pid)| (format!("the command line of {pid}"), line.into_bytes())));
    places.extend(files_below(&env.work()).into_iter().map(|(path, bytes)| (format!("{path} at the end"), bytes)));
    places.insert("stdout".to_owned(), ended.stdout.into_bytes());
    places.insert("stderr".to_owned(), ended.stderr.into_bytes());
    for kind in
        ["coupa-batch.log", "report.json", "report.csv", "journal.db", "page.html", "failure.json", "_manifest.json"]
    {
        assert!(places.keys().any(|path| path.contains(kind)), "there is no {kind} among {:?}", places.keys());
    }
    let log = places.iter().find(|(path, _)| path.ends_with("coupa-batch.log at the end")).unwrap().1;
    assert!(log.iter().filter(|byte| **byte == b'\n').count() > 10, "the log was to be loud");

    let handed_out = portal.handed_out();
    assert!(handed_out.len() >= 6, "two logins, each with a cookie and a token before it and after it");
    let secrets = handed_out.iter().map(|secret| secret.expose_secret().to_owned());
    let fixed = [password, "authenticity_token=".to_owned()];
    for secret in secrets.chain(fixed) {
        for (place, bytes) in &places {
            let is_there = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "{secret} stands in {place}");
        }
    }
    assert_eq!(portal.counts().logins_accepted, 2);
    env.assert_nothing_left().await;
    portal.stop().await;
}
