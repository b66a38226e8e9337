//! The HTML of each kind of portal. Everything that comes from outside is escaped here.

pub(crate) mod coupa;
pub(crate) mod prefixed;
pub(crate) mod shell;
pub(crate) mod table;

use serde_json::{Value, json};

use self::shell::{Refusal, Shown, area_name};
use super::faults::{ListChange, LoadingSign};
use crate::demo::catalogue::Catalogue;
use crate::demo::catalogue::files::escaped;
use crate::demo::catalogue::orders::{Attachment, DemoOrder, OrderKind, Requisition};
use crate::demo::portal_kind::PortalKind;
use crate::demo::server::assets;

const RELIST: &str = include_str!("relist.js");

/// When the buttons of a page appear and are replaced, in milliseconds after its load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListDelay {
    pub(crate) appear: u128,
    pub(crate) replace: Option<u128>,
}

/// A page with the top bar. `head` is inserted as it is.
fn layout(look: PortalKind, title: &str, head: &str, main: &str, foot: &str) -> String {
    let way_out = format!("<a href=\"{}\">Log out</a>", look.way_out());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} | Demo portal</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" href=\"data:,\">\n{head}</head>\n<body>\n\
         <header class=\"topbar\"><a class=\"brand\" href=\"{home}\">Demo portal</a>\
         <a href=\"/help/download/guide.pdf\" title=\"Help guide.pdf\">Help guide</a>\
         {way_out}</header>\n<main>\n{main}\n</main>\n{foot}</body></html>\n",
        title = escaped(title),
        home = look.home(),
        way_out = if head.contains("csrf-token") { way_out.as_str() } else { "" },
    )
}

/// A page that needs a login.
fn inside(look: PortalKind, title: &str, form_token: &str, main: &str) -> String {
    let head = format!("<meta name=\"csrf-token\" content=\"{}\">\n{}", escaped(form_token), assets::head_tags());
    let foot = format!(
        "<footer><p><a href=\"/terms/download\" title=\"Terms.pdf\">Terms and conditions (PDF)</a></p>\
         <div class=\"ballast\">{}</div></footer>\n",
        assets::picture_tags()
    );
    layout(look, title, &head, main, &foot)
}

fn refusal(look: PortalKind, why: Refusal, form_token: &str) -> String {
    let (title, main) = match look {
        PortalKind::Coupa => coupa::refusal(why),
        PortalKind::Table => table::refusal(why),
        PortalKind::CoupaPrefixed => prefixed::refusal(why),
    };
    inside(look, title, form_token, main)
}

fn sheet(look: PortalKind, shown: Shown<'_>, form_token: &str, late: ListDelay) -> String {
    let late = late_attachments(look, shown.attachments(), late);
    let main = match look {
        PortalKind::Coupa => coupa::sheet(shown, &late),
        PortalKind::Table => table::sheet(shown, &late),
        PortalKind::CoupaPrefixed => prefixed::sheet(shown, &late),
    };
    inside(look, &shown.title(), form_token, &main)
}

/// The login form, with a message if the last login failed.
pub(crate) fn login(look: PortalKind, form_token: &str, complaint: Option<&str>) -> String {
    let main = match look {
        PortalKind::Coupa | PortalKind::CoupaPrefixed => coupa::login(form_token, complaint),
        PortalKind::Table => table::login(form_token, complaint),
    };
    layout(look, "Sign in", "<link rel=\"stylesheet\" href=\"/assets/portal.css\">\n", &main, "")
}

/// The login page with an imitated person who types slowly.
pub(crate) fn typed_login(look: PortalKind, page: &str, username: &str, password: &str) -> String {
    let fields = look.form_fields();
    let script = format!(
        "<script>setTimeout(() => {{ const field = (name) => document.getElementsByName(name)[0];\
         field({}).value = {}; field({}).value = {}; field({0}).form.requestSubmit(); }}, 400)</script></body>",
        Value::from(fields.username),
        Value::from(username),
        Value::from(fields.password),
        Value::from(password)
    );
    page.replacen("</body>", &script, 1)
}

