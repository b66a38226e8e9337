//! The portal seen over plain HTTP: what a browser would be told, byte by byte.

pub(crate) mod client;

use std::collections::HashSet;
use std::time::SystemTime;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::demo::catalogue::Catalogue;
use crate::demo::catalogue::orders::OrderKind;
use crate::fs::hex;
use crate::model::{Failure, FailureKind, FileOrigin, OrderStatus, Outcome, PoNumber, Receipt};
use client::{LIMIT, Reply, TestClient, between};

async fn portal() -> DemoPortal {
    DemoPortal::start(DemoConfig::default()).await.unwrap()
}

fn kind_of(portal: &DemoPortal, wanted: OrderKind) -> PoNumber {
    let catalogue = Catalogue::new(portal.orders().len(), DemoConfig::default().seed);
    catalogue.orders().iter().find(|order| order.kind == wanted).unwrap().po.clone()
}

/// Every attachment of a page, as a browser would get it: links by address, buttons by ticket.
async fn files_of(client: &mut TestClient<'_>, page: &str) -> Vec<Reply> {
    let mut links: Vec<String> = Vec::new();
    for area in page.split("<div class=\"commentAttachments\"").skip(1) {
        let area = area.split("</div>").next().unwrap();
        links.extend(area.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    links.sort();
    links.dedup();
    let mut replies = Vec::new();
    for link in links {
        assert!(link.contains("attachment_file"), "{link}");
        replies.push(client.get(&link).await);
    }
    let token = between(page, "name=\"csrf-token\" content=\"", "\"").to_owned();
    let late = between(page, "id=\"late-attachments\">", "</script>");
    if !late.is_empty() {
        let late: serde_json::Value = serde_json::from_str(late).unwrap();
        for file in late["files"].as_array().unwrap() {
            let path = format!("/attachments/tickets/{}", file["id"]);
            assert_eq!(client.post(&path, "", "").await.status, 422, "a ticket without the page's token");
            let ticket = client.post(&path, &format!("X-CSRF-Token: {token}\r\n"), "").await;
            let answer: serde_json::Value = serde_json::from_slice(&ticket.body).unwrap();
            let url = answer["url"].as_str().unwrap();
            replies.push(client.get(url).await);
            assert_eq!(client.get(url).await.status, 410, "a ticket is good for one time");
        }
    }
    replies
}

#[tokio::test]
async fn nothing_is_shown_without_a_login_and_the_login_leads_back() {
    let portal = portal().await;
    let first = &portal.orders()[0];
    let mut client = TestClient::new(&portal);
    for path in [format!("/order_headers/{}", first.digits()), "/".into(), "/help/download/guide.pdf".into()] {
        let reply = client.get(&path).await;
        assert_eq!((reply.status, reply.header("location")), (302, Some("/sessions/new")), "{path}");
    }
    client.order(first).await;
    let reply = client.log_in(portal.password().expose_secret()).await;
    assert_eq!(reply.header("location"), Some(format!("/order_headers/{}", first.digits()).as_str()));
    assert!(client.order(first).await.text().contains("commentAttachments"));
    assert_eq!(portal.counts().logins_accepted, 1);
    portal.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_a_forged_form_are_refused() {
    let portal = portal().await;
    let mut client = TestClient::new(&portal);
    assert!(client.log_in("wrong").await.text().contains("Invalid user name or password"));
    assert_eq!(portal.counts().logins_refused, 1);
    assert_eq!(client.post("/sessions", "", "authenticity_token=x").await.status, 422);
    assert_eq!(client.get("/").await.status, 302);
    portal.stop().await;
}

#[tokio::test]
async fn every_order_is_served_as_it_is_expected() {
    let portal = portal().await;
    let mut client = TestClient::logged_in(&portal).await;
    let mut statuses = HashSet::new();
    for po in portal.orders() {
        let expected = portal.expected(&po).unwrap();
        statuses.insert(expected.status);
        let page = client.order(&po).await;
        assert_eq!(page.status, 200);
        let text = page.text();
        let mut replies = files_of(&mut client, &text).await;
        let requisition = between(&text, "href=\"/requisition_headers/", "\"").to_owned();
        if replies.is_empty() && !requisition.is_empty() {
            let page = client.get(&format!("/requisition_headers/{requisition}")).await;
            assert_eq!(expected.status == OrderStatus::PrNotAccessible, page.text().contains("You are not authorized"));
            replies = files_of(&mut client, &page.text()).await;
            assert!(expected.files.iter().all(|file| file.source == FileOrigin::Requisition));
        }
        match expected.status {
            OrderStatus::PoNotFound => {
                let texts = ["Oops! We couldn't find", "looking for doesn't exist", "Desculpe, não encontramos"];
                assert!(texts.iter().any(|known| text.contains(known)), "{text}");
            }
            OrderStatus::AccessDenied => {
                assert!(text.contains("You are not authorized") || text.contains("Access denied"));
            }
            _ => {
                let shown = expected.supplier.as_deref().map(crate::demo::catalogue::files::escaped);
                assert!(shown.is_none_or(|name| text.contains(&name)));
                for decoy in ["/print_view", "/export.csv", "/help/download/", "/terms/download"] {
                    assert!(text.contains(decoy), "{decoy}");
                }
            }
        }
        let mut served: Vec<_> =
            replies.iter().map(|reply| (hex(&Sha256::digest(&reply.body)), reply.body.len() as u64)).collect();
        let mut wanted: Vec<_> = expected.files.iter().map(|file| (file.sha256.clone(), file.size)).collect();
        served.sort();
        wanted.sort();
        assert_eq!(served, wanted, "{po}");
    }
    assert_eq!(statuses.len(), 5, "{statuses:?}");
    assert_eq!(portal.counts().decoys_served, 0);
    portal.stop().await;
}

#[tokio::test]
async fn an_unknown_number_is_not_found_and_a_button_has_no_lasting_address() {
    let portal = portal().await;
    let mut client = TestClient::logged_in(&portal).await;
    assert!(client.get("/order_headers/1").await.text().contains("Oops!"));
    let page = client.order(&kind_of(&portal, OrderKind::Buttons)).await.text();
    let late: serde_json::Value = serde_json::from_str(between(&page, "late-attachments\">", "</script>")).unwrap();
    let path = format!("/attachments/attachment_file/{}", late["files"][0]["id"]);
    assert_eq!(client.get(&path).await.status, 404);
    portal.stop().await;
}

#[tokio::test]
async fn each_fault_shows_as_what_it_is() {
    let portal = portal().await;
    let po = portal.orders()[0].clone();
    let mut client = TestClient::logged_in(&portal).await;
    let page = client.order(&po).await.text();
    let link = format!("/attachments{}", between(&page, "href=\"/attachments", "\""));
    let once = |fault, part| portal.faults().add(FaultRule::new(fault, part).for_order(&po).times(1));

    once(PortalFault::Status(503), RequestTarget::OrderPage);
    assert_eq!(client.order(&po).await.status, 503);
    once(PortalFault::Throttled(RetryAfter::Seconds(7)), RequestTarget::OrderPage);
    let reply = client.order(&po).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")));
    once(PortalFault::Throttled(RetryAfter::Date(SystemTime::UNIX_EPOCH)), RequestTarget::OrderPage);
    assert_eq!(client.order(&po).await.header("retry-after"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    once(PortalFault::WrongShape, RequestTarget::OrderPage);
    assert!(!client.order(&po).await.text().contains("commentAttachments"));
    once(PortalFault::BusyScript, RequestTarget::OrderPage);
    assert!(client.order(&po).await.text().contains("while (true)"));
    once(PortalFault::Truncated, RequestTarget::OrderPage);
    assert!(client.order(&po).await.is_cut);

    once(PortalFault::Reset, RequestTarget::File);
    let reply = client.get(&link).await;
    assert!(reply.is_cut && reply.head.is_empty(), "{reply:?}");
    once(PortalFault::Truncated, RequestTarget::File);
    let reply = client.get(&link).await;
    assert!(reply.is_cut && !reply.body.is_empty(), "{}", reply.head);
    once(PortalFault::WrongType, RequestTarget::File);
    let reply = client.get(&link).await;
    assert!(reply.text().starts_with("<!DOCTYPE html>") && !reply.header("content-type").unwrap().contains("html"));
    once(PortalFault::LoginInstead, RequestTarget::File);
    let reply = client.get(&link).await;
    assert!(reply.status == 200 && reply.is_login_page());
    assert!(!client.order(&po).await.is_login_page(), "the login went on");

    once(PortalFault::LoginEnded(LoginAnswer::Page), RequestTarget::File);
    let reply = client.get(&link).await;
    assert!(reply.status == 200 && reply.is_login_page());
    assert_eq!(client.order(&po).await.header("location"), Some("/sessions/new"), "the login was over");
    assert_eq!(portal.counts().faults_struck, 11);
    portal.stop().await;
}

#[tokio::test]
async fn a_login_ended_from_outside_is_asked_for_again_in_the_way_that_was_chosen() {
    let portal = portal().await;
    let po = portal.orders()[0].clone();
    let mut client = TestClient::logged_in(&portal).await;
    portal.end_logins();
    portal.set_login_answer(LoginAnswer::Page);
    let reply = client.order(&po).await;
    assert!(reply.status == 200 && reply.is_login_page());
    assert_eq!(portal.login_count(), 0);
    portal.stop().await;
}

#[tokio::test]
async fn held_pages_and_files_come_whole_after_their_release() {
    let portal = portal().await;
    let po = portal.orders()[0].clone();
    let mut client = TestClient::logged_in(&portal).await;
    let release = async || {
        timeout(LIMIT, portal.faults().wait_until_held(&po)).await.expect("a request at the gate");
        portal.faults().release(&po);
    };
    portal.faults().hold(&po);
    let (page, ()) = tokio::join!(client.order(&po), release());
    let page = page.text();
    let link = format!("/attachments{}", between(&page, "href=\"/attachments", "\""));
    portal.faults().hold_files(&po);
    let (file, ()) = tokio::join!(client.get(&link), release());
    assert!(!file.is_cut);
    let digest = hex(&Sha256::digest(&file.body));
    assert!(portal.expected(&po).unwrap().files.iter().any(|file| file.sha256 == digest));
    portal.stop().await;
}

#[tokio::test]
async fn stopping_cuts_endless_and_held_connections() {
    let portal = portal().await;
    let po = portal.orders()[0].clone();
    portal.faults().hold(&po);
    portal.faults().add(FaultRule::new(PortalFault::NeverFinishes, RequestTarget::Anything));
    let cookie = TestClient::new(&portal).get("/").await.header("set-cookie").map(str::to_owned);
    assert!(cookie.is_some(), "an answer without a body has no half");
    portal.faults().clear();
    let client = TestClient::logged_in(&portal).await;
    portal.faults().add(FaultRule::new(PortalFault::NeverFinishes, RequestTarget::Anything));
    let cookie = client.cookie.clone().unwrap();
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: _coupa_session={cookie}\r\n\r\n");
    let mut streams = Vec::new();
    for path in ["/events", "/order_headers", &format!("/order_headers/{}", po.digits())] {
        let mut stream = TcpStream::connect(("127.0.0.1", portal.base_url().port().unwrap())).await.unwrap();
        stream.write_all(request(path).as_bytes()).await.unwrap();
        streams.push(stream);
    }
    timeout(LIMIT, portal.faults().wait_until_held(&po)).await.unwrap();
    let mut first = [0; 16];
    timeout(LIMIT, streams[1].read_exact(&mut first)).await.unwrap().unwrap();
    let address = portal.base_url().port().unwrap();
    timeout(LIMIT, portal.stop()).await.unwrap();
    for mut stream in streams {
        let mut rest = Vec::new();
        let _ = timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("the connection ended");
    }
    assert!(TcpStream::connect(("127.0.0.1", address)).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn dropping_the_portal_stops_it() {
    let portal = portal().await;
    let mut stream = TcpStream::connect(("127.0.0.1", portal.base_url().port().unwrap())).await.unwrap();
    drop(portal);
    let mut rest = Vec::new();
    let _ = timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("the connection ended");
}

/// What a perfect run would leave.
async fn perfect(portal: &DemoPortal, out: &std::path::Path) -> Vec<(PoNumber, Outcome)> {
    let catalogue = Catalogue::new(portal.orders().len(), DemoConfig::default().seed);
    let mut outcomes = Vec::new();
    for order in catalogue.orders() {
        let status = order.status();
        let folder = out.join("some supplier").join(format!("{}_{status}", order.po));
        for (n, (file, _)) in order.wanted().enumerate() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{n}.bin")), file.bytes()).unwrap();
        }
        let receipt = Receipt { supplier: order.supplier.map(str::to_owned), ..Receipt::default() };
        let outcome = match status {
            OrderStatus::Completed => Outcome::Completed(receipt),
            OrderStatus::NoAttachments => Outcome::NoAttachments(receipt),
            OrderStatus::PoNotFound => Outcome::NotFound(Failure::new(FailureKind::OrderMissing, ""), None),
            OrderStatus::PrNotAccessible => Outcome::Failed(Failure::new(FailureKind::RequisitionDenied, ""), None),
            _ => Outcome::Failed(Failure::new(FailureKind::AccessDenied, ""), None),
        };
        outcomes.push((order.po.clone(), outcome));
    }
    outcomes
}

#[tokio::test]
async fn the_check_is_content_with_a_perfect_run_and_with_nothing_less() {
    let portal = portal().await;
    let out = tempfile::tempdir().unwrap();
    let mut outcomes = perfect(&portal, out.path()).await;
    assert_eq!(check(&portal, out.path(), &outcomes), []);

    let first = portal.orders()[0].clone();
    let folder = out.path().join("some supplier").join(format!("{first}_COMPLETED"));
    let content = std::fs::read(folder.join("0.bin")).unwrap();
    std::fs::write(folder.join("0.bin"), b"other bytes").unwrap();
    let found = check(&portal, out.path(), &outcomes);
    assert!(matches!(found.as_slice(), [Mismatch::MissingFile { .. }, Mismatch::ExtraFile { .. }]), "{found:?}");
    std::fs::write(folder.join("0.bin"), content).unwrap();

    let work = out.path().join("other").join(format!("{first}__WORK"));
    std::fs::create_dir_all(&work).unwrap();
    assert!(matches!(check(&portal, out.path(), &outcomes).as_slice(), [Mismatch::ExtraFolder { .. }]));
    std::fs::remove_dir(&work).unwrap();

    outcomes[0].1 = Outcome::Failed(Failure::new(FailureKind::StepTimeout, "too slow"), None);
    let found = check(&portal, out.path(), &outcomes);
    assert!(found[0].to_string().contains("FAILED instead of COMPLETED (too slow)"), "{found:?}");
    outcomes.remove(0);
    assert_eq!(check(&portal, out.path(), &outcomes), [Mismatch::NoOutcome { po: first }]);
    portal.stop().await;
}

#[test]
fn one_order_is_a_plain_one_with_links() {
    let catalogue = Catalogue::new(1, 99);
    let [order] = catalogue.orders() else { panic!("one order") };
    assert_eq!(order.kind, OrderKind::Links);
    assert!(!order.attachments.is_empty() && order.attachments.iter().all(|file| !file.is_button));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_seed_gives_the_same_orders_and_files(seed: u64, count in 1_usize..60) {
        let (one, other) = (Catalogue::new(count, seed), Catalogue::new(count, seed));
        prop_assert_eq!(format!("{one:?}").len(), format!("{other:?}").len());
        let mut numbers = HashSet::new();
        for (one, other) in one.orders().iter().zip(other.orders()) {
            prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
            prop_assert!(numbers.insert(one.po.clone()), "{} is there twice", one.po);
        }
        let file = one.orders()[0].attachments[0].digest();
        prop_assert_eq!(file, other.orders()[0].attachments[0].digest());
    }

    #[test]
    fn an_order_with_attachments_and_a_requisition_has_a_pdf_of_its_own(seed: u64) {
        for order in Catalogue::new(50, seed).orders() {
            let has_pdf = order.attachments.iter().any(|file| file.name.ends_with(".pdf"));
            prop_assert!(order.attachments.is_empty() || order.requisition.is_none() || has_pdf);
        }
    }

    #[test]
    fn whatever_an_order_is_called_no_markup_gets_through(text in ".*") {
        let safe = crate::demo::catalogue::files::escaped(&text);
        prop_assert!(!safe.contains(['<', '>', '"', '\'']));
    }
}
