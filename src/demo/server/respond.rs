//! From a request to its response: gates, faults, the login check, then the page or file.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE as COOKIES, HOST,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use secrecy::ExposeSecret;
use url::form_urlencoded;

use super::logins::LoginResult;
use super::routes::{Decoy, Route};
use crate::demo::catalogue::files::{self, FileKind};
use crate::demo::catalogue::names::FileNaming;
use crate::demo::catalogue::orders::Attachment;
use crate::demo::catalogue::rng::Rng;
use crate::demo::faults::{HoldPoint, LoginAnswer};
use crate::demo::pages;
use crate::demo::portal_kind::PortalKind;
use crate::demo::server::response::{page, redirect, with, with_cookie};
use crate::demo::state::Portal;

/// Largest form that is read; the portal's own are smaller.
const MAX_FORM: usize = 64 * 1024;

/// A request that was read completely.
pub(crate) struct PortalRequest {
    pub(crate) wanted: Route,
    pub(crate) path: String,
    /// Host and port, as the browser sent them.
    pub(crate) host: String,
    cookie: Option<String>,
    /// The token that scripts send with their requests.
    script_token: String,
    form: Bytes,
}

impl PortalRequest {
    pub(crate) async fn read(request: Request, look: PortalKind) -> Self {
        let (parts, body) = request.into_parts();
        let is_post = parts.method == Method::POST;
        let path = parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
        let host = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let script_token = parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            wanted: Route::read(look, is_post, parts.uri.path(), parts.uri.query().unwrap_or_default()),
            path,
            host,
            cookie: cookie(&parts.headers, look.cookie()),
            script_token: script_token.to_owned(),
            form: if is_post { to_bytes(body, MAX_FORM).await.unwrap_or_default() } else { Bytes::new() },
        }
    }

    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// A field of the submitted form; empty if there is none.
    fn field(&self, name: &str) -> String {
        let found = form_urlencoded::parse(&self.form).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

/// The response without any fault.
pub(crate) fn go_right(portal: &Arc<Portal>, asked: &PortalRequest) -> Response {
    let look = portal.look;
    match &asked.wanted {
        Route::Asset(name) => return asset(portal, name),
        Route::LoginForm if !portal.logins.is_in(asked.cookie()) => return login_page(portal, asked, "", None),
        Route::LoginForm => return redirect(look.home()),
        Route::LoginSent => return login(portal, asked),
        Route::Welcome => {
            return page(StatusCode::OK, pages::welcome(look, asked.path.split_once('?').map(|(_, said)| said)));
        }
        Route::CodeSent if portal.logins.take_code(asked.cookie(), asked.field("code").as_str()) => {
            portal.count(|counts| counts.logins_accepted += 1);
            return redirect(look.home());
        }
        Route::SecondStep | Route::CodeSent if portal.logins.is_half(asked.cookie()) => {
            let code = portal.logins.form_token(asked.cookie());
            return page(StatusCode::OK, pages::second_step(look, portal.typed().map(|_| code.as_str())));
        }
        _ if portal.logins.is_half(asked.cookie()) => return redirect("/mfa"),
        Route::Events | Route::List(_) if !portal.logins.is_in(asked.cookie()) => {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        _ if !portal.logins.is_in(asked.cookie()) => return to_login(portal, asked, portal.login_answer()),
        _ => {}
    }
    let token = portal.logins.form_token(asked.cookie());
    let shown = |html| page(StatusCode::OK, html);
    match &asked.wanted {
        Route::Home => shown(pages::home(look, &portal.catalogue, &token)),
        Route::Order(digits) => {
            portal.count(|counts| counts.order_pages += 1);
            shown(match portal.catalogue.order_at(look, digits) {
                Some(order) => pages::order(look, order, &token, portal.pace.of(order)),
                None => pages::missing(look, &token),
            })
        }
        Route::Requisition(id) => {
            portal.count(|counts| counts.requisition_pages += 1);
            shown(match portal.catalogue.requisition(id) {
                Some((order, requisition)) => {
                    pages::requisition(look, order, requisition, id, &token, portal.pace.of(order))
                }
                None => pages::missing(look, &token),
            })
        }
        Route::File(id) => match portal.catalogue.file(*id) {
            // a file behind a button has no permanent address
            Some((_, file)) if !file.is_button => attachment(portal, file),
            _ => page(StatusCode::NOT_FOUND, pages::short("Not found")),
        },
        Route::OneTime(ticket) => match portal.logins.redeem(ticket).and_then(|id| portal.catalogue.file(id)) {
            Some((_, file)) => attachment(portal, file),
            None => page(StatusCode::GONE, pages::short("This address was valid only once")),
        },
        Route::Ticket(id) => match portal.catalogue.file(*id) {
            _ if asked.script_token != token => forged(),
            Some((_, file)) => {
                portal.count(|counts| counts.tickets_issued += 1);
                let url = format!("{}/once/{}", look.files(), portal.logins.issue(file.id));
                let json = serde_json::json!({ "url": url }).to_string();
                with(json.into_response(), CONTENT_TYPE, "application/json")
            }
            None => page(StatusCode::NOT_FOUND, pages::short("Not found")),
        },
        Route::Door => shown(pages::missing(look, &token)),
        Route::Events => {
            let stream = stream::once(async { Ok::<_, Infallible>(": welcome\n\n") }).chain(stream::pending());
            with(Body::from_stream(stream).into_response(), CONTENT_TYPE, "text/event-stream")
        }
        Route::List(_) => with("[]".into_response(), CONTENT_TYPE, "application/json"),
        Route::Decoy(decoy) => {
            portal.count(|counts| counts.decoys_served += 1);
            if let Decoy::BackToOrder(id) = decoy {
                return match portal.catalogue.file(*id) {
                    Some((order, _)) => redirect(&look.order(&order.po)),
                    None => page(StatusCode::NOT_FOUND, pages::short("Not found")),
                };
            }
            decoyed(look, decoy, &token)
        }
        Route::Logout => {
            portal.logins.end(asked.cookie());
            redirect(look.login())
        }
        Route::SecondStep | Route::CodeSent => redirect(look.home()),
        Route::Nothing | Route::Asset(_) | Route::LoginForm | Route::LoginSent | Route::Welcome => {
            page(StatusCode::NOT_FOUND, pages::short("Not found"))
        }
    }
}

pub(crate) fn attachment(portal: &Arc<Portal>, file: &Attachment) -> Response {
    portal.count(|counts| counts.files_served += 1);
    let order = portal.catalogue.file(file.id).map(|(order, _)| order.po.clone());
    let bytes = Bytes::from(file.bytes());
    let length = bytes.len().to_string();
    let middle = bytes.len() / 2;
    // always in two pieces, with a gate in between that is closed while the order is held
    let (first, second, portal) = (bytes.slice(..middle), bytes.slice(middle..), Arc::clone(portal));
    let stream = stream::iter([first].into_iter().filter(|first| !first.is_empty())).chain(stream::once(async move {
        if let Some(po) = order {
            portal.faults.pass(&po, HoldPoint::File).await;
        }
        second
    }));
    let mut answer = Body::from_stream(stream.map(Ok::<_, Infallible>)).into_response();
    if let Some(value) = file.naming.disposition(&file.name).and_then(|text| HeaderValue::from_bytes(&text).ok()) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    let answer = with(with(answer, CONTENT_TYPE, file.kind.media_type()), CONTENT_LENGTH, &length);
    with(with(answer, CACHE_CONTROL, "no-store"), ACCEPT_RANGES, "none")
}

fn decoyed(look: PortalKind, decoy: &Decoy, token: &str) -> Response {
    let download = |kind: FileKind, name: &str| {
        let bytes = files::bytes(kind, 5_000, name, Rng::new(0, 0));
        let named = FileNaming::Plain.disposition(name).unwrap_or_default();
        let answer = with(bytes.into_response(), CONTENT_TYPE, kind.media_type());
        with(answer, CONTENT_DISPOSITION, &String::from_utf8_lossy(&named))
    };
    match decoy {
        Decoy::HelpGuide => download(FileKind::Pdf, "Help guide.pdf"),
        Decoy::Terms => download(FileKind::Pdf, "Terms.pdf"),
        Decoy::Export(digits) => download(FileKind::Csv, &format!("order {digits}.csv")),
        Decoy::PrintView | Decoy::BackToOrder(_) => page(StatusCode::OK, pages::print_view(look, token)),
    }
}

fn asset(portal: &Portal, name: &str) -> Response {
    let Some(asset) = portal.assets.get(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = if asset.is_kept { "public, max-age=31536000, immutable" } else { "no-store" };
    with(with(asset.bytes.clone().into_response(), CONTENT_TYPE, asset.media_type), CACHE_CONTROL, kept)
}

/// Shows the login page in place of what was requested.
pub(crate) fn to_login(portal: &Portal, asked: &PortalRequest, how: LoginAnswer) -> Response {
    portal.count(|counts| counts.login_pages += 1);
    // a login does not return to a file or a script's request
    let wanted = match asked.wanted {
        Route::Home | Route::Order(_) | Route::Requisition(_) => asked.path.as_str(),
        _ => "",
    };
    match how {
        LoginAnswer::Page => login_page(portal, asked, wanted, None),
        LoginAnswer::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::UNAUTHORIZED);
            page(status, pages::short("Your session has expired"))
        }
        LoginAnswer::Redirect => {
            let (cookie, _) = portal.logins.visit(asked.cookie(), wanted);
            with_cookie(redirect(portal.look.login()), portal.look, &cookie)
        }
    }
}

fn login_page(portal: &Portal, asked: &PortalRequest, wanted: &str, complaint: Option<&str>) -> Response {
    let (cookie, form_token) = portal.logins.visit(asked.cookie(), wanted);
    let mut form = pages::login(portal.look, &form_token, complaint);
    if let Some((username, password)) = portal.typed() {
        form = pages::typed_login(portal.look, &form, username, password.expose_secret());
    }
    with_cookie(page(StatusCode::OK, form), portal.look, &cookie)
}

fn login(portal: &Portal, asked: &PortalRequest) -> Response {
    let fields = portal.look.form_fields();
    let (token, username, password) =
        (asked.field(fields.token), asked.field(fields.username), asked.field(fields.password));
    let complaint = match portal.logins.enter(asked.cookie(), &token, &username, &password) {
        LoginResult::In { cookie, wanted } => {
            portal.count(|counts| counts.logins_accepted += 1);
            let to = if wanted.is_empty() { portal.look.home() } else { &wanted };
            return with_cookie(redirect(to), portal.look, &cookie);
        }
        LoginResult::Half { cookie } => return with_cookie(redirect("/mfa"), portal.look, &cookie),
        LoginResult::Forged => return forged(),
        LoginResult::Refused => "Invalid user name or password.",
        LoginResult::Locked => "Your account is locked. Ask your administrator.",
    };
    portal.count(|counts| counts.logins_refused += 1);
    if portal.refuses_with_welcome() {
        return redirect(&format!("/welcome?{}", complaint.replace(' ', "+")));
    }
    login_page(portal, asked, "", Some(complaint))
}

fn forged() -> Response {
    page(StatusCode::UNPROCESSABLE_ENTITY, pages::short("The change you wanted was rejected"))
}

fn cookie(headers: &HeaderMap, called: &str) -> Option<String> {
    let lines = headers.get_all(COOKIES).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == called).map(|(_, value)| value.to_owned())
}
