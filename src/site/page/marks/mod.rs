//! What a script writes onto the elements of a page before each look at it: what no selector can tell alone.

use serde_json::{Value, json};

use crate::site::Recipe;
use crate::site::page::names::cell_requests;
use crate::site::page::readiness::signs::plain_words;
use crate::site::page::selectors::{COPY_MARK, listings_with_copies};
use crate::site::recipe::attachments::FILE_MARK;

/// The script. Its argument is that of [`requests`].
pub(crate) const WRITE: &str = concat!(include_str!("shared.js"), include_str!("marks.js"), include_str!("cells.js"));

/// What is to be written, by a recipe.
pub(crate) fn requests(recipe: &Recipe) -> Value {
    let scripts: Vec<_> = recipe.attachments.script_links.iter().map(crate::site::Selector::as_str).collect();
    json!({
        "scripts": scripts,
        "listed": listings_with_copies(recipe),
        "neverTexts": recipe.attachments.never.texts.iter().map(|text| plain_words(text)).collect::<Vec<_>>(),
        "cells": cell_requests(recipe),
        "file": FILE_MARK,
        "copy": COPY_MARK,
    })
}
