//! Ports of a configured range, each given to one process at a time.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// The ports that child processes may listen on.
#[derive(Clone, Debug)]
pub(crate) struct PortAllocator {
    range: Option<RangeInclusive<u16>>,
    taken: Arc<Mutex<BTreeSet<u16>>>,
    freed: Arc<Notify>,
}

/// One port, returned to the allocator when dropped. Port 0 lets the process choose a free one.
#[derive(Debug)]
pub(crate) struct PortLease {
    number: u16,
    taken: Arc<Mutex<BTreeSet<u16>>>,
    freed: Arc<Notify>,
}

impl PortAllocator {
    pub(crate) fn new(range: Option<RangeInclusive<u16>>) -> Self {
        Self { range, taken: Arc::default(), freed: Arc::default() }
    }

    /// Takes the first free port that is not in `tried`, if any. Another program may still take it before the process
    /// does, which then ends and reports it. Without a range it is always 0: the process chooses, another one each
    /// time.
    pub(crate) fn take(&self, tried: &BTreeSet<u16>) -> Option<PortLease> {
        let Some(range) = self.range.clone() else {
            return Some(self.port(0));
        };
        let mut taken = lock(&self.taken);
        let is_free = |port: &u16| {
            !taken.contains(port) && !tried.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        };
        let number = range.into_iter().find(is_free)?;
        taken.insert(number);
        drop(taken);
        Some(self.port(number))
    }

    fn port(&self, number: u16) -> PortLease {
        PortLease { number, taken: self.taken.clone(), freed: self.freed.clone() }
    }

    /// Waits until a port is returned, counted from this call.
    pub(crate) fn freed(&self) -> OwnedNotified {
        self.freed.clone().notified_owned()
    }

    /// How many ports of the range are leased now.
    pub(crate) fn held_count(&self) -> usize {
        lock(&self.taken).len()
    }

    /// Why no port was free, for a person.
    pub(crate) fn why_none(&self) -> String {
        let Some(range) = &self.range else { return "the driver found no free port".to_owned() };
        let (first, last, held) = (range.start(), range.end(), self.held_count());
        format!(
            "all ports {first}-{last} (driver_ports) are in use, {held} of them by this run's own drivers; widen the range or \
             free a port"
        )
    }
}

impl PortLease {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.number);
        self.freed.notify_waiters();
    }
}

fn lock(taken: &Mutex<BTreeSet<u16>>) -> MutexGuard<'_, BTreeSet<u16>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_leased_once_and_never_while_another_program_uses_it() {
        // three ports in a row, the middle one in use
        let (listener, first) = (0..100)
            .find_map(|_| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
                let middle = listener.local_addr().ok()?.port();
                let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
                (middle < u16::MAX && is_free(middle - 1) && is_free(middle + 1)).then_some((listener, middle - 1))
            })
            .unwrap();
        let ports = PortAllocator::new(Some(first..=first + 2));
        let none = BTreeSet::new();
        let (one, two) = (ports.take(&none).unwrap(), ports.take(&none).unwrap());
        assert_eq!((one.number(), two.number()), (first, first + 2));
        assert!(ports.take(&none).is_none());
        drop(one);
        assert!(ports.take(&BTreeSet::from([first])).is_none(), "it was tried before");
        assert_eq!(ports.take(&none).map(|port| port.number()), Some(first));
        drop(listener);
    }

    #[test]
    fn without_a_range_the_process_chooses() {
        let ports = PortAllocator::new(None);
        assert_eq!(ports.take(&BTreeSet::new()).map(|port| port.number()), Some(0));
        assert_eq!(
            ports.take(&BTreeSet::from([0])).map(|port| port.number()),
            Some(0),
            "the next choice is another one"
        );
    }
}
