//! Getting in: one login for all workers, renewed when it ends, and portals that let nobody in.

use secrecy::SecretString;

use super::*;
use crate::backend::{LoginStoreError, RejectionStore};
use crate::site::login::SharedLogin;
use crate::site::testing::fake_portal::{FakeSession, OOPS, Portal};

/// Remembers in memory what was refused.
#[derive(Default)]
struct Refused(std::sync::Mutex<usize>);

impl Refused {
    fn count(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

impl RejectionStore for Refused {
    fn refused_at(&self, _: &str, _: &SecretString) -> Result<Option<jiff::Timestamp>, LoginStoreError> {
        Ok((self.count() > 0).then_some(jiff::Timestamp::UNIX_EPOCH))
    }

    fn remember(&self, _: &str, _: &SecretString) -> Result<(), LoginStoreError> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
}

impl Stage {
    /// One of a run that remembers refusals there.
    fn remembering(refused: &Arc<Refused>) -> Self {
        let (config, plain) = (config(), Self::new());
        let claim = Arc::new(OutputLock::take(&plain.out.path().join("next")).unwrap());
        let store = Some(Arc::clone(refused) as Arc<dyn RejectionStore>);
        let login = SharedLogin::of(&config.site, claim.out(), config.deadlines, Vec::new(), store).unwrap();
        Self { site: PortalSite::with_login(&config.site, claim, &RunId::new("r"), login), ..plain }
    }
}

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

/// A portal that shows "not found" for a login that has ended, and two orders of it.
fn hiding() -> FakePortal {
    let portal = locked("right");
    portal.state().hides_ended_login = true;
    portal
}

/// Logs a session in and sees the order in it.
async fn session_that_saw_the_order(stage: &Stage, portal: &FakePortal) -> FakeSession {
    let mut session = portal.session();
    stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
    stage.site.collect(&mut session, &stage.attempt).await.unwrap();
    session
}

#[tokio::test]
async fn not_found_is_a_login_that_ended_where_an_order_that_was_seen_is_no_longer_shown() {
    let stage = Stage::new();
    let portal = hiding();
    let mut session = session_that_saw_the_order(&stage, &portal).await;
    portal.state().ticket += 1;
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::LoginRequired, "{error}");
    // another session, which takes the same login, finds out as well and makes a new one
    stage.site.log_in(WorkerId(2), &mut portal.session()).await.unwrap();
    stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
    stage.site.collect(&mut session, &stage.attempt).await.unwrap();
    assert_eq!(portal.state().accepted_count, 2);
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found_while_the_login_is_valid() {
    let stage = Stage::new();
    let portal = hiding();
    let mut session = session_that_saw_the_order(&stage, &portal).await;
    let absent = Attempt { order: PoTask::new("8".parse().unwrap()), ..stage.attempt.clone() };
    let error = stage.site.collect(&mut session, &absent).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::OrderMissing, "{error}");
    assert_eq!(portal.state().accepted_count, 1);
}

#[tokio::test]
async fn not_found_at_the_login_check_does_not_count_as_logged_in_for_a_run_that_begins_without_a_login() {
    let stage = Stage::new();
    let portal = hiding();
    portal.state().hides_from_strangers = true;
    session_that_saw_the_order(&stage, &portal).await;
    assert_eq!(portal.state().accepted_count, 1);
}

#[tokio::test]
async fn where_no_order_was_seen_and_no_login_was_given_not_found_says_that_the_login_may_be_the_reason() {
    let mut config = config();
    config.site.credentials = None;
    let stage = Stage::with(&config);
    let portal = hiding();
    portal.state().hides_from_strangers = true;
    let mut session = portal.session();
    stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::OrderMissing);
    assert!(error.message.contains("the login is missing or has ended"), "{error}");
}

fn answered(status: u16) -> Shown {
    Shown { status, has_marker: false, ..Shown::default() }
}

#[tokio::test]
async fn an_expired_form_is_fetched_anew_and_sent_once_more() {
    let stage = Stage::new();
    let portal = locked("right");
    portal.state().form_answers = [("/sessions", answered(422), false)].into();
    session_that_saw_the_order(&stage, &portal).await;
    let Portal { form_count, accepted_count, .. } = *portal.state();
    assert_eq!((form_count, accepted_count), (2, 1));
}

#[tokio::test]
async fn a_form_that_the_portal_does_not_look_at_is_no_refused_password_and_is_sent_twice_at_most() {
    for status in [403, 422, 200] {
        let stage = Stage::new();
        let portal = locked("right");
        portal.state().form_answers = vec![("/sessions", answered(status), false); 9].into();
        let error = stage.site.log_in(WorkerId(1), &mut portal.session()).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::SiteDown, "{status}: {error}");
        for _ in 0..2 {
            drop(stage.site.log_in(WorkerId(1), &mut portal.session()).await.unwrap_err());
        }
        let sent = portal.state().form_count;
        assert!(sent <= 4, "{status}: the password was sent {sent} times");
    }
}

#[tokio::test]
async fn a_form_that_is_rejected_in_words_nobody_knows_is_sent_once_more_and_is_refused_for_this_run_alone() {
    let refused = Arc::new(Refused::default());
    for status in [422, 419] {
        let portal = locked("right");
        let said = Shown { notice: "Your session was reset", ..answered(status) };
        portal.state().form_answers = vec![("/sessions", said, true); 9].into();
        let stage = Stage::remembering(&refused);
        for _ in 0..3 {
            let error = stage.site.log_in(WorkerId(1), &mut portal.session()).await.unwrap_err();
            assert_eq!(error.kind, FailureKind::LoginRefused, "{status}: {error}");
            assert!(error.message.contains("Your session was reset"), "{error}");
        }
        assert_eq!(portal.state().form_count, 2, "{status}");
        assert_eq!(refused.count(), 0, "{status}: the next run may send it again");
    }
    // a refusal in words that are known is sent once, and remembered
    let portal = locked("right");
    let said = Shown { notice: "Invalid login or password", ..answered(422) };
    portal.state().form_answers = vec![("/sessions", said, true); 9].into();
    let error = Stage::remembering(&refused).site.log_in(WorkerId(1), &mut portal.session()).await.unwrap_err();
    assert_eq!((error.kind, portal.state().form_count, refused.count()), (FailureKind::LoginRefused, 1, 1));
}

#[tokio::test]
async fn a_portal_that_answers_otherwise_has_failed_for_the_order_alone() {
    let stage = Stage::new();
    let portal = FakePortal::with("/order_headers/7", Shown { status: 502, ..Shown::default() });
    let mut session = portal.session();
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::ServerError, "{error}");
    portal.state().check_fails = true;
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::SiteDown, "{error}");
}

#[tokio::test]
async fn an_order_is_not_judged_while_the_portal_cannot_tell_whether_the_login_is_in_force() {
    for (status, kind) in
        [(503, FailureKind::SiteDown), (429, FailureKind::Throttled), (403, FailureKind::OrderMissing)]
    {
        let stage = Stage::new();
        let missing = Shown { notice: OOPS, has_marker: false, ..Shown::default() };
        let portal = FakePortal::with("/order_headers/7", missing);
        let check = Shown { status, has_marker: false, ..Shown::default() };
        portal.state().pages.insert("/order_headers/0".to_owned(), check);
        let error = stage.site.collect(&mut portal.session(), &stage.attempt).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status}: {error}");
    }
}
