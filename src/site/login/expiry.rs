//! Whether an attempt failed because the login has ended. Portals show that in many ways; the login check tells.

use url::Url;

use super::state::SharedLogin;
use crate::backend::{AttemptError, Page};
use crate::model::{FailureKind, Fault};
use crate::site::error::of_failure;
use crate::site::login::check::AuthState;
use crate::site::page::classify::without_query;

/// Redirects to a login page, although the session is logged in, after which the order itself counts as the cause.
const MAX_LED_AWAY: u32 = 3;

impl SharedLogin {
    /// What a failed attempt at the order at `order` says about the login. `Ok` if the order is to be opened once more.
    ///
    /// # Errors
    /// What the attempt ends with: `error`, or what is really behind it.
    pub(crate) async fn interpret_failure(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        redirect_count: &mut u32,
    ) -> Result<(), AttemptError> {
        match error.kind {
            FailureKind::LoginRequired => self.interpret_redirect(page, order, error, redirect_count).await,
            // each of these may be how a portal shows that the login has ended
            FailureKind::OrderMissing
            | FailureKind::AccessDenied
            | FailureKind::RequisitionDenied
            | FailureKind::PageChanged
                if error.receipt.as_ref().is_none_or(|receipt| receipt.missing.is_empty()) =>
            {
                self.interpret_denial(page, error).await
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

    /// Tells an order that is not there, or not to be seen, from a login that has ended.
    async fn interpret_denial(&self, page: &mut dyn Page, error: AttemptError) -> Result<(), AttemptError> {
        let address = self.check_address(&*self.shared.lock().await);
        let state = match self.ask_check(page, &address, false).await {
            Ok(Some(Ok(state))) => self.prove(page, state).await?,
            // the portal may be down or busy, or the browser may have gone: then the order is not judged yet
            Ok(None) => return Err(error), // what cannot be told changes nothing
            // the portal is busy or down, or the browser has gone: the order is not judged yet
            Ok(Some(Err(why))) => return Err(AttemptError { receipt: error.receipt, ..of_failure(why) }),
            Err(why) => return Err(AttemptError { receipt: error.receipt, ..why }),
        };
        let ended = |error: AttemptError, why: &str| AttemptError {
            message: format!("{why}: {error}"),
            kind: FailureKind::LoginRequired,
            ..error
        };
        if !state.lets_pass() {
            return Err(ended(error, "the login has ended"));
        }
        if state == AuthState::Unproven && error.kind == FailureKind::OrderMissing && self.seen_order().is_none() {
            let mut shared = self.shared.lock().await;
            let is_fresh = shared.form_generation == Some(shared.generation);
            if self.credentials.is_some() && !is_fresh {
                shared.doubted_generation = Some(shared.generation);
                return Err(ended(error, "the login may have ended, so it is renewed"));
            }
            if self.credentials.is_none() {
                let message =
                    format!("{error}; or the login is missing or has ended, since no order was shown in this run yet");
                return Err(AttemptError { message, ..error });
            }
        }
        self.context.confirm_login();
        Err(error)
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
        let mut receipt = error.receipt.clone();
        for missing in receipt.iter_mut().flat_map(|receipt| &mut receipt.missing) {
            if missing.failure.kind == error.kind {
                missing.failure.kind = FailureKind::ServerError;
            }
        }
        let message = format!("{error} (the portal answers other requests)");
        Err(AttemptError { kind: FailureKind::ServerError, message, receipt, ..error })
    }

    /// Whether the login of `page` is in force, which stays as it is. `None` when its check address does not tell. One that
    /// opens without a login is replaced by that of `order` from then on.
    pub(crate) async fn is_in_force(&self, page: &mut dyn Page, order: &Url) -> Option<bool> {
        loop {
            let address = self.check_address(&*self.shared.lock().await);
            let state = self.request_check(page, &address, false).await.ok().flatten()?;
            let state = self.prove(page, state).await.ok()?;
            if !state.lets_pass() {
                return Some(false);
            }
            if self.is_telling(page, &address, order).await {
                return Some(true);
            } // or another address is asked, once
        }
    }

    /// Whether `address` proves a login: it must not open without one.
    async fn is_telling(&self, page: &mut dyn Page, address: &Url, order: &Url) -> bool {
        let mut shared = self.shared.lock().await;
        if shared.has_denied || shared.learned_check.is_some() {
            return true;
        }
        if let Ok(Some(state)) = self.request_check(page, address, true).await
            && state.lets_pass()
        {
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
        // the page stays for the evidence, if possible
        let is_in_force = match self.is_in_force(page, order).await {
            // a page of another site cannot request it
            None => {
                let address = self.check_address(&*self.shared.lock().await);
                self.open_check_page(page, &address).await.is_ok_and(|state| state.lets_pass())
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
            Some(receipt) if !receipt.missing.is_empty() => {
                "answers with a login page instead of an attachment".to_owned()
            }
            Some(_) | None => format!("redirects this order to {shown}"),
        };
        let message = format!(
            "the portal {what} each time, although the session is logged in: open the order by hand as the same user, \
             who may lack a permission ({error})"
        );
        Err(AttemptError { kind: FailureKind::AccessDenied, message, ..error })
    }
}
