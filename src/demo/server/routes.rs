//! What an address requests, and for which order.

use url::form_urlencoded;

use super::logins::Logins;
use crate::demo::catalogue::Catalogue;
use crate::demo::faults::RequestTarget;
use crate::demo::portal_kind::PortalKind;
use crate::model::PoNumber;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The login form.
    LoginForm,
    /// A submitted login form.
    LoginSent,
    /// The second step of a login: a code.
    SecondStep,
    /// A submitted code.
    CodeSent,
    /// The front page, which needs no login.
    Welcome,
    /// Logout.
    Logout,
    /// The list of orders.
    Home,
    /// A number that no order has: the login check.
    Door,
    /// An order page, by its digits.
    Order(String),
    /// A requisition page, by its id.
    Requisition(String),
    /// A file behind a link.
    File(u64),
    /// Request for the one-time address of a file behind a button.
    Ticket(u64),
    /// The file behind a one-time address.
    OneTime(String),
    /// A sub-resource.
    Asset(String),
    /// Whether the links of a page may be listed, for pages that ask late.
    List(String),
    /// The event stream, which never ends.
    Events,
    /// A link that looks like a download and is not an attachment.
    Decoy(Decoy),
    /// Anything that the portal does not have.
    Nothing,
}

/// Links that look like downloads and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoy {
    HelpGuide,
    PrintView,
    /// The address of an attachment that leads back to its order.
    BackToOrder(u64),
    Export(String),
    Terms,
}

impl Route {
    /// Reads an address of this kind of portal.
    pub(crate) fn read(look: PortalKind, is_post: bool, path: &str, query: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (is_post, parts.as_slice()) {
            (false, ["assets", name]) => Self::Asset((*name).to_owned()),
            (false, ["events"]) => Self::Events,
            (false, ["lists", digits]) => Self::List((*digits).to_owned()),
            (false, ["help", "download", _]) => Self::Decoy(Decoy::HelpGuide),
            (false, ["terms", "download"]) => Self::Decoy(Decoy::Terms),
            (false, ["mfa"]) => Self::SecondStep,
            (true, ["mfa"]) => Self::CodeSent,
            (false, ["welcome"]) => Self::Welcome,
            (is_post, parts) => match look {
                PortalKind::Coupa => Self::read_coupa(is_post, parts),
                PortalKind::Table => Self::read_table(is_post, parts, query),
                PortalKind::CoupaPrefixed => Self::read_prefixed(is_post, parts),
            },
        }
    }

    fn read_coupa(is_post: bool, parts: &[&str]) -> Self {
        match (is_post, parts) {
            (false, ["sessions", "new"]) => Self::LoginForm,
            (true, ["sessions"]) => Self::LoginSent,
            (false, ["sessions", "destroy"]) => Self::Logout,
            (false, [] | ["order_headers"]) => Self::Home,
            (false, ["order_headers", "0"]) => Self::Door,
            (false, ["order_headers", digits]) => Self::Order((*digits).to_owned()),
            (false, ["order_headers", _, "print_view"]) => Self::Decoy(Decoy::PrintView),
            (false, ["order_headers", digits, "export.csv"]) => Self::Decoy(Decoy::Export((*digits).to_owned())),
            (false, ["requisition_headers", id]) => Self::Requisition((*id).to_owned()),
            (false, ["attachments", "attachment_file", "once", ticket]) => Self::OneTime((*ticket).to_owned()),
            (false, ["attachments", "attachment_file", id] | ["attachments", "attachment_file", id, _]) => {
                id.parse().map_or(Self::Nothing, Self::File)
            }
            (true, ["attachments", "tickets", id]) => id.parse().map_or(Self::Nothing, Self::Ticket),
            _ => Self::Nothing,
        }
    }

    fn read_prefixed(is_post: bool, parts: &[&str]) -> Self {
        match (is_post, parts) {
            (false, ["order_headers", "show_custom", _]) => Self::Decoy(Decoy::PrintView),
            (false, ["attachment", "attachment_file", "type", "once", ticket]) => Self::OneTime((*ticket).to_owned()),
            (false, ["attachment", "attachment_file", "type", id, _]) => id.parse().map_or(Self::Nothing, Self::File),
            (false, ["attachments", id]) => id.parse().map_or(Self::Nothing, |id| Self::Decoy(Decoy::BackToOrder(id))),
            (false, ["attachments" | "attachment", ..]) => Self::Nothing,
            _ => Self::read_coupa(is_post, parts),
        }
    }

