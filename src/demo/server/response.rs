//! Building blocks of responses, complete or incomplete.

use std::io::Write;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SET_COOKIE,
};
use axum::http::response::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};

use crate::demo::portal_kind::PortalKind;
use crate::demo::server::connection::Connection;

/// The type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// How an incomplete response ends.
#[derive(Clone)]
pub(crate) enum CutPoint {
    Cut,
    /// The connection is reset.
    Reset(Connection),
    Never,
}

/// Pause before a reset, since a reset discards what the client has not read yet.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// The first half of a response, with the length of the whole.
pub(crate) async fn half(whole: Response, end: CutPoint) -> Response {
    let (mut parts, bytes) = apart(whole).await;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let first = stream::once(async move { Ok::<_, std::io::Error>(bytes.slice(..bytes.len() / 2)) });
    let body = match end {
        CutPoint::Never => Body::from_stream(first.chain(stream::pending())),
        CutPoint::Reset(line) => Body::from_stream(first.chain(stream::once(async move {
            tokio::time::sleep(ON_ITS_WAY).await;
            line.reset();
            Err(std::io::Error::other("reset by a fault"))
        }))),
        CutPoint::Cut => {
            // without the pause the error would discard the first half
            Body::from_stream(first.chain(stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut by a fault"))
            })))
        }
    };
    Response::from_parts(parts, body)
}

/// The first half of a response without a length: it ends with the connection.
pub(crate) async fn cut_short(whole: Response) -> Response {
    let (mut parts, bytes) = apart(whole).await;
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    // chunks would have an end of their own
    let half = bytes.slice(..bytes.len() / 2);
    Response::from_parts(parts, Body::from_stream(stream::once(async move { Ok::<_, std::io::Error>(half) })))
}

/// Pieces of a slow body.
const PIECES: u32 = 8;

/// The response in pieces, spread over this time.
pub(crate) async fn slowly(whole: Response, over: Duration) -> Response {
    let (mut parts, bytes) = apart(whole).await;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let size = bytes.len().div_ceil(PIECES as usize).max(1);
    let pieces = stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(over / PIECES).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, std::io::Error>(piece), rest))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// The response, followed by the same bytes without end.
pub(crate) async fn endless(whole: Response) -> Response {
    let (mut parts, bytes) = apart(whole).await;
    parts.headers.remove(CONTENT_LENGTH);
    let bytes = if bytes.is_empty() { Bytes::from_static(b"more ") } else { bytes };
    Response::from_parts(parts, Body::from_stream(stream::repeat(bytes).map(Ok::<_, std::io::Error>)))
}

/// The response with a compressed body.
pub(crate) async fn compressed(whole: Response) -> Response {
    let (mut parts, bytes) = apart(whole).await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    // writing to memory does not fail; otherwise the browser would notice the missing end
    let packed = packed.write_all(&bytes).and_then(|()| packed.finish()).unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(packed.len()));
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(parts, Body::from(packed))
}

pub(crate) async fn apart(answer: Response) -> (Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

pub(crate) fn page(status: StatusCode, html: String) -> Response {
    let answer = (status, html).into_response();
    with(with(answer, CONTENT_TYPE, HTML), CACHE_CONTROL, "no-store")
}

pub(crate) fn redirect(to: &str) -> Response {
    with(StatusCode::FOUND.into_response(), LOCATION, to)
}

pub(crate) fn with_cookie(answer: Response, look: PortalKind, cookie: &str) -> Response {
    let name = look.cookie();
    with(answer, SET_COOKIE, &format!("{name}={cookie}; Path=/; HttpOnly; SameSite=Lax"))
}

/// The response with another header; an invalid header is left out.
pub(crate) fn with(mut answer: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

pub(crate) fn http_date(date: SystemTime) -> String {
    jiff::Timestamp::try_from(date)
        .ok()
        .and_then(|at| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok())
        .unwrap_or_default()
}
