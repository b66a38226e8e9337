//! A fake portal behind the seam of a page, and what is tried on it.

/// Answers at once.
macro_rules! now {
    ($answer:expr) => {{
        let answer = $answer;
        Box::pin(async move { answer })
    }};
}

pub(crate) mod fake_portal;
mod fake_session;
mod fake_ways;
pub(crate) mod offers;
mod orders;
pub(crate) mod portal_state;
pub(crate) mod shown;
