//! The public surface, name by name, so that it only changes on purpose: what `src/lib.rs` exports, and what its public
//! modules hold. Rooms behind the feature `internals` are no part of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// What stands at the root.
const ROOT: &[&str] = &[
    "AcquireError",
    "Batch",
    "BatchError",
    "BatchEvent",
    "BatchReport",
    "BrowserChoice",
    "BrowserSessions",
    "ConcurrentExecutor",
    "ConfigError",
    "FailureKind",
    "InvalidPoNumber",
    "Manage",
    "MemoryMonitor",
    "LaneChoice",
    "OrderStatus",
    "OrdersPerSession",
    "Outcome",
    "PersistentWorkerPool",
    "PoNumber",
    "PoTask",
    "PoolBuilder",
    "PoolClosed",
    "PoolConfig",
    "PoolConfigBuilder",
    "PoolControl",
    "PoolStatus",
    "PooledSession",
    "ProfileManager",
    "RequisitionRule",
    "ResourcePool",
    "Sandbox",
    "ShutdownHandler",
    "ShutdownReport",
    "ShutdownStep",
    "StartError",
    "SubmitError",
    "TaskHandle",
    "TaskPriority",
    "TaskQueue",
    "TaskStatus",
    "WaitError",
    "WorkerCount",
];

/// What a status, an order or an outcome is made of.
const MODEL: &[&str] = &[
    "AttemptCounts",
    "AttemptEnd",
    "AttemptNo",
    "DispatchState",
    "DriverStatus",
    "Entry",
    "ExcludedFile",
    "Failure",
    "FailureKind",
    "Fault",
    "FileOrigin",
    "FileRecord",
    "Footprint",
    "IllegalTransition",
    "InvalidPriority",
    "InvalidPoNumber",
    "Lane",
    "ListingId",
    "MANIFEST_NAME",
    "MemoryLevel",
    "MemoryReading",
    "Metadata",
    "MissingFile",
    "OrderStatus",
    "OrphanedProcess",
    "Outcome",
    "PoNumber",
    "PoNumberFormat",
    "PoTask",
    "PoolStatus",
    "PriorResult",
    "Receipt",
    "RejectedRow",
    "RunId",
    "SessionAction",
    "Stage",
    "StopKind",
    "StopReason",
    "SweepReport",
    "TaskId",
    "TaskPriority",
    "TaskState",
    "Totals",
    "WorkerId",
    "WorkerState",
    "WorkerStatus",
    "WrittenNumber",
];

/// What it takes to bring one's own sessions, site or journal.
const BACKEND: &[&str] = &[
    "Attempt",
    "AttemptError",
    "BoxFuture",
    "Click",
    "CloseReport",
    "Cookie",
    "DocumentInfo",
    "DownloadEvent",
    "ElementInfo",
    "FailedRequest",
    "History",
    "Initiator",
    "InterimReceipt",
    "Journal",
    "JournalError",
    "KillSwitch",
    "LaneEnd",
    "LaneFeed",
    "LaneOrder",
    "LaneOrders",
    "LaneReply",
    "LoginStore",
    "LoginStoreError",
    "LongPolls",
    "MemoryReader",
    "Page",
    "PageActivity",
    "PendingRequest",
    "Query",
    "RejectionStore",
    "ResponseInfo",
    "SavedLogin",
    "Session",
    "SessionError",
    "SessionFactory",
    "SessionHealth",
    "Site",
    "Stability",
];

/// Child processes as named services.
const PROCESS: &[&str] = &[
    "CircuitState",
    "HealthCheck",
    "HealthProbe",
    "InstanceState",
    "InstanceStatus",
    "LeaseError",
    "LeaseWait",
    "Ports",
    "ProcessFailure",
    "ProcessLease",
    "ProcessPool",
    "ProcessPoolReport",
    "ProcessPoolStatus",
    "RestartPolicy",
    "ServiceConfig",
    "ServiceError",
    "ServiceStatus",
    "StopPolicy",
    "StopSignal",
    "UnknownService",
];

/// A whole run, and what it tells.
const BATCH: &[&str] =
    &["Batch", "BatchError", "BatchEvent", "BatchReport", "BatchStatus", "ReportFiles", "Summary", "WrittenFile"];

/// What resource pools and executors are made of.
const EXECUTOR: &[&str] = &[
    "AdmissionLimits",
    "BatchOptions",
    "BoxError",
    "BuildError",
    "CircuitState",
    "CloseSummary",
    "ConcurrentExecutor",
    "ConcurrentExecutorBuilder",
    "Condition",
    "ExecutorStatus",
    "GlobalPool",
    "GlobalPoolError",
    "Job",
    "Manage",
    "OnShortage",
    "ProcessCommand",
    "ProcessOutput",
    "ResourceGuard",
    "ResourcePool",
    "ResourcePoolBuilder",
    "ResourcePoolError",
    "ResourcePoolStatus",
    "ResultStream",
    "Shortage",
    "TaskError",
    "TaskResult",
    "Wait",
    "WorkKind",
    "optimal_concurrency",
];

/// What a setting is made of; declared in `src/lib.rs` itself.
const SETTINGS: &[&str] = &["ConfigProblem", "IntoSetting", "InvalidValue", "SecretUrl"];

/// The public modules that have a folder, each with its names.
const MODULES: &[(&str, &[&str])] =
    &[("backend", BACKEND), ("batch", BATCH), ("executor", EXECUTOR), ("model", MODEL), ("process", PROCESS)];

