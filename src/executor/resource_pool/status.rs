//! What a pool tells about itself.

use super::breaker::CircuitState;

/// A resource pool at one moment. `size` is the sum of `idle`, `in_use`, `creating`, `recycling` and `destroying`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcePoolStatus {
    /// How many resources may exist.
    pub max_size: usize,
    /// How many exist, or are being made.
    pub size: usize,
    /// Clean, and lent to nobody.
    pub idle: usize,
    /// Lent.
    pub in_use: usize,
    /// Being made.
    pub creating: usize,
    /// Being checked and cleaned.
    pub recycling: usize,
    /// Being ended.
    pub destroying: usize,
    /// How many callers wait in the line.
    pub waiting: usize,
    /// How many were made so far.
    pub created: u64,
    /// How often one was cleaned for its next holder.
    pub recycled: u64,
    /// How many were destroyed because they were dirty, broken or dead.
    pub replaced: u64,
    /// How many were ended so far.
    pub destroyed: u64,
    /// How many were taken out of the pool by their holder.
    pub detached: u64,
    /// How often making, cleaning or ending one failed, panicked or took too long.
    pub failures: u64,
    /// Whether resources are being made.
    pub circuit: CircuitState,
    /// Whether the pool has been closed.
    pub is_closed: bool,
}

/// What closing a pool came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseSummary {
    /// How many resources were ended, over the life of the pool.
    pub destroyed: u64,
    /// How many were still lent when the time was up. They are ended when they come back.
    pub in_use: usize,
    /// How many the pool itself was still ending when the time was up.
    pub unfinished: usize,
    /// What ending a resource failed with, each as a sentence for a person: the first 20.
    pub leftovers: Vec<String>,
}

impl CloseSummary {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.in_use == 0 && self.unfinished == 0 && self.leftovers.is_empty()
    }
}
