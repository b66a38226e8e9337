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
            FailureKind::SiteDown | FailureKind::Unreachable if error.retry_after.is_none() => {
                self.interpret_outage(page, error).await
            }
            kind => {
                if kind.fault() == Fault::Task {
                    self.context.confirm_login();
                }
                Err(error)
            }
        }
    }

    /// Tells a portal that is down from one that fails for this order alone: the login check is answered then.
    async fn interpret_outage(&self, page: &mut dyn Page, error: AttemptError) -> Result<(), AttemptError> {
        let address = self.check_address(&*self.shared.lock().await);
        let shows_page = page.url().await.is_ok_and(|shown| shown.starts_with("http"));
        let is_answered = if shows_page {
            matches!(self.request_check(page, &address, false).await, Ok(Some(_)))
        } else {
            // the browser shows an error page of its own, from which nothing can be requested
            self.open_check_page(page, &address).await.is_ok()
        };
        if !is_answered {
            return Err(error);
        }
        Err(AttemptError {
            kind: FailureKind::ServerError,
            message: format!("{error} (the portal answers otherwise)"),
            ..error
        })
    }

    async fn interpret_redirect(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        redirect_count: &mut u32,
    ) -> Result<(), AttemptError> {
        let Ok(shown) = page.url().await else { return Err(error) };
        let address = self.check_address(&*self.shared.lock().await);
        // the page stays for those who look at it later, where it can
        let stands = match self.request_check(page, &address, false).await {
            Ok(None) => self.open_check_page(page, &address).await.ok(),
            Ok(stands) => stands,
            Err(_) => None,
        };
        if stands != Some(AuthState::Open) {
            return Err(error);
        }
        let mut shared = self.shared.lock().await;
        if !shared.has_denied && shared.learned_check.is_none() {
            // an address that opens without a login tells nothing: an order's page does
            if let Ok(Some(AuthState::Open)) = self.request_check(page, &address, true).await {
                tracing::info!("the recipe's address.login_check opens without a login: using an order's page instead");
                shared.learned_check = Some(order.clone());
                return Err(error);
            }
            shared.has_denied = true;
        }
        drop(shared);
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
