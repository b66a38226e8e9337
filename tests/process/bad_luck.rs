//! Services that go wrong: each way has an error that says what to do, and leaves nothing running.

use std::time::Duration;

use coupa_batch::process::{
    CircuitState, HealthCheck, LeaseError, LeaseWait, ProcessFailure, ProcessPool, RestartPolicy, ServiceConfig,
    ServiceError, StopPolicy,
};

use crate::harness::{get, until, until_gone};
use crate::stand_in::service;

/// One try, then the service counts as failed.
fn once() -> RestartPolicy {
    RestartPolicy { limit: 0, cool_down: Duration::from_secs(1000), ..RestartPolicy::default() }
}

/// The failure of a service that fails at its first try, and how it is told.
async fn failure_of(config: ServiceConfig) -> (std::sync::Arc<ProcessFailure>, String) {
    let pool = ProcessPool::new();
    let stop = StopPolicy { grace: Duration::from_millis(100), ..StopPolicy::default() };
    pool.add("bad", config.restart(once()).stop(stop)).unwrap();
    let error = pool.lease("bad").await.unwrap_err();
    let LeaseError::Failed { failure, failures: 1, .. } = &error else { panic!("{error:?}") };
    let status = pool.status().service("bad").unwrap().clone();
    assert!(matches!(status.circuit, CircuitState::Open { .. }), "{status:?}");
    assert_eq!((status.instances.len(), status.leased, status.waiting), (0, 0, 0));
    assert!(matches!(pool.ready("bad").await, Err(LeaseError::Failed { .. })), "at once");
    assert_eq!(pool.close().await.leftovers, [""; 0]);
    (failure.clone(), error.to_string())
}

