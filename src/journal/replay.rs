//! From the entries of a run to its history.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::backend::{History, JournalError};
use crate::model::{Entry, RunId, TaskId, TaskState};

/// Applies the entries of one run, one after the other, by the rules under which they were accepted.
#[derive(Debug)]
pub(crate) struct Replay {
    run: RunId,
    // a hash map while it grows: each entry takes a state out and puts one in
    tasks: HashMap<TaskId, TaskState>,
    settled_at: Vec<(TaskId, Timestamp)>,
}

impl Replay {
    /// Before the first entry of `run`.
    pub(crate) fn of(run: RunId) -> Self {
        Self { run, tasks: HashMap::new(), settled_at: Vec::new() }
    }

    /// The next entry, as it was written under number `seq` at `at`.
    pub(crate) fn push(&mut self, seq: i64, at: Timestamp, written: &str) -> Result<(), JournalError> {
        let entry: Entry = serde_json::from_str(written).map_err(|why| damaged(&self.run, seq, &why))?;
        let task = entry.task();
        let after = TaskState::apply(self.tasks.remove(&task), &entry).map_err(|why| damaged(&self.run, seq, &why))?;
        if after.outcome().is_some() {
            self.settled_at.push((task, at));
        }
        self.tasks.insert(task, after);
        Ok(())
    }

    /// After the last one.
    pub(crate) fn finish(self) -> History {
        History { tasks: self.tasks.into_iter().collect(), settled_at: self.settled_at.into_iter().collect() }
    }
}

