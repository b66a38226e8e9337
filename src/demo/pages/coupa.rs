//! Pages for the recipe `coupa`.

use super::shell::{Refusal, Shown, area_name};
use crate::demo::catalogue::files::escaped;
use crate::demo::catalogue::names::FileNaming;
use crate::demo::catalogue::orders::{Area, Attachment};
use crate::demo::portal_kind::PortalKind;

pub(crate) fn login(form_token: &str, complaint: Option<&str>) -> String {
    let complaint =
        complaint.map(|text| format!("<div class=\"flash_error\">{}</div>", escaped(text))).unwrap_or_default();
    format!(
        "<section class=\"card login\"><h1>Sign in</h1>{complaint}<form action=\"/sessions\" method=\"post\" id=\"login_form\">\
         <input type=\"hidden\" name=\"authenticity_token\" value=\"{}\">\
         <label>User name<input type=\"text\" name=\"user[login]\" id=\"user_login\" autocomplete=\"username\"></label>\
         <label>Password<input type=\"password\" name=\"user[password]\" id=\"user_password\" autocomplete=\"current-password\"></label>\
         <button class=\"primary\" type=\"submit\">Sign in</button></form></section>",
        escaped(form_token)
    )
}

/// Title and content of a page that refuses an order.
pub(crate) fn refusal(why: Refusal) -> (&'static str, &'static str) {
    match why {
        Refusal::Missing => {
            ("Oops", "<h1>Oops! We couldn't find what you wanted</h1><p>Check the number and try again.</p>")
        }
        Refusal::MissingOtherwise => {
            ("Not found", "<div class=\"flash_error\">The page you were looking for doesn't exist.</div>")
        }
        Refusal::MissingPortuguese => ("Ops", "<h1>Desculpe, não encontramos o que você procurava</h1>"),
        Refusal::Denied => ("Access", "<div class=\"flash_error\">You are not authorized to view this page.</div>"),
        Refusal::DeniedOtherwise => ("Access", "<h1>Access denied</h1>"),
    }
}

/// The common parts of orders and requisitions: facts, lines and comments, with attachments in all three.
pub(crate) fn sheet(shown: Shown<'_>, late: &str) -> String {
    let mut dice = shown.dice();
    let (facts, tools) = match shown {
        Shown::Order(order) => {
            let mut facts = match order.supplier.map(escaped) {
                Some(name) if order.is_supplier_attribute => {
                    format!("<div><label>Supplier</label><span data-supplier-name=\"{name}\">{name}</span></div>")
                }
                Some(name) => {
                    format!("<div class=\"supplier-info\"><label>Supplier</label><span>{name}</span></div>")
                }
                None => String::new(),
            };
            if let Some(requisition) = &order.requisition {
                facts.push_str(&format!(
                    "<div><label>Requisition</label><a href=\"{}\">#{}</a></div>",
                    PortalKind::Coupa.requisition(&requisition.id),
                    requisition.id
                ));
            }
            let tools = format!(
                "<div class=\"tools\"><a href=\"/order_headers/{0}/print_view\">Print view</a>\
                 <a href=\"/order_headers/{0}/export.csv\" download>Export order</a></div>",
                order.po.digits()
            );
            (facts, tools)
        }
        Shown::Requisition(order, ..) => {
            let digits = order.po.digits();
            let to_order = PortalKind::Coupa.order(&order.po);
            let facts = format!("<div><label>Purchase order</label><a href=\"{to_order}\">#{digits}</a></div>");
            (facts, String::new())
        }
    };
    let area = |area: Area| {
        let files = shown.attachments().iter().filter(|file| !file.is_button && file.areas.contains(&area));
        let links: String = files.map(link).collect();
        format!("<div class=\"commentAttachments\" data-area=\"{}\">{links}</div>", area_name(area))
    };
    let rows: String = (1..=dice.between(2, 6))
        .map(|line| {
            let article = dice.pick(&[
                "Hex bolt M8, zinc plated",
                "Network cable 5 m",
                "Calibration of test device",
                "Office chair",
            ]);
            let (count, price) = (dice.between(1, 40), dice.between(500, 90_000));
            format!(
                "<tr><td>{line}</td><td>{article}</td><td class=\"number\">{count}</td>\
                 <td class=\"number\">{}.{:02}</td></tr>",
                price / 100,
                price % 100
            )
        })
        .collect();
    let day = dice.between(1, 28);
    format!(
        "<h1 class=\"order-title\">{title}</h1>{tools}\n\
         <section class=\"card\" id=\"order_header\"><div class=\"facts\">{facts}<div><label>Status</label>\
         <span class=\"state\">Issued</span></div><div><label>Order date</label><span>{day:02} October 2026</span></div></div></section>\n\
         <section class=\"card\"><h2>Attachments</h2>{header}</section>\n\
         <section class=\"card\"><h2>Lines</h2><table><thead><tr><th>#</th><th>Article</th><th class=\"number\">Quantity</th>\
         <th class=\"number\">Price</th></tr></thead><tbody>{rows}</tbody></table>{lines}</section>\n\
         <section class=\"card\"><h2>Comments</h2><div class=\"comment\"><strong>Purchasing</strong>\
         <p>Please confirm the delivery date.</p>{comments}</div></section>\n\
         <div class=\"page_buttons_right orderHeaderShowFloatingSection floatingSectionOnTop\">\
         <button type=\"button\">Back</button><button type=\"button\" class=\"primary\">Acknowledge</button></div>\n{late}",
        title = shown.title(),
        header = area(Area::Header),
        lines = area(Area::Lines),
        comments = area(Area::Comments),
    )
}

fn link(file: &Attachment) -> String {
    let name = escaped(&file.name);
    let (title, text) = match file.naming {
        FileNaming::TitleOnly => (format!(" title=\"{name}\""), "Open attachment".to_owned()),
        _ if file.id.is_multiple_of(2) => (format!(" title=\"{name}\""), name),
        _ => (String::new(), name),
    };
    format!("<a href=\"{}\"{title}>{text}</a>", escaped(&file.address(PortalKind::Coupa)))
}
