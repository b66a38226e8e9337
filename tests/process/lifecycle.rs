//! Services that do as they should: started, leased in turn, replaced, scaled, ended.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use coupa_batch::process::{
    CircuitState, HealthCheck, InstanceState, LeaseError, LeaseWait, ProcessPool, RestartPolicy, ServiceConfig,
    ServiceError, StopPolicy,
};

use crate::harness::{get, pids, until, until_gone};
use crate::stand_in::{IS_POOL, service};

#[tokio::test]
async fn a_service_starts_its_processes_and_leases_them_round_robin() {
    let pool = ProcessPool::new();
    pool.add("web", service("").processes(3..=3).leases_per_process(2)).unwrap();
    pool.ready("web").await.unwrap();
    let mut leases = Vec::new();
    for _ in 0..6 {
        leases.push(pool.lease("web").await.unwrap());
    }
    let numbers: Vec<_> = leases.iter().map(|lease| lease.number()).collect();
    assert_eq!(numbers[..3], numbers[3..], "in turn");
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 3);
    for lease in &leases {
        assert_eq!(get(lease, "/").await, lease.pid().map(|pid| pid.to_string()));
        assert_eq!(lease.url(), format!("http://127.0.0.1:{}", lease.port()));
    }
    let status = pool.status().service("web").unwrap().clone();
    assert_eq!((status.leased, status.waiting, status.restarts, status.circuit), (6, 0, 0, CircuitState::Closed));
    for instance in status.healthy() {
        assert!(instance.health_latency.is_some() && instance.checks > 0 && instance.uptime > Duration::ZERO);
        assert!(instance.command.as_deref().unwrap().contains("stand_in::entry"), "{instance:?}");
        assert!(!cfg!(target_os = "linux") || instance.process_count >= Some(1), "{instance:?}");
        assert!(!cfg!(target_os = "linux") || instance.memory_bytes > Some(0), "{instance:?}");
    }
    drop(leases);
    assert_eq!(pool.status().service("web").unwrap().leased, 0);
    let running = pids(&status);
    let report = pool.close().await;
    assert_eq!((report.ended, report.killed, report.leftovers), (3, 0, vec![]));
    until_gone(running).await;
}

#[tokio::test]
async fn a_process_that_crashes_is_replaced_and_its_exit_status_kept() {
    let pool = ProcessPool::new();
    let restart = RestartPolicy { backoff_min: Duration::from_millis(10), ..RestartPolicy::default() };
    pool.add("web", service("").restart(restart)).unwrap();
    let lease = pool.lease("web").await.unwrap();
    let first = lease.pid().unwrap();
    assert_eq!(get(&lease, "/crash").await, None);
    assert!(lease.exited().await.contains("exit status: 7"));
    assert!(!lease.is_alive());
    drop(lease);
    let second = pool.lease("web").await.unwrap();
    assert_ne!(second.pid(), Some(first));
    assert_eq!(get(&second, "/").await, second.pid().map(|pid| pid.to_string()));
    let status = pool.status().service("web").unwrap().clone();
    assert_eq!((status.restarts, status.failures, status.leased), (1, 1, 1));
    assert_eq!(status.last_exit.as_deref(), Some("exit status: 7"));
    assert!(status.last_failure.unwrap().contains("ended by itself (exit status: 7)"));
    assert_eq!(pool.close().await.leftovers, [""; 0]);
}

#[tokio::test]
async fn a_process_whose_health_checks_fail_is_replaced() {
    let pool = ProcessPool::new();
    let restart = RestartPolicy { backoff_min: Duration::from_millis(10), ..RestartPolicy::default() };
    pool.add("web", service("").restart(restart)).unwrap();
    let lease = pool.lease("web").await.unwrap();
    get(&lease, "/sick").await.unwrap();
    lease.exited().await;
    drop(lease);
    let status =
        until(&pool, "web", |status| status.healthy().next().is_some_and(|instance| instance.number == 2)).await;
    assert!(status.last_failure.unwrap().contains("503"));
    pool.close().await;
}

