//! Requests that stay open until the portal has news, as they turn up.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::backend::PendingRequest;

/// So many are remembered: a portal whose requests all differ must not fill the memory.
const MAX_LEARNED: usize = 200;

/// The long polls that were met. One that is met again is not waited for: the same request on the page of another order
/// cannot bring that order's list.
#[derive(Debug, Default)]
pub(crate) struct LongPollRegistry(Mutex<BTreeSet<String>>);

impl LongPollRegistry {
    /// Remembers requests that have been open for so long that they count as long polls.
    pub(crate) fn learn(&self, requests: &[PendingRequest]) {
        for request in requests {
            let mut learned = self.lock();
            if learned.len() < MAX_LEARNED && learned.insert(request.key.clone()) {
                tracing::warn!(
                    path = request.path,
                    seconds = request.age / 1000,
                    "a request of the portal's pages stays open and is not waited for any more; name its path in the \
                     recipe's settle.long_polls if that is right"
                );
            }
        }
    }

    /// The keys of all that were met.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_poll_is_learned_once_and_not_without_end() {
        let registry = LongPollRegistry::default();
        let request = |key: String| PendingRequest { key, path: "/poll".to_owned(), age: 12_000 };
        registry.learn(&[request("GET /poll".to_owned())]);
        registry.learn(&[request("GET /poll".to_owned())]);
        assert_eq!(registry.keys(), ["GET /poll"]);
        let many: Vec<_> = (0..1_000).map(|at| request(format!("GET /poll {at}"))).collect();
        registry.learn(&many);
        assert_eq!(registry.keys().len(), MAX_LEARNED);
    }
}
