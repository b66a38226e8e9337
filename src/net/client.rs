//! The one HTTP client: files of the portal, and notices. TLS by rustls with one provider and the trust store of the
//! system; the proxy of the system is used; connections are kept, and are HTTP/2 where the server offers it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, redirect};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::timeout;
use url::{Host, Url};

use super::NetworkPolicy;

use crate::text::rounded;

/// How long a connection may take, name and TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection is kept without work. Servers close theirs sooner or later: one that is old may be closed at
/// the moment when it is used.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// Name and version of the program, where no browser's is given.
const OWN_USER_AGENT: &str = concat!("coupa-batch/", env!("CARGO_PKG_VERSION"));

/// Why a request has no answer, or no whole one. No message holds an address: it may be a secret.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Nothing was sent: the address is one that must not be reached.
    #[error("{host} is an address of this machine or of a private network")]
    Blocked {
        /// The host, and what it led to if it is a name.
        host: String,
    },
    /// No connection was established: the request was not sent.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// The connection ended before the answer did.
    #[error("the connection was cut: {0}")]
    Cut(String),
    /// Nothing came in time.
    #[error("timed out: nothing arrived within {}", rounded(*after))]
    Late {
        /// The deadline that passed.
        after: Duration,
    },
    /// The request cannot be sent, or the answer is not HTTP.
    #[error("invalid HTTP: {0}")]
    Invalid(String),
}

impl HttpError {
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(blocked) = causes(&error).find_map(|cause| cause.downcast_ref::<BlockedAnswer>()) {
            return Self::Blocked { host: blocked.0.clone() };
        }
        let text = causes(&error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if error.is_connect() {
            Self::NoConnection(text)
        } else if error.is_builder() {
            Self::Invalid(text)
        } else {
            Self::Cut(text)
        }
    }
}

/// An error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Sends requests and never follows a redirect by itself. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    policy: NetworkPolicy,
}

impl HttpClient {
    /// A client for the files of `portal`. It reaches what `policy` lets a browser reach; of a name other than the
    /// portal's it also checks where the name leads to.
    ///
    /// Where a proxy is used, it is the proxy that looks up names, and only their spelling is checked.
    ///
    /// # Errors
    /// [`HttpError::Invalid`] when the certificates of the system cannot be read.
    pub async fn for_portal(portal: &Url, policy: NetworkPolicy) -> Result<Self, HttpError> {
        // browsers never use a proxy for this machine
        let is_own = portal.host_str().is_some_and(|host| host.trim_end_matches('.').ends_with("localhost"))
            || matches!(portal.host(), Some(Host::Ipv4(ip)) if ip.is_loopback())
            || matches!(portal.host(), Some(Host::Ipv6(ip)) if ip.is_loopback());
        Self::build(policy, !is_own, Some(portal.clone())).await
    }

    /// A client for one address that the user has named. It blocks no host.
    ///
    /// # Errors
    /// As [`HttpClient::for_portal`].
    pub async fn for_notices(address: &str) -> Result<Self, HttpError> {
        // plain http is for this machine only, and a proxy is another one
        Self::build(NetworkPolicy::default(), !address.starts_with("http:"), None).await
    }

