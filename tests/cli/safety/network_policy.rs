//! What a portal leads a browser to on this machine or its network is not asked for anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coupa_batch::demo::{DemoPortal, FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::PoNumber;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::edge_stand_in::EdgeStandIn;
use crate::harness::command::{Call, TestEnv, largest, portal, report_in};
use crate::needs_browser;

/// Another program of this machine, which answers everybody and counts who comes.
struct LocalServer {
    address: String,
    callers: Arc<AtomicUsize>,
}

impl LocalServer {
    /// Sends whoever asks to `onwards`.
    async fn start(onwards: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}/secret", listener.local_addr().unwrap());
        let callers = Arc::new(AtomicUsize::new(0));
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {onwards}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let counted = Arc::clone(&callers);
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    let _ = caller.read(&mut asked).await;
                    let _ = caller.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { address, callers }
    }

    #[track_caller]
    fn assert_was_left_alone(&self) {
        assert_eq!(self.callers.load(Ordering::SeqCst), 0, "it was asked for something");
    }
}

/// A portal that misleads with one of its orders, the one with the most files.
struct MisleadingPortal {
    env: TestEnv,
    portal: DemoPortal,
    po: PoNumber,
    local_server: LocalServer,
}

impl MisleadingPortal {
    async fn start(fault: impl FnOnce(String) -> PortalFault, part: RequestTarget) -> Self {
        let portal = portal(4).await;
        // an honest file of the portal: a chain ends where it should
        let local_server =
            LocalServer::start(portal.base_url().join("help/download/guide.pdf").unwrap().as_str()).await;
        let po = largest(&portal);
        let rule = FaultRule::new(fault(local_server.address.clone()), part).for_order(&po);
        portal.faults().add(if part == RequestTarget::File { rule.times(1) } else { rule });
        Self { env: TestEnv::new(), portal, po, local_server }
    }

    fn call(&self) -> Call {
        // waited out, this would be told as what it is not
        self.env.run(&self.portal, [self.po.to_string()]).env("COUPA_BATCH_DOWNLOAD_TIMEOUT", "40s")
    }

    /// The order without its first file, and why it is missing.
    #[track_caller]
    fn assert_one_file_was_refused(&self) {
        let order = report_in(&self.env.out())["orders"][0].clone();
        let file_count = self.portal.expected(&self.po).unwrap().files.len();
        assert_eq!(order["status"], "PARTIAL", "{order:#}");
        assert_eq!(order["files"].as_array().unwrap().len(), file_count - 1, "{order:#}");
        assert_eq!(order["attempts"], 1, "{order:#}");
        let missing = order["missing"].as_array().unwrap();
        assert_eq!(missing.len(), 1, "{order:#}");
        self.assert_is_named(&missing[0]["error"]);
    }

    #[track_caller]
    fn assert_is_named(&self, error: &serde_json::Value) {
        let host = self.local_server.address.split('/').nth(2).unwrap();
        assert_eq!(error["kind"], "blocked_host", "{error:#}");
        let message = error["message"].as_str().unwrap();
        for part in [host, "not the portal's own", "private_hosts"] {
            assert!(message.contains(part), "{part:?} is missing in {message}");
        }
        assert!(!message.contains("secret"), "{message}");
    }

    async fn end(self) {
        self.local_server.assert_was_left_alone();
        self.env.assert_nothing_left().await;
        self.portal.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_led_to_another_port_of_this_machine_is_refused_at_once_and_the_others_come() {
    needs_browser!();
    // the local_server sends on to a file of the portal: what is refused is the chain, whatever its end
    let misleading = MisleadingPortal::start(PortalFault::LedTo, RequestTarget::File).await;
    misleading.call().end().await.assert(3, &[]);
    misleading.assert_one_file_was_refused();
    misleading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_reaches_no_other_hosts_either() {
    needs_browser!();
    let misleading = MisleadingPortal::start(PortalFault::LedTo, RequestTarget::File).await;
    let programs = tempfile::tempdir().unwrap();
    let (browser, driver) = EdgeStandIn::install(programs.path()).unwrap();
    let call = misleading.call().env("COUPA_BATCH_BROWSER", "edge");
    let call = call.env("COUPA_BATCH_BROWSER_PATH", browser).env("COUPA_BATCH_DRIVER_PATH", driver);
    call.end().await.assert(3, &[]);
    misleading.assert_one_file_was_refused();
    misleading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_page_that_is_led_there_is_that_orders_failure_and_stops_nobody() {
    needs_browser!();
    for fault in [PortalFault::LedTo as fn(String) -> PortalFault, PortalFault::LedByScript] {
        let misleading = MisleadingPortal::start(fault, RequestTarget::OrderPage).await;
        let other = misleading.portal.orders().into_iter().find(|po| *po != misleading.po).unwrap();
        misleading.call().arg(other.to_string()).end().await.assert(3, &[]);
        let report = report_in(&misleading.env.out());
        let order = |po: &PoNumber| {
            let orders = report["orders"].as_array().unwrap();
            orders.iter().find(|order| order["po_number"] == po.to_string()).unwrap().clone()
        };
        let led = order(&misleading.po);
        assert_eq!((&led["status"], &led["attempts"]), (&"FAILED".into(), &1.into()), "{led:#}");
        misleading.assert_is_named(&led["error"]);
        assert_eq!(order(&other)["status"], misleading.portal.expected(&other).unwrap().status.as_str());
        misleading.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_takes_from_there_is_left_out_and_its_order_is_complete() {
    needs_browser!();
    let misleading = MisleadingPortal::start(PortalFault::Embeds, RequestTarget::OrderPage).await;
    misleading.call().end().await.assert(0, &[]);
    assert_eq!(misleading.env.report()["orders"][0]["status"], "COMPLETED");
    misleading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settings_let_through_is_reached() {
    needs_browser!();
    let misleading = MisleadingPortal::start(PortalFault::Embeds, RequestTarget::OrderPage).await;
    let host = misleading.local_server.address.split('/').nth(2).unwrap();
    misleading.call().env("COUPA_BATCH_PRIVATE_HOSTS", host).end().await.assert(0, &[]);
    assert!(misleading.local_server.callers.load(Ordering::SeqCst) >= 3, "a picture, a frame and a script's request");
    misleading.env.assert_nothing_left().await;
    misleading.portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_needs_no_letting_through_is_refused_as_a_setting() {
    let env = TestEnv::new();
    let call = env.call(["run", "7", "--base-url", "https://acme.test"]);
    let ended = call.env("COUPA_BATCH_PRIVATE_HOSTS", "10.0.0.7, files.acme.test").end().await;
    ended.assert_refusal(2, &["private_hosts", "files.acme.test"]);
}
