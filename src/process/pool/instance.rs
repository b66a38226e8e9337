//! The life of one process: started, checked until it is healthy and from then on, ended.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, timeout};

use super::shared::Shared;
use crate::process::child::{ManagedProcess, ProcessError, ProcessExit};
use crate::process::error::ProcessFailure;
use crate::process::health::{check_http, check_tcp};
use crate::process::service::{HealthProbe, ServiceConfig};
use crate::process::slots::InstanceId;

/// Pause between the checks of a process that starts: nothing else tells that it listens.
const START_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a killed process may take to be gone, the other processes of its group included.
pub(super) const KILL_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs one process until it ends or is to end, and tells the table. Dropping the future kills it.
pub(super) async fn run(shared: Arc<Shared>, id: InstanceId) {
    // whatever becomes of this task, the table learns that the process is gone
    let mut life = Life { shared: shared.clone(), id, failure: Some(ProcessFailure::Supervision) };
    tokio::select! {
        failure = live(&shared, id) => life.failure = failure,
        () = shared.killed.cancelled() => {
            life.failure = None;
            let child = shared.lock().processes.get(&id).and_then(|process| process.child.clone());
            if let Some(child) = child {
                child.kill();
                ended(&shared, id, &child, true).await;
            }
        }
    }
}

struct Life {
    shared: Arc<Shared>,
    id: InstanceId,
    failure: Option<ProcessFailure>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.shared.exited(self.id, self.failure.take());
    }
}

async fn live(shared: &Arc<Shared>, id: InstanceId) -> Option<ProcessFailure> {
    let stop = shared.lock().processes.get(&id).map(|process| process.stop.clone())?;
    if stop.is_cancelled() {
        return None;
    }
    let (child, port) = match start(shared, id) {
        Ok(started) => started?,
        Err(failure) => return Some(failure),
    };
    let failure = tokio::select! {
        failure = watch(shared, id, &child, port) => Some(failure),
        () = stop.cancelled() => None,
    };
    end(shared, id, &child).await;
    failure
}

/// Starts the process; none if the pool was dropped meanwhile.
fn start(shared: &Arc<Shared>, id: InstanceId) -> Result<Option<(Arc<ManagedProcess>, u16)>, ProcessFailure> {
    let config = &shared.config;
    let program = resolve(config)?;
    let taken = shared.lock().taken_ports.clone();
    let lease = shared.ports.take_number(&taken).or_else(|| {
        // what another program had may be free again
        shared.lock().taken_ports.clear();
        shared.ports.take_number(&BTreeSet::new())
    });
    let Some(lease) = lease else {
        let ports = shared.ports.ports().map_or_else(|| "any".to_owned(), ToString::to_string);
        return Err(ProcessFailure::NoPort { ports });
    };
    let port = lease.number();
    let fill = |text: &str| text.replace("{port}", &port.to_string());
    let args: Vec<String> = config.args.iter().map(|arg| fill(arg)).collect();
    let name = format!("{}#{}", shared.name, id.0);
    let child = ManagedProcess::start(&program, name, lease, |command| {
        command.args(&args);
        command.envs(config.env.iter().map(|(name, value)| (name, fill(value.0.expose_secret()))));
        if let Some(dir) = &config.dir {
            command.current_dir(dir);
        }
    });
    let child = Arc::new(child.map_err(|error| match error {
        ProcessError::Spawn { source, .. } => ProcessFailure::Spawn { command: config.command.clone(), source },
        ProcessError::ExitedEarly { status, output, .. } => ProcessFailure::ExitedEarly { status, code: None, output },
    })?);
    tracing::info!(service = %shared.name, number = id.0, port, pid = ?child.pid(), "started a process of the service");
    let mut state = shared.lock();
    match state.processes.get_mut(&id) {
        Some(process) if !shared.killed.is_cancelled() => {
            process.child = Some(child.clone());
            process.port = Some(port);
            process.command = Some([config.command.clone()].into_iter().chain(args).collect::<Vec<_>>().join(" "));
            Ok(Some((child, port)))
        }
        _ => Ok(None),
    }
}

