//! Walks in frames on news that are made up, without a browser.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::files::{FileClient, SessionIdentity};
use super::order::{WalkContext, collect};
use super::reason::{TabReason, WalkEnd};
use crate::backend::{Attempt, InterimReceipt};
use crate::config::PoolConfig;
use crate::download::transfer::{ClientIdentity, SlotLimits, TransferSlots};
use crate::model::{AttemptNo, FailureKind, FileOrigin, PoTask, Receipt, TaskId, WorkerId};
use crate::net::{HttpClient, NetworkPolicy};
use crate::site::Recipe;
use crate::site::context::PortalContext;
use crate::site::lane::frames::host::FrameHost;
use crate::site::lane::learned::Learned;
use crate::site::page::selectors::without_exclusions;
use crate::site::page::snapshot::PageSnapshot;

fn element(attributes: Value) -> Value {
    json!({ "text": "", "attributes": attributes })
}

fn button(name: &str) -> Value {
    element(json!({ "aria-label": format!("{name} file attachment") }))
}

/// What the queries of an order page find: its marker, and these links and buttons.
fn found(recipe: &Recipe, links: &[&str], buttons: &[&str]) -> Value {
    let queries = PageSnapshot::queries(recipe, FileOrigin::Order);
    let finds = |listing| without_exclusions(recipe, listing);
    let lists = queries.iter().enumerate().map(|(at, query)| match &query.css {
        _ if at == 0 => vec![element(json!({}))],
        css if *css == finds(&recipe.attachments.buttons[0]) => buttons.iter().map(|name| button(name)).collect(),
        css if *css == finds(&recipe.attachments.links[0]) => {
            links.iter().map(|href| element(json!({ "href": href }))).collect()
        }
        _ => Vec::new(),
    });
    lists.collect::<Vec<_>>().into()
}

/// A page that is as it should be, but for what `change` does to it.
fn settled(recipe: &Recipe, base: &Url, buttons: &[&str], change: impl FnOnce(&mut Value)) -> Value {
    let url = base.join("/order_headers/7").unwrap();
    let areas = json!([{ "count": 1, "shown": 1 }]);
    let mut page = json!({
        "document": { "url": url, "title": "", "text": "", "status": 200 },
        "found": found(recipe, &[], buttons),
        "signs": { "isComplete": true, "saysNone": false, "areas": areas, "holds": null, "busy": null, "fetchedBefore": null },
        "control": null,
        "failed": [],
    });
    change(&mut page);
    json!({ "kind": "settled", "page": page })
}

fn caught(key: usize, url: &str) -> Value {
    json!({ "kind": "caught", "key": key, "caught": { "kind": "address", "url": url } })
}

/// Serves one file at every address.
async fn server() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(format!("{head}%PDF-1.4 a %%EOF").as_bytes()).await;
        }
    });
    base
}

/// How the walk of order 7 ends after these news.
async fn play(news: impl FnOnce(&Recipe, &Url) -> Vec<Value>) -> Result<Receipt, (WalkEnd, Receipt)> {
    play_until(CancellationToken::new(), news).await
}

async fn play_until(
    cancel: CancellationToken,
    news: impl FnOnce(&Recipe, &Url) -> Vec<Value>,
) -> Result<Receipt, (WalkEnd, Receipt)> {
    let base = server().await;
    let out = tempfile::tempdir().unwrap();
    let config = PoolConfig::builder().base_url(base.as_str()).build().unwrap();
    let context = PortalContext::new(&config.site, out.path().to_owned(), config.deadlines).unwrap();
    let client = HttpClient::for_portal(&base, NetworkPolicy::around(&base, &[])).await.unwrap();
    let (identity, learned, mut host) = (SessionIdentity::default(), Learned::default(), FrameHost::new());
    identity.set(ClientIdentity::new(&base, &[], "a browser"));
    let slots = TransferSlots::new(SlotLimits::default()).of_order();
    let files = FileClient { context: &context, client: &client, identity, slots };
    let shared = WalkContext { context: &context, learned: &learned, frames: host.opener(), files };
    let attempt = Attempt {
        task: TaskId(1),
        order: PoTask::new("PO7".parse().unwrap()),
        no: AttemptNo(1),
        have: Vec::new(),
        worker: WorkerId(1),
        begun: tokio::time::Instant::now(),
        interim: InterimReceipt::default(),
        cancel,
    };
    let news = news(&context.recipe, &base);
    let conductor = async {
        host.listen().await;
        host.open_waiting();
        for mut news in news {
            news["id"] = json!(1);
            host.deliver(vec![serde_json::from_value(news).unwrap()]);
        }
        // whoever waits for more learns that there is none
        host.lose_all();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = collect(shared, &attempt) => ended,
        () = conductor => unreachable!(),
    };
    ended.map_err(|unfinished| (unfinished.end, unfinished.receipt))
}

