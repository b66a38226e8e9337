//! What can be done with a page.

use std::time::Duration;

use coupa_batch::backend::{FailedRequest, LongPolls, Query, SessionError, Stability};
use secrecy::SecretString;

use crate::browser::{Flavour, Rig, until};
use crate::site;

crate::on_edge!(requests_of_a_page_are_known_until_they_are_answered);
crate::on_the_installed_browser!(
    a_page_is_read_and_written,
    half_a_character_in_a_page_is_no_reason_to_fail,
    a_picture_of_a_page_is_a_png,
    late_and_replaced_elements_are_waited_for,
    requests_of_a_page_are_known_until_they_are_answered,
    addresses_that_cannot_be_reached_are_named,
    pages_that_keep_a_connection_open_use_none_up_once_they_are_left,
);

fn query(css: &str, attributes: &[&str]) -> Query {
    Query { css: css.to_owned(), attributes: attributes.iter().map(|name| (*name).to_owned()).collect() }
}

async fn a_page_is_read_and_written(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    let found = page.query(&[query("a.file", &["href", "class", "absent"]), query("h9", &[])]).await.unwrap();
    assert_eq!((found[0].len(), found[1].len()), (2, 0));
    assert_eq!(found[0][1].text, "two");
    assert_eq!(found[0][1].attributes["href"], format!("{base}/file/2"));
    assert!(!found[0][1].attributes.contains_key("absent"));
    let why = page.query(&[query("a[", &[])]).await.unwrap_err();
    assert!(matches!(why, SessionError::Refused(_)), "{why}");

    page.evaluate("document.body.append(...Array.from({ length: 5001 }, () => document.createElement('i')))", vec![])
        .await
        .unwrap();
    let why = page.query(&[query("i", &[])]).await.unwrap_err();
    assert!(matches!(&why, SessionError::Refused(text) if text.contains("5001 elements fit i")), "{why}");

    page.fill("input[name=user]", &SecretString::from("näme")).await.unwrap();
    page.fill("input[type=password]", &SecretString::from("p\"ss")).await.unwrap();
    let typed = page.evaluate("return [...Array.from(document.forms[0], e => e.value), ...arguments]", vec![1.into()]);
    assert_eq!(typed.await.unwrap(), serde_json::json!(["näme", "p\"ss", 1]));
    let why = page.fill("#nowhere", &SecretString::from("x")).await.unwrap_err();
    assert!(matches!(why, SessionError::Refused(_)), "{why}");
    let why = page.evaluate("throw new Error('boom')", vec![]).await.unwrap_err();
    assert!(matches!(&why, SessionError::Refused(text) if text.contains("boom")), "{why}");
    assert_eq!(page.evaluate("return Promise.resolve(7)", vec![]).await.unwrap(), 7);

    page.goto(&format!("{base}/missing")).await.unwrap();
    let evidence = page.document().await.unwrap();
    assert_eq!((evidence.title.as_str(), evidence.text.as_str(), evidence.status), ("Oops", "Not here", Some(404)));
    assert_eq!(page.url().await.unwrap(), evidence.url);
    assert!(session.is_usable() && session.close().await.is_clean());
}

async fn half_a_character_in_a_page_is_no_reason_to_fail(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    // the first one is cut in the middle, at the length that is read of a text; the others are halves to begin with
    let spoil = "document.querySelector('h1').textContent = 'x'.repeat(1999) + '\u{1f600}'; document.title = '\\ud83d!'; \
                 document.querySelector('#none').title = '\\udc00';";
    page.evaluate(spoil, vec![]).await.unwrap();
    let found = page.query(&[query("h1", &[]), query("#none", &["title"])]).await.unwrap();
    assert_eq!(found[0][0].text.chars().filter(|c| *c == 'x').count(), 1999);
    assert_eq!(found[1][0].attributes["title"], "\u{fffd}");
    assert_eq!(page.document().await.unwrap().title, "\u{fffd}!");
    assert!(session.close().await.is_clean());
}