#[test]
fn the_root_exports_what_is_listed() {
    let mut expected: BTreeSet<_> = ROOT.iter().map(|name| (*name).to_owned()).collect();
    expected.extend(MODULES.iter().map(|(name, _)| format!("mod {name}")));
    expected.insert("mod settings".to_owned());
    assert_same("src/lib.rs", &exports("src/lib.rs"), &expected);
}

#[test]
fn the_public_modules_hold_what_is_listed() {
    for (name, names) in MODULES {
        let file = format!("src/{name}/mod.rs");
        assert_same(&file, &exports(&file), &names.iter().map(|name| (*name).to_owned()).collect());
    }
}

#[test]
fn the_module_of_settings_holds_what_is_listed() {
    let settings = items("src/lib.rs").into_iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "settings" => module.content.map(|(_, items)| items),
        _ => None,
    });
    let names = names_of(&settings.unwrap());
    assert_same("src/lib.rs, settings", &names, &SETTINGS.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn what_the_root_exports_is_there_with_the_features_of_a_library() {
    for item in items("src/lib.rs") {
        if let Item::Use(item) = item
            && matches!(item.vis, Visibility::Public(_))
        {
            assert!(!item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")), "an export behind a feature");
        }
    }
}

/// Rust API guidelines: C-SEND-SYNC, C-DEBUG, C-GOOD-ERR. Checked by the compiler.
#[test]
fn public_types_can_be_sent_shared_and_shown_and_errors_are_errors() {
    use coupa_batch::*;

    fn shared<T: Send + Sync + Debug + 'static>() {}
    fn sent<T: Send + Debug + 'static>() {}
    fn error<T: Error + Send + Sync + 'static>() {}
    shared::<(PersistentWorkerPool, PoolControl, PoolConfig, PoolConfigBuilder, PoolStatus, ShutdownReport)>();
    shared::<(TaskHandle, TaskStatus, TaskQueue, PoTask, PoNumber, TaskPriority, Outcome, OrderStatus, FailureKind)>();
    shared::<(Batch, BatchReport, BatchEvent, ProfileManager, ShutdownHandler, ShutdownStep)>();
    shared::<(WorkerCount, BrowserChoice, Sandbox, RequisitionRule, settings::SecretUrl, settings::ConfigProblem)>();
    shared::<(backend::KillSwitch, backend::Attempt, backend::Cookie, backend::SavedLogin, backend::History)>();
    shared::<(model::TaskState, model::Entry, model::Receipt, model::MemoryReading, model::StopReason)>();
    shared::<(process::ProcessPool, process::ProcessLease, process::ServiceConfig, process::ProcessPoolStatus)>();
    sent::<(PooledSession, PoolBuilder, MemoryMonitor)>();
    error::<StartError>();
    error::<SubmitError>();
    error::<AcquireError>();
    error::<WaitError>();
    error::<PoolClosed>();
    error::<ConfigError>();
    error::<BatchError>();
    error::<InvalidPoNumber>();
    error::<model::InvalidPriority>();
    error::<model::IllegalTransition>();
    error::<settings::InvalidValue>();
    error::<settings::ConfigProblem>();
    error::<process::ServiceError>();
    error::<process::LeaseError>();
    error::<process::ProcessFailure>();
    error::<process::UnknownService>();
    error::<backend::SessionError>();
    error::<backend::AttemptError>();
    error::<backend::JournalError>();
    error::<backend::LoginStoreError>();
}

#[track_caller]
fn assert_same(file: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let new: Vec<_> = found.difference(expected).collect();
    let gone: Vec<_> = expected.difference(found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{file}: the public surface has changed. If that is meant, change the list in tests/api.rs and docs/CHANGELOG.md.\n\
         new: {new:?}\nno longer there: {gone:?}"
    );
}

/// The public names of a file; a module as `mod name`. What is hidden from the documentation is not public.
fn exports(file: &str) -> BTreeSet<String> {
    names_of(&items(file))
}

fn names_of(items: &[Item]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in items {
        let (visibility, attributes, name) = match item {
            Item::Use(item) => {
                if matches!(item.vis, Visibility::Public(_)) && !is_hidden(&item.attrs) {
                    leaves(&item.tree, &mut names);
                }
                continue;
            }
            Item::Mod(item) => (&item.vis, &item.attrs, format!("mod {}", item.ident)),
            Item::Const(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            Item::Enum(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            Item::Fn(item) => (&item.vis, &item.attrs, item.sig.ident.to_string()),
            Item::Static(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            Item::Struct(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            Item::Trait(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            Item::Type(item) => (&item.vis, &item.attrs, item.ident.to_string()),
            _ => continue,
        };
        if matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes) {
            names.insert(name);
        }
    }
    names
}

fn items(file: &str) -> Vec<Item> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    syn::parse_file(&text).unwrap().items
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<Meta>().is_ok_and(|argument| argument.path().is_ident("hidden"))
    })
}

fn leaves(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(part) => leaves(&part.tree, names),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
        UseTree::Name(name) => _ = names.insert(name.ident.to_string()),
        UseTree::Rename(renamed) => _ = names.insert(renamed.rename.to_string()),
        UseTree::Glob(_) => panic!("export names, not `*`: a glob hides what is public"),
    }
}
