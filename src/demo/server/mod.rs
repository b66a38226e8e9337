//! HTTP server of the demo portal: reads a request and responds with a fault or without.

pub(crate) mod assets;
pub(crate) mod connection;
pub(crate) mod logins;
pub(crate) mod respond;
pub(crate) mod response;
pub(crate) mod routes;

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use self::connection::Connection;
use self::respond::{PortalRequest, go_right};
use self::response::page;
use self::routes::Route;
use crate::demo::faults::inject::go_wrong;
use crate::demo::faults::{HoldPoint, RequestTarget};
use crate::demo::pages;
use crate::demo::state::Portal;

/// Responds to every request of a portal.
pub(crate) async fn answer(
    State(portal): State<Arc<Portal>>,
    ConnectInfo(line): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let stop = portal.stop.clone();
    tokio::select! {
        () = stop.cancelled() => page(StatusCode::SERVICE_UNAVAILABLE, pages::short("The portal stops")),
        answer = respond(&portal, &line, request) => answer,
    }
}

async fn respond(portal: &Arc<Portal>, line: &Connection, request: Request) -> Response {
    portal.count(|counts| counts.requests += 1);
    let asked = PortalRequest::read(request, portal.look).await;
    let order = asked.wanted.order(&portal.catalogue, &portal.logins);
    if portal.is_wished()
        && matches!(asked.wanted.part(), Some(RequestTarget::OrderPage | RequestTarget::RequisitionPage))
    {
        portal.count(|counts| counts.asked_early += 1);
    }
    if asked.wanted == Route::LoginSent {
        portal.count(|counts| counts.passwords_sent += 1);
    }
    if let Route::Order(_) = asked.wanted
        && let Some(po) = &order
    {
        portal.note(po);
    }
    if let (Some(po), Some(RequestTarget::OrderPage | RequestTarget::RequisitionPage)) = (&order, asked.wanted.part()) {
        portal.faults.pass(po, HoldPoint::Page).await;
    }
    match asked.wanted.part().and_then(|part| portal.faults.strike(part, order.as_ref())) {
        Some(fault) => {
            portal.count(|counts| counts.faults_struck += 1);
            portal.note_fault(&fault);
            go_wrong(fault, portal, line, &asked).await
        }
        None => go_right(portal, &asked),
    }
}
