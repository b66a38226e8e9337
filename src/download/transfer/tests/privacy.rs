//! Secrets go to the portal and nowhere else.

use std::io;

use super::*;

#[tokio::test]
async fn a_request_carries_what_the_session_would_send_and_no_cookie_of_another_domain() {
    let server = Server::start(|_, _, _| answer(200, "set-cookie: _coupa_session=new; Path=/\r\n", b"x")).await;
    let mut fetch = Fetch::new(&server);
    let mut secure = cookie("of_tls", "t1s-s3cret", Some("127.0.0.1"));
    secure.secure = true;
    let mut elsewhere = cookie("of_path", "p4th-s3cret", Some("127.0.0.1"));
    elsewhere.path = Some("/admin".to_owned());
    let mut over = cookie("over", "0ver-s3cret", Some("127.0.0.1"));
    over.expiry = Some(1_000_000_000);
    let others = [
        cookie("bank", "b4nk-s3cret", Some(".bank.test")),
        cookie("local", "l0cal-s3cret", Some("localhost")),
        cookie("part", "p4rt-s3cret", Some(".0.0.1")),
        secure,
        elsewhere,
        over,
    ];
    fetch.cookies.extend(others);
    let file = fetch.get("a").await.unwrap();
    let request = server.requests().remove(0);
    assert!(request.contains("\r\ncookie: _coupa_session=s3cret\r\n"), "{request}");
    assert!(!request.contains("-s3cret"), "{request}");
    assert!(request.contains(&format!("\r\nuser-agent: {USER_AGENT}\r\n")), "{request}");
    assert!(request.contains("\r\naccept-language: de-DE\r\n"), "{request}");
    let page = server.url("order_headers/7?x=1");
    assert!(request.contains(&format!("\r\nreferer: {page}\r\n")), "{request}");
    assert!(file.is_session_changed, "the portal has replaced the login's cookie");
}

/// All that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_logs_nor_errors_nor_debug_texts_show_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // with one subscriber alone, what is logged first by the thread of another test counts as wanted by nobody
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    tracing::callsite::rebuild_interest_cache();
    let server = Server::start(|path, _, _| match path {
        "/cut?token=t0ken" => cut_answer(200, "set-cookie: a=n3w-s3cret\r\n", &bytes(50_000), 20_000),
        "/away?token=t0ken" => answer(302, "location: https://other.test/?token=t0ken\r\n", b""),
        "/refused?token=t0ken" => answer(403, "", b"b0dy-s3cret"),
        _ => answer(200, "content-disposition: attachment; filename=a.pdf\r\n", b"b0dy-s3cret"),
    })
    .await;
    let mut shown = String::new();
    for path in ["cut", "away", "refused"] {
        let error = Fetch::new(&server).get(&format!("{path}?token=t0ken")).await.unwrap_err();
        shown += &format!("{error} {error:?}\n");
    }
    let file = Fetch::new(&server).get("whole?token=t0ken").await.unwrap();
    let identity = ClientIdentity::new(&server.base, &Fetch::new(&server).cookies, USER_AGENT);
    shown += &format!("{file:?} {identity:?}");
    drop(guard);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("continues"), "the log was not read: {logged}");
    for secret in ["s3cret", "t0ken"] {
        assert!(!shown.contains(secret), "{shown}");
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
