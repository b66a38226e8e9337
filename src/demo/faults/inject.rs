//! What each fault does to a response, or sends instead.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::demo::faults::{PortalFault, RetryAfter};
use crate::demo::pages;
use crate::demo::server::connection::Connection;
use crate::demo::server::respond::{PortalRequest, attachment, go_right, to_login};
use crate::demo::server::response::{
    CutPoint, HTML, apart, compressed, cut_short, endless, half, http_date, page, redirect, slowly, with,
};
use crate::demo::server::routes::Route;
use crate::demo::state::Portal;

/// Size of an unpacked compression bomb.
const BOMB: usize = 16 << 20;

/// Applies a fault to the response, or responds in its place.
pub(crate) async fn go_wrong(
    fault: PortalFault,
    portal: &Arc<Portal>,
    line: &Connection,
    asked: &PortalRequest,
) -> Response {
    match fault {
        PortalFault::LoginEnded(how) => {
            if portal.logins.is_in(asked.cookie()) {
                portal.count(|counts| counts.logins_ended += 1);
            }
            portal.logins.end(asked.cookie());
            to_login(portal, asked, how)
        }
        PortalFault::LoginInstead => {
            // without a new cookie: the login stays valid
            portal.count(|counts| counts.login_pages += 1);
            page(StatusCode::OK, pages::login(portal.look, &portal.logins.form_token(asked.cookie()), None))
        }
        PortalFault::WrongShape => {
            let token = portal.logins.form_token(asked.cookie());
            page(StatusCode::OK, pages::wrong_shape(portal.look, &token, asked.cookie().unwrap_or_default()))
        }
        PortalFault::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            page(status, pages::short(status.canonical_reason().unwrap_or("Something went wrong")))
        }
        PortalFault::Throttled(after) => {
            portal.wish(after);
            throttled(after)
        }
        PortalFault::Reset => {
            line.reset();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        PortalFault::Truncated => half(go_right(portal, asked), CutPoint::Cut).await,
        PortalFault::ResetMidway => half(go_right(portal, asked), CutPoint::Reset(line.clone())).await,
        PortalFault::CutShort => cut_short(go_right(portal, asked)).await,
        PortalFault::LateList => changed_page(go_right(portal, asked), pages::listed_late).await,
        PortalFault::Slow(by) => {
            tokio::time::sleep(by).await;
            go_right(portal, asked)
        }
        PortalFault::SlowBody(over) => {
            let right = go_right(portal, asked);
            if right.headers().get(CONTENT_TYPE).is_some_and(|value| value == HTML) {
                return right;
            }
            slowly(right, over).await
        }
        PortalFault::Declared(media_type) => {
            let right = go_right(portal, asked);
            if right.headers().get(CONTENT_TYPE).is_some_and(|value| value == HTML) {
                return right;
            }
            with(right, CONTENT_TYPE, media_type)
        }
        PortalFault::NeverFinishes => half(go_right(portal, asked), CutPoint::Never).await,
        PortalFault::BusyScript => changed_page(go_right(portal, asked), pages::busy).await,
        PortalFault::Dialogs => changed_page(go_right(portal, asked), pages::talkative).await,
        PortalFault::Viewer => changed_page(go_right(portal, asked), pages::with_viewer).await,
        PortalFault::Leaky => changed_page(go_right(portal, asked), pages::leaky).await,
        PortalFault::Disposition(value) => {
            let mut right = go_right(portal, asked);
            right.headers_mut().remove(CONTENT_DISPOSITION);
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                right.headers_mut().insert(CONTENT_DISPOSITION, value);
            }
            right
        }
        PortalFault::LedTo(address) => redirect(&address),
        PortalFault::LedByScript(address) => {
            changed_page(go_right(portal, asked), |html| pages::led_away(html, &address)).await
        }
        PortalFault::Embeds(address) => {
            changed_page(go_right(portal, asked), |html| pages::embedding(html, &address)).await
        }
        PortalFault::Relisted(change) => {
            changed_page(go_right(portal, asked), |page| pages::relisted(page, change)).await
        }
        PortalFault::Elsewhere if asked.host.starts_with("localhost") => {
            let id = match &asked.wanted {
                Route::File(id) => Some(*id),
                Route::OneTime(ticket) => portal.logins.redeem(ticket),
                _ => None,
            };
            match id.and_then(|id| portal.catalogue.file(id)) {
                Some((_, file)) => attachment(portal, file),
                None => page(StatusCode::NOT_FOUND, pages::short("Not found")),
            }
        }
        PortalFault::Elsewhere => {
            let port = asked.host.rsplit(':').next().unwrap_or_default();
            redirect(&format!("http://localhost:{port}{}", asked.path))
        }
        PortalFault::Endless => endless(go_right(portal, asked)).await,
        PortalFault::Compressed => compressed(go_right(portal, asked)).await,
        PortalFault::Bomb => {
            let (parts, _) = apart(go_right(portal, asked)).await;
            compressed(Response::from_parts(parts, Body::from(vec![0; BOMB]))).await
        }
        PortalFault::WrongType => {
            let right = go_right(portal, asked);
            if right.headers().get(CONTENT_TYPE).is_some_and(|value| value == HTML) {
                return right;
            }
            let (mut parts, _) = apart(right).await;
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(pages::short("An error occurred while preparing the file")))
        }
    }
}

/// Changes a page; other responses stay as they are.
async fn changed_page(right: Response, change: impl FnOnce(&str) -> String) -> Response {
    if right.headers().get(CONTENT_TYPE).is_some_and(|value| value == HTML) {
        let (parts, bytes) = apart(right).await;
        page(parts.status, change(&String::from_utf8_lossy(&bytes)))
    } else {
        right
    }
}

fn throttled(after: RetryAfter) -> Response {
    let after = match after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Date(date) => http_date(date),
    };
    with(page(StatusCode::TOO_MANY_REQUESTS, pages::short("Too many requests")), RETRY_AFTER, &after)
}
