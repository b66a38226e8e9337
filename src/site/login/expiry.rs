//! Did an attempt fail because the login has expired? However the portal shows that, the check address tells.

use url::Url;

use super::state::SharedLogin;
use crate::backend::{AttemptError, Page};
use crate::model::{FailureKind, Fault};
use crate::site::login::check::AuthState;
use crate::site::page::classify::without_query;

/// Most walks that lead to a login page although the login is in force: more, and it is the order's affair.
const MAX_LED_AWAY: u32 = 3;

impl SharedLogin {
    /// What a failed walk of the order at `order` says of the login. `Ok` when it is to be walked once more.
    ///
    /// # Errors
    /// What the attempt ends with: `error` itself, or what it turns out to be.
    pub(crate) async fn interpret_failure(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        redirect_count: &mut u32,
    ) -> Result<(), AttemptError> {
        match error.kind {
            FailureKind::LoginRequired => self.interpret_redirect(page, order, error, redirect_count).await,
            // each of them may be how a portal shows that the login has ended
            FailureKind::AccessDenied | FailureKind::RequisitionDenied | FailureKind::PageChanged
                if error.receipt.as_ref().is_none_or(|receipt| receipt.missing.is_empty()) =>
            {
                let address = self.check_address(&*self.shared.lock().await);
                match self.request_check(page, &address, false).await {
                    Ok(Some(AuthState::Form | AuthState::Elsewhere(_) | AuthState::Closed(_))) => Err(AttemptError {
                        message: format!("the login has ended: {error}"),
                        kind: FailureKind::LoginRequired,
                        ..error
                    }),
                    Ok(Some(AuthState::Open)) => {
                        self.context.confirm_login();
                        Err(error)
                    }
                    // what cannot be told changes nothing
                    Ok(None) | Err(_) => Err(error),
                }
            }
            kind => {
                if kind.fault() == Fault::Task {
                    self.context.confirm_login();
                }
                Err(error)
            }
        }
    }

    /// Whether the login of `page` is in force, which stays as it is. `None` when its check address does not tell. One that
    /// opens without a login is replaced by that of `order` from then on.
    pub(crate) async fn is_in_force(&self, page: &mut dyn Page, order: &Url) -> Option<bool> {
        loop {
            let address = self.check_address(&*self.shared.lock().await);
            match self.request_check(page, &address, false).await {
                Ok(Some(AuthState::Open)) if self.is_telling(page, &address, order).await => return Some(true),
                Ok(Some(AuthState::Open)) => {} // another address is asked, once
                Ok(Some(AuthState::Form | AuthState::Elsewhere(_) | AuthState::Closed(_))) => return Some(false),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Whether that `address` opens says that one is logged in: it must not open for strangers.
    async fn is_telling(&self, page: &mut dyn Page, address: &Url, order: &Url) -> bool {
        let mut shared = self.shared.lock().await;
        if shared.has_denied || shared.learned_check.is_some() {
            return true;
        }
        if let Ok(Some(AuthState::Open)) = self.request_check(page, address, true).await {
            tracing::info!("the recipe's address.login_check opens without a login: using an order's page instead");
            shared.learned_check = Some(order.clone());
            return false;
        }
        shared.has_denied = true;
        true
    }

    async fn interpret_redirect(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        redirect_count: &mut u32,
    ) -> Result<(), AttemptError> {
        let Ok(shown) = page.url().await else { return Err(error) };
        // the page stays for those who look at it later, where it can
        let is_in_force = match self.is_in_force(page, order).await {
            // another site's page cannot ask
            None => {
                let address = self.check_address(&*self.shared.lock().await);
                self.open_check_page(page, &address).await.is_ok_and(|state| state == AuthState::Open)
                    && self.is_telling(page, &address, order).await
            }
            Some(is_in_force) => is_in_force,
        };
        if !is_in_force {
            return Err(error);
        }
        *redirect_count += 1;
        if *redirect_count < MAX_LED_AWAY {
            return Ok(());
        }
        self.context.confirm_login();
        let shown = without_query(&shown);
        let what = match &error.receipt {
            Some(receipt) if !receipt.missing.is_empty() => "answers for an attachment with a login page".to_owned(),
            Some(_) | None => format!("leads from this order to {shown}"),
        };
        let message = format!(
            "the portal {what} each time, although the login is in force: open the order by hand, as the same user; it may \
             want a right that this user has not ({error})"
        );
        Err(AttemptError { kind: FailureKind::AccessDenied, message, ..error })
    }
}
