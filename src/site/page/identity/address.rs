//! What of an address says which file it leads to, and what is created again each time that the page shows it.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

/// Parameters that mostly say who may have a file and until when, and not which. In lower case.
const ACCESS: [&str; 22] = [
    "token",
    "access_token",
    "accesstoken",
    "auth_token",
    "authtoken",
    "authenticity_token",
    "csrf_token",
    "jwt",
    "sig",
    "signature",
    "expires",
    "expiry",
    "expires_at",
    "expiration",
    "nonce",
    "ts",
    "timestamp",
    "_",
    "cachebuster",
    "sessionid",
    "session_id",
    "jsessionid",
];

/// A number of fewer digits counts something; one of more may be a time.
const LONG_NUMBER: usize = 10;

/// Text of fewer letters and digits is hardly random: as the value of a parameter, and as a part of a path.
const LONG_VALUE: usize = 8;
const LONG_SEGMENT: usize = 16;

/// The addresses that a page shows at one moment.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    keys: BTreeMap<String, AddressKey>,
}

/// What distinguishes an address from the others of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AddressKey {
    /// All of it.
    Whole(String),
    /// The part of it that stays, with the name: another page may have the same one for another file.
    Cut(String),
}

impl Addresses {
    /// Reads addresses with what the page calls the files behind them. `rules` says which paths name a file.
    ///
    /// What looks random, and what says who may have a file, is left out of a key only where the rest of the address and the name
    /// tell it from all others of the page: it may be what says which file is meant. Where the path says that, and the page calls
    /// what is there by one name only, several addresses that differ in what says who may have the file are one.
    pub(crate) fn new<'a>(shown: impl Iterator<Item = (&'a str, &'a str)>, rules: &PathRules<'_>) -> Self {
        // the first name counts: a link that is listed twice may have another name the second time
        let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
        for (address, label) in shown {
            labels.entry(without_fragment(address)).or_insert(label);
        }
        let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (address, &label) in &labels {
            alike.entry(without_access(address)).or_default().push(label);
        }
        // several addresses that are certainly of one file
        let is_shared = |lasting: &str| {
            let labels = alike.get(lasting).map_or(&[][..], Vec::as_slice);
            labels.len() > 1 && labels.iter().all(|label| *label == labels[0]) && rules.name_a_file(lasting)
        };
        let file_of = |address: &str| {
            let lasting = without_access(address);
            if is_shared(&lasting) { lasting } else { address.to_owned() }
        };
        let candidates = |address: &str, label: &str| {
            let lasting = without_access(address);
            let is_whole = |rest: &str| rest == address && !is_shared(rest);
            let rests = [without_random(&lasting), lasting];
            rests.map(|rest| if is_whole(&rest) { rest } else { format!("{rest} {label}") })
        };
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (&address, label) in &labels {
            for candidate in candidates(address, label) {
                uses.entry(candidate).or_default().insert(file_of(address));
            }
        }
        let key = |(&address, label): (&&str, &&str)| {
            let is_own = |text: &String| uses.get(text).is_some_and(|users| users.len() == 1);
            let short =
                candidates(address, label).into_iter().find(|candidate| candidate != address && is_own(candidate));
            (address.to_owned(), short.map_or_else(|| AddressKey::Whole(address.to_owned()), AddressKey::Cut))
        };
        Self { keys: labels.iter().map(key).collect() }
    }

    /// The key of one of them.
    pub(crate) fn key(&self, address: &str) -> AddressKey {
        let address = without_fragment(address);
        self.keys.get(address).cloned().unwrap_or_else(|| AddressKey::Whole(address.to_owned()))
    }
}

/// Which addresses say by their path, or by a parameter, which file they lead to.
#[derive(Debug)]
pub(crate) struct PathRules<'a> {
    /// The page that shows them: its own numbers are those of the order.
    pub(crate) page: &'a Url,
    /// What attachments are called in addresses, in small letters.
    pub(crate) words: Vec<String>,
}

