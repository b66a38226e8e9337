//! Child processes: exit codes, output, and nothing left of their trees.

use std::path::Path;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::executor::{BatchOptions, Job, ProcessCommand, ProcessOutput, TaskError};

fn shell(id: &str, script: &str) -> Job<ProcessOutput> {
    Job::process(id, ProcessCommand::new("sh").args(["-c", script]))
}

/// A process with two children, one of which has left its parent; their ids are in `file`.
fn tree(id: &str, file: &Path) -> Job<ProcessOutput> {
    let script =
        r#"(sleep 1000 & echo $! >> "$FILE"); sleep 1000 & echo $! >> "$FILE"; echo begun; echo $$ >> "$FILE"; wait"#;
    Job::process(id, ProcessCommand::new("/bin/sh").args(["-c", script]).env("FILE", file))
}

fn pids(file: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A zombie has ended, whoever reaps it.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn exit_code_and_output_are_in_the_result() {
    let executor = executor(2);
    let results = executor
        .execute_batch([
            shell("well", "echo out; echo err >&2"),
            shell("badly", "echo half; echo first >&2; echo 'no such table' >&2; exit 3"),
            shell("killed", "kill -TERM $$"),
            shell("input", "read -r line || echo no input"),
        ])
        .await;
    let [well, badly, killed, input] = &results[..] else { panic!("{results:?}") };
    assert!(well.success && well.exit_code == Some(0));
    let output = well.output.as_ref().unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!((badly.success, badly.exit_code), (false, Some(3)));
    assert_eq!(
        badly.error.as_ref().unwrap().to_string(),
        "it ended with exit status: 3; its last line of error output: no such table"
    );
    assert_eq!(badly.output.as_ref().unwrap().stdout, "half\n");
    assert_eq!(killed.exit_code, None);
    assert!(killed.error.as_ref().unwrap().to_string().contains("signal: 15"), "{killed:?}");
    assert_eq!(input.output.as_ref().unwrap().stdout, "no input\n");
    assert_all_came_back(&executor, "processes").await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let executor = executor(1);
    for program in ["/nowhere/program", "no-such-program-anywhere"] {
        let result = executor.execute(Job::process("missing", ProcessCommand::new(program))).await;
        let error = result.error.unwrap();
        assert!(matches!(error, TaskError::NotStarted { .. }) && error.to_string().contains(program), "{error}");
    }
    let nowhere = ProcessCommand::new("sh").current_dir("/nowhere/at/all");
    assert!(matches!(executor.execute(Job::process("dir", nowhere)).await.error, Some(TaskError::NotStarted { .. })));
    assert_all_came_back(&executor, "missing").await;
}

#[tokio::test]
async fn a_flood_of_output_is_cut_at_its_beginning() {
    let script =
        "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo; echo last";
    let result = executor(1).execute(shell("flood", script)).await;
    let output = result.output.unwrap();
    assert!(result.success && output.is_truncated && output.stdout.ends_with("\nlast\n"));
    assert_eq!(output.stdout.len(), 1 << 20);
}

#[tokio::test]
async fn the_whole_tree_ends_however_the_job_does() {
    for ending in ["time is up", "cancelled", "closed", "dropped"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let executor = executor(1);
        let cancel = CancellationToken::new();
        let options = BatchOptions { cancel: Some(cancel.clone()), ..BatchOptions::default() };
        let job = tree("tree", &file);
        let job = if ending == "time is up" { job.timeout(Duration::from_secs(1)) } else { job };
        let mut stream = executor.stream([job], options);
        if ending != "time is up" {
            let mut next = Box::pin(stream.next());
            let begun = async {
                while pids(&file).len() < 3 {
                    assert!(timeout(Duration::from_millis(5), &mut next).await.is_err(), "it ended by itself");
                }
            };
            timeout(Duration::from_secs(60), begun).await.unwrap();
        }
        match ending {
            "cancelled" => cancel.cancel(),
            "closed" => {
                let (status, result) = tokio::join!(executor.close(Duration::from_secs(60)), stream.next());
                assert_eq!(status.running, 0);
                assert!(matches!(result.unwrap().error, Some(TaskError::Cancelled)));
            }
            _ => {}
        }
        match ending {
            "time is up" => {
                let result = stream.next().await.unwrap();
                assert!(matches!(result.error, Some(TaskError::TimedOut { left: None, .. })), "{result:?}");
                assert_eq!(result.exit_code, None);
            }
            "cancelled" => {
                let result = stream.next().await.unwrap();
                assert!(matches!(result.error, Some(TaskError::Cancelled)), "{result:?}");
                assert_eq!(result.output.unwrap().stdout, "begun\n", "what it had printed is kept");
                assert_eq!(executor.status().running, 0, "the result comes after the end of the tree");
            }
            _ => {}
        }
        drop(stream);
        assert_all_came_back(&executor, ending).await;
        let left: Vec<_> = pids(&file).into_iter().filter(|pid| is_running(*pid)).collect();
        assert!(left.is_empty(), "{ending}: {left:?} still run");
    }
}

#[tokio::test]
async fn processes_that_their_parent_leaves_behind_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = r#"sleep 1000 & echo $! >> "$FILE""#;
    let command = ProcessCommand::new("sh").args(["-c", script]).env("FILE", &file);
    let result = executor(1).execute(Job::process("leaver", command)).await;
    assert!(result.success, "{result:?}");
    assert_eq!(pids(&file).into_iter().filter(|pid| is_running(*pid)).count(), 0);
}

/// Variables can only be set for a process that is to be started: so the test starts itself with them.
#[tokio::test]
async fn settings_and_logins_of_this_program_reach_no_job_that_is_not_given_them() {
    const LOGIN: [(&str, &str); 3] =
        [("COUPA_USERNAME", "anna"), ("COUPA_PASSWORD", "s3cret"), ("COUPA_BATCH_WORKERS", "3")];
    if std::env::var_os("COUPA_PASSWORD").is_none_or(|value| value != "s3cret") {
        let this = concat!(module_path!(), "::settings_and_logins_of_this_program_reach_no_job_that_is_not_given_them");
        let (_, this) = this.split_once("::").unwrap();
        let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
        let ended = again.args([this, "--exact"]).envs(LOGIN).output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let script = "echo ${COUPA_USERNAME-none} ${COUPA_PASSWORD-none} ${COUPA_BATCH_WORKERS-none}";
    let given = LOGIN
        .into_iter()
        .fold(ProcessCommand::new("sh").args(["-c", script]), |command, (name, value)| command.env(name, value));
    let results = executor(1).execute_batch([shell("bare", script), Job::process("given", given)]).await;
    let said: Vec<_> = results.iter().map(|result| result.output.as_ref().map(|output| output.stdout.trim())).collect();
    assert_eq!(said, [Some("none none none"), Some("anna s3cret 3")]);
}