async fn a_picture_of_a_page_is_a_png(rig: Rig) {
    let mut session = rig.open().await;
    let blank = session.page().screenshot().await.unwrap();
    assert!(blank.starts_with(b"\x89PNG\r\n\x1a\n") && blank.ends_with(b"IEND\xaeB`\x82"));
    session.page().goto(&site::start().await).await.unwrap();
    assert_ne!(session.page().screenshot().await.unwrap(), blank);
    assert!(session.close().await.is_clean());
}

/// A browser opens six connections to one host at most.
async fn pages_that_keep_a_connection_open_use_none_up_once_they_are_left(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    for number in 0..9 {
        session.page().goto(&format!("{base}/open/{number}")).await.unwrap();
    }
    assert!(session.close().await.is_clean());
}

async fn late_and_replaced_elements_are_waited_for(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&format!("{base}/late")).await.unwrap();
    let selectors = ["span[role=button]".to_owned()];
    let millis = Duration::from_millis;
    let long_polls = LongPolls { addresses: Vec::new(), learned: Vec::new(), after: millis(60_000) };
    let (after_load, unchanged_for, at_most) = (millis(300), millis(300), millis(15_000));
    let quiet = Stability { after_load, unchanged_for, at_most, long_polls, words: Vec::new() };
    assert!(page.settle(&selectors, &quiet).await.unwrap().is_settled);
    assert_eq!(page.evaluate("return window.isDone", vec![]).await.unwrap(), true);
    assert_eq!(page.query(&[query("span[role=button]", &[])]).await.unwrap()[0].len(), 2);
    // the clock beside the list never stops
    let quiet = Stability { after_load: millis(0), at_most: millis(500), ..quiet };
    assert!(!page.settle(&["#clock".to_owned()], &quiet).await.unwrap().is_settled);
    let why = page.settle(&["a[".to_owned()], &quiet).await.unwrap_err();
    assert!(matches!(why, SessionError::Refused(_)), "{why}");
    // from the first look on, or by what comes later
    let many = "document.body.append(...Array.from({ length: 5001 }, () => document.createElement('i')))";
    let later = format!("setTimeout(() => {many}, 100)");
    for fill in [later.as_str(), many] {
        page.evaluate(fill, vec![]).await.unwrap();
        let why = page.settle(&["i".to_owned()], &quiet).await.unwrap_err();
        assert!(matches!(&why, SessionError::Refused(text) if text.contains("elements fit i")), "{why}");
    }
    assert!(session.close().await.is_clean());
}

