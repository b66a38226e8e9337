//! Getting in: one login for all workers, renewed when it ends, and portals that let nobody in.

use super::*;

fn locked(password: &'static str) -> FakePortal {
    let portal = order(vec![]);
    portal.state().password = Some(password);
    portal
}

#[tokio::test]
async fn four_workers_need_one_login() {
    let stage = Stage::new();
    let portal = locked("right");
    let mut sessions: Vec<_> = (0..4).map(|_| portal.session()).collect();
    let [a, b, c, d] = sessions.as_mut_slice() else { unreachable!() };
    let (a, b, c, d) = tokio::join!(
        stage.site.log_in(WorkerId(1), a),
        stage.site.log_in(WorkerId(2), b),
        stage.site.log_in(WorkerId(3), c),
        stage.site.log_in(WorkerId(4), d),
    );
    for entered in [a, b, c, d] {
        entered.unwrap();
    }
    assert_eq!(portal.state().accepted_count, 1);
    for session in &mut sessions {
        stage.site.collect(session, &stage.attempt).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_that_ended_is_renewed_once() {
    let stage = Stage::new();
    let portal = locked("right");
    let mut sessions: Vec<_> = (0..3).map(|_| portal.session()).collect();
    for session in &mut sessions {
        stage.site.log_in(WorkerId(1), session).await.unwrap();
    }
    portal.state().ticket += 1; // the portal forgets it
    for session in &mut sessions {
        stage.site.log_in(WorkerId(1), session).await.unwrap();
    }
    assert_eq!(portal.state().accepted_count, 2);
}

#[tokio::test]
async fn a_refused_password_is_never_sent_again() {
    let stage = Stage::new();
    let portal = locked("another");
    for _ in 0..3 {
        let error = stage.site.log_in(WorkerId(1), &mut portal.session()).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::LoginRefused);
        assert!(error.message.contains("COUPA_PASSWORD") && !error.message.contains("right"), "{error}");
        assert!(error.message.contains("Invalid login or password"), "{error}");
    }
    assert_eq!(portal.state().refused_count, 1);
}

#[tokio::test]
async fn a_portal_that_needs_no_login_lets_everybody_in() {
    let mut config = config();
    config.site.credentials = None;
    let stage = Stage::with(&config);
    stage.site.log_in(WorkerId(1), &mut order(vec![]).session()).await.unwrap();
    let error = stage.site.log_in(WorkerId(1), &mut locked("right").session()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::LoginRefused);
    assert!(error.message.contains("COUPA_USERNAME"), "{error}");
}

#[tokio::test]
async fn a_portal_that_cannot_be_entered_says_why() {
    let stage = Stage::new();
    let away = locked("right");
    away.state().sends_elsewhere = true;
    let error = stage.site.log_in(WorkerId(1), &mut away.session()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::LoginRefused);
    assert!(error.message.contains("idp.test"), "{error}");
    let down = order(vec![]);
    down.state().is_unreachable = true;
    let error = Stage::new().site.log_in(WorkerId(1), &mut down.session()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Unreachable);
    assert!(error.message.contains("--base-url"), "{error}");
}

#[tokio::test]
async fn logins_that_let_nothing_be_seen_are_not_made_for_ever() {
    let stage = Stage::new();
    let portal = locked("right");
    let mut session = portal.session();
    for _ in 0..2 {
        stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
        portal.state().ticket += 1; // somebody else logs in, and the portal ends this one
    }
    for _ in 0..2 {
        let error = stage.site.log_in(WorkerId(1), &mut session).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::LoginRefused);
        assert!(error.message.contains("somebody else"), "{error}");
    }
    assert_eq!(portal.state().accepted_count, 2);
}

#[tokio::test]
async fn a_login_that_let_an_order_be_seen_may_end_and_be_made_anew_as_often_as_it_likes() {
    let stage = Stage::new();
    let portal = locked("right");
    let mut session = portal.session();
    for _ in 0..5 {
        stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
        stage.site.collect(&mut session, &stage.attempt).await.unwrap();
        portal.state().ticket += 1;
    }
    assert_eq!(portal.state().accepted_count, 5);
}
