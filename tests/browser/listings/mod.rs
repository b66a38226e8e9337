//! What a real page shows as its list of attachments, in the ways of many tenants: read as `recipe check` reads it.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use coupa_batch::site::{InspectTarget, Inspection, InteractiveLogin};
use tokio::net::TcpListener;

use crate::browser::Rig;

crate::on_the_installed_browser!(lists_of_many_shapes_are_read_whole_or_said_not_to_be);

/// An order page: what stands in its area for attachments, and below that.
struct Shape {
    area: &'static str,
    below: &'static str,
    /// The names of its attachments.
    names: &'static [&'static str],
    /// What must be remarked; nothing may be if it is empty.
    remark: &'static str,
}

const A: &str = "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a>";

const fn shape(area: &'static str, below: &'static str, names: &'static [&'static str], remark: &'static str) -> Shape {
    Shape { area, below, names, remark }
}

const SHAPES: [Shape; 45] = [
    shape(A, "", &["a.pdf"], ""),
    // names that look like what is never an attachment
    shape(
        "<a href='/attachment/attachment_file/file/1/terms.pdf'>T</a><a href='/attachment/attachment_file/file/2/export_license.pdf'>E</a>\
         <a href='/attachment/attachment_file/file/3/print_view.pdf'>P</a><a href='/attachment/attachment_file/file/4/help.pdf'>H</a>\
         <a href='/help/guide.pdf'>Guide</a><a data-method='delete' href='/attachment/attachment_file/file/1'>x</a>",
        "",
        &["terms.pdf", "export_license.pdf", "print_view.pdf", "help.pdf"],
        "",
    ),
    // labels before and behind the name
    shape(
        "<ul><li class='attachment'><span role='button' aria-label='Anexo de arquivo de Nota.pdf'>Nota\u{2026}</span></li>\
         <li class='attachment'><button aria-label='b.pdf File Attachment'>b</button></li></ul>\
         <button aria-label='Add file attachment'>+</button>",
        "",
        &["Nota.pdf", "b.pdf"],
        "",
    ),
    // by the longest beginning that is known, or by what is shown where that ends the label
    shape(
        "<span role='button' aria-label='Pièce jointe du fichier a.pdf'></span><button aria-label='Bestandsbijlage b.pdf'></button>\
         <button aria-label='Fichier joint nommé c.pdf'>c.pdf</button>",
        "",
        &["a.pdf", "b.pdf", "c.pdf"],
        "",
    ),
    // the one button of an item is its file in any language; what stands beside it removes it
    shape(
        "<ul><li class='attachment'><span class='attachment-list-item'><span role='button' aria-label='Soubor a.pdf'>a.pdf</span></span>\
         <span role='button' aria-label='Odstranit a.pdf'>x</span></li></ul>",
        "",
        &["a.pdf"],
        "",
    ),
    // what looks like a file and is not listed
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a> <span role='button' aria-label='Soubor b.pdf'>b</span>",
        "",
        &["a.pdf"],
        "Soubor b.pdf",
    ),
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a> <a href='/attachments/2/download'>b.pdf</a>",
        "",
        &["a.pdf"],
        "b.pdf",
    ),
    // another order's
    shape(
        "",
        "<aside><div class='attachments'><a href='/attachment/attachment_file/file/9/z.pdf'>z.pdf</a></div></aside>",
        &[],
        "",
    ),
    shape(
        A,
        "<div class='related-orders'><div class='lineAttachments'><a href='/attachment/attachment_file/9/z.pdf'>z.pdf</a></div></div>",
        &["a.pdf"],
        "",
    ),
    shape(
        "<div class='relatedOrders'><a href='/attachment/attachment_file/9/z.pdf'>z.pdf</a></div>",
        "<div id='related_orders'><div class='commentAttachments'><a href='/attachment/attachment_file/9/y.pdf'>y.pdf</a></div></div>",
        &[],
        "",
    ),
    // addresses that are none, and addresses of attachments that look like what is never one
    shape(
        "<a download href='#' onclick='get(1)'>a.pdf</a><a download href='#' onclick='get(2)'>b.pdf</a>",
        "",
        &["a.pdf", "b.pdf"],
        "",
    ),
    shape(
        "<a href='https://paperclip.coupahost.com/export/7/a.pdf'>a.pdf</a><a download href='/orders/help/b.pdf'>b.pdf</a>",
        "<a href='/export/7'>Export</a>",
        &["a.pdf", "b.pdf"],
        "",
    ),
    shape("<label>Anexar<input type='file'></label>", "", &[], ""),
    // of the lines
    shape(
        A,
        "<div class='lineAttachments'><ul><li class='attachment'><a href='/attachment/attachment_file/2/l.pdf'>l.pdf</a></li></ul></div>",
        &["a.pdf", "l.pdf"],
        "",
    ),
    // no files
    shape(
        "<a href='https://files.example/x.pdf'>x.pdf</a><a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a>",
        "",
        &["a.pdf"],
        "x.pdf is not fetched",
    ),
    shape(
        "<a href='https://files.acme.test/x'>x.pdf</a><span data-url='https://files.acme.test/y'>y.pdf</span>",
        "",
        &["x.pdf", "y.pdf"],
        "",
    ),
    shape("<ul><li class='attachment'>See drawing 5</li></ul>", "", &[], "See drawing 5 is not fetched"),
    // none
    shape("", "", &[], ""),
    shape("<a class='file-attachment' href='#'>Add File</a>", "", &[], ""),
    shape("<button>Adicionar arquivo</button>", "", &[], ""),
    shape(
        "<a class='file-attachment' href='#'>Adicionar arquivo</a><button type='button'>Add Text</button><button>URL hinzufügen</button>\
         <button aria-label='Dateianhang hinzufügen'>+</button>",
        "",
        &[],
        "",
    ),
    // counts that are met, or are none of the list's
    shape(
        A,
        "<nav>Documents (9)</nav><aside>5 files</aside><div>Page 1 of 3</div><p class='commentText'>2 files</p>",
        &["a.pdf"],
        "",
    ),
    shape("<h3>Attachments (1)</h3><a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a>", "", &["a.pdf"], ""),
    // counts that are not
    shape(
        "<h3>Attachments (7)</h3><a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a>",
        "",
        &["a.pdf"],
        "Attachments (7)",
    ),
    shape(
        "<h3>Anexos <b>3</b></h3><a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a>",
        "",
        &["a.pdf"],
        "Anexos 3",
    ),
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a><i>Showing 1 of 4</i>",
        "",
        &["a.pdf"],
        "Showing 1 of 4",
    ),
    shape(
        A,
        "<section><h3>2 files</h3><div class='lineAttachments'><a href='/attachment/attachment_file/2/l.pdf'>l.pdf</a></div></section>",
        &["a.pdf", "l.pdf"],
        "",
    ),
    shape(
        A,
        "<section><h3>4 files</h3><div class='lineAttachments'><a href='/attachment/attachment_file/2/l.pdf'>l.pdf</a></div></section>",
        &["a.pdf", "l.pdf"],
        "4 files",
    ),
    // what shows more
    shape(
        A,
        "<a href='#' onclick=\"document.querySelector('.lineAttachments').innerHTML = this.dataset.more\" \
         data-more=\"<a href='/attachment/attachment_file/2/l.pdf'>l.pdf</a>\">Itens do carrinho (1)</a><div class='lineAttachments'></div>",
        &["a.pdf", "l.pdf"],
        "",
    ),
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a><button type='button' onclick=\"this.outerHTML = this.dataset.more\" \
         data-more=\"<a href='/attachment/attachment_file/2/b.pdf'>b.pdf</a>\">Show 1 more</button>",
        "",
        &["a.pdf", "b.pdf"],
        "",
    ),
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a><button type='button'>Ver mais</button>",
        "",
        &["a.pdf"],
        "Ver mais",
    ),
    // never clicked: it leads away, nobody knows where, or sends something
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a><a href='/elsewhere'>Show all</a><a href='http://['>Show more</a>\
         <svg><a href='/elsewhere'><text>Show all</text></a></svg>",
        "<form action='/sent'><button>Show more</button></form>",
        &["a.pdf"],
        "",
    ),
    // still to come
    shape(A, "<section aria-busy='true'>\u{2026}</section>", &["a.pdf"], "still to come"),
    // another order
    shape(A, "<h1>Purchase Order #9912</h1>", &["a.pdf"], "another number than 133: 9912"),
    // asked for and refused
    shape("", "<script>fetch('/refused?for=attachments')</script>", &[], "answered with status 422"),
    // links without an address, whose scripts fetch the file; none that removes one, or that stands beside one
    shape(
        "<a href='javascript:download(7)'>a.pdf</a><a href='javascript:void(0)' onclick='get(8)'>b.pdf</a><a href='#' onclick='get(9)'>c.pdf</a>\
         <a href='#'>d.pdf</a><a ng-click='get(1)'>signed a.pdf</a><span onclick='get(2)'>f.pdf 12 KB</span><a href='JavaScript:download(3)'>Quotation</a>\
         <a href='#' onclick='removeFile(7)' title='a.pdf'>x</a><a href='#'>Remove a.pdf</a><a href='#' title='Odstranit a.pdf'><img alt=''></a>\
         <a href='javascript:downloadAll()'>All</a><a href='#'>Show history</a>",
        "",
        &["a.pdf", "b.pdf", "c.pdf", "d.pdf", "signed a.pdf", "f.pdf 12 KB", "Quotation"],
        "",
    ),
    shape(
        "<ul><li><a href='/attachment/attachment_file/file/1/a.pdf'>a.pdf</a> <a href='javascript:download(1)'>get</a></li></ul>",
        "<div class='lineAttachments'><ul><li class='attachment'><a href='javascript:get(2)'>l.pdf</a></li></ul></div>",
        &["a.pdf", "l.pdf"],
        "",
    ),
    // what is shown with a name of its own is another one, though a listed name is its end
    shape(
        "<a href='/attachment/attachment_file/file/1/offer.pdf'>offer.pdf</a><button>counter offer.pdf</button><button>Remove offer.pdf</button>",
        "",
        &["offer.pdf"],
        "counter offer.pdf",
    ),
    // the same list for a screen of another width is no second one
    shape(
        "<ul><li><button aria-label='a.pdf file attachment'></button></li><li><a href='javascript:get(2)'>b.pdf</a></li><li><a href='/attachment_file/3'>c.pdf</a></li></ul>\
         <div style='display:none'><button aria-label='a.pdf file attachment'></button><a href='javascript:get(2)'>b.pdf</a><a href='/attachment_file/3'>c.pdf</a></div>",
        "",
        &["c.pdf", "b.pdf", "a.pdf"],
        "",
    ),
    shape("", "<div hidden><div class='commentAttachments'><div class='lineAttachments'></div></div></div>", &[], ""),
    // what the hidden one has beyond the other is listed, and what both lack is missing
    shape(
        "<button aria-label='a.pdf file attachment'></button><div style='visibility:hidden'><button aria-label='a.pdf file attachment'></button>\
         <button aria-label='b.pdf file attachment'></button></div>",
        "",
        &["a.pdf", "b.pdf"],
        "",
    ),
    shape(
        "<h3>Attachments (3)</h3><p><a href='/attachment_file/1'>a.pdf</a><a href='/attachment_file/2'>b.pdf</a></p>\
         <p style='display:none'><a href='/attachment_file/1'>a.pdf</a><a href='/attachment_file/2'>b.pdf</a></p>",
        "",
        &["a.pdf", "b.pdf"],
        "Attachments (3)",
    ),
    // what opens, and a row of a table, is a part of the list
    shape(
        "<div><button aria-label='a.pdf file attachment'></button></div><details><summary>Line 2</summary><button aria-label='a.pdf file attachment'></button></details>",
        "",
        &["a.pdf", "a.pdf"],
        "",
    ),
    shape(
        "<div><button aria-label='a.pdf file attachment'></button></div><i aria-controls='l2'></i><div id='l2' style='display:none'><button aria-label='a.pdf file attachment'></button></div>",
        "",
        &["a.pdf", "a.pdf"],
        "",
    ),
    // one that is listed says nothing: it stands for no other, and neither does a word that is in many names
    shape(
        "<a href='/attachment/attachment_file/file/1/a.pdf'> <img alt=''> </a><a href='/attachment/attachment_file/file/2/b.pdf'>b</a> \
         <span role='button' aria-label='Soubor b2.pdf'>b2</span>",
        "",
        &["a.pdf", "b.pdf"],
        "Soubor b2.pdf",
    ),
];

