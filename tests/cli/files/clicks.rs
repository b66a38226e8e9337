//! Pages on which a click does not bring the file.

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};

use crate::harness::command::{TestEnv, assert_all_there, portal};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_links_only_open_a_viewer_all_come_by_their_addresses() {
    needs_browser!();
    let portal = portal(5).await;
    portal.faults().add(FaultRule::new(PortalFault::Viewer, RequestTarget::OrderPage));
    let env = TestEnv::new();
    let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string)).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert!(portal.struck(&PortalFault::Viewer) > 0);
    env.assert_nothing_left().await;
    portal.stop().await;
}