    fn read_table(is_post: bool, parts: &[&str], query: &str) -> Self {
        let word = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        match (is_post, parts) {
            (false, ["account", "sign-in"]) => Self::LoginForm,
            (true, ["account", "sign-in"]) => Self::LoginSent,
            (false, ["account", "sign-out"]) => Self::Logout,
            (false, [] | ["orders"]) => Self::Home,
            (false, ["documents"]) => match (word("order"), word("request")) {
                (Some(digits), _) if digits == "0" => Self::Door,
                (Some(digits), _) => Self::Order(digits),
                (None, Some(id)) => Self::Requisition(id),
                (None, None) => Self::Nothing,
            },
            (false, ["documents", "print"]) => Self::Decoy(Decoy::PrintView),
            (false, ["documents", "list.csv"]) => Self::Decoy(Decoy::Export(word("order").unwrap_or_default())),
            (false, ["files", "once", ticket]) => Self::OneTime((*ticket).to_owned()),
            (false, ["files", id] | ["files", id, _]) => id.parse().map_or(Self::Nothing, Self::File),
            (true, ["files", "tickets", id]) => id.parse().map_or(Self::Nothing, Self::Ticket),
            _ => Self::Nothing,
        }
    }

    /// The part that faults apply to; `None` for sub-resources.
    pub(crate) fn part(&self) -> Option<RequestTarget> {
        match self {
            Self::LoginForm => Some(RequestTarget::Login),
            Self::LoginSent => Some(RequestTarget::Password),
            Self::Order(_) => Some(RequestTarget::OrderPage),
            Self::Requisition(_) => Some(RequestTarget::RequisitionPage),
            Self::File(_) | Self::OneTime(_) => Some(RequestTarget::File),
            Self::Ticket(_) => Some(RequestTarget::Ticket),
            Self::List(_) => Some(RequestTarget::List),
            Self::Logout
            | Self::Home
            | Self::Door
            | Self::SecondStep
            | Self::CodeSent
            | Self::Welcome
            | Self::Decoy(_)
            | Self::Nothing => Some(RequestTarget::Anything),
            Self::Asset(_) | Self::Events => None,
        }
    }

    /// The order that it belongs to.
    pub(crate) fn order(&self, catalogue: &Catalogue, logins: &Logins) -> Option<PoNumber> {
        let order = match self {
            // numbers that the portal does not have can be held and can fail too
            Self::Order(digits) | Self::List(digits) => return digits.parse().ok(),
            Self::Requisition(id) => catalogue.requisition(id)?.0,
            Self::File(id) | Self::Ticket(id) => catalogue.file(*id)?.0,
            Self::OneTime(ticket) => catalogue.file(logins.ticket(ticket)?)?.0,
            _ => return None,
        };
        Some(order.po.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_shape_are_understood() {
        for (path, wanted) in [
            ("/", Route::Home),
            ("/order_headers/15262984", Route::Order("15262984".to_owned())),
            ("/requisition_headers/77", Route::Requisition("77".to_owned())),
            ("/attachments/attachment_file/5", Route::File(5)),
            ("/attachments/attachment_file/5/Scan%200001.pdf", Route::File(5)),
            ("/attachments/attachment_file/once/ab", Route::OneTime("ab".to_owned())),
            ("/attachments/attachment_file/x", Route::Nothing),
            ("/order_headers/1/export.csv", Route::Decoy(Decoy::Export("1".to_owned()))),
            ("/nothing/of/that/kind", Route::Nothing),
        ] {
            assert_eq!(Route::read(PortalKind::Coupa, false, path, ""), wanted, "{path}");
        }
        assert_eq!(Route::read(PortalKind::Coupa, true, "/sessions", ""), Route::LoginSent);
        assert_eq!(Route::read(PortalKind::Coupa, true, "/attachments/tickets/9", ""), Route::Ticket(9));
        for (path, query, wanted) in [
            ("/documents", "order=15262984", Route::Order("15262984".to_owned())),
            ("/documents", "request=77", Route::Requisition("77".to_owned())),
            ("/documents", "", Route::Nothing),
            ("/documents/list.csv", "order=1", Route::Decoy(Decoy::Export("1".to_owned()))),
            ("/files/5/Scan%200001.pdf", "", Route::File(5)),
            ("/order_headers/15262984", "", Route::Nothing),
        ] {
            assert_eq!(Route::read(PortalKind::Table, false, path, query), wanted, "{path} {query}");
        }
    }

    #[test]
    fn each_look_understands_the_addresses_that_its_pages_show() {
        for look in PortalKind::ALL {
            let read = |address: &str| {
                let (path, query) = address.split_once('?').unwrap_or((address, ""));
                Route::read(look, false, path, query)
            };
            let po = "7".parse().unwrap();
            assert_eq!(read(&look.order(&po)), Route::Order("7".to_owned()));
            assert_eq!(read(&look.requisition("8")), Route::Requisition("8".to_owned()));
            assert_eq!(read(&format!("{}/9/a.pdf", look.files())), Route::File(9));
            assert_eq!(read(&format!("{}/once/ab", look.files())), Route::OneTime("ab".to_owned()));
            assert_eq!((read(look.login()), read(look.way_out())), (Route::LoginForm, Route::Logout));
            assert_eq!(read(look.home()), Route::Home);
        }
    }
}
