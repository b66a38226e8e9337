//! Edge where there is none: Chromium behind a proxy that understands only EdgeDriver's dialect.
//!
//! Two small programs are written into a folder, `msedge` and `msedgedriver`. The first one starts Chromium. The second
//! one starts this very test program again, in which [`entry`] starts ChromeDriver and speaks to it in Chrome's words
//! and to whoever asks in Edge's. Chrome's own words are refused, as EdgeDriver would.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test may")]
#![allow(dead_code, reason = "each test program uses another part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};

/// The variable that tells the program that it is to be the driver: the path of ChromeDriver.
const IS_DRIVER: &str = "EDGE_STAND_IN_CHROMEDRIVER";

/// Writes the two programs.
pub(crate) struct EdgeStandIn;

impl EdgeStandIn {
    /// Writes `msedge` and `msedgedriver` into `dir`, in front of the given Chromium and ChromeDriver, and returns
    /// their paths for the settings `browser_path` and `driver_path`.
    pub(crate) fn install_before(
        dir: &Path,
        chromium: &Path,
        chromedriver: &Path,
        version: &str,
    ) -> (PathBuf, PathBuf) {
        let entry = format!("{}::entry", module_path!().split_once("::").map_or("", |(_, path)| path));
        let this = std::env::current_exe().expect("a test program has a path");
        let browser = write(
            &dir.join("msedge"),
            &format!(
                "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'Microsoft Edge {version} stand-in'; exit; }}\nexec '{}' \"$@\"\n",
                chromium.display()
            ),
        );
        let driver = write(
            &dir.join("msedgedriver"),
            &format!(
                "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'Microsoft Edge WebDriver {version} (stand-in)'; exit; }}\n\
                 {IS_DRIVER}='{}' exec '{}' --exact '{entry}' --ignored --nocapture\n",
                chromedriver.display(),
                this.display()
            ),
        );
        (browser, driver)
    }

    /// The same, in front of the Chromium or Chrome that is installed. None if there is none.
    pub(crate) fn install(dir: &Path) -> Option<(PathBuf, PathBuf)> {
        use coupa_batch::browser::{BrowserKind, detect_all};
        let config = coupa_batch::PoolConfig::builder().build().expect("the defaults are valid").browser;
        let found =
            detect_all(&config).into_iter().find(|found| found.kind != BrowserKind::Edge && found.is_usable())?;
        let (browser, driver) = (found.browser?, found.driver?);
        let version = browser.version?.to_string();
        Some(Self::install_before(dir, &browser.path, &driver.path, &version))
    }
}

/// Written by a process of its own: one that another test starts meanwhile would inherit an open file of ours, and a
/// program that is open for writing cannot be started.
fn write(path: &Path, text: &str) -> PathBuf {
    let script = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(path).arg(text).status().expect("there is a shell");
    assert!(status.success(), "{} cannot be written", path.display());
    fs::canonicalize(path).expect("it was just written")
}

/// Not a test: the driver's own life, when started by the program `msedgedriver`.
#[test]
#[ignore = "the entry point of the stand-in's driver, not a test"]
fn entry() {
    let Some(chromedriver) = std::env::var_os(IS_DRIVER) else { return };
    #[expect(clippy::zombie_processes, reason = "both are killed together, as one group")]
    let mut upstream = Command::new(chromedriver)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ChromeDriver starts");
    let mut lines = BufReader::new(upstream.stdout.take().expect("its output is ours")).lines();
    let port: u16 = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_suffix('.')?.split_once("successfully on port ")?.1.parse().ok())
        .expect("ChromeDriver tells its port");
    std::thread::spawn(move || lines.for_each(drop));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let proxy = Proxy { port, client: Client::builder(TokioExecutor::new()).build_http() };
        println!("\nMicrosoft Edge WebDriver was started successfully on port {own}.");
        axum::serve(listener, Router::new().fallback(forward).with_state(proxy)).await.expect("it serves for ever");
    });
}

#[derive(Clone)]
struct Proxy {
    port: u16,
    client: Client<HttpConnector, Body>,
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let body = to_bytes(request.into_body(), usize::MAX).await.expect("a body is read");
    if path.split('/').any(|part| part == "goog") {
        return error(StatusCode::NOT_FOUND, "unknown command", &format!("unknown command: {path}"));
    }
    let is_new = method == Method::POST && path == "/session";
    let body = if is_new {
        match translate(&body) {
            Ok(body) => body,
            Err(why) => return error(StatusCode::BAD_REQUEST, "invalid argument", &why),
        }
    } else {
        body.to_vec()
    };
    let upstream = format!("http://127.0.0.1:{}{}", proxy.port, path.replace("/ms/cdp/", "/goog/cdp/"));
    let request = Request::builder()
        .method(method)
        .uri(upstream)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Body::from(body))
        .expect("it is a request");
    let answer = proxy.client.request(request).await.expect("ChromeDriver answers");
    let status = answer.status();
    let answer = to_bytes(Body::new(answer.into_body()), usize::MAX).await.expect("an answer is read");
    let text = String::from_utf8_lossy(&answer);
    let text = if is_new {
        text.replace("goog:", "ms:").replace("\"browserName\":\"chrome\"", "\"browserName\":\"msedge\"")
    } else {
        text.into_owned()
    };
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
}

/// From Edge's words to Chrome's, or what EdgeDriver would not understand.
fn translate(body: &[u8]) -> Result<Vec<u8>, String> {
    if String::from_utf8_lossy(body).contains("goog:") {
        return Err("invalid argument: unrecognised capability with prefix goog:".to_owned());
    }
    let mut body: Value = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    let asked = body.pointer_mut("/capabilities/alwaysMatch").and_then(Value::as_object_mut);
    let asked = asked.ok_or("invalid argument: alwaysMatch is missing")?;
    if asked.get("browserName") != Some(&json!("MicrosoftEdge")) {
        return Err("session not created: no matching capabilities found".to_owned());
    }
    let options = asked.remove("ms:edgeOptions").ok_or("invalid argument: no ms:edgeOptions")?;
    let binary = options.get("binary").and_then(Value::as_str).unwrap_or_default();
    if Path::new(binary).file_name().is_none_or(|name| name != "msedge") {
        return Err(format!("session not created: {binary} is not Microsoft Edge"));
    }
    let mut words =
        Map::from_iter([("browserName".to_owned(), json!("chrome")), ("goog:chromeOptions".to_owned(), options)]);
    if let Some(logging) = asked.remove("ms:loggingPrefs") {
        words.insert("goog:loggingPrefs".to_owned(), logging);
    }
    asked.extend(words);
    Ok(body.to_string().into_bytes())
}

fn error(status: StatusCode, error: &str, message: &str) -> Response {
    let body = json!({ "value": { "error": error, "message": message, "stacktrace": "" } });
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}
