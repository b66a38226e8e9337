//! How the processes of a session are known by what they were started with.

use std::path::Path;

/// The variable in a driver's environment that names the folder it was started for, and with it whose process it is.
pub(crate) const FOLDER_VARIABLE: &str = "COUPA_SESSION_FOLDER";

/// How a browser is told its profile folder.
const USER_DATA: &str = "--user-data-dir=";

/// Whether this command line, its words with a NUL behind each as in `/proc/PID/cmdline`, is that of a browser on `folder`
/// or on one inside.
///
/// Chromium sometimes writes its whole command line anew as a single word when it has started, with spaces between and
/// over its environment; so in one that has a single word the words are looked for inside it.
#[must_use]
pub(crate) fn is_browser_on(command_line: &[u8], folder: &Path) -> bool {
    let wanted = [USER_DATA.as_bytes(), folder.as_os_str().as_encoded_bytes()].concat();
    let ends_there = |rest: &[u8]| matches!(rest.first(), None | Some(b'/' | b'\\'));
    let line = command_line.strip_suffix(b"\0").unwrap_or(command_line);
    if line.contains(&0) {
        let mut words = line.split(|byte| *byte == 0);
        return words.any(|word| word.strip_prefix(wanted.as_slice()).is_some_and(ends_there));
    }
    let starts = (0..line.len()).filter(|at| *at == 0 || line[at - 1] == b' ');
    let mut rests = starts.filter_map(|at| line[at..].strip_prefix(wanted.as_slice()));
    rests.any(|rest| ends_there(rest) || rest.starts_with(b" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_its_words_whether_they_are_apart_or_one() {
        let own = Path::new("/tmp/a b/w1-abcdef");
        let lines = [
            ("chromium\0--headless\0--user-data-dir=/tmp/a b/w1-abcdef/profile\0--x\0", true),
            ("chromium\0--user-data-dir=/tmp/a b/w1-abcdef\0", true),
            ("chromium --headless --user-data-dir=/tmp/a b/w1-abcdef/profile --x\0", true),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdef --x", true),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdef", true),
            ("chromium\0--user-data-dir=/tmp/a b/w1-abcdef-other/profile\0", false),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdefg --x", false),
            ("chromium\0--user-data-dir=/tmp/a b\0", false),
            ("chromium --x--user-data-dir=/tmp/a b/w1-abcdef", false),
            // somebody who speaks of it
            ("grep\0-r\0start --user-data-dir=/tmp/a b/w1-abcdef/profile\0.\0", false),
            ("", false),
        ];
        for (line, is_it) in lines {
            assert_eq!(is_browser_on(line.as_bytes(), own), is_it, "{line:?}");
        }
    }
}