#[tokio::test]
async fn a_lease_that_finds_its_process_broken_has_it_replaced() {
    let pool = ProcessPool::new();
    let restart = RestartPolicy { backoff_min: Duration::from_millis(10), ..RestartPolicy::default() };
    pool.add("web", service("").restart(restart)).unwrap();
    let lease = pool.lease("web").await.unwrap();
    let pid = lease.pid().unwrap();
    lease.discard();
    let lease = pool.lease("web").await.unwrap();
    assert_ne!(lease.pid(), Some(pid));
    until_gone([pid]).await;
    // one that is gone already keeps the reason of its end
    get(&lease, "/crash").await;
    let has_crashed = |why: &Option<String>| why.as_ref().is_some_and(|why| why.contains("ended by itself"));
    until(&pool, "web", |status| has_crashed(&status.last_failure)).await;
    lease.discard();
    let why = pool.status().service("web").unwrap().last_failure.clone();
    assert!(has_crashed(&why), "{why:?}");
    pool.close().await;
}

#[tokio::test]
async fn a_process_is_replaced_after_its_number_of_leases() {
    let pool = ProcessPool::new();
    pool.add("web", service("").processes(1..=2).max_leases(2)).unwrap();
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let lease = pool.lease("web").await.unwrap();
        get(&lease, "/").await.unwrap();
        numbers.push(lease.number());
    }
    assert!(numbers.iter().all(|number| numbers.iter().filter(|other| *other == number).count() <= 2), "{numbers:?}");
    assert_eq!(pool.status().service("web").unwrap().restarts, 0, "that is no failure");
    pool.close().await;
}

#[tokio::test]
async fn demand_starts_more_processes_and_scaling_changes_how_many_there_are() {
    let pool = ProcessPool::new();
    let config = service("").processes(1..=3).idle_timeout(Duration::from_millis(1));
    pool.add("web", config).unwrap();
    let leases = [pool.lease("web").await.unwrap(), pool.lease("web").await.unwrap(), pool.lease("web").await.unwrap()];
    let error = pool.lease_within("web", Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(&error, LeaseError::Timeout { wait: LeaseWait::Free { processes: 3 }, .. }), "{error:?}");
    assert!(error.to_string().contains("all leases of 3 processes are taken"), "{error}");
    drop(leases);
    until(&pool, "web", |status| status.instances.len() == 1).await;
    pool.scale("web", 2).unwrap();
    until(&pool, "web", |status| status.healthy().count() == 2).await;
    pool.scale("web", 0).unwrap();
    until(&pool, "web", |status| status.instances.is_empty()).await;
    assert!(pool.lease("web").await.is_ok(), "demand starts one");
    let error = pool.scale("web", 4).unwrap_err();
    assert!(matches!(error, ServiceError::TooMany { asked: 4, max: 3, .. }), "{error}");
    pool.close().await;
}

#[tokio::test]
async fn services_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services.toml");
    let this = std::env::current_exe().unwrap();
    let text = format!(
        r#"
        [services.web]
        command = {this:?}
        args = ["--exact", "stand_in::entry", "--ignored", "--nocapture"]
        env = {{ STAND_IN_PORT = "{{port}}" }}
        min_processes = 1
        max_processes = 2
        health_check = {{ probe = "/health", interval = "1s", deadline = "5s", failures = 2 }}
        restart = {{ backoff_min = "100ms", limit = 3 }}
        stop = {{ signal = "INT", grace = "10s" }}
        leases_per_process = 4
        start_timeout = "1m"

        [services.other]
        command = "sleep"
        args = ["1000"]
        health_check = "none"
        "#
    );
    std::fs::write(&file, text).unwrap();
    let pool = ProcessPool::from_toml_file(&file).unwrap();
    pool.ready("web").await.unwrap();
    pool.ready("other").await.unwrap();
    assert!(get(&pool.lease("web").await.unwrap(), "/").await.is_some());
    let names: Vec<_> = pool.status().services.into_iter().map(|service| service.name).collect();
    assert_eq!(names, ["other", "web"]);
    let report = pool.close().await;
    assert_eq!((report.ended, report.leftovers), (2, vec![]));
}

