//! Hosts that nothing may reach on behalf of a portal: this machine and private networks, except the portal itself.
//!
//! Browsers enforce the policy by their own resolver rules (`--host-resolver-rules`): they never connect to a blocked
//! host, whether for a page, a script, a frame, an image, a redirect or a download. The same rules exist here as a
//! function: the HTTP client asks it before each request, and a blocked host can be distinguished from a network that
//! is down. The HTTP client also asks what a name has led to, which browsers cannot.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::config::{OWN_NAMES, PrivateHost};

/// In the browser's rules `?` stands for one character or none: so a pattern matches all addresses of a network, and
/// hardly any name: only one whose first label is that number, followed by three labels of three letters at most.
const NUMBER: &str = "???";

/// Target of a rule that blocks a host.
const NOT_FOUND: &str = "~NOTFOUND";

/// The private hosts that may be reached. The default blocks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// `None` blocks nothing.
    allowed: Option<Vec<PrivateHost>>,
}

impl NetworkPolicy {
    /// Allows `portal`, the `others` and the proxies of the environment, without which browsers would reach nothing.
    #[must_use]
    pub fn around(portal: &Url, others: &[PrivateHost]) -> Self {
        let mut allowed: Vec<_> = PrivateHost::of(portal).into_iter().collect();
        if portal.port().is_none() {
            // a portal may move from http to https
            let mut other = portal.clone();
            let is_set = other.set_scheme(if portal.scheme() == "http" { "https" } else { "http" }).is_ok();
            allowed.extend(PrivateHost::of(&other).filter(|_| is_set));
        }
        allowed.extend_from_slice(others);
        allowed.extend(proxies(|name| std::env::var(name).ok()));
        Self { allowed: Some(allowed) }
    }

    /// Value of `--host-resolver-rules`; `None` when nothing is blocked.
    pub(crate) fn rules(&self) -> Option<String> {
        let allowed = self.allowed.as_ref()?;
        // the first rule that matches applies; one that maps a host to itself allows it
        let exceptions = allowed.iter().map(|host| match host.port() {
            Some(_) => format!("MAP {host} {host}"),
            None => format!("MAP {} {host}", host.host()),
        });
        let blocked = blocked_patterns().into_iter().map(|pattern| format!("MAP {pattern} {NOT_FOUND}"));
        Some(exceptions.chain(blocked).collect::<Vec<_>>().join(","))
    }

    /// Host and port of `address` if it is blocked.
    pub(crate) fn blocked(&self, address: &str) -> Option<String> {
        let allowed = self.allowed.as_ref()?;
        let host = PrivateHost::of(&Url::parse(address).ok()?)?;
        (!allowed.iter().any(|entry| entry.covers(&host))).then(|| host.to_string())
    }

    /// Whether a name that leads to `ip` is blocked. A private address counts as allowed on every port once it is
    /// allowed on one: resolvers do not see the port.
    pub(crate) fn blocks_answer(&self, ip: IpAddr) -> bool {
        let Some(allowed) = &self.allowed else { return false };
        let ip = canonical(ip);
        is_private_answer(ip) && !allowed.iter().any(|entry| entry.host() == ip.to_string())
    }
}

/// IPv4 where an IPv6 address is only another spelling of one.
fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Whether an address that a resolver has returned is of this machine or of a private network. Unlike in an address
/// that a portal writes, an IPv6 number is nothing unusual here.
fn is_private_answer(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => is_private_v4(four),
        IpAddr::V6(six) => {
            let is_private_net =
                six.is_unique_local() || six.is_unicast_link_local() || six.segments()[0] & 0xffc0 == 0xfec0;
            let is_own = six.is_loopback() || six.is_unspecified() || six.is_multicast();
            is_own || is_private_net || embedded_v4(six).is_some_and(is_private_v4)
        }
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let url = Url::parse(&format!("http://{ip}/"));
    ip.is_multicast() || ip.is_broadcast() || url.is_ok_and(|url| PrivateHost::of(&url).is_some())
}

/// The IPv4 address that translators reach by an IPv6 address: NAT64 (RFC 6052), 6to4 (RFC 3056), and the old
/// compatible form.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, second, third, .., last_but_one, last] = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (first, second) {
        (0x64, 0xff9b) => Some(join(last_but_one, last)),
        (0x2002, _) => Some(join(second, third)),
        (0, 0) => ip.to_ipv4(),
        _ => None,
    }
}

