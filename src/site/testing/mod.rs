//! A fake portal behind the seam of a page, and what is tried on it.

pub(crate) mod fake_portal;
pub(crate) mod offers;
mod orders;
pub(crate) mod shown;
