//! Pages that do not like frames, that come late, or whose buttons do odd things: each is told apart, and none harms the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use coupa_batch::backend::{SessionError, SessionFactory};
use coupa_batch::model::{FileOrigin, WorkerId};
use coupa_batch::site::lane::frames::{FrameLane, FrameLimits, FrameOrder, FrameOutcome, TabReason};
use tokio::net::TcpListener;
use url::Url;

use super::frames::recipe;
use crate::browser::{Flavour, Rig};

/// What a frame should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// So many files.
    Listed(usize),
    Denied,
    Moved,
    Unsettled,
    Uncaught,
    NotWanted,
}

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
        script("denied", ONE, String::new(), Verdict::Denied),
        script("ancestors", ONE, String::new(), Verdict::Denied),
        script("elsewhere", ONE, String::new(), Verdict::Denied),
        script("login", ONE, String::new(), Verdict::NotWanted),
        script("broken", ONE, String::new(), Verdict::NotWanted),
        script("plain", ONE, String::new(), Verdict::Listed(1)),
        script("policy", ONE, String::new(), Verdict::Listed(1)),
        script("dialogs", ONE, "alert(1); confirm(2); prompt(3); print();".into(), Verdict::Listed(1)),
        script("buster", ONE, "if (top !== self) top.location = self.location;".into(), Verdict::Listed(1)),
        script("shy", ONE, "try { parent.location = '/away'; } catch {} parent.close();".into(), Verdict::Listed(1)),
        script("leaves", ONE, "setTimeout(() => { location = '/order_headers/plain'; }, 50);".into(), Verdict::Moved),
        script(
            "fetched",
            "",
            format!("fetch('/slow').then((a) => a.text()).then(() => {{ {LIST} }});"),
            Verdict::Listed(2),
        ),
        script(
            "asked",
            "",
            format!("const x = new XMLHttpRequest(); x.open('GET', '/slow'); x.onload = () => {{ {LIST} }}; x.send();"),
            Verdict::Listed(2),
        ),
        script(
            "silent",
            "",
            format!("addEventListener('load', () => setTimeout(() => fetch('/slow').then(() => {{ {LIST} }}), 700));"),
            Verdict::Listed(2),
        ),
        script(
            "in_view",
            "",
            format!(
                "new IntersectionObserver((seen) => {{ if (seen[0].isIntersecting) {{ {LIST} }} }}).observe(document.body);"
            ),
            Verdict::Listed(2),
        ),
        script(
            "busy",
            "",
            format!(
                "const area = document.querySelector('.commentAttachments'); area.setAttribute('aria-busy', 'true');\
                 new Worker(URL.createObjectURL(new Blob(['setTimeout(() => postMessage(1), 900)']))).onmessage = () => {{\
                 area.removeAttribute('aria-busy'); {LIST} }};"
            ),
            Verdict::Listed(2),
        ),
        script("polls", ONE, "fetch('/never');".into(), Verdict::Unsettled),
        button("assigns", "location.assign('/attachment_file/once/1');", Verdict::Listed(1)),
        button("asks", "await fetch('/slow'); location.href = '/attachment_file/once/2';", Verdict::Listed(1)),
        button("opens", "await fetch('/slow'); window.open('/attachment_file/once/3');", Verdict::Listed(1)),
        button(
            "opens_then",
            "const w = open(); await fetch('/slow'); w.location = '/attachment_file/once/4';",
            Verdict::Listed(1),
        ),
        button(
            "blank",
            "const a = document.createElement('a'); a.href = '/attachment_file/once/5'; a.target = '_blank';\
             document.body.append(a); a.click();",
            Verdict::Listed(1),
        ),
        button(
            "saves",
            "const a = document.createElement('a'); a.href = '/attachment_file/once/6'; a.download = 'x'; a.click();",
            Verdict::Listed(1),
        ),
        button(
            "form",
            "const f = document.createElement('form'); f.method = 'post'; f.action = '/attachment_file/once/7';\
             document.body.append(f); f.submit();",
            Verdict::Uncaught,
        ),
        button("blob", "location = URL.createObjectURL(new Blob(['x']));", Verdict::Uncaught),
        button("trusted", "if (!event.isTrusted) return; location = '/attachment_file/once/8';", Verdict::Uncaught),
    ]
}