async fn requests_of_a_page_are_known_until_they_are_answered(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    let millis = Duration::from_millis;
    let long_polls = LongPolls { addresses: Vec::new(), learned: Vec::new(), after: millis(60_000) };
    let (after_load, unchanged_for) = (millis(0), millis(300));
    let patient =
        Stability { after_load, unchanged_for, at_most: millis(15_000), long_polls, words: vec!["anlage".to_owned()] };
    let selectors = ["span[role=button]".to_owned()];
    let address = |how: &str| format!("{base}/asking/15262984/{how}");

    let brief = Stability { at_most: millis(700), ..patient.clone() };
    for (how, path) in [("stays", "/never"), ("stays-of-page", "/never"), ("by-xhr", "/never"), ("by-script", "/never")]
    {
        page.goto(&address(how)).await.unwrap();
        let activity = page.settle(&selectors, &brief).await.unwrap();
        assert!(!activity.is_settled && activity.is_tracked, "{how}: {activity:?}");
        let pending: Vec<_> = activity.pending.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(pending, [path], "{how}");
    }

    // what stays open for long is a long poll, unless it is about what the page shows; met again it is not waited for
    let strict = |after, learned: &[String]| {
        let long_polls = LongPolls { addresses: Vec::new(), learned: learned.to_vec(), after };
        Stability { long_polls, ..brief.clone() }
    };
    page.goto(&address("stays")).await.unwrap();
    let activity = page.settle(&selectors, &strict(millis(100), &[])).await.unwrap();
    assert!(activity.is_settled && activity.pending.is_empty(), "{activity:?}");
    let learned: Vec<_> = activity.long_polls.into_iter().map(|request| request.key).collect();
    assert_eq!(learned.len(), 1);
    page.goto(&address("stays")).await.unwrap();
    assert!(page.settle(&selectors, &strict(millis(60_000), &learned)).await.unwrap().is_settled);
    for how in ["stays-of-page", "stays-named", "stays-hidden"] {
        page.goto(&address(how)).await.unwrap();
        assert!(!page.settle(&selectors, &strict(millis(100), &learned)).await.unwrap().is_settled, "{how}");
    }
    let named = LongPolls { addresses: vec!["/never".to_owned()], learned: Vec::new(), after: millis(60_000) };
    assert!(page.settle(&selectors, &Stability { long_polls: named, ..brief }).await.unwrap().is_settled);

    // each part is waited for; the same again and again, which changes nothing, is not
    page.goto(&address("in-turn")).await.unwrap();
    assert!(page.settle(&selectors, &patient).await.unwrap().is_settled);
    assert_eq!(page.query(&[query("span[role=button]", &[])]).await.unwrap()[0].len(), 3);
    for how in ["in-steps", "in-hidden-steps", "in-steps-of-forms"] {
        page.goto(&address(how)).await.unwrap();
        assert!(page.settle(&selectors, &patient).await.unwrap().is_settled, "{how}");
        assert_eq!(page.query(&[query("span[role=button]", &[])]).await.unwrap()[0].len(), 1, "{how}");
    }
    for how in ["by-the-clock", "unread"] {
        page.goto(&address(how)).await.unwrap();
        assert!(page.settle(&selectors, &patient).await.unwrap().is_settled, "{how}");
    }
    page.goto(&address("fails")).await.unwrap();
    let activity = page.settle(&selectors, &patient).await.unwrap();
    let failed = FailedRequest { path: "/missing".to_owned(), status: 404, is_of_page: false, is_named: false };
    assert_eq!((activity.is_settled, activity.failed), (true, vec![failed]));
    for (how, path) in [("torn", Some("/torn")), ("times-out", Some("/never")), ("gives-up", None)] {
        page.goto(&address(how)).await.unwrap();
        let activity = page.settle(&selectors, &patient).await.unwrap();
        let failed: Vec<_> = activity.failed.iter().map(|request| (request.path.as_str(), request.status)).collect();
        assert_eq!(failed, path.map(|path| (path, 0)).into_iter().collect::<Vec<_>>(), "{how}");
    }
    // hosts of the portal's own site count, too, and no others
    let other = site::start().await;
    let ask = "fetch(arguments[0] + '/never', { mode: 'no-cors' }).catch(() => null); return true";
    for (asked, is_waited_for) in [(other.clone(), true), (other.replace("127.0.0.1", "localhost"), false)] {
        page.goto(&address("unread")).await.unwrap();
        page.evaluate(ask, vec![asked.clone().into()]).await.unwrap();
        let activity = page.settle(&selectors, &Stability { at_most: millis(700), ..patient.clone() }).await.unwrap();
        let pending: Vec<_> = activity.pending.into_iter().map(|request| request.path).collect();
        let host = asked.trim_start_matches("http://");
        let wanted = if is_waited_for { vec![format!("{host}/never")] } else { Vec::new() };
        assert_eq!(pending, wanted, "{asked}");
    }
    let looks = page.evaluate("return [fetch.name, fetch.length, String(fetch).includes('[native code]')]", vec![]);
    assert_eq!(looks.await.unwrap(), serde_json::json!(["fetch", 1, true]));
    assert!(session.close().await.is_clean());
}

