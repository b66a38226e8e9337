//! What comes, and what becomes of what does not come to its end.

use super::*;
use crate::download::{VerifyRules, candidate_names, verify};

/// What is answered to whoever asks for the rest of a body from a place on.
type Rest = fn(&[u8], usize) -> Vec<Step>;

fn range_of(request: &str) -> Option<usize> {
    let line = request.lines().find_map(|line| line.strip_prefix("range: bytes="))?;
    line.trim_end_matches('-').parse().ok()
}

fn if_range_of(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("if-range: "))
}

/// Cuts the first answer at `cut`, and gives the rest, by `etag`, to whoever asks for it.
async fn cutting(body: Vec<u8>, cut: usize, headers: &'static str, rest: Rest) -> Server {
    Server::start(move |_, request, nth| match range_of(request) {
        Some(from) => rest(&body, from),
        None if nth == 0 => cut_answer(200, headers, &body, cut),
        None => answer(200, headers, &body),
    })
    .await
}

fn part(body: &[u8], from: usize) -> Vec<Step> {
    let range = format!("content-range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
    answer(206, &range, &body[from..])
}

#[tokio::test]
async fn a_file_is_staged_whole_with_its_digest_and_stands_up_to_the_checks() {
    let body = [b"%PDF-1.4\n1 0 obj<</Len>>\n".to_vec(), bytes(300_000), b"\n%%EOF\n".to_vec()].concat();
    let sent = body.clone();
    let headers =
        "content-type: Application/PDF; x=y\r\ncontent-disposition: attachment; filename*=UTF-8''Pr%C3%BCfung.pdf\r\n";
    let server = Server::start(move |_, _, _| answer(200, headers, &sent)).await;
    let fetch = Fetch::new(&server);
    let file = fetch.get("files/81").await.unwrap();
    assert_eq!((file.sha256.as_str(), file.resumed_count, file.is_session_changed), (sha256(&body).as_str(), 0, false));
    let download = &file.download;
    assert_eq!(std::fs::read(&download.path).unwrap(), body);
    assert_eq!((download.size, download.is_length_told), (body.len() as u64, true));
    assert_eq!((download.suggested.as_str(), download.declared.as_deref()), ("Prüfung.pdf", Some("application/pdf")));
    assert_eq!(download.url, server.url("files/81").as_str());
    assert_eq!(download.path, fetch.folder.path().join(&download.id));
    let rules = VerifyRules { login: LoginSigns { markers: &[], paths: &[] }, strict_types: true };
    let verified = verify(download, candidate_names("", &download.suggested, &download.url), rules).await.unwrap();
    assert_eq!((verified.sha256, verified.name), (file.sha256, "Prüfung.pdf".to_owned()));
}

#[tokio::test]
async fn a_file_of_0_bytes_and_one_without_a_length_are_files() {
    let server = Server::start(|path, _, _| match path {
        "/empty" => answer(200, "", b""),
        _ => vec![Step::Send([head(200, "").as_bytes(), b"abc"].concat())],
    })
    .await;
    let fetch = Fetch::new(&server);
    let empty = fetch.get("empty").await.unwrap();
    assert_eq!((empty.download.size, empty.download.is_length_told), (0, true));
    let open = fetch.get("open").await.unwrap();
    assert_eq!((open.download.size, open.download.is_length_told), (3, false));
    assert_eq!(open.download.suggested, "open");
}

#[tokio::test]
async fn a_cut_body_goes_on_where_it_was_cut() {
    let body = bytes(200_000);
    let server = cutting(body.clone(), 70_000, "etag: \"v1\"\r\naccept-ranges: bytes\r\n", part).await;
    let file = Fetch::new(&server).get("a").await.unwrap();
    assert_eq!((file.sha256, file.resumed_count), (sha256(&body), 1));
    assert_eq!(std::fs::read(&file.download.path).ok().as_ref(), None, "the folder of the test is gone");
    let requests = server.requests();
    assert_eq!((requests.len(), if_range_of(&requests[1])), (2, Some("\"v1\"")));
    assert_eq!((range_of(&requests[0]), range_of(&requests[1])), (None, Some(70_000)));
}

#[tokio::test]
async fn a_date_long_before_the_answer_tells_versions_apart_as_well() {
    for (changed, is_resumed) in [("Fri, 20 Nov 2026 01:00:00 GMT", true), ("Sat, 21 Nov 2026 00:59:30 GMT", false)] {
        let body = bytes(50_000);
        let headers = format!("last-modified: {changed}\r\ndate: Sat, 21 Nov 2026 01:00:00 GMT\r\n");
        let server = cutting(body.clone(), 20_000, headers.leak(), part).await;
        let file = Fetch::new(&server).get("a").await.unwrap();
        assert_eq!((file.sha256, file.resumed_count), (sha256(&body), 1));
        assert_eq!(if_range_of(&server.requests()[1]), is_resumed.then_some(changed));
    }
}

#[tokio::test]
async fn without_a_strong_validator_a_cut_body_comes_again_from_its_beginning() {
    for headers in ["", "etag: W/\"v1\"\r\n", "etag: \"v1\"\r\naccept-ranges: none\r\n"] {
        let body = bytes(50_000);
        let server = cutting(body.clone(), 20_000, headers, part).await;
        let file = Fetch::new(&server).get("a").await.unwrap();
        assert_eq!((file.sha256, file.resumed_count, file.download.size), (sha256(&body), 1, 50_000), "{headers}");
        assert_eq!(range_of(&server.requests()[1]), None, "{headers}");
    }
}

#[tokio::test]
async fn the_rest_of_another_version_is_never_joined_to_the_first() {
    let old = bytes(50_000);
    let wrong_parts: [Rest; 4] = [
        |body, _| part(body, 10),
        |body, from| answer(206, "", &body[from..]),
        |_, _| answer(416, "", b""),
        // the server has another version by now, and gives all of it
        |_, _| answer(200, "etag: \"v2\"\r\n", &[9; 60_000]),
    ];
    for (nth, rest) in wrong_parts.into_iter().enumerate() {
        let server = cutting(old.clone(), 20_000, "etag: \"v1\"\r\n", rest).await;
        let file = Fetch::new(&server).get("a").await.unwrap();
        let expected = if nth == 3 { vec![9; 60_000] } else { old.clone() };
        assert_eq!(file.sha256, sha256(&expected), "{nth}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_each_time_ends_as_cut() {
    let server = Server::start(|_, _, _| cut_answer(200, "", &bytes(50_000), 20_000)).await;
    let fetch = Fetch::new(&server);
    let error = fetch.get("a").await.unwrap_err();
    assert!(matches!(error, TransferError::Cut { received: 20_000, .. }), "{error}");
    assert_eq!((server.requests().len(), fetch.left()), (4, 0));
}

#[tokio::test]
async fn a_one_time_address_is_asked_for_once_whatever_happens() {
    let server = Server::start(|path, _, _| match path {
        "/cut" => cut_answer(200, "etag: \"v1\"\r\naccept-ranges: bytes\r\n", &bytes(50_000), 20_000),
        "/closed" => Vec::new(),
        _ => answer(500, "", b""),
    })
    .await;
    for (nth, path) in ["cut", "closed", "broken"].into_iter().enumerate() {
        let fetch = Fetch::new(&server).once();
        fetch.get(path).await.unwrap_err();
        assert_eq!((server.requests().len(), fetch.left()), (nth + 1, 0), "{path}");
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_stopped_at_the_limit() {
    let server = Server::start(|path, _, _| match path {
        "/endless" => vec![Step::Send(head(200, "").into_bytes()), Step::Repeat(bytes(10_000))],
        "/told" => vec![Step::Send(head(200, "content-length: 1000001\r\n").into_bytes()), Step::Silence],
        // a thousandth of what it unpacks to
        _ => answer(200, "content-encoding: gzip\r\n", &packed(&vec![0; 64 << 20])),
    })
    .await;
    for path in ["endless", "told", "bomb"] {
        let fetch = Fetch::new(&server);
        let error = fetch.get(path).await.unwrap_err();
        assert!(
            matches!(error, TransferError::TooLarge { limit: 1_000_000, setting: "file_max_size" }),
            "{path} {error}"
        );
        assert_eq!(fetch.left(), 0, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_or_not_at_all_is_stopped() {
    let start = |step| vec![Step::Send([head(200, "content-length: 100000\r\n").as_bytes(), b"abc"].concat()), step];
    let server = Server::start(move |path, _, _| match path {
        "/slow" => start(Step::Trickle(b"x")),
        "/still" => start(Step::Silence),
        _ => vec![Step::Silence],
    })
    .await;
    let mut fetch = Fetch::new(&server);
    (fetch.min_rate, fetch.patience) = (1_000_000, Duration::from_secs(1));
    let error = fetch.get("slow").await.unwrap_err();
    assert!(matches!(error, TransferError::TooSlow { .. }), "{error}");
    (fetch.min_rate, fetch.patience) = (0, Duration::from_millis(50));
    for path in ["still", "silent"] {
        let error = fetch.get(path).await.unwrap_err();
        assert!(matches!(error, TransferError::Standstill { .. }), "{path} {error}");
    }
    assert_eq!(fetch.left(), 0);
}

#[tokio::test]
async fn a_body_that_was_compressed_for_the_way_is_unpacked() {
    let body = bytes(100_000);
    let sent = packed(&body);
    let server = Server::start(move |path, _, _| match path {
        "/whole" => answer(200, "content-encoding: gzip\r\n", &sent),
        "/half" => answer(200, "content-encoding: gzip\r\n", &sent[..sent.len() / 2]),
        _ => answer(200, "content-encoding: br\r\n", &sent),
    })
    .await;
    let fetch = Fetch::new(&server).once();
    let file = fetch.get("whole").await.unwrap();
    assert_eq!((file.sha256, file.download.is_length_told), (sha256(&body), true));
    assert!(server.requests()[0].contains("accept-encoding: identity\r\n"));
    let error = fetch.get("half").await.unwrap_err();
    assert!(matches!(error, TransferError::Cut { .. }), "{error}");
    let error = fetch.get("br").await.unwrap_err();
    assert!(matches!(&error, TransferError::Encoded { coding } if coding == "br"), "{error}");
    assert!(error.may_a_browser_succeed());
}

#[tokio::test]
async fn a_stopped_run_leaves_nothing() {
    let start = || vec![Step::Send([head(200, "content-length: 9\r\n").as_bytes(), b"abc"].concat()), Step::Silence];
    let server = Server::start(move |_, _, _| start()).await;
    let fetch = Fetch::new(&server);
    let cancel = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        fetch.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(fetch.get("a"), cancel);
    assert!(matches!(ended, Err(TransferError::Interrupted)));
    assert_eq!(fetch.left(), 0);
}

#[tokio::test]
async fn no_more_transfers_run_at_once_than_their_slots_allow() {
    let at_once = Arc::new(Mutex::new((0, 0)));
    let counted = Arc::clone(&at_once);
    let server = Server::start(move |_, _, _| {
        let mut counted = counted.lock().unwrap();
        counted.0 += 1;
        counted.1 = counted.1.max(counted.0);
        answer(200, "", &bytes(5000))
    })
    .await;
    let slots = TransferSlots::new(SlotLimits { per_order: 9, per_host: 2, per_run: 9 });
    let fetches: Vec<_> = (0..6)
        .map(|_| {
            let mut fetch = Fetch::new(&server);
            fetch.slots = slots.of_order();
            fetch
        })
        .collect();
    let one = async |fetch: &Fetch| {
        fetch.get("a").await.unwrap();
        at_once.lock().unwrap().0 -= 1;
    };
    let [a, b, c, d, e, f] = &fetches[..] else { panic!("there are six") };
    tokio::join!(one(a), one(b), one(c), one(d), one(e), one(f));
    // one more may have been asked for between the end of a transfer and its being counted
    assert!(at_once.lock().unwrap().1 <= 3, "{:?}", at_once.lock().unwrap());
}
