//! The portal: what its pages mean ([`Recipe`], data), how one gets in, and the walk of one order. Meets the browser
//! through [`crate::backend::Page`] alone.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod context;
mod error;
mod evidence;
mod interactive;
mod lane;
mod login;
mod order;
mod page;
mod portal;
mod rate_limit;
mod recipe;
#[cfg(test)]
mod testing;

pub use evidence::evidence_folder;
pub use interactive::InteractiveLogin;
pub use interactive::inspect::{InspectTarget, Inspection, SelectorMatch};
pub use login::SharedLogin;
pub use portal::PortalSite;
pub use recipe::parse::{RecipeError, built_in_recipes, number_rules};
pub use recipe::{
    ColumnSelector, Control, Listing, NameSource, NumberRules, NumberSource, Recipe, Selector, SupplierSource,
};
