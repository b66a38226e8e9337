//! The table under random interleavings of all that may happen, and with mistakes that must be found.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::tests::{SECOND, rules};
use super::*;

/// What may happen; numbers choose among what is there.
#[derive(Clone, Copy, Debug)]
enum Step {
    Lease,
    Cancel(usize),
    Release(usize),
    Healthy(usize),
    Suspect(usize),
    Broken(usize),
    Exit(usize, bool),
    Scale(usize),
    Wait(u32),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Lease),
        2 => (0_usize..8).prop_map(Step::Cancel),
        4 => (0_usize..8).prop_map(Step::Release),
        6 => (0_usize..8).prop_map(Step::Healthy),
        1 => (0_usize..8).prop_map(Step::Suspect),
        1 => (0_usize..8).prop_map(Step::Broken),
        3 => ((0_usize..8), prop::bool::weighted(0.1)).prop_map(|(which, is_permanent)| Step::Exit(which, is_permanent)),
        1 => (0_usize..6).prop_map(Step::Scale),
        4 => (0_u32..40).prop_map(Step::Wait),
        1 => prop::bool::weighted(0.1).prop_map(|closes| if closes { Step::Close } else { Step::Wait(1) }),
    ]
}

/// Mistakes between the table and whoever acts for it, which the property must find.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    LosesARelease,
    GrantsTwice,
    OvertakesInTheQueue,
    IgnoresTheEndOfAProcess,
    ForgetsToCancel,
    StartsTwice,
    NeverRefuses,
    CountsNoCrashOfOneThatHasServed,
}

/// What the table has said so far, and what is true.
struct World {
    slots: Slots,
    now: Duration,
    /// Running processes: whether healthy, whether told to end, leases that are out.
    processes: BTreeMap<InstanceId, (bool, bool, u32)>,
    used: BTreeSet<InstanceId>,
    queue: VecDeque<WaiterId>,
    leases: Vec<InstanceId>,
    /// Why processes were told to end.
    told: BTreeMap<InstanceId, StopCause>,
    /// Whether a failure was counted that was none, or one was not counted.
    is_miscounted: bool,
    is_closed: bool,
}

