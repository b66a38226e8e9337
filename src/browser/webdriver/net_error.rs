//! Network errors of the browser, in words for people.

use url::{Position, Url};

/// Whether `address` is that of the page a browser shows when it got none.
pub(crate) fn is_error_page(address: &str) -> bool {
    address.starts_with("chrome-error:")
}

/// Why there is no page at `address`, from the text of the browser's error page.
pub(crate) fn describe_page(text: &str, address: &str) -> String {
    let is_code = |word: &&str| word.starts_with("ERR_") || word.starts_with("DNS_PROBE_");
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    match words.find(is_code) {
        Some(code) => describe(code, address),
        None => format!("the browser could not load a page from {}", host(address)),
    }
}

/// What the browser's error `code`, such as `ERR_CONNECTION_REFUSED`, means for `address`. The code follows in square brackets,
/// so that it can be looked up.
pub(crate) fn describe(code: &str, address: &str) -> String {
    let (host, name) = (host(address), name(address));
    let text = match code {
        "ERR_CONNECTION_REFUSED" => format!("the connection to {host} was refused"),
        "ERR_CONNECTION_TIMED_OUT" | "ERR_TIMED_OUT" => format!("{host} did not respond in time"),
        "ERR_CONNECTION_RESET" | "ERR_CONNECTION_CLOSED" | "ERR_CONNECTION_ABORTED" | "ERR_EMPTY_RESPONSE" => {
            format!("{host} closed the connection without a response")
        }
        "ERR_INTERNET_DISCONNECTED" | "ERR_NETWORK_CHANGED" => {
            "the network connection of this machine failed".to_owned()
        }
        "ERR_ADDRESS_UNREACHABLE" => format!("there is no route to {host}"),
        "ERR_TOO_MANY_REDIRECTS" => format!("{host} redirects in a circle"),
        "ERR_HTTP_RESPONSE_CODE_FAILURE" => format!("{host} responded with an error and no page"),
        _ if code.starts_with("ERR_NAME_") || code.starts_with("DNS_PROBE_") => {
            format!("the name {name} was not found")
        }
        _ if code.starts_with("ERR_CERT_") => format!("the certificate of {host} is not valid"),
        _ if code.starts_with("ERR_SSL_") => format!("no secure connection to {host} could be established"),
        _ if code.contains("PROXY") || code.contains("TUNNEL") => format!("the proxy did not connect to {host}"),
        _ => format!("the browser could not load a page from {host}"),
    };
    format!("{text} [{code}]")
}

/// Host and port; the whole address if it has none.
fn host(address: &str) -> String {
    let Ok(url) = Url::parse(address) else { return address.to_owned() };
    match url.port_or_known_default() {
        Some(port) if url.has_host() => format!("{}:{port}", &url[Position::BeforeHost..Position::AfterHost]),
        _ => address.to_owned(),
    }
}

fn name(address: &str) -> String {
    let url = Url::parse(address).ok();
    url.as_ref().and_then(Url::host_str).unwrap_or(address).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_sentences_that_name_the_host() {
        for (code, address, text) in [
            ("ERR_CONNECTION_REFUSED", "http://127.0.0.1:81/a?b", "the connection to 127.0.0.1:81 was refused"),
            ("ERR_CONNECTION_REFUSED", "https://[::1]/", "the connection to [::1]:443 was refused"),
            ("ERR_NAME_NOT_RESOLVED", "https://acme.test/x", "the name acme.test was not found"),
            ("ERR_CERT_DATE_INVALID", "https://acme.test/", "the certificate of acme.test:443 is not valid"),
            ("ERR_PROXY_CONNECTION_FAILED", "https://acme.test/", "the proxy did not connect to acme.test:443"),
            ("ERR_SOMETHING_NEW", "https://acme.test/", "the browser could not load a page from acme.test:443"),
        ] {
            assert_eq!(describe(code, address), format!("{text} [{code}]"));
        }
    }

    #[test]
    fn the_code_is_found_on_the_error_page() {
        let page =
            "This site can't be reached acme.test's server IP address could not be found. DNS_PROBE_FINISHED_NXDOMAIN";
        assert_eq!(
            describe_page(page, "https://acme.test/"),
            "the name acme.test was not found [DNS_PROBE_FINISHED_NXDOMAIN]"
        );
        let silent = describe_page("Aw, snap", "https://acme.test/");
        assert_eq!(silent, "the browser could not load a page from acme.test:443");
    }
}
