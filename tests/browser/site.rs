//! A tiny site on a free port.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Starts the site; it lives as long as the test's runtime.
pub(crate) async fn start() -> String {
    let router = Router::new()
        .route("/", get(|| async { Html(HOME) }))
        .route("/open/{number}", get(|| async { Html(OPEN) }))
        .route("/busy", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")]) }))
        .route("/never", any(std::future::pending::<()>))
        .route("/late", get(|| async { Html(LATE) }))
        .route("/asking/{number}/{how}", get(asking))
        .route("/torn", get(torn))
        .route(
            "/part",
            get(|| async { ([(header::CACHE_CONTROL, "no-store")], "<span role=button>a file attachment</span>") }),
        )
        .route("/steps", post(step))
        .route("/missing", get(|| async { (StatusCode::NOT_FOUND, Html("<title>Oops</title><h1>Not  here</h1>")) }))
        .route("/cookie/{value}", get(set_cookie))
        .route("/cookies", get(show_cookies))
        .route("/file/{number}", get(file))
        .route("/inline.pdf", get(|| async { ([(header::CONTENT_TYPE, "application/pdf")], "%PDF-1.4 not really") }))
        .route("/inline.txt", get(|| async { ([(header::CONTENT_TYPE, "text/plain")], "plain words") }))
        .route("/tool.jar", get(|| async { ([(header::CONTENT_TYPE, "application/java-archive")], "PK-jar") }));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

const HOME: &str = r#"<title>Home</title><h1>Home</h1>
<a class=file href=/file/1>one</a> <a class=file href=/file/2>two</a>
<a id=pdf href=/inline.pdf>pdf</a> <a id=txt href=/inline.txt target=_blank><b>text</b></a>
<a id=jar href=/tool.jar>jar</a> <span id=none>no link</span>
<form><input name=user value=old><input name=password type=password></form>"#;

/// A page that keeps a connection open for ever.
const OPEN: &str = "<title>Open</title><script>new EventSource('/never')</script>";

/// A list that comes 200 ms after the page and is replaced once more by its like 150 ms later.
const LATE: &str = r#"<title>Late</title><div id=list></div><div id=clock></div><script>
const fill = (n) => { list.innerHTML = '<span role=button>a file attachment</span>'.repeat(n); };
setInterval(() => { clock.textContent = performance.now(); }, 10);
addEventListener('load', () => { setTimeout(() => fill(2), 200); setTimeout(() => { fill(2); window.isDone = true; }, 350); });
</script>"#;

/// An answer whose connection breaks in the middle of its body.
async fn torn() -> Body {
    let parts = [Ok("<span role=button>a file"), Err(std::io::Error::other("torn"))];
    Body::from_stream(futures_util::stream::iter(parts))
}

/// Whatever is asked for, at one address; the list takes its time.
async fn step(what: String) -> &'static str {
    if what.contains("list") {
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    "<span role=button>a file attachment</span>"
}

/// A page that asks for parts of its list.
async fn asking(Path((number, how)): Path<(String, String)>) -> Html<String> {
    let script = match how.as_str() {
        "stays" => "fetch('/never')".to_owned(),
        "stays-of-page" => format!("fetch('/never?order={number}')"),
        "stays-named" => "fetch('/never', { method: 'POST', body: '{\"what\":\"Anlagen\"}' })".to_owned(),
        "stays-hidden" => "fetch(new Request('/never', { method: 'POST', body: 'x' }))".to_owned(),
        "fails" => "fetch('/missing')".to_owned(),
        "torn" => "fetch('/torn').then((r) => r.text()).catch(() => {})".to_owned(),
        "times-out" => "fetch('/never', { signal: AbortSignal.timeout(200) }).catch(() => {})".to_owned(),
        "gives-up" => {
            "const c = new AbortController(); fetch('/never', { signal: c.signal }).catch(() => {}); c.abort()"
                .to_owned()
        }
        // browsers leave the body of such an answer unread for ever
        "unread" => "fetch('/part')".to_owned(),
        "by-xhr" => "const x = new XMLHttpRequest(); x.open('GET', '/never'); x.send()".to_owned(),
        "by-script" => {
            "const s = document.createElement('script'); s.src = '/never'; onload = () => document.body.append(s)"
                .to_owned()
        }
        "in-turn" => {
            "const more = (n) => n && fetch('/part?n=' + n).then((r) => r.text()).then((t) => { list.innerHTML += t; \
                      setTimeout(more, 150, n - 1); }); more(3)"
                .to_owned()
        }
        "in-steps" | "in-hidden-steps" | "in-steps-of-forms" => {
            let body = match how.as_str() {
                "in-steps" => "step",
                "in-hidden-steps" => "new Blob([step])",
                _ => "form",
            };
            format!(
                "const wait = () => new Promise((done) => setTimeout(done, 100)); (async () => {{ \
                 for (const step of ['session', 'flags', 'user', 'list']) {{ await wait(); \
                 const form = new FormData(); form.set('step', step); \
                 const got = await (await fetch('/steps', {{ method: 'POST', body: {body} }})).text(); \
                 if (step === 'list') list.innerHTML = got; }} }})()"
            )
        }
        "by-the-clock" => "setInterval(() => fetch('/part'), 120)".to_owned(),
        _ => String::new(),
    };
    Html(format!("<title>Asking</title><body><div id=list></div><script>{script}</script></body>"))
}

async fn set_cookie(Path(value): Path<String>) -> impl IntoResponse {
    ([(header::SET_COOKIE, format!("_coupa_session={value}; Path=/; HttpOnly"))], Html("<h1>in</h1>"))
}

async fn show_cookies(headers: HeaderMap) -> String {
    headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned()
}

/// Different files of one name.
async fn file(Path(number): Path<usize>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_DISPOSITION, "attachment; filename=\"same.bin\"")
        .body(Body::from(vec![b'x'; number * 1000]))
        .expect("it is a response")
}

/// A server whose only answer promises 10,000 bytes, sends half of them, and then goes away or stays silent.
pub(crate) async fn half(ends: bool) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10000\r\n\
                            Content-Disposition: attachment; filename=half.bin\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&[b'x'; 5000]).await;
                let _ = stream.flush().await;
                if !ends {
                    let _ = stream.read(&mut request).await; // until the browser hangs up
                }
            });
        }
    });
    address
}
