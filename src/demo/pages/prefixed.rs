//! Pages of a Coupa tenant in Portuguese, for the recipes `coupa` and `coupa-prefixed`. Attachments are list items that bear the
//! address of their file, at the header, at the lines, and behind a tab of several requisitions.

use super::shell::{Refusal, Shown, area_name};
use crate::demo::catalogue::files::escaped;
use crate::demo::catalogue::orders::{Area, Attachment, DemoOrder};
use crate::demo::portal_kind::PortalKind;

const LOOK: PortalKind = PortalKind::CoupaPrefixed;

/// The title and the content of a page that says no.
pub(crate) fn refusal(why: Refusal) -> (&'static str, &'static str) {
    match why {
        Refusal::Missing => {
            ("Ops", "<h1>Desculpe</h1><div class=\"flash-error\">Oops! We couldn't find what you wanted.</div>")
        }
        Refusal::MissingOtherwise | Refusal::MissingPortuguese => (
            "Ops",
            "<h1>Desculpe</h1><div class=\"s-pageFlashMessage\">Desculpe, não encontramos o que você procurava.</div>",
        ),
        Refusal::Denied => ("Acesso", "<div class=\"flash-error\">Você não está autorizado a ver esta página.</div>"),
        Refusal::DeniedOtherwise => ("Acesso", "<div id=\"error_explanation\">Acesso negado</div>"),
    }
}

/// An order or a requisition.
pub(crate) fn sheet(shown: Shown<'_>, late: &str) -> String {
    match shown {
        Shown::Order(order) => order_sheet(order, shown, late),
        Shown::Requisition(order, id, _) => requisition_sheet(order, id, shown, late),
    }
}

fn order_sheet(order: &DemoOrder, shown: Shown<'_>, late: &str) -> String {
    let (po, digits) = (&order.po, order.po.digits());
    let supplier = order.supplier.map(escaped).map_or_else(String::new, |name| {
        let short: String = name.chars().take(6).collect();
        format!(
            "<div><label>Fornecedor</label><a class=\"s-coupaSimpleTooltip\" href=\"/suppliers/show/{0}\" \
             title=\"{0} - {name}\">{short}\u{2026}</a></div>",
            10_000 + order.looks % 9_000
        )
    });
    let requisitions = order.requisition.as_ref().map_or_else(String::new, |requisition| {
        let links = [requisition.id.clone(), requisition.second_id()]
            .map(|id| format!("<a href=\"{0}\">{id}</a> <a href=\"{0}#history\">histórico</a>", LOOK.requisition(&id)));
        format!("<div><label>Requisições</label>{}</div>", links.join(", "))
    });
    let header = items(shown, Area::Header);
    let header = if shown.attachments().is_empty() {
        "<p class=\"noAttachments\">Nenhum anexo</p>".to_owned()
    } else {
        format!(
            "<h2>Anexos ({})</h2>{header}",
            shown.attachments().iter().filter(|file| is_at(file, Area::Header)).count()
        )
    };
    format!(
        "<div id=\"order_header_{digits}\"><h1>Pedido de compra nº {po}</h1>\
         <p><a href=\"/order_headers/show_custom/{po}?version=1\">Imprimir</a>\
         <a href=\"/order_headers/{po}/export.csv\" download>Exportar pedido</a></p>\n\
         <section class=\"card\">{supplier}{requisitions}</section>\n\
         <section class=\"card\"><div class=\"commentAttachments\">{header}</div></section>\n\
         <section class=\"card\"><h2>Linhas</h2><table><tr><td>1</td><td>Parafuso M8<div class=\"lineAttachments\">{lines}</div>\
         </td></tr></table></section>\n\
         <section class=\"card\"><h2>Comentários</h2><div class=\"comment\"><p class=\"commentText\">Igual à \
         <a href=\"{another}\">última vez</a>, 9 anexos</p>{comments}</div></section>\n\
         <aside><h2>Pedidos relacionados</h2><p>Pedido de compra nº PO{related}, 3 anexos</p></aside></div>\n{late}",
        lines = items(shown, Area::Lines),
        another = LOOK.requisition("1"),
        comments = items(shown, Area::Comments),
        related = order.looks % 90_000,
    )
}

fn requisition_sheet(order: &DemoOrder, id: &str, shown: Shown<'_>, late: &str) -> String {
    // what the tab shows is not in the page before it is clicked
    let lines: String = shown.attachments().iter().filter(|file| !file.is_button).map(item).collect();
    format!(
        "<div id=\"msgbar\">Pedido nº {po}</div><div id=\"requisition_header_{id}\"><h1>Requisição nº {id}</h1>\
         <div class=\"commentAttachments\"><p class=\"noAttachments\">Nenhum anexo</p><ul data-area=\"header\"></ul>\
         <ul data-area=\"comments\"></ul></div>\
         <a href=\"#\" id=\"cart\">Itens do carrinho</a><div class=\"lineAttachments\"><ul data-area=\"lines\"></ul></div>\
         <template id=\"cart-items\">{lines}</template></div>\n\
         <script>document.getElementById('cart').addEventListener('click', (event) => {{ event.preventDefault();\
         document.querySelector('.lineAttachments ul').append(document.getElementById('cart-items').content); }});</script>\n{late}",
        po = order.po,
    )
}

fn is_at(file: &Attachment, area: Area) -> bool {
    if file.is_button { file.areas.first() == Some(&area) } else { file.areas.contains(&area) }
}

fn items(shown: Shown<'_>, area: Area) -> String {
    let files = shown.attachments().iter().filter(|file| !file.is_button && is_at(file, area));
    format!("<ul data-area=\"{}\">{}</ul>", area_name(area), files.map(item).collect::<String>())
}

fn item(file: &Attachment) -> String {
    let (name, id) = (escaped(&file.name), file.id);
    format!(
        "<li class=\"attachment\" data-url=\"/attachments/{id}\"><span class=\"attachment-file attachment-list-item\" \
         data-url=\"{address}\"><span class=\"underline\" role=\"button\" tabindex=\"0\" title=\"{name}\" \
         aria-label=\"Anexo de arquivo de {name}\">{name}</span></span></li>",
        address = escaped(&file.address(LOOK)),
    )
}