/// The page of the second step of a login, with an imitated person who types the code later, if there is one.
pub(crate) fn second_step(look: PortalKind, typed: Option<&str>) -> String {
    let main = "<section class=\"card\"><h1>Enter the code of your authenticator</h1>\
         <form action=\"/mfa\" method=\"post\"><label>Code<input type=\"text\" name=\"code\"></label>\
         <button type=\"submit\">Go on</button></form></section>";
    let page = layout(look, "Second step", "", main, "");
    let Some(code) = typed else { return page };
    // bound to this document: leaving or reloading the page loses what was typed
    let script = format!(
        "<script>setTimeout(() => {{ const field = document.getElementsByName('code')[0];\
         field.value = {}; field.form.requestSubmit(); }}, 4000)</script></body>",
        Value::from(code)
    );
    page.replacen("</body>", &script, 1)
}

/// The front page, which needs no login, with a message about the last login.
pub(crate) fn welcome(look: PortalKind, complaint: Option<&str>) -> String {
    let complaint = complaint
        .map(|text| {
            format!(
                "<div class=\"flash_error\">{} It will be locked after three attempts.</div>",
                escaped(&text.replace('+', " "))
            )
        })
        .unwrap_or_default();
    let main = format!("<h1>Welcome to Demo</h1>{complaint}<p><a href=\"{}\">Sign in</a></p>", look.login());
    layout(look, "Welcome", "", &main, "")
}

/// The list of all orders.
pub(crate) fn home(look: PortalKind, catalogue: &Catalogue, form_token: &str) -> String {
    let rows: String = catalogue
        .orders()
        .iter()
        .map(|order| {
            format!(
                "<tr><td><a href=\"{}\">{}</a></td><td>{}</td></tr>",
                look.order(&order.po),
                escaped(&order.po.to_string()),
                escaped(order.supplier.unwrap_or("—"))
            )
        })
        .collect();
    let main = format!(
        "<h1>Purchase orders</h1><section class=\"card\"><table><thead><tr><th>Number</th><th>Supplier</th></tr></thead>\
         <tbody>{rows}</tbody></table></section>"
    );
    inside(look, "Purchase orders", form_token, &main)
}

/// The page under an order's number, whatever it shows.
pub(crate) fn order(look: PortalKind, order: &DemoOrder, form_token: &str, late: ListDelay) -> String {
    let is_even = order.looks.is_multiple_of(2);
    let why = match order.kind {
        OrderKind::MissingEnglish if is_even => Refusal::Missing,
        OrderKind::MissingEnglish => Refusal::MissingOtherwise,
        OrderKind::MissingPortuguese => Refusal::MissingPortuguese,
        OrderKind::Denied if is_even => Refusal::Denied,
        OrderKind::Denied => Refusal::DeniedOtherwise,
        _ => return sheet(look, Shown::Order(order), form_token, late),
    };
    refusal(look, why, form_token)
}

/// The page of a requisition.
pub(crate) fn requisition(
    look: PortalKind,
    order: &DemoOrder,
    requisition: &Requisition,
    id: &str,
    form_token: &str,
    late: ListDelay,
) -> String {
    if requisition.is_denied {
        return refusal(look, Refusal::Denied, form_token);
    }
    let attachments = match look {
        PortalKind::Coupa | PortalKind::Table => requisition.attachments.as_slice(),
        PortalKind::CoupaPrefixed if id == requisition.id => requisition.halves().0,
        PortalKind::CoupaPrefixed => requisition.halves().1,
    };
    sheet(look, Shown::Requisition(order, id, attachments), form_token, late)
}

/// Data for the script that adds the buttons; empty if there are none.
fn late_attachments(look: PortalKind, attachments: &[Attachment], late: ListDelay) -> String {
    let buttons: Vec<_> = attachments
        .iter()
        .filter(|file| file.is_button)
        .map(|file| {
            // the label always contains the name, the title only sometimes
            json!({"id": file.id, "name": file.name, "area": area_name(file.areas[0]), "title": file.id % 2 == 0})
        })
        .collect();
    if buttons.is_empty() {
        return String::new();
    }
    let late = json!({
        "appear": late.appear as u64,
        "replace": late.replace.map(|ms| ms as u64),
        "tickets": look.tickets(),
        "label": if look == PortalKind::CoupaPrefixed { ("Anexo de arquivo de ", "") } else { ("", " file attachment") },
        "files": buttons,
    });
    // "</script>" in a name must not end the element
    let text = late.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"late-attachments\">{text}</script>")
}

/// "Not found" in English.
pub(crate) fn missing(look: PortalKind, form_token: &str) -> String {
    refusal(look, Refusal::Missing, form_token)
}

