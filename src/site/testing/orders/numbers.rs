//! The order on the page is the requested order.

use super::*;

#[tokio::test]
async fn a_page_that_shows_another_number_is_another_order() {
    let stage = Stage::new();
    let shows = |title| Shown { title, offers: vec![link(1, "a.txt", file("a.txt", "one"))], ..Shown::default() };
    for title in ["", "Purchase Order #7", "Purchase Order #PO7", "Pedido de compra n\u{ba} 7-2", "Order history"] {
        stage.collect(&FakePortal::with(ORDER, shows(title))).await.unwrap();
    }
    let portal = FakePortal::with(ORDER, shows("Purchase Order #9912"));
    let error = stage.failure(&portal).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    assert!(error.message.contains("PO7") && error.message.contains("9912"), "{error}");
    assert!(portal.state().clicks.is_empty(), "nothing of it is fetched");
    // nor is it believed to have nothing
    let empty = FakePortal::with(ORDER, Shown { title: "Purchase Order #9912", ..Shown::default() });
    assert_eq!(stage.failure(&empty).await.kind, FailureKind::PageChanged);
}
