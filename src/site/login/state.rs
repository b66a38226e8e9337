//! The state of the login that all sessions share.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

use crate::backend::{Cookie, LoginStore, RejectionStore};
use crate::config::{Credentials, SiteConfig, Timeouts};
use crate::model::{Failure, FailureKind};
use crate::site::context::PortalContext;
use crate::site::recipe::parse::RecipeError;

/// The login that all sessions share.
pub struct SharedLogin {
    pub(crate) context: Arc<PortalContext>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) stores: Vec<Arc<dyn LoginStore>>,
    pub(crate) rejections: Option<Arc<dyn RejectionStore>>,
    /// A person asks for this login now, so refusals of earlier runs do not count.
    pub(crate) is_asked_for: bool,
    pub(crate) shared: Mutex<LoginState>,
    /// The cookies of the newest login, for those who must redact them. Never held across an await.
    pub(crate) newest: std::sync::Mutex<Vec<SecretString>>,
    /// The page of the order that was seen last in this run. Never held across an await.
    seen_order: std::sync::Mutex<Option<Url>>,
}

/// Locked by the session that logs in, while it does.
#[derive(Debug, Default)]
pub(crate) struct LoginState {
    /// Counts the logins; 0 before the first.
    pub(crate) generation: u64,
    pub(crate) cookies: Vec<Cookie>,
    /// The saved logins that were tried: from which store, and when they were saved.
    pub(crate) tried: Vec<(usize, Timestamp)>,
    /// A session of this run was logged in.
    pub(crate) was_ever_in: bool,
    /// Only a person can make a new login, and has not yet.
    pub(crate) waits_for_person: bool,
    /// The page after the password, if the portal asks for more than that.
    pub(crate) second_step: Option<String>,
    /// How often the password was sent without a clear answer.
    pub(crate) unanswered_count: u32,
    /// The check address has refused a session that was not logged in, so it proves something.
    pub(crate) has_denied: bool,
    /// The address to use instead of a check address that everybody can open.
    pub(crate) learned_check: Option<Url>,
    /// Which of the logins was made through the form in this run.
    pub(crate) form_generation: Option<u64>,
    /// The login that may have ended although the check address does not say so.
    pub(crate) doubted_generation: Option<u64>,
    /// Why no further login is tried.
    pub(crate) refused: Option<String>,
}

impl SharedLogin {
    /// The login of the portal of `config`, whose files go to `out`. The logins in `stores` are tried before the
    /// credentials, the newest first, and read again when the login has ended. What `rejections` remembers is not sent.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    pub fn of(
        config: &SiteConfig,
        out: &Path,
        deadlines: Timeouts,
        stores: Vec<Arc<dyn LoginStore>>,
        rejections: Option<Arc<dyn RejectionStore>>,
    ) -> Result<Self, RecipeError> {
        let context = Arc::new(PortalContext::new(config, out.to_owned(), deadlines)?);
        let login = stores.into_iter().fold(Self::new(context, config.credentials.clone()), Self::with_store);
        Ok(match rejections {
            Some(rejections) => login.with_rejections(rejections, false),
            None => login,
        })
    }

    pub(crate) fn new(context: Arc<PortalContext>, credentials: Option<Credentials>) -> Self {
        Self {
            context,
            credentials,
            stores: Vec::new(),
            rejections: None,
            is_asked_for: false,
            shared: Mutex::default(),
            newest: std::sync::Mutex::default(),
            seen_order: std::sync::Mutex::default(),
        }
    }

    /// Tries the login in this store before the form; of several stores the newest login first.
    pub(crate) fn with_store(mut self, store: Arc<dyn LoginStore>) -> Self {
        self.stores.push(store);
        self
    }

    /// The same, which remembers there what the portal refuses, and does not send what it has refused before unless a
    /// person asks for it.
    pub(crate) fn with_rejections(self, rejections: Arc<dyn RejectionStore>, is_asked_for: bool) -> Self {
        Self { rejections: Some(rejections), is_asked_for, ..self }
    }

    pub(crate) fn context(&self) -> &PortalContext {
        &self.context
    }

    pub(crate) fn shared_context(&self) -> Arc<PortalContext> {
        Arc::clone(&self.context)
    }

    /// The password, if there is one.
    pub(crate) fn password(&self) -> Option<&SecretString> {
        self.credentials.as_ref().map(|credentials| &credentials.password)
    }

    /// The page of an order was shown to a session of this run.
    pub(crate) fn saw_order(&self, order: Url) {
        *self.seen_order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
    }

    /// The page of the order that was seen last in this run.
    pub(crate) fn seen_order(&self) -> Option<Url> {
        self.seen_order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there was a login, saved or made.
    pub(crate) async fn is_made(&self) -> bool {
        self.shared.lock().await.generation > 0
    }

    /// The values of the newest login's cookies. Does not wait for a login that is being made.
    pub(crate) fn cookies(&self) -> Vec<SecretString> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for SharedLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedLogin").finish_non_exhaustive()
    }
}

impl LoginState {
    pub(crate) fn check_refused(&self) -> Result<(), Failure> {
        match &self.refused {
            Some(why) => Err(Failure::new(FailureKind::LoginRefused, why.clone())),
            None => Ok(()),
        }
    }
}
