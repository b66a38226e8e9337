//! How much at once.

use std::num::NonZero;
use std::thread::available_parallelism;

/// What a piece of work mostly does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// It computes.
    Cpu,
    /// It waits for the network or a disk.
    Io,
    /// Both, as most child processes do.
    Mixed,
}

/// How many pieces of work of one kind to run at once on this machine: one for each processor where they compute, two where
/// they do both, three where they wait. Windows starts processes at a higher price: one and two there.
///
/// A place to begin; only a measurement knows better.
#[must_use]
pub fn optimal_concurrency(kind: WorkKind) -> usize {
    concurrency_for(kind, available_parallelism().map_or(1, NonZero::get), cfg!(windows))
}

fn concurrency_for(kind: WorkKind, processors: usize, is_windows: bool) -> usize {
    let per_processor = match (kind, is_windows) {
        (WorkKind::Cpu, _) | (WorkKind::Mixed, true) => 1,
        (WorkKind::Mixed, false) | (WorkKind::Io, true) => 2,
        (WorkKind::Io, false) => 3,
    };
    let least = if kind == WorkKind::Cpu { 1 } else { 2 };
    processors.saturating_mul(per_processor).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waits_is_run_in_greater_numbers_and_windows_runs_fewer() {
        let of = |processors, is_windows| {
            [WorkKind::Cpu, WorkKind::Mixed, WorkKind::Io].map(|kind| concurrency_for(kind, processors, is_windows))
        };
        assert_eq!((of(8, false), of(8, true)), ([8, 16, 24], [8, 8, 16]));
        assert_eq!((of(1, false), of(1, true)), ([1, 2, 3], [1, 2, 2]));
        assert!(optimal_concurrency(WorkKind::Io) > optimal_concurrency(WorkKind::Cpu));
    }
}