#[tokio::test]
async fn a_server_of_python_works_as_any_other() {
    let config = ServiceConfig::new("python3")
        .args(["-m", "http.server", "{port}", "--bind", "127.0.0.1"])
        .dir(std::env::temp_dir())
        .health_check(HealthCheck::http("/"))
        .processes(2..=2)
        .start_timeout(Duration::from_secs(60));
    let pool = ProcessPool::new();
    match pool.add("python", config) {
        Ok(()) => {}
        Err(ServiceError::Command { .. }) => return println!("skipped: no python3 here"),
        Err(error) => panic!("{error}"),
    }
    pool.ready("python").await.unwrap();
    let (one, two) = (pool.lease("python").await.unwrap(), pool.lease("python").await.unwrap());
    assert_ne!(one.port(), two.port());
    for lease in [&one, &two] {
        assert!(get(lease, "/").await.unwrap().contains("Directory listing"));
    }
    drop((one, two));
    let running = pids(pool.status().service("python").unwrap());
    assert_eq!(pool.close().await.leftovers, [""; 0]);
    until_gone(running).await;
}

#[tokio::test]
async fn a_process_that_ignores_its_signal_is_killed_after_its_time() {
    let pool = ProcessPool::new();
    let stop = StopPolicy { grace: Duration::from_millis(100), ..StopPolicy::default() };
    pool.add("deaf", service("is_deaf").stop(stop)).unwrap();
    pool.ready("deaf").await.unwrap();
    let running = pids(pool.status().service("deaf").unwrap());
    let report = pool.close().await;
    assert_eq!((report.ended, report.killed, report.leftovers), (0, 1, vec![]));
    until_gone(running).await;
    assert!(matches!(pool.lease("deaf").await, Err(LeaseError::Closed)));
    assert!(matches!(pool.add("more", service("")), Err(ServiceError::Closed)));
    assert_eq!(pool.close().await.killed, 0, "a second time there is nothing to do");
}

#[tokio::test]
async fn dropping_the_pool_kills_all_its_processes() {
    let pool = ProcessPool::new();
    pool.add("web", service("").processes(2..=2)).unwrap();
    pool.add("deaf", service("is_deaf")).unwrap();
    pool.ready("web").await.unwrap();
    pool.ready("deaf").await.unwrap();
    let status = pool.status();
    let lease = pool.lease("web").await.unwrap();
    drop(pool);
    until_gone(status.services.iter().flat_map(pids)).await;
    lease.exited().await;
    assert!(!lease.is_alive());
}

/// A program with a pool, and the process id of its service.
fn program_with_a_pool() -> (Child, BufReader<ChildStdout>, u32) {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stand_in::pool_entry", "--ignored", "--nocapture"])
        .env(IS_POOL, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let pid = (&mut output).lines().map_while(Result::ok).find_map(|line| line.strip_prefix("service ")?.parse().ok());
    (program, output, pid.unwrap())
}

#[tokio::test]
async fn a_signal_closes_the_pool_and_even_a_kill_leaves_no_process() {
    let (mut program, mut output, service) = program_with_a_pool();
    let pid = program.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut told = String::new();
    output.read_to_string(&mut told).unwrap();
    assert!(told.contains("ended 1 killed 0 left 0"), "{told}");
    assert!(program.wait().unwrap().success());
    until_gone([service]).await;

    let (mut program, _output, service) = program_with_a_pool();
    program.kill().unwrap();
    program.wait().unwrap();
    until_gone([service]).await;
}

#[test]
fn the_end_of_the_runtime_kills_all_processes_and_later_calls_say_so() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = ProcessPool::new();
    let running = runtime.block_on(async {
        pool.add("web", service("").processes(2..=2)).unwrap();
        pool.ready("web").await.unwrap();
        assert!(pool.status().service("web").unwrap().instances.iter().all(|one| one.state == InstanceState::Healthy));
        pids(pool.status().service("web").unwrap())
    });
    drop(runtime);
    assert!(matches!(pool.add("web", service("")), Err(ServiceError::NoRuntime)));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        until_gone(running).await;
        assert!(matches!(pool.lease("web").await, Err(LeaseError::Closed)));
        assert_eq!(pool.close().await.leftovers, [""; 0]);
    });
}
