//! How many transfers run at once: of one order, of one host, and of the whole run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most transfers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLimits {
    /// Of one order.
    pub per_order: usize,
    /// Of one host, with its port. Browsers open six connections to a host that speaks HTTP/1.1.
    pub per_host: usize,
    /// Of the run.
    pub per_run: usize,
}

impl Default for SlotLimits {
    fn default() -> Self {
        Self { per_order: 4, per_host: 6, per_run: 16 }
    }
}

/// The slots of one run. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct TransferSlots {
    limits: SlotLimits,
    run: Arc<Semaphore>,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl TransferSlots {
    /// Slots for `limits`; a limit of 0 counts as 1.
    #[must_use]
    pub fn new(limits: SlotLimits) -> Self {
        Self { limits, run: Arc::new(Semaphore::new(limits.per_run.max(1))), hosts: Arc::default() }
    }

    /// The slots of one order.
    #[must_use]
    pub fn of_order(&self) -> OrderSlots {
        OrderSlots { all: self.clone(), order: Arc::new(Semaphore::new(self.limits.per_order.max(1))) }
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(self.limits.per_host.max(1)));
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(new))
    }
}

/// The slots of one order. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct OrderSlots {
    all: TransferSlots,
    order: Arc<Semaphore>,
}

impl OrderSlots {
    /// Waits for a slot for one file from `host`, first come first served. Dropping the future loses the place.
    ///
    /// Everybody takes the slot of the order first, then that of the host, then that of the run: so nobody who waits for
    /// one holds another that he could keep from somebody who will give that one back.
    pub(crate) async fn take(&self, host: &str) -> TransferSlot {
        let order = permit(&self.order).await;
        let of_host = permit(&self.all.host(host)).await;
        let run = permit(&self.all.run).await;
        TransferSlot { all: self.all.clone(), host: host.to_owned(), of_host, _order: order, run }
    }
}

/// The right to one transfer. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct TransferSlot {
    all: TransferSlots,
    host: String,
    /// None where the semaphore was closed, which nobody does.
    of_host: Option<OwnedSemaphorePermit>,
    _order: Option<OwnedSemaphorePermit>,
    run: Option<OwnedSemaphorePermit>,
}

impl TransferSlot {
    /// Goes on to another host after a redirect: the slots of the first one and of the run are given back, then that of the
    /// other and one of the run awaited, in the order in which everybody takes them.
    pub(crate) async fn move_to(&mut self, host: &str) {
        if host == self.host {
            return;
        }
        (self.of_host, self.run) = (None, None);
        self.of_host = permit(&self.all.host(host)).await;
        self.run = permit(&self.all.run).await;
        host.clone_into(&mut self.host);
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn slots(per_order: usize, per_host: usize, per_run: usize) -> TransferSlots {
        TransferSlots::new(SlotLimits { per_order, per_host, per_run })
    }

    #[tokio::test]
    async fn each_limit_holds_by_itself() {
        for (slots, other_order, other_host, both) in [
            (slots(1, 9, 9), true, false, true),
            (slots(9, 1, 9), false, true, true),
            (slots(9, 9, 1), false, false, false),
        ] {
            let (one, two) = (slots.of_order(), slots.of_order());
            let held = one.take("a").await;
            assert!(one.take("a").now_or_never().is_none());
            assert_eq!(two.take("a").now_or_never().is_some(), other_order);
            assert_eq!(one.take("b").now_or_never().is_some(), other_host);
            assert_eq!(two.take("b").now_or_never().is_some(), both);
            drop(held);
            assert!(one.take("a").now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn a_redirect_gives_the_slot_of_the_first_host_back() {
        let slots = slots(9, 1, 9);
        let mut moving = slots.of_order().take("a").await;
        let held = slots.of_order().take("b").await;
        assert!(moving.move_to("b").now_or_never().is_none());
        assert!(slots.of_order().take("a").now_or_never().is_some());
        drop(held);
        moving.move_to("b").await;
        assert!(slots.of_order().take("b").now_or_never().is_none());
    }

    #[tokio::test]
    async fn one_that_moves_on_does_not_hold_the_run_up() {
        let slots = slots(9, 1, 1);
        let mut moving = slots.of_order().take("a").await;
        let (order, mut other) = (slots.of_order(), None);
        assert!(order.take("b").now_or_never().is_none());
        tokio::join!(
            async {
                other = Some(order.take("b").await);
                drop(other.take());
            },
            async {
                tokio::task::yield_now().await;
                moving.move_to("b").await;
            }
        );
        assert!(slots.of_order().take("c").now_or_never().is_none());
        drop(moving);
        assert!(slots.of_order().take("c").now_or_never().is_some());
    }

    #[tokio::test]
    async fn two_that_change_places_do_not_wait_for_each_other() {
        let slots = slots(9, 1, 9);
        let (mut one, mut two) = (slots.of_order().take("a").await, slots.of_order().take("b").await);
        tokio::join!(
            async {
                one.move_to("b").await;
                drop(one)
            },
            async {
                two.move_to("a").await;
                drop(two)
            }
        );
    }
}