    async fn build(policy: NetworkPolicy, has_proxy: bool, portal: Option<Url>) -> Result<Self, HttpError> {
        let guard = policy.clone();
        let built = tokio::task::spawn_blocking(move || {
            // the one provider that is linked; the error says that somebody has chosen one already, which is as good
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = Client::builder()
                .user_agent(OWN_USER_AGENT)
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_DEADLINE)
                .pool_idle_timeout(KEPT_FOR)
                .http2_adaptive_window(true);
            let builder = if has_proxy { builder } else { builder.no_proxy() };
            let builder = match portal {
                Some(portal) => builder.dns_resolver(CheckedResolver::new(&portal, guard)),
                None => builder,
            };
            builder.build() // reads the system's certificates
        });
        match built.await {
            Ok(Ok(client)) => Ok(Self { client, policy }),
            Ok(Err(why)) => Err(HttpError::of(why)),
            Err(why) => Err(HttpError::Invalid(format!("internal error while it was prepared: {why}"))),
        }
    }

    /// Host and port of an address that this client does not reach. Of a name, only its spelling is looked at.
    #[must_use]
    pub fn blocked(&self, url: &Url) -> Option<String> {
        self.policy.blocked(url.as_str())
    }

    /// Sends a request and waits for the head of its answer, `deadline` at most. Dropped, it closes the connection.
    ///
    /// # Errors
    /// [`HttpError`]; of `Blocked`, `NoConnection` and `Invalid` it is certain that nothing was sent.
    pub async fn send(&self, request: HttpRequest, deadline: Duration) -> Result<HttpResponse, HttpError> {
        let HttpRequest { method, url, headers, body } = request;
        if let Some(host) = self.blocked(&url) {
            return Err(HttpError::Blocked { host });
        }
        let mut builder = self.client.request(method, url);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = body {
            builder = builder.body(body);
        }
        match timeout(deadline, builder.send()).await {
            Ok(Ok(response)) => Ok(HttpResponse(response)),
            Ok(Err(why)) => Err(HttpError::of(why)),
            Err(_) => Err(HttpError::Late { after: deadline }),
        }
    }
}

/// A request. `Debug` shows neither its headers nor what follows the path of its address.
pub struct HttpRequest {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<String>,
}

impl HttpRequest {
    /// Asks for what is at an address. A fragment is not sent, and a name and password in the address neither.
    #[must_use]
    pub fn get(url: &Url) -> Self {
        let mut url = url.clone();
        url.set_fragment(None);
        // both succeed for addresses that have a host, and others cannot be sent
        let _ = (url.set_username(""), url.set_password(None));
        Self { method: Method::GET, url, headers: Vec::new(), body: None }
    }

    /// Sends JSON to an address.
    #[must_use]
    pub fn post_json(url: &Url, body: String) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Self { method: Method::POST, url: url.clone(), headers, body: Some(body) }
    }

    /// Adds a header. A value that is not valid header text is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Adds a header whose value is never shown, and not kept in the compression state of HTTP/2.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: &SecretString) -> Self {
        if let Ok(mut value) = HeaderValue::from_bytes(value.expose_secret().as_bytes()) {
            value.set_sensitive(true);
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// The head of an answer, and its body piece by piece. Dropping it closes the connection, unless the body was read to
/// its end. `Debug` shows the status alone.
pub struct HttpResponse(reqwest::Response);

impl HttpResponse {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header as text, if it is there and is ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok().map(str::trim)
    }

    /// All headers of a name, as they were sent.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.headers().get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// The number of bytes of the body, if the server announced it.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.0.content_length()
    }

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// [`HttpError::Late`] when nothing comes within `deadline`, [`HttpError::Cut`] when the end comes too early.
    pub async fn chunk(&mut self, deadline: Duration) -> Result<Option<impl AsRef<[u8]> + use<>>, HttpError> {
        match timeout(deadline, self.0.chunk()).await {
            Ok(chunk) => chunk.map_err(HttpError::of),
            Err(_) => Err(HttpError::Late { after: deadline }),
        }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({})", self.status())
    }
}

/// A name led to a private address and nowhere else.
#[derive(Debug, Error)]
#[error("{0}")]
struct BlockedAnswer(String);

/// The resolver of the system, whose answers are checked. What is checked is what is connected to: a name that leads
/// elsewhere a moment later is looked up, and checked, anew.
#[derive(Clone, Debug)]
struct CheckedResolver {
    policy: NetworkPolicy,
    /// Names that the user has chosen: these lead where they lead.
    trusted: Vec<String>,
}

impl CheckedResolver {
    fn new(portal: &Url, policy: NetworkPolicy) -> Self {
        let proxies = Matcher::from_system();
        let proxies = ["http://a.invalid/", "https://a.invalid/", portal.as_str()].into_iter().filter_map(|address| {
            let proxy = proxies.intercept(&address.parse().ok()?)?;
            proxy.uri().host().map(str::to_ascii_lowercase)
        });
        let trusted = proxies.chain(portal.host_str().map(str::to_owned)).collect();
        Self { policy, trusted }
    }