impl PathRules<'_> {
    /// Whether an address has a number, or something random, right behind a word for attachments, or right before the name of a
    /// file; or an `id` of its own in its query.
    fn name_a_file(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let has_word = |text: &str| {
            let text = text.to_lowercase();
            self.words.iter().any(|word| text.contains(word))
        };
        let parts: Vec<_> = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let is_file_name =
            |part: &&str| part.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && end.len() < 6);
        let is_of_file = |(at, part): (usize, &&str)| {
            let is_behind_word = at > 0 && has_word(parts[at - 1]);
            let is_before_name = at + 2 == parts.len() && parts.last().is_some_and(is_file_name);
            self.is_id(part) && (is_behind_word || is_before_name)
        };
        let mut pairs = url.query_pairs();
        parts.iter().enumerate().any(is_of_file)
            || pairs.any(|(name, value)| {
                is_name_of_identity(&name) && (name.eq_ignore_ascii_case("id") || has_word(&name)) && self.is_id(&value)
            })
    }

    /// Whether a text is a number or something random, and not a number of the page.
    fn is_id(&self, text: &str) -> bool {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut own = self.page.path_segments().into_iter().flatten();
        let is_own = own.any(|part| part == text) || self.page.query_pairs().any(|(_, value)| value == text);
        (is_number || is_random(text, LONG_SEGMENT)) && !is_own
    }
}

/// Two addresses that differ in their fragment lead to the same file.
pub(super) fn without_fragment(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}

/// The address without what says who may have the file. One that has nothing of the kind stays as it is, letter by
/// letter.
fn without_access(address: &str) -> String {
    let is_lasting = |name: &str| {
        let name = name.to_ascii_lowercase();
        !ACCESS.contains(&name.as_str()) && !name.starts_with("x-amz-") && !name.starts_with("x-goog-")
    };
    with_parameters(address, |name, _| is_lasting(name))
}

/// The address without what looks random.
fn without_random(address: &str) -> String {
    let rest = with_parameters(address, |name, value| is_name_of_identity(name) || !is_random(value, LONG_VALUE));
    let Ok(mut url) = Url::parse(&rest) else { return rest };
    if !matches!(url.scheme(), "http" | "https") || !url.path().split('/').any(|part| is_random(part, LONG_SEGMENT)) {
        return rest;
    }
    let parts: Vec<_> =
        url.path().split('/').map(|part| if is_random(part, LONG_SEGMENT) { "~" } else { part }).collect();
    url.set_path(&parts.join("/"));
    url.into()
}

/// The address with those of its parameters alone that are `wanted`, by name and value.
fn with_parameters(address: &str, wanted: impl Fn(&str, &str) -> bool) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    if !address.starts_with("http") {
        return address.to_owned();
    }
    let is_wanted = |pair: &&str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        wanted(name, value)
    };
    let kept: Vec<_> = query.split('&').filter(is_wanted).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Whether a parameter of this name says which file is meant: `id`, `file_id`, `fileId`.
pub(crate) fn is_name_of_identity(name: &str) -> bool {
    name.eq_ignore_ascii_case("id") || name.ends_with("_id") || name.ends_with("-id") || name.ends_with("Id")
}

