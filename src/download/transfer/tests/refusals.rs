//! Answers that are no file, and addresses that are not followed.

use super::*;
use crate::download::DownloadError;
use crate::model::FailureKind;

#[tokio::test]
async fn each_way_to_be_refused_is_told_apart() {
    let server = Server::start(|path, _, _| {
        let status = path.trim_start_matches('/').parse().unwrap();
        answer(status, "retry-after: 7\r\n", b"<html>no</html>")
    })
    .await;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (status, kind, retry_after, may_a_browser) in [
        ("403", FailureKind::AccessDenied, None, true),
        ("401", FailureKind::LoginRequired, None, false),
        ("429", FailureKind::Throttled, seconds(7), false),
        ("503", FailureKind::SiteDown, seconds(7), false),
        ("500", FailureKind::SiteDown, None, false),
        ("404", FailureKind::FileUnavailable, None, true),
        ("410", FailureKind::FileUnavailable, None, true),
        ("204", FailureKind::FileUnavailable, None, false),
        ("206", FailureKind::FileUnavailable, None, false),
    ] {
        let error = Fetch::new(&server).get(status).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (kind, retry_after), "{status} {error}");
        assert_eq!(error.may_a_browser_succeed(), may_a_browser, "{status}");
        assert_eq!(DownloadError::from(error).kind(), kind, "a browser's download fails in the same way: {status}");
    }
}

#[tokio::test]
async fn a_login_page_is_never_a_file_however_it_comes() {
    let page = b"<!DOCTYPE html><form><input name='user&#91;login]'></form>";
    let server = Server::start(|path, _, _| match path {
        "/page" => answer(200, "content-type: application/pdf\r\n", page),
        "/redirect" => answer(302, "location: /sessions/new\r\n", b""),
        "/refresh" => answer(200, "", b"<html><meta http-equiv=refresh content='0; url=/sessions/new'>"),
        other => panic!("nobody asks for {other}"),
    })
    .await;
    for path in ["page", "redirect", "refresh", "sessions/new"] {
        let fetch = Fetch::new(&server);
        let error = fetch.get(path).await.unwrap_err();
        assert!(matches!(error, TransferError::LoginEnded), "{path} {error}");
        assert_eq!(fetch.left(), 0);
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn redirects_are_followed_to_the_file() {
    let server = Server::start(|path, _, nth| match path {
        "/a" => answer(302, "location: /b?t=1#x\r\nset-cookie: hop=1; Path=/\r\n", b""),
        "/b?t=1" => answer(307, "location: c/Bid%20%C3%A9.pdf\r\n", b""),
        "/c/Bid%20%C3%A9.pdf" => answer(200, "", b"file"),
        "/round" if nth < 100 => answer(301, "location: /round\r\n", b""),
        other => panic!("nobody asks for {other}"),
    })
    .await;
    let file = Fetch::new(&server).get("a").await.unwrap();
    assert_eq!(file.download.suggested, "Bid é.pdf");
    assert_eq!(file.download.url, server.url("c/Bid%20%C3%A9.pdf").as_str());
    assert!(server.requests()[2].contains("cookie: _coupa_session=s3cret; hop=1\r\n"), "{}", server.requests()[2]);
    let error = Fetch::new(&server).get("round").await.unwrap_err();
    assert!(matches!(error, TransferError::BadRedirect { .. }), "{error}");
}

#[tokio::test]
async fn nothing_is_asked_of_private_addresses_and_other_hosts() {
    let other = Server::start(|_, _, _| answer(200, "", b"the neighbour's secret")).await;
    let port = other.base.port().unwrap();
    let targets = [
        (format!("http://127.0.0.1:{port}/x"), true),
        (format!("http://localhost:{port}/x"), true),
        (format!("http://0x7f.1:{port}/x"), true),
        (format!("http://[::ffff:127.0.0.1]:{port}/x"), true),
        ("http://169.254.169.254/latest/meta-data".to_owned(), true),
        ("http://10.0.0.1/".to_owned(), true),
        ("https://files.evil.test/x".to_owned(), false),
        ("file:///etc/passwd".to_owned(), false),
        ("data:text/plain,x".to_owned(), false),
    ];
    let list = targets.clone();
    let server = Server::start(move |path, _, _| {
        let nth: usize = path.trim_start_matches('/').parse().unwrap();
        answer(302, &format!("location: {}\r\n", list[nth].0), b"")
    })
    .await;
    for (nth, (target, is_private)) in targets.iter().enumerate() {
        let fetch = Fetch::new(&server);
        let error = fetch.get(&nth.to_string()).await.unwrap_err();
        match error {
            TransferError::BlockedHost { .. } => assert!(is_private, "{target}"),
            TransferError::Elsewhere { .. } => assert!(!is_private, "{target}"),
            error => panic!("{target}: {error}"),
        }
        assert_eq!(fetch.left(), 0);
    }
    assert_eq!(other.requests().len(), 0);
}