/// Starts a portal that shows each shape as an order, the first one as order 100.
async fn portal() -> String {
    let order = |Path(number): Path<usize>| async move {
        let found = number.checked_sub(100).and_then(|at| SHAPES.get(at));
        Html(found.map_or_else(
            || "<h1>Oops! We couldn't find what you wanted</h1>".to_owned(),
            |Shape { area, below, .. }| {
                format!("<body><span data-supplier-name>ACME</span><div class='commentAttachments'>{area}</div>{below}</body>")
            },
        ))
    };
    let router = Router::new()
        .route("/order_headers/{number}", get(order))
        .route("/refused", get(async || StatusCode::UNPROCESSABLE_ENTITY));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn lists_of_many_shapes_are_read_whole_or_said_not_to_be(rig: Rig) {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("quick.toml");
    let text = "extends = \"coupa\"\n[address]\nallowed_hosts = [\"files.acme.test\"]\n[settle]\nafter_load = \"50ms\"\nunchanged_for = \"100ms\"\nempty_for = \"200ms\"\nat_most = \"700ms\"";
    std::fs::write(&recipe, text).unwrap();
    let mut config = rig.config.clone();
    config.site.base_url = Some(portal().await.parse().unwrap());
    config.site.recipe = recipe.to_str().unwrap().to_owned();
    let login = InteractiveLogin::new(&config.site, config.deadlines).unwrap();
    let mut session = rig.open().await;
    for (at, Shape { area, names, remark, .. }) in SHAPES.iter().enumerate() {
        let target = InspectTarget::Order((100 + at).to_string().parse().unwrap());
        let Inspection { attachments, remarks, is_understood, kind, .. } =
            login.inspect(session.page(), &target).await.unwrap();
        assert!(is_understood, "{area}: {kind}");
        assert_eq!(&attachments, names, "{area}");
        let is_right =
            if remark.is_empty() { remarks.is_empty() } else { remarks.iter().any(|told| told.contains(remark)) };
        assert!(is_right, "{area}: {remarks:?}");
    }
    assert!(session.close().await.is_clean());
}
