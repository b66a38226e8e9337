//! Transfers from a server that does exactly what a test says.

mod bodies;
mod privacy;
mod refusals;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::backend::Cookie;
use crate::download::{DownloadLimits, LoginSigns, TransferLimits};
use crate::net::{HttpClient, NetworkPolicy};

const USER_AGENT: &str = "Mozilla/5.0 (of a browser)";

/// What a server does with a connection after it has read a request.
#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    /// Again and again, for ever.
    Repeat(Vec<u8>),
    /// Again and again, a moment apart.
    Trickle(&'static [u8]),
    /// Keeps silent, for ever.
    Silence,
}

/// An answer with a length, after which the connection is closed.
fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<Step> {
    cut_answer(status, headers, body, body.len())
}

/// The same, closed after the first `length` bytes of the body.
fn cut_answer(status: u16, headers: &str, body: &[u8], length: usize) -> Vec<Step> {
    vec![Step::Send(
        [head(status, &format!("content-length: {}\r\n{headers}", body.len())).as_bytes(), &body[..length]].concat(),
    )]
}

fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}\r\n")
}

/// A server whose requests can be read afterwards.
#[derive(Clone)]
struct Server {
    base: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one. `answers` is given the path and the head of each request, and how many came before it.
    async fn start(answers: impl Fn(&str, &str, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, answers) = (Arc::clone(&requests), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    let nth = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    for step in answers(&path, &request, nth) {
                        if take(&mut stream, step).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { base, requests }
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

async fn take(stream: &mut TcpStream, step: Step) -> std::io::Result<()> {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await,
        Step::Repeat(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Step::Trickle(bytes) => loop {
            stream.write_all(bytes).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        },
        Step::Silence => std::future::pending().await,
    }
}

fn cookie(name: &str, value: &str, domain: Option<&str>) -> Cookie {
    Cookie {
        name: name.to_owned(),
        value: SecretString::from(value),
        domain: domain.map(str::to_owned),
        path: Some("/".to_owned()),
        secure: false,
        http_only: true,
        expiry: None,
        same_site: None,
    }
}

/// One transfer, with what a test may wish to change of it.
struct Fetch {
    server: Server,
    lifetime: AddressLifetime,
    max_bytes: u64,
    patience: Duration,
    min_rate: u64,
    cookies: Vec<Cookie>,
    slots: OrderSlots,
    folder: tempfile::TempDir,
    cancel: CancellationToken,
}

impl Fetch {
    fn new(server: &Server) -> Self {
        Self {
            server: server.clone(),
            lifetime: AddressLifetime::Lasting,
            max_bytes: 1_000_000,
            patience: Duration::from_secs(20),
            min_rate: 0,
            cookies: vec![cookie("_coupa_session", "s3cret", Some("127.0.0.1"))],
            slots: TransferSlots::new(SlotLimits::default()).of_order(),
            folder: tempfile::tempdir().unwrap(),
            cancel: CancellationToken::new(),
        }
    }

    fn once(mut self) -> Self {
        self.lifetime = AddressLifetime::Once;
        self
    }

    async fn get(&self, path: &str) -> Result<Transferred, TransferError> {
        let base = &self.server.base;
        let client = HttpClient::for_portal(base, NetworkPolicy::around(base, &[])).await.unwrap();
        let identity = ClientIdentity::new(base, &self.cookies, USER_AGENT).speaking("de-DE");
        let markers = ["user[login]".to_owned()];
        let paths = ["/sessions".to_owned()];
        let may_come_from = |address: &str| {
            let url = Url::parse(address).map_err(|_| "no address".to_owned())?;
            let is_ours = url.origin() == base.origin();
            if is_ours { Ok(()) } else { Err(url.host_str().unwrap_or(url.scheme()).to_owned()) }
        };
        let rules = TransferRules {
            limits: DownloadLimits {
                transfer: TransferLimits {
                    patience: self.patience,
                    max_bytes: (self.max_bytes, "file_max_size"),
                    min_rate: self.min_rate,
                    until: Instant::now() + Duration::from_secs(60),
                },
                may_come_from: &may_come_from,
                is_login: &|address| address.contains("/sessions/"),
            },
            login: LoginSigns { markers: &markers, paths: &paths },
        };
        let transfer = Transfer {
            client: &client,
            slots: &self.slots,
            identity: &identity,
            page: &base.join("order_headers/7?x=1#lines").unwrap(),
            address: &self.server.url(path),
            lifetime: self.lifetime,
            rules: &rules,
        };
        transfer.run(self.folder.path(), &self.cancel).await
    }

    /// The files that are in the staging folder.
    fn left(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 % 251) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
