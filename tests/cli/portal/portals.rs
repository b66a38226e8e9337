//! Portals that are not there, are none, or do not let one in.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::command::{TestEnv, portal, statuses};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_opened_is_known_before_any_browser_is_looked_for() {
    let env = TestEnv::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().to_string();
    drop(listener);
    let cases = [
        ("https://no-such-company.invalid".to_owned(), "no host named no-such-company.invalid".to_owned()),
        (format!("http://{closed}"), format!("the connection to {closed} was refused")),
        ("http://127.0.0.1:6000".to_owned(), "browsers do not open port 6000".to_owned()),
    ];
    for (address, why) in cases {
        // no program is found by name: had a browser been looked for, that would be the message, and the exit code 5
        let call = env.call(["run", "PO7", "PO8", "--base-url", &address]).env("PATH", "");
        call.end().await.assert(2, &["the portal cannot be reached", &why, "check base_url"]);
        env.assert_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_no_portal_fails_its_orders_and_says_what_was_seen() {
    needs_browser!();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut line, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = line.read(&mut [0; 4096]).await;
                let page = "<!doctype html><title>My garden</title><h1>Tulips</h1>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    page.len()
                );
                let _ = line.write_all((head + page).as_bytes()).await;
            });
        }
    });
    let env = TestEnv::new();
    let ended = env.call(["run", "PO7", "--base-url", &address]).env("COUPA_BATCH_PAGE_TIMEOUT", "15s").end().await;
    ended.assert(3, &["PO7 FAILED", "My garden"]);
    env.assert_nothing_left().await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_sent_once_and_never_again() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let ended =
        env.run(&portal, &pos).env("COUPA_PASSWORD", "not-the-password").env("COUPA_BATCH_WORKERS", "2").end().await;
    ended.assert(2, &["COUPA_PASSWORD"]);
    assert!(!ended.stderr.contains("not-the-password"), "{ended}");
    assert_eq!(portal.counts().logins_refused, 1, "accounts get locked: {ended}");
    assert_eq!(portal.counts().logins_accepted, 0);
    assert!(statuses(&env.report()).values().all(|status| status == "NOT_DONE"));
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_wants_a_login_and_is_given_none_names_both_variables() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let po = portal.orders()[0].to_string();
    let ended = env.call(["run", &po, "--base-url", portal.base_url().as_str()]).end().await;
    ended.assert(
        2,
        &["the portal asks for a login, and none was given", "COUPA_USERNAME", "COUPA_PASSWORD", "coupa-batch login"],
    );
    assert_eq!(portal.counts().logins_refused, 0);
    assert_eq!(statuses(&env.report())[&po], "NOT_DONE");
    env.assert_nothing_left().await;
    portal.stop().await;
}