impl World {
    fn turn(&mut self, mistake: Option<Mistake>) -> Result<(), String> {
        let mut effects = self.slots.turn(self.now);
        if let (Some(Mistake::GrantsTwice), Some(grant)) =
            (mistake, effects.iter().find(|effect| matches!(effect, Effect::Grant(..))).copied())
        {
            effects.push(grant);
        }
        if let (Some(Mistake::StartsTwice), Some(start)) =
            (mistake, effects.iter().find(|effect| matches!(effect, Effect::Start(_))).copied())
        {
            effects.push(start);
        }
        if mistake == Some(Mistake::OvertakesInTheQueue) {
            effects.reverse();
        }
        if mistake == Some(Mistake::NeverRefuses) {
            effects.retain(|effect| !matches!(effect, Effect::Refuse(_)));
        }
        for effect in effects {
            match effect {
                Effect::Start(id) => {
                    ensure(self.used.insert(id), "a process was started twice")?;
                    self.processes.insert(id, (false, false, 0));
                    ensure(!self.is_closed, "a start after the end")?;
                }
                Effect::Stop(id, cause) => {
                    self.told.insert(id, cause);
                    let process = self.processes.get_mut(&id).ok_or("told to end what is not there")?;
                    ensure(!process.1, "told to end twice")?;
                    process.1 = true;
                }
                Effect::Grant(waiter, id) => {
                    ensure(self.queue.pop_front() == Some(waiter), "somebody was overtaken, or given two")?;
                    let process = self.processes.get_mut(&id).ok_or("a lease of what is not there")?;
                    ensure(process.0 && !process.1, "a lease of what is not healthy")?;
                    process.2 += 1;
                    self.leases.push(id);
                }
                Effect::Refuse(waiter) => {
                    ensure(self.queue.pop_front() == Some(waiter), "somebody was refused who does not wait")?;
                    let is_open = matches!(self.slots.circuit(self.now), Circuit::Open(_));
                    ensure(is_open || self.is_closed, "refused without a reason")?;
                }
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        let rules = &self.slots.rules;
        ensure(!self.is_miscounted, "failures are miscounted")?;
        ensure(self.slots.waiting() == self.queue.len(), "who waits is miscounted")?;
        ensure(self.slots.slots().map(|(id, _)| id).eq(self.processes.keys().copied()), "processes are miscounted")?;
        ensure(self.processes.len() <= rules.max, "too many processes")?;
        for (id, slot) in self.slots.slots() {
            let (_, _, leases) = self.processes[&id];
            ensure(slot.leases == leases && leases <= rules.leases_per_process, "leases are miscounted")?;
            ensure(rules.max_leases.is_none_or(|max| slot.served <= max), "served too often")?;
        }
        let starting = self.slots.count(Phase::Starting);
        ensure(self.slots.next_turn(self.now).is_none_or(|at| at > self.now), "a turn that is due was not taken")?;
        let has_room =
            self.slots.slots().any(|(_, slot)| slot.phase == Phase::Healthy && slot.leases < rules.leases_per_process);
        ensure(self.queue.is_empty() || !has_room, "somebody waits while a process is free")?;
        let can_grow = self.slots.slots().count() < rules.max && self.slots.failures() == 0 && !self.is_closed;
        let is_coming = starting > 0 || self.slots.next_turn(self.now).is_some();
        ensure(self.queue.is_empty() || !can_grow || is_coming, "somebody waits and nothing is started")
    }

    fn apply(&mut self, step: Step, mistake: Option<Mistake>) {
        let process = |which: usize| self.processes.keys().nth(which % self.processes.len().max(1)).copied();
        match step {
            Step::Lease => {
                let waiter = self.slots.enqueue();
                self.queue.push_back(waiter);
            }
            Step::Cancel(which) => {
                if let Some(waiter) = self.queue.remove(which % self.queue.len().max(1))
                    && mistake != Some(Mistake::ForgetsToCancel)
                {
                    self.slots.cancel(waiter);
                }
            }
            Step::Release(which) if !self.leases.is_empty() => {
                let id = self.leases.swap_remove(which % self.leases.len());
                if let Some(process) = self.processes.get_mut(&id) {
                    process.2 -= 1;
                }
                if mistake != Some(Mistake::LosesARelease) {
                    self.slots.release(self.now, id);
                }
            }
            Step::Healthy(which) => {
                if let Some(id) = process(which) {
                    self.slots.healthy(self.now, id);
                    self.processes.entry(id).and_modify(|process| process.0 = true);
                }
            }
            Step::Suspect(which) => {
                if let Some(id) = process(which) {
                    self.slots.suspect(id);
                    self.processes.entry(id).and_modify(|process| process.0 = false);
                }
            }
            Step::Broken(which) => {
                if let Some(id) = process(which) {
                    self.slots.broken(id);
                    self.processes.entry(id).and_modify(|process| process.0 = false);
                }
            }
            Step::Exit(which, is_permanent) => {
                if let Some(id) = process(which) {
                    self.processes.remove(&id);
                    let phase = self.slots.slots.get(&id).map(|slot| slot.phase);
                    let is_planned = self.is_closed
                        || phase == Some(Phase::Retiring(StopCause::ScaledDown))
                        || self.told.get(&id).is_some_and(|cause| *cause != StopCause::Broken);
                    if mistake == Some(Mistake::CountsNoCrashOfOneThatHasServed)
                        && phase == Some(Phase::Retiring(StopCause::Recycled))
                        && let Some(slot) = self.slots.slots.get_mut(&id)
                    {
                        slot.phase = Phase::Stopping(StopCause::Recycled);
                    }
                    let before = self.slots.failures();
                    if mistake != Some(Mistake::IgnoresTheEndOfAProcess) {
                        self.slots.exited(self.now, id, is_permanent);
                    }
                    let after = self.slots.failures();
                    // the count begins anew after a time in good health
                    let is_right = if is_planned { after == before } else { after == before + 1 || after == 1 };
                    self.is_miscounted |= !is_right;
                }
            }
            Step::Scale(count) => self.slots.scale(count),
            Step::Wait(seconds) => self.now += seconds * SECOND,
            Step::Close => {
                self.is_closed = true;
                self.slots.close();
            }
            Step::Release(_) => {}
        }
    }
}

fn ensure(is_so: bool, otherwise: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn run(
    steps: &[Step],
    base: usize,
    max: usize,
    per_process: u32,
    max_leases: Option<u32>,
    mistake: Option<Mistake>,
) -> Result<(), String> {
    let rules = SlotRules { leases_per_process: per_process, max_leases, ..rules(max) };
    let mut world = World {
        slots: Slots::new(rules, base.min(max)),
        now: Duration::ZERO,
        processes: BTreeMap::new(),
        used: BTreeSet::new(),
        queue: VecDeque::new(),
        leases: Vec::new(),
        told: BTreeMap::new(),
        is_miscounted: false,
        is_closed: false,
    };
    world.turn(mistake)?;
    for step in steps {
        world.apply(*step, mistake);
        world.turn(mistake)?;
    }
    // from here all goes well: everybody gets a lease or, once it is closed, an answer
    for _ in 0..400 {
        let ids: Vec<_> = world.processes.iter().map(|(id, process)| (*id, process.1)).collect();
        for (id, is_to_end) in ids {
            let which = world.processes.keys().position(|other| *other == id).unwrap_or_default();
            world.apply(if is_to_end { Step::Exit(which, false) } else { Step::Healthy(which) }, mistake);
            world.turn(mistake)?;
        }
        while !world.leases.is_empty() {
            world.apply(Step::Release(0), mistake);
            world.turn(mistake)?;
        }
        world.apply(Step::Wait(40), mistake);
        world.turn(mistake)?;
    }
    ensure(world.queue.is_empty(), "somebody waits for ever")?;
    world.apply(Step::Close, mistake);
    world.turn(mistake)?;
    while !world.processes.is_empty() {
        ensure(world.processes.values().all(|process| process.1), "a process was not told to end")?;
        world.apply(Step::Exit(0, false), mistake);
        world.turn(mistake)?;
    }
    ensure(world.slots.is_empty() && world.slots.waiting() == 0, "something is left")
}

fn cases() -> impl Strategy<Value = (Vec<Step>, usize, usize, u32, Option<u32>)> {
    (prop::collection::vec(step(), 0..60), 0_usize..4, 1_usize..5, 1_u32..4, prop::option::of(1_u32..5))
}

proptest! {
    #![proptest_config(Config { cases: 512, ..Config::default() })]
    #[test]
    fn whatever_happens_in_whatever_order_counts_are_right_and_everybody_gets_an_answer(case in cases()) {
        let (steps, base, max, per_process, max_leases) = case;
        prop_assert_eq!(run(&steps, base, max, per_process, max_leases, None), Ok(()));
    }
}

#[test]
fn the_property_finds_each_mistake() {
    for mistake in [
        Mistake::LosesARelease,
        Mistake::GrantsTwice,
        Mistake::OvertakesInTheQueue,
        Mistake::IgnoresTheEndOfAProcess,
        Mistake::ForgetsToCancel,
        Mistake::StartsTwice,
        Mistake::NeverRefuses,
        Mistake::CountsNoCrashOfOneThatHasServed,
    ] {
        let config = Config { cases: 512, failure_persistence: None, ..Config::default() };
        let found = TestRunner::new(config).run(&cases(), |(steps, base, max, per_process, max_leases)| {
            run(&steps, base, max, per_process, max_leases, Some(mistake)).map_err(TestCaseError::fail)
        });
        assert!(found.is_err(), "{mistake:?} was not found");
    }
}