/// An entry that cannot be what was written.
pub(crate) fn damaged(run: &RunId, seq: i64, why: &dyn std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!(
        "entry {seq} of run {run}: {why}; start a new run: completed orders are recognized by their files"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::Journal;
    use crate::journal::tests::generate;

    fn replay(entries: &[Entry]) -> Result<History, JournalError> {
        let mut replay = Replay::of(RunId::new("r"));
        for (seq, entry) in (1..).zip(entries) {
            replay.push(seq, Timestamp::UNIX_EPOCH, &serde_json::to_string(entry).unwrap())?;
        }
        Ok(replay.finish())
    }

    proptest! {
        #[test]
        fn any_prefix_of_a_legal_journal_gives_a_legal_state(batches in generate::batches(), cut in any::<prop::sample::Index>()) {
            let entries = batches.concat();
            let prefix = &entries[..cut.index(entries.len() + 1)];
            let history = replay(prefix).unwrap();
            let admitted = prefix.iter().filter(|entry| matches!(entry, Entry::Admitted { .. })).count();
            let settled = prefix.iter().filter(|entry| matches!(entry, Entry::Settled { .. })).count();
            prop_assert_eq!(history.tasks.len(), admitted);
            prop_assert_eq!(history.settled_at.len(), settled);
            prop_assert_eq!(history.open_tasks().count(), admitted - settled);
            for state in history.tasks.values() {
                prop_assert!(state.counts().counted <= state.counts().started);
            }
        }

        #[test]
        fn a_replay_says_what_the_journal_without_a_disk_says(batches in generate::batches()) {
            let journal = super::super::MemoryJournal::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let said = runtime.block_on(async {
                for batch in &batches {
                    journal.append(batch.clone()).await.unwrap();
                }
                journal.history().await.unwrap()
            });
            let replayed = replay(&batches.concat()).unwrap();
            prop_assert_eq!(replayed.tasks, said.tasks);
            prop_assert!(replayed.settled_at.keys().eq(said.settled_at.keys()));
        }

        #[test]
        fn a_legal_entry_said_twice_is_damage(batches in generate::batches(), at in any::<prop::sample::Index>()) {
            let mut entries = batches.concat();
            prop_assume!(!entries.is_empty());
            let at = at.index(entries.len());
            entries.insert(at, entries[at].clone());
            let refused = replay(&entries).unwrap_err();
            prop_assert!(refused.to_string().contains(&format!("entry {} of run r", at + 2)), "{}", refused);
        }

        #[test]
        fn no_text_breaks_the_replay(text in ".*") {
            let _ = Replay::of(RunId::new("r")).push(1, Timestamp::UNIX_EPOCH, &text);
        }
    }

    /// Entries as earlier versions wrote them. The words in them are a format: they never change.
    #[test]
    fn entries_of_every_kind_replay_as_they_were_written() {
        let written = [
            r#"{"entry":"admitted","task":1,"order":{"po":"PO7","priority":"urgent","metadata":{"row":"2"}}}"#,
            r#"{"entry":"started","task":1,"attempt":1,"worker":3}"#,
            r#"{"entry":"postponed","task":1,"failure":{"kind":"download_stalled","message":"stood still","evidence":"e/1"},"counted":true,"receipt":{"supplier":"Acme","url":"https://acme.test/7","listed_count":2,"repeated_count":0,"folder":"Acme/PO7__WORK","files":[{"path":"Acme/PO7__WORK/a.pdf","name":"a.pdf","size":3,"sha256":"00","media_type":"application/pdf","source":"order","listings":["a"]}],"missing":[{"name":"b.pdf","listing":"b","source":"requisition","failure":{"kind":"download_stalled","message":"b"}}]}}"#,
            r#"{"entry":"started","task":1,"attempt":2,"worker":1}"#,
            r#"{"entry":"returned","task":1}"#,
            r#"{"entry":"started","task":1,"attempt":2,"worker":1}"#,
            r#"{"entry":"postponed","task":1,"failure":{"kind":"interrupted","message":"stopped"},"counted":false}"#,
            r#"{"entry":"admitted","task":2,"order":{"po":"8"},"receipt":{"supplier":null,"url":"","listed_count":0,"folder":"","files":[],"missing":[]}}"#,
            r#"{"entry":"reused","task":2,"outcome":{"kind":"no_attachments","what":{"supplier":null,"url":"u","listed_count":0,"folder":"","files":[],"missing":[]}},"from":"monday"}"#,
            r#"{"entry":"admitted","task":3,"order":{"po":"PM9","priority":"low","metadata":{}}}"#,
            r#"{"entry":"started","task":3,"attempt":1,"worker":2}"#,
            r#"{"entry":"settled","task":3,"outcome":{"kind":"failed","what":{"kind":"order_missing","message":"gone"}}}"#,
        ];
        let mut replay = Replay::of(RunId::new("r"));
        for (seq, text) in (1..).zip(written) {
            replay.push(seq, Timestamp::UNIX_EPOCH, text).unwrap();
        }
        let history = replay.finish();
        let first = &history.tasks[&TaskId(1)];
        let counts = first.counts();
        assert_eq!((counts.started, counts.counted, counts.crashes, counts.interruptions), (2, 1, 0, 1));
        assert_eq!((first.order().po.to_string().as_str(), first.order().metadata["row"].as_str()), ("PO7", "2"));
        let receipt = first.receipt().unwrap();
        assert_eq!((receipt.supplier.as_deref(), receipt.files.len(), receipt.missing.len()), (Some("Acme"), 1, 1));
        assert!(matches!(first, TaskState::Ready { .. }));
        let reused = &history.tasks[&TaskId(2)];
        assert!(matches!(reused, TaskState::Settled { reused_from: Some(run), .. } if run.as_str() == "monday"));
        let failed = history.tasks[&TaskId(3)].outcome().unwrap();
        assert_eq!((failed.status().as_str(), failed.failure().unwrap().message.as_str()), ("FAILED", "gone"));
        // and they are written in the same words today
        for text in written {
            let entry: Entry = serde_json::from_str(text).unwrap();
            let again: Entry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
            assert_eq!(again, entry);
            let tag = text.split(',').next().unwrap();
            assert!(serde_json::to_string(&entry).unwrap().starts_with(tag), "{text}");
        }
    }

    #[test]
    fn a_damaged_entry_is_named() {
        let mut replay = Replay::of(RunId::new("monday"));
        let refused = replay.push(17, Timestamp::UNIX_EPOCH, "{\"entry\":\"admi").unwrap_err();
        assert!(
            matches!(&refused, JournalError::Damaged(text) if text.contains("entry 17 of run monday")),
            "{refused}"
        );
    }
}
