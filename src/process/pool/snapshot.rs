//! A service as it is now, for a person or a program.

use super::shared::Shared;
use crate::process::slots::{Circuit, Phase};
use crate::process::status::{CircuitState, InstanceState, InstanceStatus, ServiceStatus};

pub(super) fn of(shared: &Shared) -> ServiceStatus {
    let now = shared.now();
    let state = shared.lock();
    let instances = state.slots.slots().map(|(id, slot)| {
        let process = state.processes.get(&id);
        let child = process.and_then(|process| process.child.clone());
        let instance = InstanceStatus {
            number: id.0,
            state: match slot.phase {
                Phase::Starting => InstanceState::Starting,
                Phase::Healthy => InstanceState::Healthy,
                Phase::Suspect => InstanceState::Unhealthy,
                Phase::Retiring(_) => InstanceState::Retiring,
                Phase::Stopping(_) => InstanceState::Stopping,
            },
            command: process.and_then(|process| process.command.clone()),
            pid: child.as_ref().and_then(|child| child.pid()),
            port: process.and_then(|process| process.port),
            process_count: None,
            memory_bytes: None,
            health_latency: process.and_then(|process| process.latency),
            checks: process.map_or(0, |process| process.checks),
            failed_checks: process.map_or(0, |process| process.failed_checks),
            leases: slot.leases,
            served: slot.served,
            uptime: child.as_ref().map(|child| child.uptime()).unwrap_or_default(),
        };
        (instance, child)
    });
    let (mut instances, children): (Vec<_>, Vec<_>) = instances.unzip();
    let mut status = ServiceStatus {
        name: shared.name.clone(),
        min_processes: state.slots.base(),
        max_processes: shared.config.max(),
        leased: instances.iter().map(|instance| instance.leases as usize).sum(),
        instances: Vec::new(),
        waiting: state.slots.waiting(),
        circuit: match state.slots.circuit(now) {
            Circuit::Closed => CircuitState::Closed,
            Circuit::Open(until) => CircuitState::Open { retry_in: until.saturating_sub(now) },
            Circuit::HalfOpen => CircuitState::HalfOpen,
        },
        failures: state.slots.failures(),
        restarts: state.slots.restarts(),
        last_failure: state.last_failure.as_ref().map(ToString::to_string),
        last_exit: state.last_exit.clone(),
        uptime: now,
    };
    drop(state);
    // reads files of the system: not while others wait for the state
    for (instance, child) in instances.iter_mut().zip(children) {
        if let Some(child) = child {
            (instance.process_count, instance.memory_bytes) = (child.member_count(), child.memory_bytes());
        }
    }
    status.instances = instances;
    status
}
