//! That somebody is in is said on evidence alone, and a password is sent as seldom as can be: the portal counts it.

use coupa_batch::demo::{FaultRule, LoginAnswer, PortalFault, RequestTarget};

use crate::browser::until;
use crate::harness::command::{QUICK_SETTLE, TestEnv, assert_all_there, portal, statuses};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_on_a_page_without_a_form_is_a_refusal_and_the_password_is_sent_once() {
    needs_browser!();
    let portal = portal(4).await;
    portal.set_refusal_on_welcome(true);
    let env = TestEnv::new();
    let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string)).env("COUPA_PASSWORD", "wrong");
    let ended = ended.env("COUPA_BATCH_WORKERS", "2").end().await;
    ended.assert(2, &["the portal refused the login", "Invalid user name or password", "COUPA_PASSWORD"]);
    assert!(!ended.stderr.contains("logged in"), "{ended}");
    assert_eq!(portal.counts().passwords_sent, 1);

    // another one: whoever asks for it by name is told the same, and nothing is kept
    let login = env.login(env.call(["login", "--base-url", portal.base_url().as_str()]), &portal);
    let ended = login.env("COUPA_PASSWORD", "wrong, too").end().await;
    ended.assert(2, &["the portal refused the login", "Invalid user name or password"]);
    assert_eq!(portal.counts().passwords_sent, 2);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_stays_until_the_second_step_is_done_and_nobody_is_disturbed_in_it() {
    needs_browser!();
    let portal = portal(2).await;
    portal.set_second_step(true);
    portal.set_person(true);
    let env = TestEnv::new();
    let base_url = portal.base_url();
    let made = env.call(["login", "--headless", "--wait", "60s", "--base-url", base_url.as_str()]).end().await;
    made.assert(0, &[]);
    assert!(made.stdout.contains("saved in"), "{made}");
    assert_eq!((portal.counts().passwords_sent, portal.counts().logins_accepted), (1, 1), "{made}");
    portal.set_person(false);
    let pos = portal.orders();
    let ended = env.call(["run", "--base-url", base_url.as_str()]).args(pos.iter().map(ToString::to_string));
    let ended = ended.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_meets_a_second_step_pauses_for_a_person_and_sends_no_password_again() {
    needs_browser!();
    let portal = portal(2).await;
    portal.set_second_step(true);
    let env = TestEnv::new();
    let base_url = portal.base_url();
    let mut going =
        env.run(&portal, portal.orders().iter().map(ToString::to_string)).env("COUPA_BATCH_PATIENCE", "2m").start();
    going.says("a second step").await;
    let asked = portal.counts().requests;
    portal.set_person(true);
    let made = env.call(["login", "--headless", "--wait", "60s", "--base-url", base_url.as_str()]).start();
    until("the person's browser is up", async || (portal.counts().requests > asked).then_some(())).await;
    until("the person types", async || (portal.counts().passwords_sent == 2).then_some(())).await;
    let is_in = async || (portal.counts().logins_accepted == 1).then_some(());
    until("the person is in", is_in).await;
    portal.set_person(false); // or the run's own browsers had one before them, too
    made.end().await.assert(0, &[]);
    let ended = going.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert_eq!(portal.counts().passwords_sent, 2, "once by the run, once by the person: {ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_sent_twice_at_most_when_the_portal_does_not_say_what_became_of_it() {
    needs_browser!();
    let portal = portal(2).await;
    portal.faults().add(FaultRule::new(PortalFault::Status(500), RequestTarget::Password));
    let env = TestEnv::new();
    let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string));
    let ended = ended.env("COUPA_BATCH_PATIENCE", "40s").env("COUPA_BATCH_WORKERS", "2").end().await;
    ended.assert(2, &["whether it accepted the login", "not sent again"]);
    assert_eq!(portal.counts().passwords_sent, 2, "{ended}");

    // one that is not answered once is checked by the login check, and sent once more
    portal.faults().clear();
    portal.faults().add(FaultRule::new(PortalFault::Status(502), RequestTarget::Password).times(1));
    let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string));
    let ended = ended.env("COUPA_BATCH_PATIENCE", "40s").end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!((portal.counts().passwords_sent, portal.counts().logins_accepted), (4, 1), "{ended}");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_is_renewed_however_an_order_page_shows_it() {
    needs_browser!();
    for (how, login_answer) in [
        (LoginAnswer::Status(401), LoginAnswer::Status(401)),
        (LoginAnswer::Status(403), LoginAnswer::Redirect),
        (LoginAnswer::Page, LoginAnswer::Page),
    ] {
        let portal = portal(2).await;
        portal.set_login_answer(login_answer);
        let second = &portal.orders()[1];
        portal
            .faults()
            .add(FaultRule::new(PortalFault::LoginEnded(how), RequestTarget::OrderPage).for_order(second).times(1));
        let env = TestEnv::new();
        let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string)).end().await;
        assert!(matches!(ended.code(), Some(0 | 3)), "{how:?} {ended}");
        assert_all_there(&env.out(), &portal);
        assert_eq!((portal.counts().logins_ended, portal.counts().passwords_sent), (1, 2), "{how:?} {ended}");
        portal.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_leads_to_a_login_while_one_is_in_force_fails_alone() {
    needs_browser!();
    let portal = portal(6).await;
    let pos = portal.orders();
    portal.faults().add(FaultRule::new(PortalFault::LoginInstead, RequestTarget::OrderPage).for_order(&pos[0]));
    portal.faults().add(FaultRule::new(PortalFault::Elsewhere, RequestTarget::OrderPage).for_order(&pos[1]));
    portal.faults().add(FaultRule::new(PortalFault::Status(403), RequestTarget::OrderPage).for_order(&pos[2]));
    let env = TestEnv::new();
    // another host, as single sign-on is one; if the network policy blocked it, it would not even be asked
    let call = env.run(&portal, pos.iter().map(ToString::to_string)).env("COUPA_BATCH_WORKERS", "2");
    let ended = call.env("COUPA_BATCH_PRIVATE_HOSTS", "localhost").end().await;
    ended.assert(3, &[]);
    let report = env.report();
    for (po, part) in [(&pos[0], "leads from this order to"), (&pos[1], "leads from this order to"), (&pos[2], "403")] {
        let orders = report["orders"].as_array().unwrap();
        let order = orders.iter().find(|order| order["po_number"] == po.to_string()).unwrap();
        assert_eq!(
            (&order["status"], &order["error"]["kind"]),
            (&"ACCESS_DENIED".into(), &"access_denied".into()),
            "{order:#}"
        );
        assert!(order["error"]["message"].as_str().unwrap().contains(part), "{order:#}");
    }
    for po in &pos[3..] {
        assert_eq!(statuses(&report)[&po.to_string()], portal.expected(po).unwrap().status.as_str(), "{po}");
    }
    let asked = portal.asked().into_iter().filter(|asked| *asked == pos[0]).count();
    assert_eq!((asked, portal.counts().passwords_sent), (3, 1), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_check_that_is_open_to_everybody_is_found_out_and_an_order_taken_instead() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let recipe = env.write("open.toml", format!("extends = \"coupa\"\n[address]\ndoor = \"/welcome\"\n{QUICK_SETTLE}"));
    let ended = env.run(&portal, portal.orders().iter().map(ToString::to_string)).arg("--recipe").arg(recipe);
    let ended = ended.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert_eq!((portal.counts().passwords_sent, portal.counts().logins_accepted), (1, 1), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