/// Checks the process until something is wrong with it.
async fn watch(shared: &Arc<Shared>, id: InstanceId, child: &ManagedProcess, port: u16) -> ProcessFailure {
    let exited = child.exited();
    tokio::pin!(exited);
    let config = &shared.config;
    let begun = Instant::now();
    loop {
        let checked = tokio::select! {
            biased;
            exit = &mut exited => return exited_early(child, port, exit).await,
            checked = check(config, port) => checked,
        };
        let check = match checked {
            Ok(latency) => break healthy(shared, id, latency),
            Err(check) => check,
        };
        if begun.elapsed() >= config.start_timeout {
            let (after, output) = (config.start_timeout, child.output());
            let hint =
                format!("check that it listens on port {port} (`{{port}}` in its arguments), or raise `start_timeout`");
            return ProcessFailure::NeverHealthy { port, after, check, hint, output };
        }
        tokio::select! {
            exit = &mut exited => return exited_early(child, port, exit).await,
            () = sleep(START_CHECK_INTERVAL) => {}
        }
    }
    let mut failures = 0;
    loop {
        let checked = tokio::select! {
            biased;
            exit = &mut exited => return ProcessFailure::Exited {
                status: exit.status,
                code: exit.code,
                output: child.last_output().await,
            },
            checked = next_check(config, port) => checked,
        };
        match checked {
            Ok(latency) => {
                failures = 0;
                healthy(shared, id, latency);
            }
            Err(check) => {
                failures += 1;
                tracing::warn!(service = %shared.name, number = id.0, failures, %check, "a health check has failed");
                shared.act(|state, _| {
                    if let Some(process) = state.processes.get_mut(&id) {
                        process.checks += 1;
                        process.failed_checks += 1;
                    }
                    state.slots.suspect(id);
                });
                if failures >= config.health_check.failures {
                    shared.act(|state, _| state.slots.broken(id));
                    return ProcessFailure::Unhealthy { check, output: child.output() };
                }
            }
        }
    }
}

fn healthy(shared: &Arc<Shared>, id: InstanceId, latency: Duration) {
    shared.act(|state, now| {
        if let Some(process) = state.processes.get_mut(&id) {
            process.checks += 1;
            process.latency = Some(latency);
        }
        state.slots.healthy(now, id);
    });
}

async fn exited_early(child: &ManagedProcess, port: u16, exit: ProcessExit) -> ProcessFailure {
    let ProcessExit { status, code, .. } = exit;
    let output = child.last_output().await;
    let text = output.to_ascii_lowercase();
    let is_taken =
        ["address already in use", "eaddrinuse", "address in use", "port is already", "one usage of each socket"];
    if is_taken.iter().any(|phrase| text.contains(phrase)) {
        return ProcessFailure::PortTaken { port, status, output };
    }
    ProcessFailure::ExitedEarly { status, code, output }
}

async fn next_check(config: &ServiceConfig, port: u16) -> Result<Duration, String> {
    sleep(config.health_check.interval).await;
    check(config, port).await
}

async fn check(config: &ServiceConfig, port: u16) -> Result<Duration, String> {
    let deadline = config.health_check.deadline;
    match &config.health_check.probe {
        HealthProbe::Http(path) => check_http(&format!("http://127.0.0.1:{port}{path}"), deadline).await,
        HealthProbe::Tcp => check_tcp(port, deadline).await,
        HealthProbe::None => Ok(Duration::ZERO),
    }
}

/// Asks the process to end, kills it if it does not, and keeps how it ended. Dropping the future kills it.
async fn end(shared: &Arc<Shared>, id: InstanceId, child: &ManagedProcess) {
    let policy = shared.config.stop;
    let mut was_killed = false;
    if child.is_alive() {
        child.signal(policy.signal);
        if timeout(policy.grace, child.exited()).await.is_err() {
            was_killed = true;
            child.kill();
        }
    }
    ended(shared, id, child, was_killed).await;
}

/// Waits until the process is gone and keeps how it ended.
async fn ended(shared: &Shared, id: InstanceId, child: &ManagedProcess, was_killed: bool) {
    let exit = timeout(KILL_TIMEOUT, child.exited()).await.unwrap_or_else(|_| ProcessExit {
        status: "still running".to_owned(),
        code: None,
        left: Some(match child.pid() {
            Some(pid) => format!("process {pid} did not end after it was killed; end it by hand"),
            None => "a process did not end after it was killed".to_owned(),
        }),
    });
    shared.record_exit(id, exit, was_killed);
}

/// The program file of a service.
pub(super) fn resolve(config: &ServiceConfig) -> Result<PathBuf, ProcessFailure> {
    let path = match config.env.get("PATH") {
        Some(path) => Some(OsString::from(path.0.expose_secret())),
        None => std::env::var_os("PATH"),
    };
    let here = || std::env::current_dir().unwrap_or_default();
    let dir = config.dir.as_ref().map_or_else(here, |dir| here().join(dir));
    let command = config.command.as_str();
    which::which_in(command, path, &dir).map_err(|_| {
        let hint = if dir.join(command).is_file() && command.contains(std::path::is_separator) {
            "; the file is there but not executable"
        } else if command.contains(char::is_whitespace) {
            "; put its arguments into `args`"
        } else if Path::new(command).components().count() > 1 {
            "; check the path"
        } else {
            " in PATH; install it, or name it by its whole path"
        };
        ProcessFailure::NotFound { command: command.to_owned(), hint: hint.to_owned() }
    })
}
