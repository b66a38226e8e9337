//! Whether the machine has room for another job.

use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::result::Shortage;
use crate::backend::MemoryReader;
use crate::model::MemoryReading;

/// How long a reading may take; what is not read by then is unknown.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The use of the processors is known from the second reading on, which is no use sooner than that.
const CPU_INTERVAL: Duration = Duration::from_millis(250);

/// How much of the machine must be free before a job starts. What cannot be read hinders nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdmissionLimits {
    /// The share of the processors that may be in use, from 0 to 1; default 0.8.
    pub max_cpu: f64,
    /// How many bytes of memory must be available; default 500 MB.
    pub min_available_bytes: u64,
    /// What happens to a job for which there is no room; default [`OnShortage::Refuse`].
    pub on_shortage: OnShortage,
    /// How old a reading may be; default 1 s.
    pub max_age: Duration,
}

/// What happens to a job for which the machine has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnShortage {
    /// It is not started: its result says what was short.
    Refuse,
    /// It waits for room, at most so long, and is refused then.
    Wait(Duration),
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            max_cpu: 0.8,
            min_available_bytes: 500_000_000,
            on_shortage: OnShortage::Refuse,
            max_age: Duration::from_secs(1),
        }
    }
}

impl AdmissionLimits {
    fn shortage(&self, reading: &MemoryReading) -> Option<Shortage> {
        if let Some(used) = reading.cpu.filter(|used| *used > self.max_cpu) {
            return Some(Shortage::Cpu { used, limit: self.max_cpu });
        }
        let is_short = reading.total_bytes > 0 && reading.available_bytes < self.min_available_bytes;
        let (available_bytes, needed_bytes) = (reading.available_bytes, self.min_available_bytes);
        is_short.then_some(Shortage::Memory { available_bytes, needed_bytes })
    }
}

pub(super) struct Admission {
    limits: AdmissionLimits,
    reader: Arc<Mutex<Box<dyn MemoryReader>>>,
    last: tokio::sync::Mutex<Option<(Instant, MemoryReading)>>,
}

impl Admission {
    pub(super) fn new(reader: Box<dyn MemoryReader>, limits: AdmissionLimits) -> Self {
        Self { limits, reader: Arc::new(Mutex::new(reader)), last: tokio::sync::Mutex::new(None) }
    }

    /// Returns when there is room. Dropping the future loses nothing.
    pub(super) async fn admit(&self) -> Result<(), Shortage> {
        let asked = Instant::now();
        loop {
            let Some(shortage) = self.limits.shortage(&self.current().await) else { return Ok(()) };
            match self.limits.on_shortage {
                OnShortage::Wait(at_most) if asked.elapsed() < at_most => {
                    let rest = at_most.saturating_sub(asked.elapsed());
                    sleep(self.limits.max_age.max(Duration::from_millis(10)).min(rest)).await;
                }
                OnShortage::Refuse | OnShortage::Wait(_) => return Err(shortage),
            }
        }
    }

    async fn current(&self) -> MemoryReading {
        let mut last = self.last.lock().await;
        if let Some((at, reading)) = last.as_ref()
            && at.elapsed() < self.limits.max_age
        {
            return reading.clone();
        }
        let mut reading = self.read().await;
        if last.is_none() && reading.cpu.is_none() && reading.total_bytes > 0 {
            sleep(CPU_INTERVAL).await;
            reading = self.read().await;
        }
        *last = Some((Instant::now(), reading.clone()));
        reading
    }

    /// Reads on a thread of its own. All unknown if that panics, or takes too long.
    async fn read(&self) -> MemoryReading {
        let reader = self.reader.clone();
        let read = spawn_blocking(move || match reader.try_lock() {
            Ok(mut reader) => reader.read(&[]),
            Err(TryLockError::Poisoned(reader)) => reader.into_inner().read(&[]),
            // an earlier reading hangs: no second thread waits for it
            Err(TryLockError::WouldBlock) => MemoryReading::default(),
        });
        match timeout(READ_TIMEOUT, read).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(why)) => {
                tracing::warn!("reading memory and processors failed, so jobs start without a look at them: {why}");
                MemoryReading::default()
            }
            Err(_) => {
                tracing::warn!("memory and processors were not read in time, so jobs start without a look at them");
                MemoryReading::default()
            }
        }
    }
}