async fn addresses_that_cannot_be_reached_are_named(rig: Rig) {
    let mut session = rig.open().await;
    let page = session.page();
    // bound and let go: nobody listens there
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/order_headers/1");
    match page.goto(&url).await.unwrap_err() {
        SessionError::Unreachable { url: named, why } => {
            let refused = format!("the connection to 127.0.0.1:{port} was refused [ERR_CONNECTION_REFUSED]");
            assert_eq!((named, &why), (url.clone(), &refused));
            // the error page that the browser shows now says the same, and its internal address is never told
            let document = page.document().await.unwrap();
            assert_eq!((document.url, document.network_error), (url, Some(refused)));
        }
        other => panic!("{other}"),
    }
    assert!(session.is_usable(), "the next order may be reachable");
    assert!(session.close().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_does_not_end_costs_a_try_and_not_the_session() {
    let short = |config: &mut coupa_batch::PoolConfig| config.deadlines.page = Duration::from_secs(8);
    let Some(rig) = Rig::with(Flavour::Installed, short) else { return };
    let mut session = rig.open().await;
    let why = session.page().evaluate("return new Promise(() => {})", vec![]).await.unwrap_err();
    assert!(matches!(why, SessionError::PageTimeout(_)), "{why}");
    assert!(session.is_usable());
    assert!(session.close().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_of_the_page_stops_nothing() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.goto(&base).await.unwrap();
    page.evaluate("setTimeout(() => { alert('x'); window.isOver = true; }, 0)", vec![]).await.unwrap();
    until("it is dismissed", async || {
        (page.evaluate("return window.isOver === true", vec![]).await.unwrap() == true).then_some(())
    })
    .await;
    page.evaluate("addEventListener('beforeunload', (e) => { e.preventDefault(); e.returnValue = 'stay'; })", vec![])
        .await
        .unwrap();
    page.fill("input[name=user]", &SecretString::from("unsaved")).await.unwrap();
    page.goto(&format!("{base}/missing")).await.unwrap();
    assert_eq!(page.document().await.unwrap().title, "Oops");
    assert!(session.close().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_be_waited_for_longer_than_a_script_may_take() {
    let short = |config: &mut coupa_batch::PoolConfig| config.deadlines.page = Duration::from_secs(4);
    let Some(rig) = Rig::with(Flavour::Installed, short) else { return };
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    let millis = Duration::from_millis;
    let selectors = ["span[role=button]".to_owned()];
    let long_polls = LongPolls { addresses: Vec::new(), learned: Vec::new(), after: millis(60_000) };
    let (after_load, unchanged_for, at_most) = (millis(0), millis(5_000), millis(30_000));
    let patient = Stability { after_load, unchanged_for, at_most, long_polls, words: Vec::new() };
    page.goto(&format!("{base}/late")).await.unwrap();
    let activity = page.settle(&selectors, &patient).await.unwrap();
    assert!(activity.is_settled && activity.is_tracked, "the stillness of all pieces counts: {activity:?}");
    page.goto(&format!("{base}/asking/15262984/stays-of-page")).await.unwrap();
    let activity = page.settle(&selectors, &Stability { at_most: millis(7_000), ..patient.clone() }).await.unwrap();
    let pending: Vec<_> = activity.pending.iter().map(|request| request.path.as_str()).collect();
    assert_eq!((activity.is_settled, pending), (false, vec!["/never"]));
    // a page that is too busy to say what it is doing says nothing
    let busy = "const find = document.querySelectorAll.bind(document); document.querySelectorAll = (css) => { \
                const end = performance.now() + 6000; while (performance.now() < end) {} return find(css); }";
    page.evaluate(busy, vec![]).await.unwrap();
    let why = page.settle(&selectors, &Stability { at_most: millis(500), ..patient }).await.unwrap_err();
    assert!(matches!(why, SessionError::PageTimeout(_)), "{why}");
    assert!(session.is_usable());
    assert!(session.close().await.is_clean());
}
