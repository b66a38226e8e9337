//! Lanes beside the one that walks in the page itself.

mod frames;
mod odd_pages;
