//! As which portal the demo shows itself: the same orders, files, logins and faults behind other addresses and markup.

/// The kind of portal that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortalKind {
    /// As the recipe `coupa` knows it.
    #[default]
    Coupa,
    /// As the recipe `table` knows it: documents in a table, orders told apart by a query.
    Table,
}

/// The names of the fields of the login form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormFields {
    pub(crate) token: &'static str,
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
}

impl PortalKind {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Coupa, Self::Table];

    /// The name of the shipped recipe that fits it.
    #[must_use]
    pub fn recipe(self) -> &'static str {
        match self {
            Self::Coupa => "coupa",
            Self::Table => "table",
        }
    }

    /// The address of the login form.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::Coupa => "/sessions/new",
            Self::Table => "/account/sign-in",
        }
    }

    /// The address that ends a login.
    pub(crate) fn way_out(self) -> &'static str {
        match self {
            Self::Coupa => "/sessions/destroy",
            Self::Table => "/account/sign-out",
        }
    }

    pub(crate) fn form_fields(self) -> FormFields {
        match self {
            Self::Coupa => {
                FormFields { token: "authenticity_token", username: "user[login]", password: "user[password]" }
            }
            Self::Table => FormFields { token: "form_key", username: "member", password: "passphrase" },
        }
    }

    /// The name of the cookie that is the login.
    pub(crate) fn cookie(self) -> &'static str {
        match self {
            Self::Coupa => "_coupa_session",
            Self::Table => "visit",
        }
    }

    /// The list of orders.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Coupa => "/order_headers",
            Self::Table => "/orders",
        }
    }

    /// The page of an order.
    pub(crate) fn order(self, digits: &str) -> String {
        match self {
            Self::Coupa => format!("/order_headers/{digits}"),
            Self::Table => format!("/documents?order={digits}"),
        }
    }

    /// The page of a requisition.
    pub(crate) fn requisition(self, id: &str) -> String {
        match self {
            Self::Coupa => format!("/requisition_headers/{id}"),
            Self::Table => format!("/documents?request={id}"),
        }
    }

    /// Files are below it.
    pub(crate) fn files(self) -> &'static str {
        match self {
            Self::Coupa => "/attachments/attachment_file",
            Self::Table => "/files",
        }
    }

    /// One-time addresses of files are asked for below it.
    pub(crate) fn tickets(self) -> &'static str {
        match self {
            Self::Coupa => "/attachments/tickets",
            Self::Table => "/files/tickets",
        }
    }
}
