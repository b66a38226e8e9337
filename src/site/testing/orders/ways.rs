//! Ways in which an attachment becomes a file, and attachments of one name.

use super::*;
use crate::site::testing::offers::AfterClick;

fn text(answer: &'static str) -> FakeReply {
    file("scan.txt", answer)
}

fn moving(answer: &'static str, after_click: AfterClick) -> Offer {
    Offer { after_click, ..button("scan.txt", text(answer)) }
}

/// Long enough for a page to be seen at rest, and never waited for.
fn patient() -> Stage {
    let mut config = config();
    config.deadlines.download = Duration::from_secs(3600);
    Stage::with(&config)
}

async fn placed(offers: Vec<Offer>) -> (Vec<String>, Receipt, Vec<String>) {
    let stage = patient();
    let portal = order(offers);
    let receipt = stage.collect(&portal).await.unwrap();
    let mut texts: Vec<_> = receipt.files.iter().map(|file| stage.read(&file.path)).collect();
    texts.sort();
    let clicks = portal.state().clicks.clone();
    (texts, receipt, clicks)
}

#[tokio::test]
async fn attachments_of_one_name_are_all_fetched_wherever_the_page_moves_them() {
    for after_click in [AfterClick::Stays, AfterClick::GoesLast, AfterClick::IsMadeAnew] {
        let offers = vec![moving("one", after_click), moving("two", after_click), moving("three", after_click)];
        let (texts, receipt, _) = placed(offers).await;
        assert_eq!(
            (texts, receipt.listed_count),
            (vec!["one".into(), "three".into(), "two".into()], 3),
            "{after_click:?}"
        );
        assert!(receipt.is_complete());
    }
}

#[tokio::test]
async fn two_attachments_of_one_name_and_the_same_bytes_are_fetched_once_each_where_the_page_keeps_them() {
    let (texts, receipt, clicks) =
        placed(vec![moving("one", AfterClick::GoesLast), moving("one", AfterClick::GoesLast)]).await;
    assert_eq!((texts.len(), receipt.arrived_count(), clicks.len()), (1, 2, 2));
}

#[tokio::test]
async fn what_has_its_place_alone_to_tell_it_is_fetched_again_in_the_next_attempt() {
    let mut stage = Stage::new();
    let two = |one, other| order(vec![button("scan.txt", text(one)), button("scan.txt", text(other))]);
    stage.attempt.have = stage.collect(&two("one", "two")).await.unwrap().files;
    let portal = two("two", "one");
    let receipt = stage.collect(&portal).await.unwrap();
    assert_eq!((portal.state().clicks.len(), receipt.files.len()), (2, 2), "the same two files, each once");
    assert!(receipt.is_complete());
}

#[tokio::test]
async fn a_link_whose_click_only_shows_something_is_fetched_by_its_address() {
    let (texts, _, clicks) = placed(vec![link(1, "a.pdf", FakeReply::Handled("a.pdf", PDF))]).await;
    assert_eq!(
        (texts, clicks),
        (vec![PDF.to_owned()], vec!["Save a.pdf".to_owned(), "Address /attachment_file/1".to_owned()])
    );
}

#[tokio::test]
async fn a_link_that_is_a_script_is_clicked_on_orders_and_requisitions() {
    let script = |call: &str, label: &'static str, answer| Offer {
        href: Some(format!("javascript:{call}")),
        ..link(0, label, file(label, answer))
    };
    let offers = vec![
        script("download(7)", "a.txt", "one"),
        script("void(0)", "b.txt", "two"),
        script("void(0)", "b.txt", "three"),
        link(4, "c.txt", file("c.txt", "four")),
        button("d.txt", file("d.txt", "five")),
    ];
    let requisition = with_requisition(vec![], Shown { offers: offers.clone(), ..Shown::default() });
    for portal in [order(offers), requisition] {
        let stage = patient();
        let receipt = stage.collect(&portal).await.unwrap();
        let mut texts: Vec<_> = receipt.files.iter().map(|file| stage.read(&file.path)).collect();
        texts.sort();
        assert_eq!(texts, ["five", "four", "one", "three", "two"]);
        assert_eq!((receipt.listed_count, receipt.is_complete()), (5, true));
        let clicks = portal.state().clicks.clone();
        assert_eq!(clicks.iter().filter(|click| click.starts_with("Script ")).count(), 4, "{clicks:?}");
    }
}

