//! What all that is done on one portal has in common.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::Recipe;
use crate::backend::{LongPolls, Stability};
use crate::config::{Filter, RequisitionRule, SiteConfig, Timeouts};
use crate::model::{ListingId, PoNumber};
use crate::site::page::readiness::long_polls::LongPollRegistry;
use crate::site::rate_limit::RateLimiter;
use crate::site::recipe::parse::{RecipeError, load};

/// A portal, how it is to be treated, and where its files go.
#[derive(Debug)]
pub(crate) struct PortalContext {
    pub(crate) recipe: Recipe,
    /// The name of a built-in one, or its file.
    pub(crate) recipe_name: String,
    pub(crate) base: Url,
    pub(crate) out: PathBuf,
    pub(crate) deadlines: Timeouts,
    pub(crate) requisition: RequisitionRule,
    pub(crate) pace: RateLimiter,
    pub(crate) filter: Filter,
    pub(crate) strict_types: bool,
    pub(crate) file_max: ByteSize,
    pub(crate) download_min_rate: ByteSize,
    pub(crate) order_max: ByteSize,
    /// Logins in a row that let no page be seen, as far as is known. Beside the login's lock: whoever sees a page does not
    /// wait for a login that is being made.
    pub(crate) unproven_login_count: AtomicU32,
    /// Files that all workers have fetched so far.
    arrival_count: AtomicU64,
    /// Attachments that were answered with a request for fewer requests, and in how many attempts nothing was left to be
    /// fetched after them.
    throttled: Mutex<HashMap<ListingId, u32>>,
    /// Requests of the portal's pages that turned out never to end.
    pub(crate) long_polls: LongPollRegistry,
}

impl PortalContext {
    pub(crate) fn new(config: &SiteConfig, out: PathBuf, deadlines: Timeouts) -> Result<Self, RecipeError> {
        Ok(Self {
            recipe: load(&config.recipe)?,
            recipe_name: config.recipe.clone(),
            base: config.base_url.clone().ok_or(RecipeError::NoAddress)?,
            out,
            deadlines,
            requisition: config.requisition,
            pace: RateLimiter::new(config.requests_per_second),
            filter: config.filter.clone(),
            strict_types: config.strict_types,
            file_max: config.file_max_size,
            download_min_rate: config.download_min_rate,
            order_max: config.order_max_size,
            unproven_login_count: AtomicU32::new(0),
            arrival_count: AtomicU64::new(0),
            throttled: Mutex::default(),
            long_polls: LongPollRegistry::default(),
        })
    }

    /// A file has come from the portal.
    pub(crate) fn count_arrival(&self) {
        self.arrival_count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many files have come from the portal so far, for whichever order.
    pub(crate) fn arrival_count(&self) -> u64 {
        self.arrival_count.load(Ordering::Relaxed)
    }

    /// A page was shown to somebody who is logged in.
    pub(crate) fn confirm_login(&self) {
        self.unproven_login_count.store(0, Ordering::Relaxed);
    }

    /// The portal answered for this attachment that it wants fewer requests. Tells in how many attempts nothing was left
    /// after it.
    pub(crate) fn note_throttled(&self, id: &ListingId, was_alone: bool) -> u32 {
        let mut throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner);
        let count = throttled.entry(id.clone()).or_default();
        *count += u32::from(was_alone);
        *count
    }

    /// Whether the portal has answered so before.
    pub(crate) fn was_throttled(&self, id: &ListingId) -> bool {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// A path of the portal, with or without a query, as an address.
    pub(crate) fn at(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        url.set_query(query);
        url.set_fragment(None);
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The page of an order.
    pub(crate) fn order_page(&self, po: &PoNumber) -> Url {
        self.at(&self.recipe.address.order_path(po))
    }

    /// Whether this is the address of an order, whichever it is.
    pub(crate) fn is_order_page(&self, address: &Url) -> bool {
        address.as_str().starts_with(self.at(self.recipe.address.before_number()).as_str())
    }

    /// How long a script of ours may wait within a page: well below the driver's limit for scripts, which is a large part of
    /// the page's.
    pub(crate) fn within_script(&self, wanted: Duration) -> Duration {
        wanted.min(self.deadlines.page / 2)
    }

    /// When this page counts as settled.
    pub(crate) fn stability(&self, page: &Url) -> Stability {
        let settle = &self.recipe.settle;
        Stability {
            after_load: settle.after_load.0,
            unchanged_for: settle.unchanged_for.0,
            at_most: settle.at_most.0.min(self.deadlines.page),
            long_polls: LongPolls {
                addresses: settle.long_polls.clone(),
                learned: self.long_polls.keys(page),
                after: settle.long_poll_after.0,
            },
            words: self.recipe.attachments.telling_words().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    #[test]
    fn an_order_has_the_address_that_the_recipe_says_below_that_of_the_portal() {
        for (recipe, path) in [("coupa", "order_headers/7"), ("table", "documents?order=7")] {
            let config = PoolConfig::builder().base_url("https://acme.test/buy/").recipe(recipe).build().unwrap();
            let context = PortalContext::new(&config.site, PathBuf::new(), config.deadlines).unwrap();
            let order = context.order_page(&"PO7".parse().unwrap());
            assert_eq!(order.as_str(), format!("https://acme.test/buy/{path}"));
            assert!(context.is_order_page(&order) && !context.is_order_page(&context.base));
            let request = "https://acme.test/buy/documents?request=7".parse().unwrap();
            assert!(!context.is_order_page(&request));
        }
    }
}
