use coupa_batch::model::{PoTask, TaskPriority};

use crate::doubles::{orders, pool};

#[tokio::test(start_paused = true)]
async fn strict_between_priorities_and_first_in_first_out_within_one() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let first = pool.submit_tasks(orders([1])).await.unwrap();
    remote.until_started(1).await;
    let wave: Vec<PoTask> = [(2, TaskPriority::Low), (3, TaskPriority::Normal), (4, TaskPriority::Urgent)]
        .into_iter()
        .chain([(5, TaskPriority::High), (6, TaskPriority::Urgent), (7, TaskPriority::Normal)])
        .flat_map(|(number, priority)| orders([number]).into_iter().map(move |task| task.with_priority(priority)))
        .collect();
    pool.submit_tasks(wave).await.unwrap();
    remote.release("PO1");
    assert!(pool.wait_for_completion(None).await);
    assert_eq!(remote.started_orders(), ["PO1", "PO4", "PO6", "PO5", "PO3", "PO7", "PO2"]);
    drop(first);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_urgent_order_passes_all_that_wait() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    pool.submit_tasks(orders(1..=5)).await.unwrap();
    remote.until_started(1).await;
    pool.submit_task("PO99".parse().unwrap(), TaskPriority::Urgent, Default::default()).await.unwrap();
    remote.release("PO1");
    assert!(pool.wait_for_completion(None).await);
    assert_eq!(remote.started_orders()[1], "PO99");
    pool.shutdown().await.unwrap();
}
