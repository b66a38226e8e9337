//! Hosts of this machine and of private networks: programs that listen there often trust everybody who can reach them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use url::{Host, Url};

use crate::config::error::InvalidValue;

/// Names of this machine that every system resolves by itself.
pub(crate) const OWN_NAMES: [&str; 5] =
    ["localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"];

/// One host of this machine or of a private network, on one port or on all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateHost {
    /// An IP address (IPv6 without brackets) or a name of this machine, normalized as in a URL.
    host: String,
    port: Option<u16>,
}

impl PrivateHost {
    /// The host and port of `url`, if the host is private.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let host = url.host().filter(is_private)?;
        Some(Self { host: plain(&host), port: url.port_or_known_default() })
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; `None` for all.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether `other` is on this host, and on its port.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }
}

impl FromStr for PrivateHost {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|why| InvalidValue::new(format!("{port:?} in {text:?} is not a port")).caused_by(why))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let bracketed =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let host = Host::parse(&bracketed).map_err(|why| {
            InvalidValue::new(format!("{text:?} is not a host, or a host and its port")).caused_by(why)
        })?;
        if !is_private(&host) {
            return Err(InvalidValue::new(format!(
                "{text:?} is neither an address of a private network nor a name of this machine: other hosts can be \
                 reached without this setting"
            )));
        }
        Ok(Self { host: plain(&host), port })
    }
}

/// Writes it as in a URL.
impl fmt::Display for PrivateHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Reads a list of hosts as people write it: the hosts, and the problems of the others.
pub(crate) fn read_private_hosts(text: &str) -> (Vec<PrivateHost>, Vec<InvalidValue>) {
    let (mut hosts, mut wrong) = (Vec::new(), Vec::new());
    for part in text.split([',', ';', ' ']).filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(host) => hosts.push(host),
            Err(why) => wrong.push(why),
        }
    }
    (hosts, wrong)
}

fn plain<S: AsRef<str>>(host: &Host<S>) -> String {
    match host {
        Host::Domain(name) => name.as_ref().to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_string(),
    }
}

/// Whether `host` is this machine or in a private network. Names are not resolved.
///
/// Every IPv6 address counts: many of them stand for an IPv4 address, and portals have names.
fn is_private<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(ip) => is_private_number(*ip),
        Host::Ipv6(_) => true,
        Host::Domain(name) => is_own_name(name.as_ref()),
    }
}

fn is_own_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    is_plain && (OWN_NAMES.contains(&name) || name.ends_with(".localhost"))
}

fn is_private_number(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    // 100.64.0.0/10 is meant for providers, but some companies use it inside
    let is_shared = first == 100 && (64..128).contains(&second);
    first == 0 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<String, String> {
        text.parse::<PrivateHost>().map(|host| host.to_string()).map_err(|why| why.to_string())
    }

    #[test]
    fn hosts_are_read_as_people_write_them_and_kept_as_addresses_have_them() {
        for (text, kept) in [
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7:3128", "10.0.0.7:3128"),
            ("0x7f.1", "127.0.0.1"),
            ("::1", "[::1]"),
            ("[fd00:0::7]:8443", "[fd00::7]:8443"),
            ("LOCALHOST:80", "localhost:80"),
            ("portal.localhost", "portal.localhost"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn what_is_not_private_or_no_host_is_refused() {
        for text in ["acme.com", "8.8.8.8", "10.0.0.7:x", "10.0.0.7/x", "a,b.localhost", "http://10.0.0.7", "[::1"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn private_numbers_end_where_the_networks_end() {
        for (ip, is_private) in [
            ("9.255.255.255", false),
            ("10.255.255.255", true),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("169.254.169.254", true),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.1.1", true),
            ("0.0.0.0", true),
        ] {
            assert_eq!(is_private_number(ip.parse().unwrap()), is_private, "{ip}");
        }
    }

    #[test]
    fn an_address_is_private_on_its_port() {
        let of = |url: &str| PrivateHost::of(&url.parse().unwrap()).map(|host| host.to_string());
        assert_eq!(of("https://10.0.0.7/x").as_deref(), Some("10.0.0.7:443"));
        assert_eq!(of("http://2130706433:81").as_deref(), Some("127.0.0.1:81"));
        assert_eq!(of("http://localhost.:81").as_deref(), Some("localhost.:81"));
        assert_eq!(of("https://acme.test"), None);
        let all: PrivateHost = "10.0.0.7".parse().unwrap();
        let one: PrivateHost = "10.0.0.7:443".parse().unwrap();
        assert!(all.covers(&one) && one.covers(&one) && !one.covers(&all));
    }
}
