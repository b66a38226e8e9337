//! The HTML of the portal. Everything that comes from outside is escaped here and nowhere else.

use serde_json::json;

use super::assets;
use super::dice::Dice;
use super::files::escaped;
use super::orders::{Area, Attachment, Catalogue, DemoOrder, OrderKind, Requisition};

/// When the buttons of one page appear and are replaced, in milliseconds after it was loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    pub(super) appear: u128,
    pub(super) replace: Option<u128>,
}

/// A page with the bar on top. `head` goes into the head as it is.
fn layout(title: &str, head: &str, main: &str, foot: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} | Demo portal</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" href=\"data:,\">\n{head}</head>\n<body>\n\
         <header class=\"topbar\"><a class=\"brand\" href=\"/order_headers\">Demo portal</a>\
         <a href=\"/help/download/guide.pdf\" title=\"Help guide.pdf\">Help guide</a>\
         {way_out}</header>\n<main>\n{main}\n</main>\n{foot}</body></html>\n",
        title = escaped(title),
        way_out = if head.contains("csrf-token") { "<a href=\"/sessions/destroy\">Log out</a>" } else { "" },
    )
}

fn inside(title: &str, form_token: &str, main: &str) -> String {
    let head = format!("<meta name=\"csrf-token\" content=\"{}\">\n{}", escaped(form_token), assets::head_tags());
    let foot = format!(
        "<footer><p><a href=\"/terms/download\" title=\"Terms.pdf\">Terms and conditions (PDF)</a></p>\
         <div class=\"ballast\">{}</div></footer>\n",
        assets::picture_tags()
    );
    layout(title, &head, main, &foot)
}

/// The login form, with a complaint if the last one was not good.
pub(super) fn login(form_token: &str, complaint: Option<&str>) -> String {
    let complaint =
        complaint.map(|text| format!("<div class=\"flash_error\">{}</div>", escaped(text))).unwrap_or_default();
    let main = format!(
        "<section class=\"card login\"><h1>Sign in</h1>{complaint}<form action=\"/sessions\" method=\"post\" id=\"login_form\">\
         <input type=\"hidden\" name=\"authenticity_token\" value=\"{}\">\
         <label>User name<input type=\"text\" name=\"user[login]\" id=\"user_login\" autocomplete=\"username\"></label>\
         <label>Password<input type=\"password\" name=\"user[password]\" id=\"user_password\" autocomplete=\"current-password\"></label>\
         <button class=\"primary\" type=\"submit\">Sign in</button></form></section>",
        escaped(form_token)
    );
    layout("Sign in", "<link rel=\"stylesheet\" href=\"/assets/portal.css\">\n", &main, "")
}

/// The same login page, with somebody before it who types slowly.
pub(super) fn typed_login(page: &str, username: &str, password: &str) -> String {
    let script = format!(
        "<script>setTimeout(() => {{ document.querySelector('#user_login').value = {};\
         document.querySelector('#user_password').value = {};\
         document.querySelector('#login_form').requestSubmit(); }}, 400)</script></body>",
        serde_json::Value::from(username),
        serde_json::Value::from(password)
    );
    page.replacen("</body>", &script, 1)
}

/// The list of all orders.
pub(super) fn home(catalogue: &Catalogue, form_token: &str) -> String {
    let rows: String = catalogue
        .orders()
        .iter()
        .map(|order| {
            format!(
                "<tr><td><a href=\"/order_headers/{}\">{}</a></td><td>{}</td></tr>",
                order.po.digits(),
                escaped(&order.po.to_string()),
                escaped(order.supplier.unwrap_or("—"))
            )
        })
        .collect();
    let main = format!(
        "<h1>Purchase orders</h1><section class=\"card\"><table><thead><tr><th>Number</th><th>Supplier</th></tr></thead>\
         <tbody>{rows}</tbody></table></section>"
    );
    inside("Purchase orders", form_token, &main)
}

/// The page of an order, whatever the portal shows under its number.
pub(super) fn order(order: &DemoOrder, form_token: &str, late: Late) -> String {
    match order.kind {
        OrderKind::MissingEnglish if order.looks.is_multiple_of(2) => missing(form_token),
        OrderKind::MissingEnglish => {
            let text = "<div class=\"flash_error\">The page you were looking for doesn't exist.</div>";
            inside("Not found", form_token, text)
        }
        OrderKind::MissingPortuguese => {
            inside("Ops", form_token, "<h1>Desculpe, não encontramos o que você procurava</h1>")
        }
        OrderKind::Denied if order.looks.is_multiple_of(2) => denied(form_token),
        OrderKind::Denied => inside("Access", form_token, "<h1>Access denied</h1>"),
        _ => {
            let title = format!("Purchase order #{}", order.po.digits());
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
                    "<div><label>Requisition</label><a href=\"/requisition_headers/{0}\">#{0}</a></div>",
                    requisition.id
                ));
            }
            let tools = format!(
                "<div class=\"tools\"><a href=\"/order_headers/{0}/print_view\">Print view</a>\
                 <a href=\"/order_headers/{0}/export.csv\" download>Export order</a></div>",
                order.po.digits()
            );
            sheet(&title, &facts, &tools, order.looks, &order.attachments, form_token, late)
        }
    }
}

/// The page of a requisition.
pub(super) fn requisition(order: &DemoOrder, requisition: &Requisition, form_token: &str, late: Late) -> String {
    if requisition.is_denied {
        return denied(form_token);
    }
    let title = format!("Requisition #{}", requisition.id);
    let facts =
        format!("<div><label>Purchase order</label><a href=\"/order_headers/{0}\">#{0}</a></div>", order.po.digits());
    sheet(&title, &facts, "", !order.looks, &requisition.attachments, form_token, late)
}