#[tokio::test]
async fn a_button_with_an_address_is_fetched_without_a_click() {
    let address = |answer| Some((format!("{BASE}/attachment_file/type/5/scan.txt"), Box::new(answer)));
    let (texts, _, clicks) = placed(vec![
        Offer { address: address(text("by address")), ..button("scan.txt", FakeReply::Silence) },
        button("other.txt", file("other.txt", "by click")),
    ])
    .await;
    assert_eq!(texts, ["by address", "by click"]);
    assert_eq!(clicks, ["Address /attachment_file/type/5/scan.txt", "Script other.txt"]);
    // an address that is not the file's costs nothing but the request
    let wrong = file("x.html", "<!DOCTYPE html><html><p>list</p></html>");
    for wrong in [FakeReply::Answered(404), wrong] {
        let offer = Offer { address: address(wrong), ..button("scan.txt", text("by click")) };
        assert_eq!(placed(vec![offer]).await.0, ["by click"]);
    }
}

#[tokio::test]
async fn an_address_around_several_buttons_is_that_of_none() {
    let of_all = || Some((format!("{BASE}/attachments/list"), Box::new(file("list.json", "{}"))));
    let offer = |label, answer| Offer { address: of_all(), ..button(label, file(label, answer)) };
    let (texts, ..) = placed(vec![offer("a.txt", "one"), offer("b.txt", "two")]).await;
    assert_eq!(texts, ["one", "two"]);
}

#[tokio::test]
async fn what_the_browser_shows_instead_of_saving_it_is_the_file_and_the_next_one_is_found() {
    let picture = "\u{89}PNG not really";
    let (texts, _, clicks) = placed(vec![
        button("scan.txt", FakeReply::Inline("text/plain", picture)),
        button("b.txt", file("b.txt", "two")),
    ])
    .await;
    assert_eq!(texts, ["two", picture]);
    assert_eq!(clicks, ["Script scan.txt", "Address /shown", "Script b.txt"]);
}

#[tokio::test]
async fn a_link_that_the_browser_shows_leaves_the_next_ones_to_be_found() {
    let shown = |id, label| link(id, label, FakeReply::Inline("text/plain", "shown"));
    let (texts, receipt, _) = placed(vec![shown(1, "a.txt"), shown(2, "b.txt"), shown(3, "c.txt")]).await;
    assert_eq!(texts, ["shown", "shown", "shown"]);
    assert!(receipt.is_complete());
}

#[tokio::test]
async fn a_download_that_begins_a_second_time_is_not_that_of_the_next_link() {
    let (texts, receipt, _) =
        placed(vec![link(1, "a.txt", FakeReply::Twice("a.txt", "one")), link(2, "b.txt", file("b.txt", "two"))]).await;
    assert_eq!(texts, ["one", "two"]);
    assert!(receipt.is_complete());
}

#[tokio::test]
async fn a_viewer_that_a_click_opens_has_the_address_of_the_file() {
    let hidden = Offer { appears_after: 99, ..link(5, "scan.txt", text("viewed")) };
    let (texts, ..) = placed(vec![button("scan.txt", FakeReply::Preview("/attachment_file/5")), hidden]).await;
    assert_eq!(texts, ["viewed"]);
}

#[tokio::test]
async fn a_click_that_does_nothing_is_not_waited_for_until_the_deadline() {
    let stage = patient();
    let error = stage.failure(&order(vec![button("scan.txt", FakeReply::Silence)])).await;
    assert_eq!(error.kind, FailureKind::DownloadStalled);
    assert!(error.message.contains("the page has finished loading"), "{error}");
}
