//! The kinds of portal that the demo can be: the same orders, files, logins and faults behind different addresses and markup.

use crate::model::PoNumber;

/// Kind of portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortalKind {
    /// A portal for the recipe `coupa`.
    #[default]
    Coupa,
    /// A portal for the recipe `table`: documents in a table, order numbers in the query.
    Table,
    /// A Coupa tenant in Portuguese, whose attachments are list items that bear their address. Its addresses take the number
    /// with its prefix, as the recipe `coupa-prefixed` has it, or without, as `coupa` does.
    CoupaPrefixed,
}

/// Names of the fields of the login form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormFields {
    pub(crate) token: &'static str,
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
}

impl PortalKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Coupa, Self::Table, Self::CoupaPrefixed];

    /// The name of its built-in recipe.
    #[must_use]
    pub fn recipe(self) -> &'static str {
        match self {
            Self::Coupa => "coupa",
            Self::Table => "table",
            Self::CoupaPrefixed => "coupa-prefixed",
        }
    }

    /// The address of the login form.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::Coupa | Self::CoupaPrefixed => "/sessions/new",
            Self::Table => "/account/sign-in",
        }
    }

    /// The address for logging out.
    pub(crate) fn way_out(self) -> &'static str {
        match self {
            Self::Coupa | Self::CoupaPrefixed => "/sessions/destroy",
            Self::Table => "/account/sign-out",
        }
    }

    pub(crate) fn form_fields(self) -> FormFields {
        match self {
            Self::Coupa | Self::CoupaPrefixed => {
                FormFields { token: "authenticity_token", username: "user[login]", password: "user[password]" }
            }
            Self::Table => FormFields { token: "form_key", username: "member", password: "passphrase" },
        }
    }

    /// The name of the login cookie.
    pub(crate) fn cookie(self) -> &'static str {
        match self {
            Self::Coupa | Self::CoupaPrefixed => "_coupa_session",
            Self::Table => "visit",
        }
    }

    /// The list of orders.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Coupa | Self::CoupaPrefixed => "/order_headers",
            Self::Table => "/orders",
        }
    }

    /// The page of an order.
    pub(crate) fn order(self, po: &PoNumber) -> String {
        match self {
            Self::Coupa => format!("/order_headers/{}", po.digits()),
            Self::CoupaPrefixed => format!("/order_headers/{po}"),
            Self::Table => format!("/documents?order={}", po.digits()),
        }
    }

    /// The page of a requisition.
    pub(crate) fn requisition(self, id: &str) -> String {
        match self {
            Self::Coupa | Self::CoupaPrefixed => format!("/requisition_headers/{id}"),
            Self::Table => format!("/documents?request={id}"),
        }
    }

    /// Prefix of the addresses of files.
    pub(crate) fn files(self) -> &'static str {
        match self {
            Self::Coupa => "/attachments/attachment_file",
            Self::CoupaPrefixed => "/attachment/attachment_file/type",
            Self::Table => "/files",
        }
    }

    /// Prefix of the addresses that give out one-time addresses.
    pub(crate) fn tickets(self) -> &'static str {
        match self {
            Self::Coupa | Self::CoupaPrefixed => "/attachments/tickets",
            Self::Table => "/files/tickets",
        }
    }
}
