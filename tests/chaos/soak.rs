//! A long batch on a portal whose pages leak: the browsers grow and are recycled, the program does not grow.

use std::time::Duration;

use bytesize::ByteSize;
use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::{PoTask, PoolStatus};

use crate::pool::Scenario;
use crate::rng::number;

/// At this size a browser is replaced after its order.
const RECYCLED_AT: u64 = 300_000_000;
/// What the program may hold more at the end than after the first round: what the allocator keeps of busy moments.
const GROWTH: u64 = 12_000_000;
/// And for each order since: its records, those of the portal and of the journal, which are in this process, included.
const GROWTH_PER_ORDER: u64 = 10_000;

/// What the largest of the browsers holds.
fn fattest(status: &PoolStatus) -> u64 {
    status.memory.workers.values().max().copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_portal_that_leaks_the_program_stays_flat_and_its_browsers_are_recycled() {
    let _turn = crate::turn().await;
    let orders = number("SOAK_ORDERS", 80);
    println!("SOAK_ORDERS={orders}");
    let Some(mut scenario) = Scenario::new(40, 2).await else { return };
    scenario.config.recycle.memory = ByteSize(RECYCLED_AT);
    scenario.config.memory.interval = Duration::from_secs(1);
    scenario.portal.faults().add(FaultRule::new(PortalFault::Leaky, RequestTarget::OrderPage));
    let pool = scenario.start().await;
    let (mut asked, mut largest) = (0, 0);
    let mut counts: Vec<(u64, usize, usize, usize)> = Vec::new();
    while asked < orders {
        let round = pool.submit_tasks(scenario.orders().into_iter().map(PoTask::new)).await.unwrap();
        asked += round.len() as u64;
        let mut statuses = pool.watch();
        while !statuses.borrow_and_update().tasks.is_idle() {
            statuses.changed().await.unwrap();
            largest = largest.max(fattest(&statuses.borrow()));
        }
        pool.wait_for_completion(None).await.unwrap();
        scenario.check(&round);
        // the next sample is taken while nothing is under way
        let seen = pool.status().memory;
        statuses.wait_for(|status| status.memory != seen).await.unwrap();
        let status = pool.status();
        counts.push((
            status.memory.own_bytes,
            status.memory.descriptor_count.unwrap(),
            status.task_count,
            status.footprint.profile_count,
        ));
    }
    let status = pool.status();
    let recycled: u32 = status.workers.values().map(|worker| worker.recycle_count).sum();
    println!("{asked} orders, {recycled} browsers recycled, the largest held {largest} bytes");
    println!("own bytes, descriptors, tasks, profiles after each round: {counts:?}");
    assert!(recycled >= 2, "nothing leaked");
    assert_eq!(status.workers.values().map(|worker| worker.restart_count).sum::<u32>(), 0);
    // it is looked at each second and replaced between orders, so on a busy machine it grows beyond by what some orders leak
    assert!(largest < RECYCLED_AT * 3, "{largest}");
    let (first, last) = (counts[0], counts[counts.len() - 1]);
    let since = asked - asked / counts.len() as u64;
    assert!(last.0 < first.0 + GROWTH + GROWTH_PER_ORDER * since, "the program has grown: {counts:?}");
    assert!(last.1 <= first.1 + 40 && last.2 <= first.2 + 20, "something has grown: {counts:?}");
    scenario.end(pool).await;
}
