//! Asks for a plain connection to the portal before any browser is started, so that a wrong address is known at once.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Url;

use super::certificate;

/// How long the whole check may take. A network that answers slower than this says nothing about the address.
const DEADLINE: Duration = Duration::from_millis(1_500);
/// How long a refusal is given to turn out as a restart of the portal.
const SECOND_TRY_AFTER: Duration = Duration::from_millis(300);

/// Ports that browsers refuse to open whatever answers there: the "bad ports" of the WHATWG Fetch standard, section 2.9.
const BLOCKED_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Variables that name a proxy. Where one is set, the proxy resolves names and connects, and this check does neither.
const PROXY_VARIABLES: &[&str] = &["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Why no browser can open the portal.
#[derive(Debug, Error)]
pub(crate) enum Unreachable {
    /// Browsers never open this port.
    #[error("browsers do not open port {port}, which {base} names: check base_url")]
    BlockedPort {
        /// The portal's address.
        base: Url,
        /// The port in it.
        port: u16,
    },
    /// The name has no address.
    #[error("there is no host named {host}: check base_url and the network connection")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Nothing listens there.
    #[error("the connection to {host}:{port} was refused: check base_url, or whether the portal is running")]
    Refused {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What answers there cannot prove that it is the host.
    #[error("the certificate of {host}:{port} is not valid ({why}): check base_url, and the clock of this machine")]
    Certificate {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What is wrong with it.
        why: String,
    },
}

/// Whether a plain connection to the portal's host and port can be made. Only what is certain is an error: a check that
/// runs out of time, a network without a route, or a proxy in the environment say nothing, and the browser decides.
///
/// Takes at most about 1.5 s. Sends nothing but the greeting of TLS. Dropping the future closes the connection.
///
/// # Errors
/// [`Unreachable`] when the port is one that browsers never open, the host has no address, the connection is refused
/// twice, or no browser would accept the host's certificate.
pub(crate) async fn check(base: &Url) -> Result<(), Unreachable> {
    let has_proxy = PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    check_directly(base, has_proxy).await
}

async fn check_directly(base: &Url, has_proxy: bool) -> Result<(), Unreachable> {
    let Some((host, port)) = base.host_str().zip(base.port_or_known_default()) else { return Ok(()) };
    if BLOCKED_PORTS.contains(&port) {
        return Err(Unreachable::BlockedPort { base: base.clone(), port });
    }
    if has_proxy {
        return Ok(());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']'); // as an IPv6 address stands in a URL
    let check = async {
        let addresses: Vec<_> = match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(source) => return Err(Unreachable::UnknownHost { host: host.to_owned(), source }),
        };
        let stream = match connect(&addresses).await {
            Ok(stream) => stream,
            Err(source) if source.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(Unreachable::Refused { host: host.to_owned(), port, source });
            }
            // all other failures may be this network's: the browser, which knows the system's proxy, has the last word
            Err(_) => return Ok(()),
        };
        match base.scheme() {
            "https" => match certificate::complaint(stream, host).await {
                Some(why) => Err(Unreachable::Certificate { host: host.to_owned(), port, why }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    };
    timeout(DEADLINE, check).await.unwrap_or(Ok(()))
}

/// Connects, and again if that is refused: a portal whose front end restarts refuses for a moment.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    match TcpStream::connect(addresses).await {
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
            tokio::time::sleep(SECOND_TRY_AFTER).await;
            TcpStream::connect(addresses).await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_host_that_listens_is_reachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        check_directly(&url(&format!("http://127.0.0.1:{port}/x")), false).await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_connection_names_host_and_port() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = check_directly(&url(&format!("http://127.0.0.1:{port}/")), false).await.unwrap_err();
        assert!(matches!(error, Unreachable::Refused { port: named, .. } if named == port), "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{port} was refused")), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_unknown() {
        // RFC 6761: names below .invalid never resolve
        let error = check_directly(&url("https://portal.invalid/"), false).await.unwrap_err();
        assert!(matches!(error, Unreachable::UnknownHost { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_browsers_do_not_open_is_named_behind_a_proxy_too() {
        let error = check_directly(&url("http://127.0.0.1:6000/"), true).await.unwrap_err();
        assert!(matches!(error, Unreachable::BlockedPort { port: 6000, .. }), "{error}");
    }

    #[tokio::test]
    async fn behind_a_proxy_the_browser_decides() {
        check_directly(&url("https://portal.invalid/"), true).await.unwrap();
    }
}
