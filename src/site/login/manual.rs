//! Waits until a person has logged in by hand, without touching the page meanwhile.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::state::SharedLogin;
use crate::backend::{AttemptError, Cookie, Page};
use crate::model::FailureKind;
use crate::site::login::check::AuthState;
use crate::site::page::classify::PageKind;
use crate::text::rounded;

/// How often the window is looked at in which a person logs in. A page cannot call back across its own navigation.
const LOOK_AT_PERSON: Duration = Duration::from_secs(1);

/// While the page stays the same, only every so many polls request the check address: each costs the portal a request.
const ASK_EACH: u32 = 3;

impl SharedLogin {
    /// Waits until somebody has logged in by hand in the window of `page`, and returns the cookies of that login. Leaves
    /// the person alone: the page is looked at, and never moved.
    pub(crate) async fn wait_for_person(
        &self,
        page: &mut dyn Page,
        patience: Duration,
    ) -> Result<Vec<Cookie>, AttemptError> {
        let begun = Instant::now();
        let address = self.check_address(&*self.shared.lock().await);
        self.go(page, &self.context.base).await?;
        let (mut is_open, mut last, mut looks) = (false, String::new(), 0_u32);
        loop {
            let (look, kind) = self.look(page).await?;
            let may_be_in = match kind {
                PageKind::Login
                | PageKind::Elsewhere(_)
                | PageKind::Throttled
                | PageKind::Down(_)
                | PageKind::Unreached(_) => false,
                PageKind::Wanted | PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_) => true,
            };
            looks = if look.evidence.url == last { looks + 1 } else { 0 };
            last = look.evidence.url;
            if may_be_in && (is_open || looks.is_multiple_of(ASK_EACH)) {
                let now = self.is_in(page, &address).await?;
                // twice in a row: on its way back from a single sign-on a browser passes pages of the portal
                if now && is_open {
                    return Ok(page.cookies().await?);
                }
                is_open = now;
            } else {
                is_open = false;
            }
            if begun.elapsed() >= patience {
                return Err(AttemptError::new(
                    FailureKind::LoginRequired,
                    format!("nobody logged in within {}: try again, with a longer --wait if needed", rounded(patience)),
                ));
            }
            tokio::time::sleep(LOOK_AT_PERSON).await;
        }
    }

    /// Whether the person is logged in. "Not found" counts if the portal shows something else without a login.
    async fn is_in(&self, page: &mut dyn Page, address: &Url) -> Result<bool, AttemptError> {
        match self.request_check(page, address, false).await? {
            Some(AuthState::Open) => Ok(true),
            Some(AuthState::Unproven) => {
                Ok(self.request_check(page, address, true).await?.is_some_and(|stranger| !stranger.lets_pass()))
            }
            _ => Ok(false),
        }
    }
}
