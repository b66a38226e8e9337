//! What the portal shows and does: logins, recipes, kinds of pages, faults.

mod canary;
mod emptiness;
mod faults;
mod keyring;
mod login_check;
mod logins;
mod portal_kinds;
mod portals;
mod recipes;
