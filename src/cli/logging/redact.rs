//! The last line of defence: what is known to be secret is taken out of every line, wherever it came from.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// Shorter secrets would blot out half the log; such a password protects nothing anyway.
const SHORTEST: usize = 4;
const BLOT: &str = "[secret]";

/// Texts that no log may hold, in every spelling in which they could get there.
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
                // the file holds texts as JSON, also those that `Debug` has already put into quotes
                [json(secret), json(&debug), debug, secret.clone(), form, percent]
            })
            .filter(|spelling| spelling.len() >= SHORTEST)
            .collect();
        // the longest first, or a short one would cut up a long one that holds it
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

    /// A writer that takes the secrets out of each line; lines must come in one piece each.
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

/// See [`LogRedactor::over`].
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
