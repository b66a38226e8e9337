//! The portal: what its pages mean ([`Recipe`], data), how one gets in, and the walk of one order. Meets the browser
//! through [`crate::ports::Page`] alone.

mod check;
mod classify;
mod coupa;
mod doorway;
mod emptiness;
mod evidence;
mod fetch;
mod ground;
mod heard;
mod hosts;
mod inspect;
mod login;
mod pace;
mod parse;
mod patience;
mod recipe;
mod selectors;
mod sight;
mod trouble;
mod walk;

#[cfg(test)]
mod double;
#[cfg(test)]
mod stories;

pub use coupa::{CoupaSite, SharedLogin};
pub use doorway::Doorway;
pub use evidence::evidence_folder;
pub use inspect::{Find, Inspection, Target};
pub use parse::{RecipeError, shipped_recipes};
pub use recipe::{
    Addresses, Attachments, Cell, ErrorPages, Exclusions, Listing, LoginForm, NameSource, OrderPage, Recipe,
    RequisitionPage, Selector, Settle, Span,
};
