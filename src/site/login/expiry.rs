//! Whether a walk failed because the login has ended, however the portal shows that: the door tells.

use url::Url;

use super::Login;
use crate::backend::{AttemptError, Page};
use crate::model::{FailureKind, Fault};
use crate::site::login::check::AuthState;
use crate::site::page::classify::without_query;

/// Most walks that lead to a login page although the login is in force: more, and it is the order's affair.
const MAX_LED_AWAY: u32 = 3;

impl Login {
    /// What a failed walk of the order at `order` says of the login. `Ok` when it is to be walked once more.
    ///
    /// # Errors
    /// What the attempt ends with: `error` itself, or what it turns out to be.
    pub(crate) async fn weigh(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        led_away_count: &mut u32,
    ) -> Result<(), AttemptError> {
        match error.kind {
            FailureKind::LoginRequired => self.weigh_led_away(page, order, error, led_away_count).await,
            // each of them may be how a portal shows that the login has ended
            FailureKind::AccessDenied | FailureKind::RequisitionDenied | FailureKind::PageChanged
                if error.receipt.as_ref().is_none_or(|receipt| receipt.missing.is_empty()) =>
            {
                let door = self.door(&*self.shared.lock().await);
                match self.ask_for_door(page, &door, false).await {
                    Ok(Some(AuthState::Form | AuthState::Elsewhere(_) | AuthState::Closed(_))) => Err(AttemptError {
                        message: format!("the login has ended: {error}"),
                        kind: FailureKind::LoginRequired,
                        ..error
                    }),
                    Ok(Some(AuthState::Open)) => {
                        self.ground.prove_login();
                        Err(error)
                    }
                    // what cannot be told changes nothing
                    Ok(None) | Err(_) => Err(error),
                }
            }
            kind => {
                if kind.fault() == Fault::Task {
                    self.ground.prove_login();
                }
                Err(error)
            }
        }
    }

    async fn weigh_led_away(
        &self,
        page: &mut dyn Page,
        order: &Url,
        error: AttemptError,
        led_away_count: &mut u32,
    ) -> Result<(), AttemptError> {
        let Ok(shown) = page.url().await else { return Err(error) };
        let door = self.door(&*self.shared.lock().await);
        // the page stays for those who look at it later, where it can
        let stands = match self.ask_for_door(page, &door, false).await {
            Ok(None) => self.look_at_door(page, &door).await.ok(),
            Ok(stands) => stands,
            Err(_) => None,
        };
        if stands != Some(AuthState::Open) {
            return Err(error);
        }
        let mut shared = self.shared.lock().await;
        if !shared.has_been_shut && shared.learned_door.is_none() {
            // a door that strangers pass, too, is none: the order is
            if let Ok(Some(AuthState::Open)) = self.ask_for_door(page, &door, true).await {
                tracing::info!("the recipe's address.door is open to everybody: an order's page is asked for instead");
                shared.learned_door = Some(order.clone());
                return Err(error);
            }
            shared.has_been_shut = true;
        }
        drop(shared);
        *led_away_count += 1;
        if *led_away_count < MAX_LED_AWAY {
            return Ok(());
        }
        self.ground.prove_login();
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