/// What orders and requisitions have in common: facts, lines, comments, and attachments in all three.
fn sheet(
    title: &str,
    facts: &str,
    tools: &str,
    looks: u64,
    attachments: &[Attachment],
    form_token: &str,
    late: Late,
) -> String {
    let mut dice = Dice::new(looks, 0);
    let area = |area: Area| {
        let links: String =
            attachments.iter().filter(|file| !file.is_button && file.areas.contains(&area)).map(link).collect();
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
    let buttons: Vec<_> = attachments
        .iter()
        .filter(|file| file.is_button)
        .map(|file| {
            // the label always has the name, the title only on some tenants
            json!({"id": file.id, "name": file.name, "area": area_name(file.areas[0]), "title": file.id % 2 == 0})
        })
        .collect();
    let script = if buttons.is_empty() {
        String::new()
    } else {
        let late = json!({"appear": late.appear as u64, "replace": late.replace.map(|ms| ms as u64), "files": buttons});
        // "</script>" in a name must not end the element
        let text = late.to_string().replace('<', "\\u003c");
        format!("<script type=\"application/json\" id=\"late-attachments\">{text}</script>")
    };
    let main = format!(
        "<h1 class=\"order-title\">{title}</h1>{tools}\n\
         <section class=\"card\" id=\"order_header\"><div class=\"facts\">{facts}<div><label>Status</label>\
         <span class=\"state\">Issued</span></div><div><label>Order date</label><span>{day:02} October 2026</span></div></div></section>\n\
         <section class=\"card\"><h2>Attachments</h2>{header}</section>\n\
         <section class=\"card\"><h2>Lines</h2><table><thead><tr><th>#</th><th>Article</th><th class=\"number\">Quantity</th>\
         <th class=\"number\">Price</th></tr></thead><tbody>{rows}</tbody></table>{lines}</section>\n\
         <section class=\"card\"><h2>Comments</h2><div class=\"comment\"><strong>Purchasing</strong>\
         <p>Please confirm the delivery date.</p>{comments}</div></section>\n\
         <div class=\"page_buttons_right orderHeaderShowFloatingSection floatingSectionOnTop\">\
         <button type=\"button\">Back</button><button type=\"button\" class=\"primary\">Acknowledge</button></div>\n{script}",
        header = area(Area::Header),
        lines = area(Area::Lines),
        comments = area(Area::Comments),
    );
    inside(title, form_token, &main)
}

fn area_name(area: Area) -> &'static str {
    match area {
        Area::Header => "header",
        Area::Lines => "lines",
        Area::Comments => "comments",
    }
}

fn link(file: &Attachment) -> String {
    let name = escaped(&file.name);
    let (title, text) = match file.naming {
        super::names::Naming::TitleOnly => (format!(" title=\"{name}\""), "Open attachment".to_owned()),
        _ if file.id.is_multiple_of(2) => (format!(" title=\"{name}\""), name),
        _ => (String::new(), name),
    };
    format!("<a href=\"{}\"{title}>{text}</a>", escaped(&file.address()))
}

/// "Not found" in English.
pub(super) fn missing(form_token: &str) -> String {
    inside("Oops", form_token, "<h1>Oops! We couldn't find what you wanted</h1><p>Check the number and try again.</p>")
}

/// "Not allowed".
pub(super) fn denied(form_token: &str) -> String {
    inside("Access", form_token, "<div class=\"flash_error\">You are not authorized to view this page.</div>")
}

/// A print view: the same order, made for paper.
pub(super) fn print_view(form_token: &str) -> String {
    inside("Print view", form_token, "<h1>Print view</h1><p class=\"none\">Use your browser to print this page.</p>")
}

/// A page of a shape that no recipe knows, full of what nobody else should see, wherever pages have it.
pub(super) fn wrong_shape(form_token: &str, cookie: &str) -> String {
    let main = format!(
        "<section class=\"card\"><h2>Welcome to the new experience</h2>\
         <div id=\"app-root\" data-view=\"po-2\" data-session-key=\"planted-secret\"></div>\
         <p>Your session is {0}.</p>\
         <a href=\"/next?ticket=planted-secret#planted-secret\">On</a><img src=\"data:,planted-secret\" alt=\"\">\
         <form><input type=\"hidden\" name=\"state\" value=\"planted-secret\">\
         <textarea name=\"token\">planted-secret</textarea></form>\
         <a href=\"orders#planted-secret\">List</a><a href=\"/once/planted-secret-4f3a2b1c/a.pdf\">File</a>\
         <div data-props='{{\"accessToken\": \"planted-secret\", \"view\": 2}}' data-next=\"page?to=planted-secret\"></div>\
         <pre>see https://acme.test/next?key=planted-secret, api_key: planted-secret</pre>\
         <!-- planted-secret --><template>planted-secret</template>\
         <script>var key = \"planted-secret\";</script></section>",
        escaped(cookie)
    );
    inside("Workspace", form_token, &main)
}

/// A short page without anything else, for errors of the server.
pub(super) fn short(text: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n", escaped(text))
}

/// A page that wants to be heard: when it is opened, a while after that, and when it is left.
pub(super) fn talkative(page: &str) -> String {
    let script = "<body><script>addEventListener('beforeunload', (left) => { left.preventDefault(); });\
                  setTimeout(() => confirm('Your session ends soon. Stay?'), 300); alert('New terms!');</script>";
    page.replacen("<body>", script, 1)
}

/// A page whose script never ends.
pub(super) fn busy(page: &str) -> String {
    page.replacen("<body>", "<body><script>while (true) {}</script>", 1)
}