#[tokio::test]
async fn a_command_that_is_not_there_is_refused_at_once_with_what_to_do() {
    let pool = ProcessPool::new();
    let refused = |command: &str| match pool.add("bad", ServiceConfig::new(command)) {
        Err(error @ ServiceError::Command { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let text = refused("no-such-program-anywhere");
    assert!(text.contains("no-such-program-anywhere was not found in PATH; install it"), "{text}");
    assert!(refused("./no/such/file").contains("check the path"));
    assert!(refused("python3 -m http.server").contains("put its arguments into `args`"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, "").unwrap();
    assert!(refused(&file.display().to_string()).contains("not executable"));
    assert!(pool.status().services.is_empty());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_together() {
    let pool = ProcessPool::new();
    let (min, max) = (3, 2);
    let error = pool.add("bad", ServiceConfig::new("sh").processes(min..=max).ports([0, 1])).unwrap_err();
    let ServiceError::Invalid { problems, .. } = &error else { panic!("{error:?}") };
    assert_eq!(problems.len(), 2, "{error}");
    pool.add("good", service("")).unwrap();
    assert!(matches!(pool.add("good", service("")), Err(ServiceError::Exists { .. })));
    let error = pool.lease("goood").await.unwrap_err().to_string();
    assert_eq!(error, "there is no service goood; known: good");
    for (text, told) in [
        ("[services.a]\ncommand = \"sh\"\nports = \"9-1\"", "range of ports"),
        ("[services.a]\ncommand = \"sh\"\nhealth_check = \"health\"", "a health check: a path"),
        ("[services.a]\ncommand = \"sh\"\nstart_timeout = 3", "line 3: expected a string"),
        ("[services.a]\ncommand = \"sh\"\nprots = [1]", "prots"),
        ("[services.a]\nargs = []", "`command` is missing"),
        ("[services.a]\ncommand = \"sh\"\nports = [8000]\nmax_processes = 2", "add ports"),
    ] {
        let error = ProcessPool::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    // neither a wrong line nor a wrong value is repeated: it may contain a secret
    for env in
        ["{ TOKEN = \"s3cret\", PORT = 8000 }", "{ TOKEN = \"s3cret\" PORT }", "\"TOKEN=s3cret\"", "[\"s3cret\"]"]
    {
        let text = format!("[services.a]\ncommand = \"sh\"\nenv = {env}");
        let error = ProcessPool::from_toml(&text).unwrap_err();
        assert!(matches!(&error, ServiceError::Toml { line: 3, .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let error = ProcessPool::from_toml_file("/nowhere/services.toml").unwrap_err();
    assert!(error.to_string().contains("/nowhere/services.toml"), "{error}");
    pool.close().await;
}

#[tokio::test]
async fn a_process_that_exits_at_once_is_told_with_its_status_and_last_lines() {
    let (failure, text) = failure_of(service("exits")).await;
    assert!(matches!(*failure, ProcessFailure::ExitedEarly { code: Some(3), .. }), "{failure:?}");
    assert!(text.contains("exit status: 3") && text.contains("a library is missing"), "{text}");
    assert!(text.contains("tried again in"), "{text}");
}

#[tokio::test]
async fn a_process_that_listens_elsewhere_or_never_answers_is_told_with_its_port() {
    let short = Duration::from_millis(1500);
    let check = HealthCheck::http("/health").within(Duration::from_millis(500));
    for wrong in ["listens_elsewhere", "hangs"] {
        let (failure, text) = failure_of(service(wrong).health_check(check.clone()).start_timeout(short)).await;
        let ProcessFailure::NeverHealthy { port, .. } = *failure else { panic!("{failure:?}") };
        assert!(text.contains(&format!("check that it listens on port {port}")), "{text}");
        assert!(text.contains("raise `start_timeout`"), "{text}");
    }
}

#[tokio::test]
async fn ports_that_other_programs_use_are_told() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (failure, text) = failure_of(service("").ports(port)).await;
    assert!(matches!(*failure, ProcessFailure::NoPort { .. }), "{failure:?}");
    assert!(text.contains(&format!("no port is free ({port})")), "{text}");
    // another program is quicker: the process itself finds that
    let script = "echo 'listen: Address already in use' >&2; exit 98";
    let (failure, text) = failure_of(ServiceConfig::new("sh").args(["-c", script])).await;
    assert!(matches!(*failure, ProcessFailure::PortTaken { .. }), "{failure:?}");
    assert!(text.contains("in use by another program"), "{text}");
}

#[tokio::test]
async fn a_process_that_is_late_is_waited_for() {
    let pool = ProcessPool::new();
    pool.add("late", service("is_late")).unwrap();
    assert!(get(&pool.lease("late").await.unwrap(), "/").await.is_some());
    assert_eq!(pool.status().service("late").unwrap().restarts, 0);
    pool.close().await;
}

#[tokio::test]
async fn a_flood_of_output_neither_stops_the_process_nor_fills_the_memory() {
    let pool = ProcessPool::new();
    pool.add("loud", service("floods")).unwrap();
    let lease = pool.lease("loud").await.unwrap();
    assert_eq!(get(&lease, "/crash").await, None);
    drop(lease);
    let status = until(&pool, "loud", |status| status.last_failure.is_some()).await;
    let told = status.last_failure.unwrap();
    assert!(told.contains("line 99999") && !told.contains("line 99000") && told.len() < 50_000, "{told}");
    pool.close().await;
}

#[tokio::test]
async fn children_that_a_process_leaves_behind_end_with_it() {
    let pool = ProcessPool::new();
    pool.add("leaky", service("leaks")).unwrap();
    let lease = pool.lease("leaky").await.unwrap();
    get(&lease, "/crash").await;
    drop(lease);
    let status = until(&pool, "leaky", |status| status.last_failure.is_some()).await;
    let told = status.last_failure.unwrap();
    let leaked = told.split("leaked ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap();
    until_gone([leaked]).await;
    assert_eq!(pool.close().await.leftovers, [""; 0]);
}

#[tokio::test]
async fn a_timeout_says_that_the_start_or_the_restart_was_waited_for() {
    let pool = ProcessPool::new();
    pool.add("slow", service("hangs")).unwrap();
    let error = pool.lease_within("slow", Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(&error, LeaseError::Timeout { wait: LeaseWait::Start { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("no lease of service slow within 1ms: a process is still starting"), "{error}");
    let restart =
        RestartPolicy { backoff_min: Duration::from_secs(1000), backoff_max: Duration::from_secs(1000), ..once() };
    pool.add("bad", service("exits").restart(RestartPolicy { limit: 9, ..restart })).unwrap();
    until(&pool, "bad", |status| status.last_failure.is_some()).await;
    let error = pool.lease_within("bad", Duration::from_millis(1)).await.unwrap_err();
    let LeaseError::Timeout { wait: LeaseWait::Restart { last_failure: Some(why) }, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(why.contains("a library is missing"), "{error}");
    drop(pool);
}

#[tokio::test]
async fn variables_of_a_service_reach_its_process_and_are_shown_nowhere() {
    let with = |script: &str| ServiceConfig::new("sh").args(["-c", script]).env("OWN", "s3cret");
    let config = with("[ ${#OWN} = 6 ] && exit 42; exit 1");
    assert!(!format!("{config:?}").contains("s3cret"));
    let (failure, told) = failure_of(config).await;
    assert!(matches!(*failure, ProcessFailure::ExitedEarly { code: Some(42), .. }), "{failure:?}");
    assert!(!told.contains("s3cret"), "{told}");
    let pool = ProcessPool::new();
    pool.add("quiet", with("exec sleep 1000").health_check(HealthCheck::none()).restart(once())).unwrap();
    let lease = pool.lease("quiet").await.unwrap();
    assert!(!format!("{pool:?} {lease:?}").contains("s3cret"));
    pool.close().await;
}