async fn reason(news: impl FnOnce(&Recipe, &Url) -> Vec<Value>) -> String {
    match play(news).await {
        Err((WalkEnd::ToTab(reason), _)) => reason.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn buttons_are_clicked_for_their_addresses_and_the_files_placed() {
    let receipt = play(|recipe, base| {
        let looked = json!({ "kind": "looked", "found": found(recipe, &[], &["a.pdf", "b.pdf"]) });
        let address = |at: usize| caught(at, base.join(&format!("/once/{at}")).unwrap().as_str());
        vec![settled(recipe, base, &["a.pdf", "b.pdf"], |_| {}), address(0), address(1), looked]
    });
    let receipt = receipt.await.unwrap();
    assert!(receipt.is_complete(), "{receipt:?}");
    assert_eq!((receipt.listed_count, receipt.files.len()), (2, 2));
}

#[tokio::test]
async fn every_empty_list_is_for_the_tab_to_prove() {
    let empty = |change: fn(&mut Value)| play(move |recipe, base| vec![settled(recipe, base, &[], change)]);
    for change in [
        (|_| {}) as fn(&mut Value),
        |page| page["signs"]["areas"] = json!([{ "count": 0, "shown": 0 }]),
        |page| page["signs"]["holds"] = json!("a link"),
        |page| page["control"] = json!({ "kind": "more", "text": "Show more" }),
        |page| page["failed"] = json!([{ "path": "/x", "status": 404, "isOfPage": false, "isNamed": false }]),
    ] {
        let ended = empty(change).await;
        assert!(matches!(ended, Err((WalkEnd::ToTab(TabReason::Empty(_)), _))), "{ended:?}");
    }
}

#[tokio::test]
async fn whatever_is_in_doubt_is_for_the_tab_lane_to_judge() {
    let with = |change: fn(&mut Value)| reason(move |recipe, base| vec![settled(recipe, base, &["a.pdf"], change)]);
    for (shown, wanted) in [
        (with(|page| page["signs"]["busy"] = json!("div.loading")).await, "div.loading said"),
        (
            with(|page| page["signs"]["unmet"] = json!([{ "text": "2 files", "number": 2, "listed": 1 }])).await,
            "2 files",
        ),
        (with(|page| page["control"] = json!({ "kind": "more", "text": "Show more" })).await, "Show more"),
        (
            with(|page| page["failed"] = json!([{ "path": "/x", "status": 500, "isOfPage": true, "isNamed": false }]))
                .await,
            "/x",
        ),
        (with(|page| page["document"]["url"] = json!("http://127.0.0.1:1/other")).await, "LoginInDoubt"),
        (with(|page| page["document"]["status"] = json!(503)).await, "another page"),
        (with(|page| page["document"]["status"] = json!(429)).await, "Throttled"),
        (with(|_| {}).await, "has gone"),
        (reason(|_, _| vec![json!({ "kind": "denied" })]).await, "cannot be shown in a frame"),
        (reason(|_, _| vec![json!({ "kind": "moved" })]).await, "by itself"),
        (reason(|_, _| vec![caught(0, "http://127.0.0.1/")]).await, "out of order"),
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    let after = |news: fn(&Recipe) -> Vec<Value>| {
        reason(move |recipe, base| {
            let mut all = vec![settled(recipe, base, &["a.pdf"], |_| {})];
            all.extend(news(recipe));
            all
        })
    };
    for (shown, wanted) in [
        (after(|_| vec![caught(7, "http://127.0.0.1/")]).await, "out of order"),
        (after(|_| vec![json!({ "kind": "caught", "key": 0, "caught": { "kind": "silent" } })]).await, "no address"),
        (
            after(|_| vec![json!({ "kind": "caught", "key": 0, "caught": { "kind": "form", "url": "x" } })]).await,
            "Form",
        ),
        (
            after(|recipe| {
                vec![
                    caught(0, "blob:http://127.0.0.1/1"),
                    json!({ "kind": "looked", "found": found(recipe, &[], &["a.pdf"]) }),
                ]
            })
            .await,
            "no web address",
        ),
        (
            after(|recipe| {
                vec![
                    caught(0, "http://127.0.0.1/1"),
                    json!({ "kind": "looked", "found": found(recipe, &[], &["b.pdf"]) }),
                ]
            })
            .await,
            "changed while",
        ),
        (
            after(|recipe| {
                vec![
                    caught(0, "https://evil.test/1"),
                    json!({ "kind": "looked", "found": found(recipe, &[], &["a.pdf"]) }),
                ]
            })
            .await,
            "did not come by HTTP",
        ),
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
}

#[tokio::test]
async fn files_that_came_before_a_doubt_are_in_the_receipt_for_the_tab_not_to_fetch_again() {
    let ended = play(|recipe, base| {
        let mut page = settled(recipe, base, &[], |_| {});
        let file = base.join("/attachment_file/1/a.pdf").unwrap();
        page["page"]["found"] = found(recipe, &[file.as_str(), "https://evil.test/attachment_file/2/b.pdf"], &[]);
        vec![page]
    });
    let (end, receipt) = ended.await.unwrap_err();
    assert!(matches!(end, WalkEnd::ToTab(TabReason::NoFile(_))), "{end:?}");
    assert_eq!(receipt.files.len(), 1);
}

#[tokio::test]
async fn a_walk_whose_time_is_over_ends_as_interrupted() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (end, receipt) = play_until(cancel, |_, _| Vec::new()).await.unwrap_err();
    assert!(matches!(&end, WalkEnd::Failed(error) if error.kind == FailureKind::Interrupted), "{end:?}");
    assert!(receipt.files.is_empty());
}