#[derive(Clone)]
struct Site {
    /// Addresses of files that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

async fn order(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, area, script, _)) = pages().into_iter().find(|(known, ..)| *known == name) else {
        return "no such page".into_response();
    };
    let html = format!(
        "<!doctype html><title>{name}</title><div class=commentAttachments>{area}</div>\
         <script nonce=n>{script}</script><script nonce=n>/* goes on */</script>"
    );
    match name.as_str() {
        "denied" => ([("x-frame-options", "DENY")], Html(html)).into_response(),
        "ancestors" => ([("content-security-policy", "frame-ancestors 'none'")], Html(html)).into_response(),
        "policy" => {
            ([("content-security-policy", "default-src 'self'; script-src 'nonce-n'")], Html(html)).into_response()
        }
        "elsewhere" => {
            let port = headers["host"].to_str().unwrap().rsplit(':').next().unwrap().to_owned();
            Redirect::to(&format!("http://localhost:{port}/order_headers/plain")).into_response()
        }
        "broken" => (StatusCode::SERVICE_UNAVAILABLE, Html(html)).into_response(),
        "login" => Redirect::to("/sessions/new").into_response(),
        _ => Html(html).into_response(),
    }
}

async fn start() -> (Url, Site) {
    let site = Site { asked: Arc::default() };
    let file = async |State(site): State<Site>, Path(path): Path<String>| {
        site.asked.lock().unwrap().push(path);
        ([("content-disposition", "attachment")], "file")
    };
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(600)).await;
        "done"
    };
    let router = Router::new()
        .route("/order_headers/{name}", get(order))
        .route("/attachment_file/{*path}", any(file))
        .route("/sessions/new", get(async || Html("<form action=/sessions><input name=user[login]></form>")))
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
    let mut session = rig.factory.clone().for_frames().open(WorkerId(1)).await.unwrap();
    let page = session.page();
    let recipe = recipe("coupa");
    let limits =
        FrameLimits { at_most: Duration::from_secs(6), silence: Duration::from_secs(1), ..FrameLimits::of(&recipe) };
    let empty = FrameLane::start(page, &base.join("nothing").unwrap(), &recipe, &limits).await.unwrap_err();
    assert!(matches!(empty, SessionError::Refused(_)), "the browser shows a page of its own: {empty}");
    let lane = FrameLane::start(page, &base.join("robots.txt").unwrap(), &recipe, &limits).await.unwrap();
    let pages = pages();
    let orders = (0..).zip(&pages).map(|(id, (name, ..))| FrameOrder {
        id,
        url: base.join("order_headers/").unwrap().join(name).unwrap(),
        origin: FileOrigin::Order,
    });
    let mut outcomes = BTreeMap::new();
    let mut told = Vec::new();
    lane.run(page, orders.collect(), 4, |order, outcome| {
        told.push(order.id);
        outcomes.insert(order.id, outcome);
    })
    .await
    .unwrap();
    let mut wrong = Vec::new();
    for (id, (name, .., wanted)) in (0..).zip(&pages) {
        let came = match &outcomes[&id] {
            FrameOutcome::Listed(files) => Verdict::Listed(files.len()),
            FrameOutcome::ToTab(TabReason::Denied) => Verdict::Denied,
            FrameOutcome::ToTab(TabReason::Moved) => Verdict::Moved,
            FrameOutcome::ToTab(TabReason::Unsettled(_)) => Verdict::Unsettled,
            FrameOutcome::ToTab(TabReason::Uncaught(_)) => Verdict::Uncaught,
            FrameOutcome::ToTab(_) => Verdict::NotWanted,
        };
        if came != *wanted {
            wrong.push(format!("{name}: {:?} and not {wanted:?}", outcomes[&id]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(*site.asked.lock().unwrap(), Vec::<String>::new(), "nothing was asked of any address");
    let place = |wanted: &str| told.iter().position(|id| pages[*id as usize].0 == wanted).unwrap();
    assert!(place("denied") < place("silent"), "what is denied is told at once: {told:?}");
    assert!(session.close().await.is_clean());
}
