//! What the types of a recipe alone cannot say.

use crate::config::PrivateHost;
use crate::site::Recipe;

/// Whether the browser would not go there, or it is a name of a private network. Names are not resolved: what a name leads to
/// is the network's affair.
fn is_of_this_net(host: &str) -> bool {
    host.parse::<PrivateHost>().is_ok() || host.ends_with(".local")
}

/// Refuses a recipe that could never work. The error names the key, and says why.
pub(crate) fn check(recipe: &Recipe) -> Result<(), (&'static str, &'static str)> {
    let Recipe { name: _, address, login, order, requisition, attachments, errors, settle } = recipe;
    if !address.order.starts_with('/') || !address.names_order() {
        return Err(("address.order", "it must begin with / and contain {digits} or {number}"));
    }
    if !address.login.starts_with('/') {
        return Err(("address.login", "it must begin with /"));
    }
    if address.login_check.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err(("address.login_check", "it must begin with /"));
    }
    if address.login_paths.is_empty() || !address.login_paths.iter().all(|path| path.len() > 1 && path.starts_with('/'))
    {
        return Err((
            "address.login_paths",
            "each must begin with / and be longer than that, or every page would be a login page",
        ));
    }
    if address.allowed_hosts.iter().any(|host| is_of_this_net(host)) {
        return Err((
            "address.allowed_hosts",
            "attachments do not come from this machine or a private network, unless the portal itself is there",
        ));
    }
    if login.file_markers.is_empty() || login.file_markers.iter().any(|marker| marker.trim().is_empty()) {
        return Err(("login.file_markers", "without a marker, a login page could pass as a file"));
    }
    if order.markers.is_empty() {
        return Err(("order.markers", "without a marker, no page can be recognised as an order"));
    }
    if requisition.markers.is_empty() {
        return Err(("requisition.markers", "without a marker, no page can be recognised as a requisition"));
    }
    if attachments.links.is_empty() && attachments.buttons.is_empty() {
        return Err(("attachments.links", "there are neither links nor buttons, so no attachment could be found"));
    }
    if attachments.areas.is_empty() && attachments.none.is_empty() {
        return Err((
            "attachments.areas",
            "give areas or none; otherwise no page can show that an order has no attachments",
        ));
    }
    let has_empty = |texts: &[String]| texts.iter().any(|text| text.trim().is_empty());
    if has_empty(&errors.not_found) {
        return Err(("errors.not_found", "an empty text matches every page"));
    }
    if has_empty(&errors.not_allowed) {
        return Err(("errors.not_allowed", "an empty text matches every page"));
    }
    if order.number.iter().chain(&requisition.orders).any(|source| has_empty(&source.after)) {
        return Err(("order.number", "an empty word precedes every number"));
    }
    if has_empty(&attachments.words) {
        return Err(("attachments.words", "an empty text matches every page"));
    }
    if settle.at_most.0 < settle.after_load.0 + settle.unchanged_for.0 {
        return Err(("settle.at_most", "it is less than the sum of after_load and unchanged_for"));
    }
    if settle.at_most.0 < settle.empty_for.0 {
        return Err(("settle.empty_for", "it is more than at_most, so no page could count as without attachments"));
    }
    Ok(())
}
