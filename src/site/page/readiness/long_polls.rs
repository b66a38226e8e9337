//! Requests that stay open until the portal has news, as they turn up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use crate::backend::PendingRequest;

/// So many are remembered: a portal whose requests all differ must not fill the memory.
const MAX_LEARNED: usize = 200;

/// The long polls that were met, each with the page of the first time. One that is met again is not waited for: the same
/// request on the page of another order cannot bring that order's list. On the page where it was met first it can.
#[derive(Debug, Default)]
pub(crate) struct LongPollRegistry {
    met: Mutex<BTreeMap<String, FirstPage>>,
    /// How often a request of a page was waited for in vain as long as a page may take.
    vain: Mutex<BTreeMap<(Url, String), u32>>,
}

/// The page on which a long poll was met first, as long as it was met on no other.
#[derive(Debug)]
enum FirstPage {
    Only(Url),
    OneOfSeveral,
}

impl FirstPage {
    fn is_other_than(&self, page: &Url) -> bool {
        match self {
            Self::Only(first) => first != page,
            Self::OneOfSeveral => true,
        }
    }
}

impl LongPollRegistry {
    /// Remembers requests of a page that have been open for so long that they count as long polls, or were met before.
    pub(crate) fn learn(&self, requests: &[PendingRequest], page: &Url) {
        for request in requests {
            let mut learned = self.lock();
            if let Some(first) = learned.get_mut(&request.key) {
                if first.is_other_than(page) {
                    *first = FirstPage::OneOfSeveral;
                }
            } else if learned.len() < MAX_LEARNED {
                learned.insert(request.key.clone(), FirstPage::Only(page.clone()));
                tracing::warn!(
                    path = request.path,
                    seconds = request.age / 1000,
                    "a request of the portal's pages stays open, so other pages do not wait for it; if that is right, \
                     add its path to the recipe's settle.long_polls"
                );
            }
        }
    }

    /// The keys of all that a page need not be waited for.
    pub(crate) fn keys(&self, page: &Url) -> Vec<String> {
        let learned = self.lock();
        learned.iter().filter(|(_, first)| first.is_other_than(page)).map(|(key, _)| key.clone()).collect()
    }

    /// Remembers requests that were waited for in vain, those that have been open for `at_least`.
    pub(crate) fn note_vain(&self, requests: &[PendingRequest], page: &Url, at_least: Duration) {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        for request in requests.iter().filter(|request| Duration::from_millis(request.age) >= at_least) {
            let key = (page.clone(), request.key.clone());
            if vain.len() < MAX_LEARNED || vain.contains_key(&key) {
                *vain.entry(key).or_default() += 1;
            }
        }
    }

    /// Whether a request of this page was waited for in vain so often.
    pub(crate) fn is_vain(&self, request: &PendingRequest, page: &Url, times: u32) -> bool {
        let vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.get(&(page.clone(), request.key.clone())).is_some_and(|count| *count >= times)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, FirstPage>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_waited_for_in_vain_on_its_own_page_and_only_if_it_was_open_for_long() {
        let registry = LongPollRegistry::default();
        let request = |age| PendingRequest { key: "GET /poll".to_owned(), path: "/poll".to_owned(), age };
        let [page, other] = ["https://acme.test/1", "https://acme.test/2"].map(|url| url.parse::<Url>().unwrap());
        let at_least = Duration::from_secs(10);
        registry.note_vain(&[request(9_999)], &page, at_least);
        assert!(!registry.is_vain(&request(20_000), &page, 1), "it had just begun");
        registry.note_vain(&[request(10_000)], &page, at_least);
        assert!(registry.is_vain(&request(0), &page, 1) && !registry.is_vain(&request(0), &page, 2));
        assert!(!registry.is_vain(&request(0), &other, 1));
    }

    #[test]
    fn a_long_poll_is_learned_once_for_other_pages_and_not_without_end() {
        let registry = LongPollRegistry::default();
        let request = |key: String| PendingRequest { key, path: "/poll".to_owned(), age: 12_000 };
        let [page, other] = ["https://acme.test/1", "https://acme.test/2"].map(|url| url.parse::<Url>().unwrap());
        for _ in 0..2 {
            registry.learn(&[request("GET /poll".to_owned())], &page);
            assert_eq!(registry.keys(&page), [""; 0]);
            assert_eq!(registry.keys(&other), ["GET /poll"]);
        }
        registry.learn(&[request("GET /poll".to_owned())], &other);
        assert_eq!(registry.keys(&page), ["GET /poll"]);
        let many: Vec<_> = (0..1_000).map(|at| request(format!("GET /poll {at}"))).collect();
        registry.learn(&many, &page);
        assert_eq!(registry.keys(&other).len(), MAX_LEARNED);
    }
}
