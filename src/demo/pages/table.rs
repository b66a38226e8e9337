//! Pages for the recipe `table`: documents in a table, whose links all have the same text.

use super::shell::{Refusal, Shown, area_name};
use crate::demo::catalogue::files::escaped;
use crate::demo::catalogue::orders::{Area, Attachment};
use crate::demo::portal_kind::PortalKind;

pub(crate) fn login(form_token: &str, complaint: Option<&str>) -> String {
    let complaint = complaint.map(|text| format!("<p class=\"notice\">{}</p>", escaped(text))).unwrap_or_default();
    format!(
        "<div class=\"card login\"><h1>Members</h1>{complaint}<form id=\"sign-in\" method=\"post\" action=\"{}\">\
         <input type=\"hidden\" name=\"form_key\" value=\"{}\">\
         <label>Member number<input name=\"member\" autocomplete=\"username\"></label>\
         <label>Passphrase<input type=\"password\" name=\"passphrase\" autocomplete=\"current-password\"></label>\
         <button class=\"primary\">Enter</button></form></div>",
        PortalKind::Table.login(),
        escaped(form_token)
    )
}

/// Title and content of a page that refuses an order.
pub(crate) fn refusal(why: Refusal) -> (&'static str, &'static str) {
    match why {
        Refusal::Missing => ("Documents", "<p class=\"notice\">No order has this number.</p>"),
        Refusal::MissingOtherwise => ("Documents", "<p class=\"notice\">This order number is not known here.</p>"),
        Refusal::MissingPortuguese => ("Documentos", "<p class=\"notice\">Nenhum pedido com este número.</p>"),
        Refusal::Denied => ("Documents", "<p class=\"notice\">Your company may not open this order.</p>"),
        Refusal::DeniedOtherwise => ("Documents", "<p class=\"notice\">This order belongs to another company.</p>"),
    }
}

/// The documents of an order or of a requisition.
pub(crate) fn sheet(shown: Shown<'_>, late: &str) -> String {
    let mut facts = String::new();
    let mut fact = |name: &str, class: &str, html: &str| {
        facts.push_str(&format!("<dt>{name}</dt><dd class=\"{class}\">{html}</dd>"));
    };
    let (class, list) = match shown {
        Shown::Order(order) => {
            if let Some(supplier) = order.supplier {
                fact("Partner", "partner", &escaped(supplier));
            }
            if let Some(requisition) = &order.requisition {
                let (address, id) = (PortalKind::Table.requisition(&requisition.id), &requisition.id);
                fact("Requested by", "origin", &format!("<a href=\"{address}\">Request {id}</a>"));
            }
            ("of-order", format!("order={}", order.po.digits()))
        }
        Shown::Requisition(order, id, _) => {
            let digits = order.po.digits();
            fact("Ordered as", "result", &format!("<a href=\"{}\">{digits}</a>", PortalKind::Table.order(&order.po)));
            ("of-request", format!("request={id}"))
        }
    };
    let files = shown.attachments();
    let listed =
        files.iter().filter(|file| !file.is_button).flat_map(|file| file.areas.iter().map(move |area| (file, *area)));
    let mut rows: String = listed.map(|(file, area)| row(file, area)).collect();
    if files.is_empty() {
        rows.push_str("<tr class=\"nothing\"><td colspan=\"3\">Nothing has been filed here.</td></tr>");
    }
    format!(
        "<div class=\"card {class}\"><h1>{title}</h1><p><a href=\"/documents/print?{list}\">For the printer</a></p>\
         <dl>{facts}<dt>State</dt><dd>Open</dd></dl>\n\
         <table class=\"documents\"><thead><tr><th>Document</th><th>Filed under</th><th></th></tr></thead>\n\
         <tbody>{rows}</tbody>\n\
         <tfoot><tr><td>This list</td><td>text</td><td><a class=\"get\" href=\"/documents/list.csv?{list}\">Download</a>\
         </td></tr></tfoot></table></div>\n{late}",
        title = shown.title(),
    )
}

fn row(file: &Attachment, area: Area) -> String {
    format!(
        "<tr><td class=\"file\">{}</td><td>{}</td><td><a class=\"get\" href=\"{}\">Download</a></td></tr>",
        escaped(&file.name),
        area_name(area),
        escaped(&file.address(PortalKind::Table))
    )
}
