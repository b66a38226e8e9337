//! Pages that do not like frames, that come late, or whose buttons do odd things: each is told apart, and none harms the others.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use coupa_batch::PoNumber;
use coupa_batch::model::Lane;
use tokio::net::TcpListener;
use url::Url;

use super::harness::{Harness, open, receipt_of};
use crate::browser::{Flavour, Rig};

/// What an order should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// So many files, in a frame.
    Frames(usize),
    /// In the tab, for a reason with these words: so many files, or none and a failure.
    Tab(&'static str, Option<usize>),
}

const DENIED: Verdict = Verdict::Tab("cannot be shown in a frame", Some(1));
const UNCAUGHT: &str = "no address could be had";

const ONE: &str = "<a href='/attachment_file/1/a.pdf'>a.pdf</a>";
const LIST: &str = "document.querySelector('.commentAttachments').innerHTML = \
                    '<a href=\"/attachment_file/1/a.pdf\">a.pdf</a> <a href=\"/attachment_file/2/b.pdf\">b.pdf</a>';";

/// Pages by name: what stands in their area, their script, what they should come to.
fn pages() -> Vec<(&'static str, String, String, Verdict)> {
    let click = |script: &str| {
        let button = "<span role=button aria-label='a.pdf file attachment' id=b>a.pdf</span>".to_owned();
        (button, format!("document.getElementById('b').addEventListener('click', async () => {{ {script} }});"))
    };
    let script = |name, area: &str, script: String, wanted| (name, area.to_owned(), script, wanted);
    let button = |name, text: &str, wanted| {
        let (area, script) = click(text);
        (name, area, script, wanted)
    };
    vec![
        script("plain", ONE, String::new(), Verdict::Frames(1)),
        script("denied", ONE, String::new(), DENIED),
        script("ancestors", ONE, String::new(), DENIED),
        script("broken", ONE, String::new(), Verdict::Tab("another page", None)),
        script("policy", ONE, String::new(), Verdict::Frames(1)),
        script("dialogs", ONE, "alert(1); confirm(2); prompt(3); print();".into(), Verdict::Frames(1)),
        script("buster", ONE, "if (top !== self) top.location = self.location;".into(), Verdict::Frames(1)),
        script("shy", ONE, "try { parent.location = '/away'; } catch {} parent.close();".into(), Verdict::Frames(1)),
        script(
            "leaves",
            ONE,
            "setTimeout(() => { location = '/order_headers/1'; }, 50);".into(),
            Verdict::Tab("by itself", None),
        ),
        script(
            "fetched",
            "",
            format!("fetch('/slow').then((a) => a.text()).then(() => {{ {LIST} }});"),
            Verdict::Frames(2),
        ),
        script(
            "asked",
            "",
            format!("const x = new XMLHttpRequest(); x.open('GET', '/slow'); x.onload = () => {{ {LIST} }}; x.send();"),
            Verdict::Frames(2),
        ),
        script(
            "silent",
            "",
            format!("addEventListener('load', () => setTimeout(() => fetch('/slow').then(() => {{ {LIST} }}), 700));"),
            Verdict::Frames(2),
        ),
        script(
            "in_view",
            "",
            format!(
                "new IntersectionObserver((seen) => {{ if (seen[0].isIntersecting) {{ {LIST} }} }}).observe(document.body);"
            ),
            Verdict::Frames(2),
        ),
        script(
            "busy",
            "",
            format!(
                "const area = document.querySelector('.commentAttachments'); area.setAttribute('aria-busy', 'true');\
                 new Worker(URL.createObjectURL(new Blob(['setTimeout(() => postMessage(1), 900)']))).onmessage = () => {{\
                 area.removeAttribute('aria-busy'); {LIST} }};"
            ),
            Verdict::Frames(2),
        ),
        script("polls", ONE, "fetch('/never');".into(), Verdict::Tab("not complete in time", Some(1))),
        button("assigns", "location.assign('/attachment_file/once/1');", Verdict::Frames(1)),
        button("asks", "await fetch('/slow'); location.href = '/attachment_file/once/2';", Verdict::Frames(1)),
        button("opens", "await fetch('/slow'); window.open('/attachment_file/once/3');", Verdict::Frames(1)),
        button(
            "opens_then",
            "const w = open(); await fetch('/slow'); w.location = '/attachment_file/once/4';",
            Verdict::Frames(1),
        ),
        button(
            "blank",
            "const a = document.createElement('a'); a.href = '/attachment_file/once/5'; a.target = '_blank';\
             document.body.append(a); a.click();",
            Verdict::Frames(1),
        ),
        button(
            "saves",
            "const a = document.createElement('a'); a.href = '/attachment_file/once/6'; a.download = 'x'; a.click();",
            Verdict::Frames(1),
        ),
        button(
            "form",
            "const f = document.createElement('form'); f.method = 'post'; f.action = '/attachment_file/once/7';\
             document.body.append(f); f.submit();",
            Verdict::Tab(UNCAUGHT, Some(1)),
        ),
        button(
            "blob",
            "const a = document.createElement('a'); a.href = URL.createObjectURL(new Blob(['x'])); a.download = 'a.pdf'; a.click();",
            Verdict::Tab(UNCAUGHT, Some(1)),
        ),
        button(
            "trusted",
            "if (!event.isTrusted) return; location = '/attachment_file/once/8';",
            Verdict::Tab(UNCAUGHT, None),
        ),
    ]
}

