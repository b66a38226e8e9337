//! A small server that misbehaves on request: this test program, started again.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use coupa_batch::process::{HealthCheck, ProcessPool, ServiceConfig, StopPolicy};

/// The variable with the port, and that with what is wrong.
const PORT: &str = "STAND_IN_PORT";
const WRONG: &str = "STAND_IN_WRONG";

/// A service of stand-ins. `wrong` names what they do wrong: `exits`, `hangs`, `is_late`, `listens_elsewhere`, `floods`,
/// `leaks`, `is_deaf`.
pub(crate) fn service(wrong: &str) -> ServiceConfig {
    let this = std::env::current_exe().unwrap().display().to_string();
    let args = ["--exact", "stand_in::entry", "--ignored", "--nocapture"].map(str::to_owned);
    let (command, args) = if wrong == "is_deaf" {
        let script = ["-c", "trap '' TERM; exec \"$0\" \"$@\"", &this].map(str::to_owned);
        ("sh".to_owned(), script.into_iter().chain(args).collect::<Vec<_>>())
    } else {
        (this, args.to_vec())
    };
    ServiceConfig::new(command)
        .args(args)
        .env(PORT, "{port}")
        .env(WRONG, wrong)
        .health_check(HealthCheck::http("/health").every(Duration::from_millis(100)).within(Duration::from_secs(20)))
        .stop(StopPolicy { grace: Duration::from_secs(60), ..StopPolicy::default() })
        .start_timeout(Duration::from_secs(60))
        .lease_timeout(Duration::from_secs(60))
}

/// Not a test: the life of the server.
#[test]
#[ignore = "the entry point of the stand-in, not a test"]
#[expect(clippy::exit, reason = "that is how a server fails")]
fn entry() {
    let Some(port) = std::env::var(PORT).ok().and_then(|port| port.parse::<u16>().ok()) else { return };
    let wrong = std::env::var(WRONG).unwrap_or_default();
    match wrong.as_str() {
        "exits" => {
            eprintln!("a library is missing");
            std::process::exit(3);
        }
        "floods" => (0..100_000).for_each(|line| println!("line {line}")),
        "leaks" => {
            #[expect(clippy::zombie_processes, reason = "that is what goes wrong here")]
            let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
            println!("leaked {}", child.id());
        }
        _ => {}
    }
    let listener = match TcpListener::bind(("127.0.0.1", if wrong == "listens_elsewhere" { 0 } else { port })) {
        Ok(listener) => listener,
        Err(why) => {
            eprintln!("cannot listen: {why}");
            std::process::exit(1);
        }
    };
    let (mut is_sick, mut kept) = (false, Vec::new());
    for (number, stream) in listener.incoming().enumerate() {
        let Ok(stream) = stream else { continue };
        let path = path_of(&stream);
        match path.as_str() {
            "/crash" => std::process::exit(7),
            "/sick" => is_sick = true,
            _ => {}
        }
        if wrong == "hangs" {
            kept.push(stream); // never answered
            continue;
        }
        let is_late = wrong == "is_late" && number < 3;
        let status = if path == "/health" && (is_sick || is_late) { "503 Unavailable" } else { "200 OK" };
        let body = std::process::id().to_string();
        answer(stream, status, &body);
    }
}

/// The variable that tells this program to run a pool of its own.
pub(crate) const IS_POOL: &str = "STAND_IN_POOL";

/// Not a test: a program with a pool that is closed by a signal.
#[tokio::test]
#[ignore = "the entry point of a program with a pool, not a test"]
async fn pool_entry() {
    if std::env::var_os(IS_POOL).is_none() {
        return;
    }
    let pool = ProcessPool::new();
    pool.add("web", service("")).unwrap();
    let closing = pool.close_on_signal();
    tokio::pin!(closing);
    tokio::select! {
        biased;
        _ = &mut closing => panic!("nobody has sent a signal"),
        ready = pool.ready("web") => ready.unwrap(),
    }
    println!("\nservice {}", pool.status().service("web").unwrap().instances[0].pid.unwrap());
    let report = closing.await.unwrap();
    println!("\nended {} killed {} left {}", report.ended, report.killed, report.leftovers.len());
}

fn path_of(stream: &TcpStream) -> String {
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    if reader.read_line(&mut line).is_err() {
        return String::new();
    }
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|length| length > 2) {
        header.clear();
    }
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // whoever asked may be gone
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