    async fn look_up(self, name: String) -> Result<Addrs, Box<dyn StdError + Send + Sync>> {
        let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
        if self.trusted.contains(&name.to_ascii_lowercase()) {
            return Ok(Box::new(found.into_iter()));
        }
        let (blocked, allowed): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| self.policy.blocks_answer(address.ip()));
        match (allowed.is_empty(), blocked.first()) {
            (true, Some(address)) => Err(Box::new(BlockedAnswer(format!("{name} ({})", address.ip())))),
            _ => Ok(Box::new(allowed.into_iter())),
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().look_up(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// Answers each connection with `answer` and closes it.
    async fn server(answer: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://{address}/a?token=t0ken").parse().unwrap()
    }

    #[tokio::test]
    async fn a_body_comes_piece_by_piece_to_its_end() {
        let url = server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX-Thing: a\r\n\r\nabc").await;
        let client = HttpClient::for_portal(&url, NetworkPolicy::around(&url, &[])).await.unwrap();
        let mut answer = client.send(HttpRequest::get(&url), SOON).await.unwrap();
        assert_eq!((answer.status(), answer.header("x-thing"), answer.length()), (200, Some("a"), Some(3)));
        assert_eq!(answer.chunk(SOON).await.unwrap().unwrap().as_ref(), b"abc");
        assert!(answer.chunk(SOON).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_is_blocked() {
        let url = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let portal: Url = "https://acme.test/".parse().unwrap();
        let client = HttpClient::for_portal(&portal, NetworkPolicy::around(&portal, &[])).await.unwrap();
        let error = client.send(HttpRequest::get(&url), SOON).await.unwrap_err();
        assert!(matches!(error, HttpError::Blocked { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_blocked_unless_it_is_the_portals() {
        let policy = NetworkPolicy::around(&"https://acme.test/".parse().unwrap(), &[]);
        let look_up = |trusted: &[&str]| {
            let trusted = trusted.iter().map(|&name| name.to_owned()).collect();
            CheckedResolver { policy: policy.clone(), trusted }.look_up("localhost".to_owned())
        };
        let error = look_up(&[]).await.map(|found| found.count()).unwrap_err();
        assert!(error.is::<BlockedAnswer>(), "{error}");
        assert!(look_up(&["localhost"]).await.unwrap().count() > 0);
    }

    #[tokio::test]
    async fn a_blocked_answer_is_told_as_such_through_the_client() {
        let policy = NetworkPolicy::around(&"https://acme.test/".parse().unwrap(), &[]);
        let resolver = CheckedResolver { policy, trusted: Vec::new() };
        let client = Client::builder().no_proxy().dns_resolver(resolver);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = HttpClient { client: client.build().unwrap(), policy: NetworkPolicy::default() };
        let url = "http://localhost:9/".parse().unwrap();
        let error = client.send(HttpRequest::get(&url), SOON).await.unwrap_err();
        assert!(matches!(&error, HttpError::Blocked { host } if host.starts_with("localhost (")), "{error:?}");
    }

    #[tokio::test]
    async fn what_was_not_sent_is_told_from_what_was_cut() {
        let url = server("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
        let client = HttpClient::for_notices(url.as_str()).await.unwrap();
        let mut answer = client.send(HttpRequest::get(&url), SOON).await.unwrap();
        let error = loop {
            match answer.chunk(SOON).await {
                Ok(piece) => assert!(piece.is_some()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, HttpError::Cut(_)), "{error:?}");
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let gone: Url = format!("http://{gone}/a?token=t0ken").parse().unwrap();
        let error = client.send(HttpRequest::get(&gone), SOON).await.unwrap_err();
        assert!(matches!(error, HttpError::NoConnection(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("t0ken"), "{error:?}");
    }

    #[test]
    fn no_secret_of_a_request_is_shown() {
        let url = "https://user:pa55@acme.test/a?token=t0ken#f".parse().unwrap();
        let request = HttpRequest::get(&url).secret_header("cookie", &SecretString::from("id=s3cret"));
        assert_eq!(format!("{request:?}"), "GET https://acme.test/a");
        assert_eq!(request.url.as_str(), "https://acme.test/a?token=t0ken");
        assert!(!format!("{:?}", request.headers).contains("s3cret"));
    }
}
