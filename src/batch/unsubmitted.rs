//! Orders that no pool has taken: whatever stopped it, the journal and the report show them with their state.

use std::collections::HashSet;

use crate::backend::{History, Journal, JournalError};
use crate::model::{Entry, PoTask, PriorResult, TaskId, TaskState};

/// The entries that admit those of `orders` which `history` lacks, with what an earlier run knows of each.
fn admissions(history: &History, orders: Vec<(PoTask, Option<PriorResult>)>) -> Vec<Entry> {
    let known: HashSet<_> = history.tasks.values().map(|state| state.order().po.clone()).collect();
    let first = history.tasks.keys().next_back().map_or(1, |last| last.0 + 1);
    let unknown = orders.into_iter().filter(|(order, _)| !known.contains(&order.po));
    let entries = (first..).map(TaskId).zip(unknown).flat_map(|(task, (order, earlier))| {
        let (receipt, reused) = match earlier {
            Some(PriorResult::Ended(outcome, from)) => (None, Some(Entry::Reused { task, outcome, from })),
            Some(PriorResult::Begun(receipt)) => (Some(receipt), None),
            None => (None, None),
        };
        std::iter::once(Entry::Admitted { task, order, receipt }).chain(reused)
    });
    entries.collect()
}

/// Records those of `orders` that `history` lacks, and returns the whole. Where the journal cannot be written, they are in what is
/// returned all the same, with the reason.
pub(crate) async fn record(
    journal: &dyn Journal,
    history: History,
    orders: Vec<(PoTask, Option<PriorResult>)>,
) -> (History, Option<JournalError>) {
    let entries = admissions(&history, orders);
    if entries.is_empty() {
        return (history, None);
    }
    let written = match journal.append(entries.clone()).await {
        Ok(()) => journal.history().await,
        Err(why) => Err(why),
    };
    match written {
        Ok(history) => (history, None),
        Err(why) => (with_entries(history, &entries), Some(why)),
    }
}

fn with_entries(mut history: History, entries: &[Entry]) -> History {
    for entry in entries {
        let before = history.tasks.remove(&entry.task());
        match TaskState::apply(before, entry) {
            Ok(state) => drop(history.tasks.insert(entry.task(), state)),
            Err(illegal) => tracing::warn!(%illegal, "an order is left out of the report"),
        }
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BoxFuture;
    use crate::journal::MemoryJournal;
    use crate::model::{OrderStatus, Outcome, Receipt, RunId};

    /// A journal whose disk has gone.
    struct Broken;

    impl Journal for Broken {
        fn append(&self, _: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>> {
            Box::pin(async { Err(JournalError::Unusable("gone".to_owned())) })
        }

        fn history(&self) -> BoxFuture<'_, Result<History, JournalError>> {
            Box::pin(async { Err(JournalError::Unusable("gone".to_owned())) })
        }
    }

    fn orders() -> Vec<(PoTask, Option<PriorResult>)> {
        let order = |po: &str| PoTask::new(po.parse().unwrap());
        let complete = Outcome::Completed(Receipt::default());
        let begun = Receipt { supplier: Some("ACME".to_owned()), ..Receipt::default() };
        vec![
            (order("1"), None),
            (order("2"), Some(PriorResult::Ended(complete, RunId::new("r")))),
            (order("3"), Some(PriorResult::Begun(begun))),
        ]
    }

    fn statuses(history: &History) -> Vec<(String, Option<OrderStatus>, bool)> {
        let told = |state: &TaskState| {
            (state.order().po.to_string(), state.outcome().map(Outcome::status), state.receipt().is_some())
        };
        history.tasks.values().map(told).collect()
    }

    #[tokio::test]
    async fn every_order_has_its_state_whether_the_journal_can_be_written_or_not() {
        let expected = [
            ("1".to_owned(), None, false),
            ("2".to_owned(), Some(OrderStatus::Completed), true),
            ("3".to_owned(), None, true),
        ];
        let journal = MemoryJournal::default();
        let (history, why) = record(&journal, History::default(), orders()).await;
        assert_eq!(statuses(&history), expected);
        assert!(why.is_none());
        assert_eq!(journal.history().await.unwrap(), history);

        let (known, why) = record(&Broken, History::default(), orders()).await;
        assert_eq!(statuses(&known), expected);
        assert!(why.is_some());
        // those that the pool has taken are not admitted twice
        let more = [orders(), vec![(PoTask::new("4".parse().unwrap()), None)]].concat();
        let (history, _) = record(&Broken, known, more).await;
        assert_eq!(statuses(&history).len(), 4);
        assert_eq!(history.tasks.keys().next_back(), Some(&TaskId(4)));
    }
}
