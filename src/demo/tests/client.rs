//! Who asks the portal: one that sends raw requests and sees each byte of an answer, and one that logs in and keeps its cookie.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::demo::DemoPortal;
use crate::model::PoNumber;

/// Long enough for a loaded machine; reached only by a test that fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What came back on one connection.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The connection ended before the announced length was there, or by a reset.
    pub(crate) is_cut: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn is_login_page(&self) -> bool {
        self.text().contains("name=\"user[login]\"")
    }
}

/// A client with a cookie jar of one cookie.
pub(crate) struct TestClient<'a> {
    pub(crate) portal: &'a DemoPortal,
    pub(crate) cookie: Option<String>,
}

impl<'a> TestClient<'a> {
    pub(crate) fn new(portal: &'a DemoPortal) -> Self {
        Self { portal, cookie: None }
    }

    pub(crate) async fn logged_in(portal: &'a DemoPortal) -> Self {
        let mut client = Self::new(portal);
        let reply = client.log_in(portal.password().expose_secret()).await;
        assert_eq!(reply.status, 302, "{reply:?}");
        client
    }

    pub(crate) async fn log_in(&mut self, password: &str) -> Reply {
        let form = self.get("/sessions/new").await.text();
        let token = between(&form, "name=\"authenticity_token\" value=\"", "\"").to_owned();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("authenticity_token", &token)
            .append_pair("user[login]", self.portal.username())
            .append_pair("user[password]", password)
            .finish();
        self.post("/sessions", "", &body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, "", "").await
    }

    pub(crate) async fn post(&mut self, path: &str, headers: &str, body: &str) -> Reply {
        let headers = format!("{headers}Content-Length: {}\r\n", body.len());
        self.ask("POST", path, &headers, body).await
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let cookie = self.cookie.as_ref().map(|value| format!("Cookie: a=b; _coupa_session={value}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}{headers}\r\n{body}",
            cookie.unwrap_or_default()
        );
        let reply = timeout(LIMIT, send(self.portal, &request)).await.expect("an answer in time");
        if let Some(set) = reply.header("set-cookie") {
            assert!(set.contains("HttpOnly") && !set.to_lowercase().contains("expires"), "{set}");
            self.cookie = Some(between(set, "_coupa_session=", ";").to_owned());
        }
        reply
    }

    pub(crate) async fn order(&mut self, po: &PoNumber) -> Reply {
        self.get(&format!("/order_headers/{}", po.digits())).await
    }
}

pub(crate) fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found).unwrap_or_default()
}

pub(crate) async fn send(portal: &DemoPortal, request: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", portal.base_url().port().unwrap())).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let mut is_cut = stream.read_to_end(&mut bytes).await.is_err();
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut reply = Reply {
        status: head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0),
        body: bytes.get(split + 4..).unwrap_or_default().to_vec(),
        head,
        is_cut: false,
    };
    if let Some(length) = reply.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        is_cut |= reply.body.len() < length;
    }
    reply.is_cut = is_cut;
    reply
}