/// Whether nobody has typed or counted this.
fn is_random(value: &str, long: usize) -> bool {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '%' | '~');
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(char::is_ascii_alphabetic).count();
    match (digits, letters) {
        _ if !value.chars().all(is_of_token) || digits + letters < long => false,
        (_, 0) => digits >= LONG_NUMBER,
        (0, _) => long == LONG_VALUE && !value.contains(['-', '_']), // words of a path are no token
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: &str = "https://acme.test/attachment_file";

    fn key(shown: &[(&str, &str)], nth: usize) -> AddressKey {
        let page = "https://acme.test/order_headers/15262984".parse().unwrap();
        let rules = PathRules { page: &page, words: vec!["attachment".to_owned(), "file".to_owned()] };
        Addresses::new(shown.iter().copied(), &rules).key(shown[nth].0)
    }

    /// Whether both looks have the same keys, in order.
    fn is_same(one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
        (0..one.len()).all(|nth| key(one, nth) == key(other, nth))
    }

    #[test]
    fn an_address_whose_token_changes_is_the_same_one() {
        for (one, other) in [
            ("/8/A.pdf?t=4hx9q2k8w1a", "/8/A.pdf?t=z81hq0sk3fb"),
            ("/8?token=abc", "/8?token=x"),
            ("?id=8&Expires=1700000000&Signature=a%2Fb", "?id=8&Expires=1700000999&Signature=q"),
            ("?id=8&X-Amz-Date=1&X-Amz-Signature=2", "?id=8&X-Amz-Date=2&X-Amz-Signature=3"),
            ("/8/A.pdf?_=1700000000001", "/8/A.pdf?_=1700000000002"),
            ("/8/0b6f2c1de8a94477/A.pdf", "/8/77aa01bd44ce9120/A.pdf"),
            ("/8/A.pdf#1", "/8/A.pdf#2"),
        ] {
            let (one, other) = (format!("{AT}{one}"), format!("{AT}{other}"));
            assert!(is_same(&[(&one, "A.pdf")], &[(&other, "A.pdf")]), "{one} {other}");
        }
    }

    #[test]
    fn addresses_of_two_files_are_two() {
        for (one, other) in [
            ("/8/A.pdf", "/9/A.pdf"),
            ("?id=8", "?id=9"),
            ("?fileId=9f8a7b6c5d4e", "?fileId=9f8a7b6c5d4f"),
            ("?name=A.pdf", "?name=B.pdf"),
            ("?page=1", "?page=2"),
            ("/8?disposition=inline", "/8?disposition=attachment&version=2"),
        ] {
            let (one, other) = (format!("{AT}{one}"), format!("{AT}{other}"));
            assert_ne!(key(&[(&one, "A.pdf")], 0), key(&[(&other, "A.pdf")], 0), "{one} {other}");
        }
    }

    #[test]
    fn what_looks_random_counts_where_it_alone_tells_two_files_apart() {
        let (one, other) = (format!("{AT}?key=9f8a7b6c5d4e"), format!("{AT}?key=1f8a7b6c5d4e"));
        let both = [(&*one, "A.pdf"), (&*other, "A.pdf")];
        assert_ne!(key(&both, 0), key(&both, 1));
        let both = [(&*one, "A.pdf"), (&*other, "B.pdf")];
        assert_ne!(key(&both, 0), key(&both, 1), "the name tells them apart");
        let uuid = |end| format!("https://acme.test/files/3f1c2a9e-77b0-4d53-9a51-0123456789a{end}");
        let (one, other) = (uuid(1), uuid(2));
        let both = [(&*one, "A.pdf"), (&*other, "A.pdf")];
        assert_ne!(key(&both, 0), key(&both, 1));
    }

    #[test]
    fn a_token_that_alone_tells_two_files_apart_says_which_file_is_meant() {
        for name in ["token", "sig", "jwt", "ts", "X-Amz-Signature"] {
            let (one, other) = (format!("{AT}?{name}=AAA"), format!("{AT}?{name}=BBB"));
            for labels in [["Offer.pdf", "Terms.pdf"], ["scan.pdf", "scan.pdf"]] {
                let both = [(&*one, labels[0]), (&*other, labels[1])];
                assert_ne!(key(&both, 0), key(&both, 1), "{name} {labels:?}");
            }
            // each by its own name, whatever its next token is
            let next = [(&*format!("{AT}?{name}=CCC"), "Offer.pdf"), (&*format!("{AT}?{name}=DDD"), "Terms.pdf")];
            assert!(is_same(&[(&one, "Offer.pdf"), (&other, "Terms.pdf")], &next), "{name}");
        }
    }

    #[test]
    fn a_token_beside_the_number_of_a_file_is_left_out_also_where_names_are_equal() {
        let uuid =
            |end, token| format!("https://acme.test/files/3f1c2a9e-77b0-4d53-9a51-0123456789a{end}?token={token}");
        let [one, other, one_later, other_later] = [uuid(1, "a"), uuid(2, "a"), uuid(1, "b"), uuid(2, "b")];
        let both = [(&*one, "A.pdf"), (&*other, "A.pdf")];
        assert!(is_same(&both, &[(&one_later, "A.pdf"), (&other_later, "A.pdf")]));
        assert_ne!(key(&both, 0), key(&both, 1));
    }

    #[test]
    fn one_address_with_two_tokens_is_one_where_its_path_says_which_file_it_is() {
        let is_one = |one: &str, other: &str, labels: [&str; 2]| {
            let (one, other) = (format!("https://acme.test{one}"), format!("https://acme.test{other}"));
            let both = [(&*one, labels[0]), (&*other, labels[1])];
            key(&both, 0) == key(&both, 1)
        };
        let scan = ["scan.pdf"; 2];
        for (one, other) in [
            ("/attachment_file/7?token=a", "/attachment_file/7?token=b"),
            ("/attachment_file/7", "/attachment_file/7?token=b"),
            ("/attachment_file/type/7/scan.pdf?sig=a&Expires=1", "/attachment_file/type/7/scan.pdf?sig=b&Expires=2"),
            ("/get?id=7&token=a", "/get?token=b&id=7"),
            ("/get?attachment_id=7&token=a", "/get?attachment_id=7&token=b"),
            (
                "/files/3f1c2a9e-77b0-4d53-9a51-0123456789a1?token=a",
                "/files/3f1c2a9e-77b0-4d53-9a51-0123456789a1?token=b",
            ),
        ] {
            assert!(is_one(one, other, scan), "{one} {other}");
            assert!(!is_one(one, other, ["scan.pdf", "Offer.pdf"]), "two names: {one} {other}");
        }
        for (one, other) in [
            ("/attachment_file/7?id=7", "/attachment_file/7?id=8"),
            ("/get?id=7&token=a", "/get?id=8&token=a"),
            ("/attachment_file/7?token=a&page=1", "/attachment_file/7?token=b&page=2"),
            // the number is the order's, or nothing says that it is a file's
            ("/order_headers/15262984/attachment_file?token=a", "/order_headers/15262984/attachment_file?token=b"),
            ("/attachments/15262984?token=a", "/attachments/15262984?token=b"),
            ("/get?order_id=99&token=a", "/get?order_id=99&token=b"),
            ("/api/2/get?token=a", "/api/2/get?token=b"),
            ("/attachment_file/scan.pdf?token=a", "/attachment_file/scan.pdf?token=b"),
        ] {
            assert!(!is_one(one, other, scan), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn two_addresses_are_one_only_if_all_but_what_says_who_may_have_the_file_is_the_same(
            shown in prop::collection::vec((0..3_u8, 0..3_u8, 0..3_u8, 0..2_u8, 0..3_u8), 1..6)
        ) {
            let addresses: Vec<_> = shown.iter().map(|(number, version, id, token, name)| {
                let id = if *id == 0 { String::new() } else { format!("&id={id}") };
                (format!("{AT}/{number}?v={version}{id}&token=t{token}"), format!("{name}.pdf"))
            }).collect();
            let looked: Vec<_> = addresses.iter().map(|(address, name)| (address.as_str(), name.as_str())).collect();
            for (at, one) in shown.iter().enumerate() {
                for (nth, other) in shown.iter().enumerate() {
                    if key(&looked, at) == key(&looked, nth) {
                        prop_assert_eq!((one.0, one.1, one.2), (other.0, other.1, other.2));
                    } else {
                        prop_assert_ne!((one.0, one.1, one.2, one.3), (other.0, other.1, other.2, other.3));
                    }
                }
            }
        }
    }

    #[test]
    fn a_link_that_is_listed_twice_is_one_and_its_first_name_counts() {
        let (one, other) = (format!("{AT}/8?token=a"), format!("{AT}/8?token=a#preview"));
        let both = [(&*one, "Offer.pdf"), (&*other, "see Offer")];
        assert_eq!(key(&both, 0), key(&both, 1));
        assert_eq!(key(&both, 0), key(&both[..1], 0));
    }

    #[test]
    fn an_address_without_anything_that_changes_is_its_own_key() {
        for address in [format!("{AT}/8/A%20b.pdf?x=1&y"), "data:text/plain;base64,aGVsbG8?=".to_owned(), String::new()]
        {
            assert_eq!(key(&[(&address, "A.pdf")], 0), AddressKey::Whole(address.clone()));
        }
    }
}