/// The hosts that are blocked unless an earlier rule allows them.
fn blocked_patterns() -> Vec<String> {
    let network = |prefix: &[u8]| {
        let mut parts: Vec<_> = prefix.iter().map(u8::to_string).collect();
        parts.resize(Ipv4Addr::UNSPECIFIED.octets().len(), NUMBER.to_owned());
        parts.join(".")
    };
    let mut patterns: Vec<_> = [&[0][..], &[10], &[127], &[169, 254], &[192, 168]].into_iter().map(network).collect();
    patterns.extend((16..32).map(|second| network(&[172, second])));
    patterns.extend((64..128).map(|second| network(&[100, second])));
    patterns.push("*:*:*".to_owned()); // every IPv6 address; a name with its port has one colon
    for name in OWN_NAMES.into_iter().chain(["*.localhost"]) {
        patterns.extend([name.to_owned(), format!("{name}.")]);
    }
    patterns
}

/// The proxies of the environment that are private hosts.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Vec<PrivateHost> {
    let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let mut found: Vec<PrivateHost> = Vec::new();
    for text in names.iter().filter_map(|name| variable(name)) {
        let address = if text.contains("://") { text } else { format!("http://{text}") };
        let Ok(mut url) = Url::parse(&address) else { continue };
        if url.scheme().starts_with("socks") {
            // only in http addresses does the parser recognise numeric hosts
            let Ok(as_web) = Url::parse(&address.replacen(url.scheme(), "http", 1)) else { continue };
            let port = as_web.port().unwrap_or(1080);
            url = as_web;
            if url.set_port(Some(port)).is_err() {
                continue;
            }
        }
        found.extend(PrivateHost::of(&url).filter(|proxy| !found.contains(proxy)));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn around(portal: &str, others: &[&str]) -> NetworkPolicy {
        let others: Vec<_> = others.iter().map(|other| other.parse().unwrap()).collect();
        let mut policy = NetworkPolicy::around(&portal.parse().unwrap(), &others);
        // whatever the environment of the test names
        let own = proxies(|name| std::env::var(name).ok());
        policy.allowed.as_mut().unwrap().retain(|host| !own.contains(host));
        policy
    }

    /// `*` for anything, `?` for one character or none, as browsers have it.
    fn matches(text: &[u8], pattern: &[u8]) -> bool {
        match (text, pattern) {
            ([], []) => true,
            (_, [b'*', rest @ ..]) => (0..=text.len()).any(|at| matches(&text[at..], rest)),
            (_, [b'?', rest @ ..]) => matches(text, rest) || !text.is_empty() && matches(&text[1..], rest),
            ([a, text @ ..], [b, rest @ ..]) => a == b && matches(text, rest),
            ([], [_, ..]) | ([_, ..], []) => false,
        }
    }

    /// What a browser makes of the rules: the first that matches the host, or the host with its port, is taken.
    fn does_browser_block(rules: &str, url: &str) -> bool {
        let url: Url = url.parse().unwrap();
        let bracketed = url.host_str().unwrap();
        let host = bracketed.trim_matches(['[', ']']);
        let with_port = format!("{bracketed}:{}", url.port_or_known_default().unwrap());
        let rules = rules.split(',').map(|rule| rule.split(' ').collect::<Vec<_>>());
        let fits = |pattern: &str| {
            matches(host.as_bytes(), pattern.as_bytes()) || matches(with_port.as_bytes(), pattern.as_bytes())
        };
        rules.into_iter().find(|rule| fits(rule[1])).is_some_and(|rule| rule[2] == NOT_FOUND)
    }

    #[track_caller]
    fn assert_blocked(policy: &NetworkPolicy, url: &str, is_blocked: bool) {
        assert_eq!(does_browser_block(&policy.rules().unwrap(), url), is_blocked, "the rules on {url}");
        assert_eq!(policy.blocked(url).is_some(), is_blocked, "{url}");
    }

    #[test]
    fn only_the_portals_own_port_is_reached_on_its_machine() {
        let policy = around("http://127.0.0.1:8801", &[]);
        assert_blocked(&policy, "http://127.0.0.1:8801/x", false);
        for other in [
            "http://127.0.0.1:8802",
            "http://127.0.0.1",
            "http://localhost:8801",
            "http://a.localhost.:8801",
            "http://[::1]:8801",
            "http://[::ffff:127.0.0.1]:8801",
            "http://0x7f.1:80",
            "http://0:8801",
            "https://10.1.2.3",
            "http://169.254.169.254",
            "https://100.100.1.1",
            "https://172.20.1.1",
            "http://192.168.178.1",
            "https://[fd00::1]",
        ] {
            assert_blocked(&policy, other, true);
        }
    }

    #[test]
    fn names_and_public_numbers_are_reached() {
        let policy = around("https://acme.coupahost.com", &[]);
        for name in [
            "https://acme.coupahost.com",
            "https://sso.acme.internal:8443",
            "https://sso",
            "https://10.acme.com",
            "https://127.files.example",
            "https://localhost.example.com",
            "https://notlocalhost",
            "https://8.8.8.8",
            "https://172.32.1.1",
            "https://100.128.1.1",
            "https://fd12:443",
        ] {
            assert_blocked(&policy, name, false);
        }
    }

    #[test]
    fn a_portal_on_a_private_network_is_reached_on_both_of_its_usual_ports() {
        let policy = around("https://10.0.0.5/buy", &["10.0.0.7", "[fd00::9]:3128"]);
        for (url, is_blocked) in [
            ("https://10.0.0.5", false),
            ("http://10.0.0.5", false),
            ("https://10.0.0.5:8443", true),
            ("https://10.0.0.6", true),
            ("https://10.0.0.7:81", false),
            ("http://[fd00::9]:3128", false),
            ("http://[fd00::9]", true),
        ] {
            assert_blocked(&policy, url, is_blocked);
        }
        let policy = around("http://[::1]:8080", &["::2"]);
        assert_blocked(&policy, "http://[::1]:8080", false);
        assert_blocked(&policy, "http://[::2]:8080", false);
        assert_blocked(&policy, "http://[::1]:8081", true);
        assert_eq!(
            (NetworkPolicy::default().rules(), NetworkPolicy::default().blocked("http://127.0.0.1")),
            (None, None)
        );
    }

    #[test]
    fn the_proxy_of_the_environment_is_reached() {
        let found = |value: &str| {
            let proxies = proxies(|name| (name == "https_proxy").then(|| value.to_owned()));
            proxies.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("http://10.1.2.3:3128"), ["10.1.2.3:3128"]);
        assert_eq!(found("10.1.2.3"), ["10.1.2.3:80"]);
        assert_eq!(found("socks5://10.1.2.3"), ["10.1.2.3:1080"]);
        assert_eq!(found("http://proxy.acme.test:3128"), Vec::<String>::new());
        assert_eq!(found("%%"), Vec::<String>::new());
    }

    #[test]
    fn a_name_must_not_lead_to_a_private_address_in_any_spelling() {
        let policy = around("https://acme.test", &["10.0.0.7:443"]);
        for (ip, is_blocked) in [
            ("127.0.0.1", true),
            ("10.0.0.8", true),
            ("10.0.0.7", false),
            ("169.254.169.254", true),
            ("0.0.0.0", true),
            ("224.0.0.1", true),
            ("203.0.113.9", false),
            ("::1", true),
            ("::", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:10.0.0.7", false),
            ("::127.0.0.1", true),
            ("64:ff9b::7f00:1", true),
            ("64:ff9b::cb00:7109", false),
            ("2002:7f00:1::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("fec0::1", true),
            ("2606:4700::1", false),
        ] {
            assert_eq!(policy.blocks_answer(ip.parse().unwrap()), is_blocked, "{ip}");
        }
        assert!(!NetworkPolicy::default().blocks_answer("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn the_rules_fit_on_a_command_line() {
        let rules = around("http://127.0.0.1:8801", &[]).rules().unwrap();
        assert!(rules.len() < 4_000, "{}", rules.len()); // Windows takes 32,767 for all of it
    }

    proptest! {
        #[test]
        fn the_rules_and_the_function_agree_on_every_number(
            number in any::<u32>(),
            first in prop::sample::select(vec![0, 10, 100, 127, 169, 172, 192, 8]),
            second in prop::sample::select(vec![0, 15, 16, 31, 32, 63, 64, 127, 128, 168, 254]),
            port in 1u16..,
            wide in any::<u128>(),
        ) {
            let [.., c, d] = number.to_be_bytes();
            let policy = around("http://127.0.0.1:8801", &["10.0.0.0"]);
            let rules = policy.rules().unwrap();
            let six = std::net::Ipv6Addr::from(wide);
            for host in [format!("{first}.{second}.{c}.{d}"), Ipv4Addr::from(number).to_string(), format!("[{six}]")] {
                let url = format!("http://{host}:{port}/");
                prop_assert_eq!(policy.blocked(&url).is_some(), does_browser_block(&rules, &url), "{}", url);
            }
        }
    }
}