#[derive(Clone)]
struct Site {
    /// Addresses of files that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

/// The orders are numbered as their pages stand in the list, from 1.
async fn order(Path(number): Path<usize>) -> Response {
    let Some((name, area, script, _)) = number.checked_sub(1).and_then(|at| pages().into_iter().nth(at)) else {
        return (StatusCode::NOT_FOUND, "no such page").into_response();
    };
    let html = format!(
        "<!doctype html><title>{name}</title><div class=commentAttachments>{area}</div>\
         <script nonce=n>{script}</script><script nonce=n>/* goes on */</script>"
    );
    match name {
        "denied" => ([("x-frame-options", "DENY")], Html(html)).into_response(),
        "ancestors" => ([("content-security-policy", "frame-ancestors 'none'")], Html(html)).into_response(),
        "policy" => {
            ([("content-security-policy", "default-src 'self'; script-src 'nonce-n'")], Html(html)).into_response()
        }
        "broken" => (StatusCode::SERVICE_UNAVAILABLE, Html(html)).into_response(),
        _ => Html(html).into_response(),
    }
}

async fn start() -> (Url, Site) {
    let site = Site { asked: Arc::default() };
    let file = async |State(site): State<Site>, Path(path): Path<String>| {
        site.asked.lock().unwrap().push(path.clone());
        let name = path.replace('/', "-");
        ([("content-disposition", "attachment; filename=a.pdf")], format!("%PDF-1.4 {name} %%EOF"))
    };
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(600)).await;
        "done"
    };
    let router = Router::new()
        .route("/order_headers/{number}", get(order))
        .route("/attachment_file/{*path}", any(file))
        .route("/robots.txt", get(async || "nothing to see"))
        .route("/slow", get(slow))
        .route("/never", get(std::future::pending::<()>))
        .with_state(site.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_resist_come_late_or_do_odd_things_are_told_apart_and_harm_no_other() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let (base, site) = start().await;
    let recipe = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    let text = "extends = \"coupa\"\nname = \"coupa\"\n[settle]\nafter_load = \"800ms\"\nunchanged_for = \"200ms\"\n\
                at_most = \"5s\"\nlong_poll_after = \"2s\"\n";
    fs::write(recipe.path(), text).unwrap();
    let harness = Harness::new(&rig, base.clone(), None, |config| {
        config.site.recipe = recipe.path().display().to_string();
        config.deadlines.download = Duration::from_secs(2);
    });
    let mut session = open(&rig, &base).await;
    let pages = pages();
    let orders: Vec<PoNumber> = (1..=pages.len()).map(|number| format!("PO{number}").parse().unwrap()).collect();
    let ends = harness.run(session.as_mut(), &orders, 4).await;
    assert!(session.close().await.is_clean());
    let mut wrong = Vec::new();
    for (po, (name, .., wanted)) in orders.iter().zip(&pages) {
        let (end, receipt) = (&ends[po], receipt_of(&ends[po]).cloned().unwrap_or_default());
        let is_so = match *wanted {
            Verdict::Frames(count) => {
                receipt.lane == Some(Lane::Frames) && end.result.is_ok() && receipt.files.len() == count
            }
            Verdict::Tab(why, Some(count)) => {
                let is_why = receipt.lane == Some(Lane::Tab) && receipt.lane_reason.contains(why);
                is_why && end.result.is_ok() && receipt.files.len() == count
            }
            Verdict::Tab(why, None) => end.result.is_err() && receipt.lane_reason.contains(why),
        };
        if !is_so {
            wrong.push(format!("{name}: {end:?} and not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let asked = site.asked.lock().unwrap().clone();
    for number in [1, 2, 3, 4, 5, 6] {
        let count = asked.iter().filter(|path| **path == format!("once/{number}")).count();
        assert_eq!(count, 1, "an address that may be good for one time: {asked:?}");
    }
    rig.until_nothing_is_left().await;
}