/// The print view of an order.
pub(crate) fn print_view(look: PortalKind, form_token: &str) -> String {
    let main = "<h1>Print view</h1><p class=\"none\">Use your browser to print this page.</p>";
    inside(look, "Print view", form_token, main)
}

/// A page that no recipe knows, with secrets in all the places where pages have them.
pub(crate) fn wrong_shape(look: PortalKind, form_token: &str, cookie: &str) -> String {
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
    inside(look, "Workspace", form_token, &main)
}

/// A short page for server errors.
pub(crate) fn short(text: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n", escaped(text))
}

/// A page that opens dialogs: when it is opened, one after another for more than a second, and when it is left.
pub(crate) fn talkative(page: &str) -> String {
    let script = "<body><script>{ addEventListener('beforeunload', (left) => { left.preventDefault(); });\
                  let left = 30; const again = setInterval(() => { if (left-- > 0) confirm('Stay?'); \
                  else clearInterval(again); }, 40); alert('New terms!'); }</script>";
    page.replacen("<body>", script, 1)
}

/// A page that shows a viewer when a link to an attachment is clicked, instead of following it.
pub(crate) fn with_viewer(page: &str) -> String {
    let script = "<body><div id=\"viewer\" hidden>One moment</div><script>document.addEventListener('click', (clicked) => {\
                  if (!clicked.target.closest(\"a[href*='attachment_file'], a.get, [data-url]\")) return;\
                  clicked.preventDefault(); document.getElementById('viewer').hidden = false; });</script>";
    page.replacen("<body>", script, 1)
}

/// A page whose links to attachments only appear after its script got a response.
pub(crate) fn listed_late(page: &str) -> String {
    let script = "<script>{ const links = document.querySelectorAll(\"a[href*='attachment_file'], a.get\");\
                  const places = [...links].map((link) => [link.parentNode, link]);\
                  for (const [, link] of places) link.remove();\
                  const digits = (location.pathname + location.search).match(/[0-9]+/)[0];\
                  fetch('/lists/' + digits).then((answer) => { if (!answer.ok || answer.redirected) return;\
                  for (const [place, link] of places) place.append(link); }); }</script></body>";
    page.replacen("</body>", script, 1)
}

/// A page whose script never ends.
pub(crate) fn busy(page: &str) -> String {
    page.replacen("<body>", "<body><script>while (true) {}</script>", 1)
}

/// A page that lists its attachments in another way.
pub(crate) fn relisted(page: &str, change: ListChange) -> String {
    let how = match change {
        ListChange::Redesigned => json!({ "change": "redesigned" }),
        ListChange::Moved => json!({ "change": "moved" }),
        ListChange::Gone => json!({ "change": "gone" }),
        ListChange::Counted => json!({ "change": "counted" }),
        ListChange::Folded => json!({ "change": "folded" }),
        ListChange::Late(by, sign) => {
            let sign = match sign {
                LoadingSign::Silence => "silence",
                LoadingSign::Busy => "busy",
                LoadingSign::Calls => "calls",
            };
            json!({ "change": "late", "by": by.as_millis() as u64, "sign": sign })
        }
    };
    page.replacen("</body>", &format!("<script>({}({how}))</script></body>", RELIST.trim_end()), 1)
}

/// A page that leaks memory: the name of a window outlives its pages.
pub(crate) fn leaky(page: &str) -> String {
    page.replacen("<body>", "<body><script>name += 'x'.repeat(4e6) + Math.random();</script>", 1)
}

/// A page whose script navigates to `address` at once.
pub(crate) fn led_away(page: &str, address: &str) -> String {
    let script = format!("<script>addEventListener('load', () => {{ location = {}; }});</script>", json!(address));
    page.replacen("<body>", &format!("<body>{script}"), 1)
}

/// A page that loads a picture, a frame and a script's request from `address`.
pub(crate) fn embedding(page: &str, address: &str) -> String {
    let [source, quoted] = [escaped(address), json!(address).to_string()];
    let parts = format!(
        "<img src=\"{source}\" alt=\"\"><iframe src=\"{source}\"></iframe>\
         <script>fetch({quoted}, {{ mode: 'no-cors' }}).catch(() => {{}});</script>"
    );
    page.replacen("<body>", &format!("<body>{parts}"), 1)
}
