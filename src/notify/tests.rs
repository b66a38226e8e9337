use super::webhook::send_once;
use super::*;
use crate::backend::History;
use crate::config::SecretUrl;
use crate::net::HttpClient;
use crate::report::RunFacts;

fn place() -> NoticeContext {
    NoticeContext {
        run: RunId::new("20261121-0100-abc"),
        portal: Some("https://acme.test/".to_owned()),
        output: "files".into(),
    }
}

fn summary() -> Summary {
    let facts = RunFacts {
        run: place().run,
        started: "2026-11-21T01:00:00Z".parse().unwrap(),
        finished: "2026-11-21T01:02:30Z".parse().unwrap(),
        base_url: None,
        version: "0.1.0".to_owned(),
        rejects: Vec::new(),
        stopped_because: None,
    };
    let mut summary = Summary::of(&History::default(), &facts);
    summary.orders = 6;
    summary.files = 9;
    for (status, count) in [
        (OrderStatus::Completed, 3),
        (OrderStatus::NoAttachments, 1),
        (OrderStatus::Failed, 1),
        (OrderStatus::NotDone, 1),
    ] {
        summary.by_status.insert(status, count);
    }
    summary
}

fn end(summary: Option<Summary>) -> RunFinished {
    RunFinished { exit_code: 4, status: "stopped_early", message: None, summary }
}

#[test]
fn the_end_of_a_run_is_told_in_a_sentence_and_in_counts() {
    let mut summary = summary();
    let body = Notice::RunEnded(end(Some(summary.clone()))).body(&place());
    assert_eq!(
        body["text"],
        "coupa-batch stopped early: 6 orders, 4 succeeded, 1 did not, 1 open; 9 files; exit code 4 (run 20261121-0100-abc, \
         folder files)"
    );
    for (key, value) in [("event", "run_ended"), ("status", "stopped_early"), ("portal", "https://acme.test/")] {
        assert_eq!(body[key], value);
    }
    assert_eq!(body["counts"]["by_status"]["FAILED"], 1);
    assert_eq!((body["exit_code"].as_u64(), body["counts"]["open"].as_u64()), (Some(4), Some(1)));
    summary.stopped_because = Some("it is late".to_owned());
    let body = Notice::RunEnded(end(Some(summary))).body(&place());
    assert!(body["text"].as_str().unwrap().starts_with("coupa-batch stopped early (it is late): 6 orders"), "{body}");
    assert_eq!(body["reason"], "it is late");
    let body = Notice::RunEnded(RunFinished { message: Some("no browser".to_owned()), ..end(None) }).body(&place());
    assert!(body["text"].as_str().unwrap().starts_with("coupa-batch ended with exit code 4: no browser"), "{body}");
    assert!(body["counts"].is_null() && body["reason"] == "no browser", "{body}");
}

#[test]
fn what_the_portal_said_calls_nobody_and_links_nowhere() {
    let reason = format!("<!channel> @here <https://evil.test|x>\n{}", "x".repeat(5000));
    let body = Notice::LoginNeeded { reason }.body(&place());
    let text = body["text"].as_str().unwrap();
    assert!(!text.contains(['<', '>', '@', '\n']) && text.chars().count() == MAX_TEXT, "{text}");
}

#[test]
fn a_person_is_called_once_and_told_once_that_the_run_goes_on() {
    let mut is_needed = false;
    let mut told = Vec::new();
    let closed = |needs_person| DispatchState::Suspended { reason: "why".to_owned(), needs_person };
    let steps = [
        (Stage::Running, DispatchState::Running),
        (Stage::Running, closed(false)),
        (Stage::Running, closed(true)),
        (Stage::Running, closed(true)),
        (Stage::Running, DispatchState::Paused),
        (Stage::Running, closed(true)),
        (Stage::Running, DispatchState::Running),
        (Stage::Running, DispatchState::Running),
        (Stage::Running, closed(true)),
        (Stage::Draining, DispatchState::Running),
        (Stage::Closed, DispatchState::Running),
    ];
    for (pool_status, dispatch) in steps {
        let status = PoolStatus { pool_status, dispatch, ..PoolStatus::default() };
        told.push(match next_notice(&status, &mut is_needed) {
            None => '.',
            Some(Notice::LoginNeeded { .. }) => 'n',
            Some(Notice::LoginRestored) => 'r',
            Some(Notice::RunEnded(_)) => 'e',
        });
    }
    assert_eq!(told.into_iter().collect::<String>(), "..n...r.n..");
}

#[tokio::test]
async fn a_failure_is_told_without_what_is_secret_of_the_address() {
    // a port that nobody listens on any more
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SecretUrl::parse(&format!("http://me:hunter2@127.0.0.1:{port}/s3cret?k=t0ken")).unwrap();
    let client = HttpClient::for_notices(address.expose()).await.unwrap();
    let failed = send_once(&client, &address, &json!({})).await.unwrap_err();
    assert!(failed.may_retry && failed.why.contains("refused"), "{}", failed.why);
    for secret in ["hunter2", "s3cret", "t0ken"] {
        assert!(!failed.why.contains(secret), "{}", failed.why);
    }
}

#[tokio::test]
async fn a_client_for_tls_can_be_built() {
    HttpClient::for_notices("https://hooks.test/x").await.unwrap();
}
