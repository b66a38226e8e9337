//! Removes known secrets from every log line, wherever it came from.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// Removing shorter secrets would make the log unreadable, and such a password protects nothing.
const SHORTEST: usize = 4;
const BLOT: &str = "[secret]";

/// Texts that no log may contain, in every spelling in which they could appear.
pub(crate) struct LogRedactor {
    spellings: Vec<String>,
}

impl LogRedactor {
    pub(crate) fn new(secrets: &[String]) -> Self {
        let mut spellings: Vec<String> = secrets
            .iter()
            .filter(|secret| secret.len() >= SHORTEST)
            .flat_map(|secret| {
                let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                let percent = form.replace('+', "%20");
                let debug = unquoted(&format!("{secret:?}"));
                // the file contains texts as JSON, also those already quoted by `Debug`
                [json(secret), json(&debug), debug, secret.clone(), form, percent]
            })
            .filter(|spelling| spelling.len() >= SHORTEST)
            .collect();
        // the longest first, so that no shorter one cuts it up
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self { spellings }
    }

    pub(crate) fn clean<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if self.spellings.is_empty() {
            return Cow::Borrowed(line);
        }
        let text = String::from_utf8_lossy(line);
        if !self.spellings.iter().any(|spelling| text.contains(spelling)) {
            return Cow::Borrowed(line);
        }
        let clean = self.spellings.iter().fold(text.into_owned(), |text, spelling| text.replace(spelling, BLOT));
        Cow::Owned(clean.into_bytes())
    }

    /// A writer that removes the secrets from each line. Each line must be written in one call.
    pub(crate) fn over<W: Write>(self: &Arc<Self>, to: W) -> Scrubbed<W> {
        Scrubbed { to, scrub: self.clone() }
    }
}

fn json(text: &str) -> String {
    unquoted(&serde_json::to_string(text).unwrap_or_default())
}

fn unquoted(quoted: &str) -> String {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// The writer of [`LogRedactor::over`].
pub(crate) struct Scrubbed<W> {
    to: W,
    scrub: Arc<LogRedactor>,
}

impl<W: Write> Write for Scrubbed<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.to.write_all(&self.scrub.clean(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
