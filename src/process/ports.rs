//! Configured ports, each given to one process at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Ports that processes may listen on: a range (`8000..=8010`) or a list (`[8000, 8002]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<u16>);

impl Ports {
    /// How many ports these are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether port 0 is among them, which no process can be reached at.
    pub(crate) fn has_zero(&self) -> bool {
        self.0.contains(&0)
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self(range.collect())
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self(vec![port])
    }
}

impl<const N: usize> From<[u16; N]> for Ports {
    fn from(ports: [u16; N]) -> Self {
        Self(Vec::new()).with(&ports)
    }
}

impl From<&[u16]> for Ports {
    fn from(ports: &[u16]) -> Self {
        Self(Vec::new()).with(ports)
    }
}

impl Ports {
    /// Each port counts once, in the order in which they are named.
    fn with(mut self, ports: &[u16]) -> Self {
        for port in ports {
            if !self.0.contains(port) {
                self.0.push(*port);
            }
        }
        self
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_range = self.0.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
        match (self.0.as_slice(), is_range) {
            ([first, .., last], true) => write!(f, "{first}-{last}"),
            (ports, _) => f.write_str(&ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The ports that child processes may listen on.
#[derive(Clone, Debug)]
pub(crate) struct PortAllocator {
    ports: Option<Ports>,
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
    pub(crate) fn new(ports: Option<Ports>) -> Self {
        Self { ports, taken: Arc::default(), freed: Arc::default() }
    }

    /// Takes the first free port that is not in `tried`, if any. Another program may still take it before the process
    /// does, which then ends and reports it. Without ports it is always 0: the process chooses, another one each
    /// time.
    pub(crate) fn take(&self, tried: &BTreeSet<u16>) -> Option<PortLease> {
        let Some(ports) = &self.ports else {
            return Some(self.port(0));
        };
        let mut taken = lock(&self.taken);
        let is_free = |port: &u16| {
            !taken.contains(port) && !tried.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        };
        let number = ports.0.iter().copied().find(is_free)?;
        taken.insert(number);
        drop(taken);
        Some(self.port(number))
    }

    /// As [`PortAllocator::take`], but without ports it is one that was free at this moment: for processes that cannot
    /// tell which one they chose.
    pub(crate) fn take_number(&self, tried: &BTreeSet<u16>) -> Option<PortLease> {
        if self.ports.is_some() {
            return self.take(tried);
        }
        let mut taken = lock(&self.taken);
        // those that do not fit stay open until one does, so that the system offers another one each time
        let mut refused = Vec::new();
        while refused.len() <= taken.len() + tried.len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let number = listener.local_addr().ok()?.port();
            if !tried.contains(&number) && taken.insert(number) {
                drop(taken);
                return Some(self.port(number));
            }
            refused.push(listener);
        }
        None
    }

    fn port(&self, number: u16) -> PortLease {
        PortLease { number, taken: self.taken.clone(), freed: self.freed.clone() }
    }

    /// Waits until a port is returned, counted from this call.
    pub(crate) fn freed(&self) -> OwnedNotified {
        self.freed.clone().notified_owned()
    }

    /// The ports that it was made with.
    pub(crate) fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }

    /// How many of its ports are leased now.
    pub(crate) fn held_count(&self) -> usize {
        lock(&self.taken).len()
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
        let ports = PortAllocator::new(Some((first..=first + 2).into()));
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
    fn ports_are_a_range_or_a_list_each_of_them_once() {
        assert_eq!(Ports::from(8000..=8002), Ports::from([8000, 8001, 8002, 8001]));
        assert_eq!(Ports::from(8000..=8002).to_string(), "8000-8002");
        assert_eq!(Ports::from([8000, 8002]).to_string(), "8000, 8002");
        assert_eq!(Ports::from(8000).to_string(), "8000");
    }

    #[test]
    fn without_ports_each_process_gets_another_one_that_is_free() {
        let ports = PortAllocator::new(None);
        let none = BTreeSet::new();
        let (one, two) = (ports.take_number(&none).unwrap(), ports.take_number(&none).unwrap());
        assert!(one.number() != 0 && one.number() != two.number());
        assert_eq!(ports.held_count(), 2);
        drop((one, two));
        assert_eq!(ports.held_count(), 0);
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
