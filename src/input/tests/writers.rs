//! The same grid of cells written in every format that is read.

use std::io::{Cursor, Write};

use rust_xlsxwriter::{Format, Formula, Workbook};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A cell of a grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Blank,
    Text(String),
    Number(f64),
    Flag(bool),
    /// `#N/A`
    Error,
}

pub(super) type Grid = Vec<Vec<Value>>;

impl Value {
    fn shown(&self) -> String {
        match self {
            Self::Blank => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string().to_uppercase(),
            Self::Error => "#N/A".to_owned(),
        }
    }
}

/// Each format with its name.
pub(super) fn every_format(grid: &Grid) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |text: String| [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    vec![
        ("CSV", csv(grid, b',').into_bytes()),
        ("CSV with semicolons", csv(grid, b';').into_bytes()),
        ("CSV with tabs in UTF-16", wide(csv(grid, b'\t'))),
        ("XLSX", xlsx(grid)),
        ("XLSB", xlsb(grid)),
        ("XLS", xls(grid)),
        ("ODS", ods(&[("Orders", false, grid)])),
        ("FODS", fods(grid).into_bytes()),
        ("SpreadsheetML", spreadsheetml(grid).into_bytes()),
        ("HTML", html(grid).into_bytes()),
    ]
}

fn csv(grid: &Grid, delimiter: u8) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).delimiter(delimiter).from_writer(Vec::new());
    for row in grid {
        writer.write_record(row.iter().map(Value::shown)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn xlsx(grid: &Grid) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (line, row) in (0..).zip(grid) {
        for (column, value) in (0..).zip(row) {
            match value {
                Value::Blank => sheet.write_blank(line, column, &Format::new()).unwrap(),
                Value::Text(text) => sheet.write(line, column, text).unwrap(),
                Value::Number(number) => sheet.write(line, column, *number).unwrap(),
                Value::Flag(flag) => sheet.write(line, column, *flag).unwrap(),
                Value::Error => sheet.write(line, column, Formula::new("=NA()").set_result("#N/A")).unwrap(),
            };
        }
    }
    book.save_to_buffer().unwrap()
}

/// A zip archive of these files.
pub(super) fn package(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook of one sheet, given as the XML of its rows.
pub(super) fn xlsx_of_rows(rows: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let workbook = format!(
        "<workbook xmlns='{main}' xmlns:r='{links}'><sheets><sheet name='S' sheetId='1' r:id='rId1'/></sheets></workbook>"
    );
    package(&[
        ("_rels/.rels", relationships("officeDocument", "xl/workbook.xml").as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relationships("worksheet", "worksheets/sheet1.xml").as_bytes()),
        (
            "xl/worksheets/sheet1.xml",
            format!("<worksheet xmlns='{main}'><sheetData>{rows}</sheetData></worksheet>").as_bytes(),
        ),
    ])
}

fn relationships(kind: &str, target: &str) -> String {
    format!(
        "<Relationships><Relationship Id='rId1' Type='http://x/relationships/{kind}' Target='{target}'/></Relationships>"
    )
}

fn xlsb(grid: &Grid) -> Vec<u8> {
    xlsb_cut(grid, 0)
}

/// A binary workbook whose last cell lacks its last `cut` bytes.
pub(super) fn xlsb_cut(grid: &Grid, cut: usize) -> Vec<u8> {
    let mut sheet = record(145, &[]);
    let last = grid.last().map_or((0, 0), |row| (grid.len() - 1, row.len().saturating_sub(1)));
    for (line, row) in (0_u32..).zip(grid) {
        sheet.extend(record(0, &[&line.to_le_bytes()[..], &[0; 13]].concat()));
        for (column, value) in (0_u32..).zip(row) {
            let (kind, value) = match value {
                Value::Blank => (1, Vec::new()),
                Value::Text(text) => (6, wide_text(text)),
                Value::Number(number) => (5, number.to_le_bytes().to_vec()),
                Value::Flag(flag) => (4, vec![u8::from(*flag)]),
                Value::Error => (11, vec![0x2a, 0, 0]),
            };
            let mut data = [&column.to_le_bytes()[..], &[0; 4], &value].concat();
            if (line as usize, column as usize) == last {
                data.truncate(data.len() - cut);
            }
            sheet.extend(record(kind, &data));
        }
    }
    sheet.extend(record(146, &[]));
    let listed = [&[0; 4][..], &[1, 0, 0, 0], &wide_text("rId1"), &wide_text("Orders")].concat();
    package(&[
        ("_rels/.rels", relationships("officeDocument", "xl/workbook.bin").as_bytes()),
        ("xl/workbook.bin", &record(156, &listed)),
        ("xl/_rels/workbook.bin.rels", relationships("worksheet", "worksheets/sheet1.bin").as_bytes()),
        ("xl/worksheets/sheet1.bin", &sheet),
    ])
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = match kind {
        0..128 => vec![kind as u8],
        _ => vec![kind as u8 & 0x7f | 0x80, (kind >> 7) as u8],
    };
    let mut len = data.len();
    while len >= 0x80 {
        bytes.push(len as u8 & 0x7f | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend(data);
    bytes
}

fn wide_text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let len = u32::try_from(units.len()).unwrap().to_le_bytes();
    len.into_iter().chain(units.into_iter().flat_map(u16::to_le_bytes)).collect()
}

fn xls(grid: &Grid) -> Vec<u8> {
    xls_with_hidden(grid, &[])
}

/// A workbook of Excel 97 whose rows in `hidden`, from 0 on, are hidden.
pub(super) fn xls_with_hidden(grid: &Grid, hidden: &[u16]) -> Vec<u8> {
    let mut sheet = biff(0x0809, &[0, 6, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (line, _) in (0_u16..).zip(grid) {
        let flags = if hidden.contains(&line) { 0x20_u16 } else { 0 };
        sheet.extend(biff(0x0208, &[&line.to_le_bytes()[..], &[0; 10], &flags.to_le_bytes(), &[0; 2]].concat()));
    }
    for (line, row) in (0_u16..).zip(grid) {
        for (column, value) in (0_u16..).zip(row) {
            let (kind, value) = match value {
                Value::Blank => (0x0201, Vec::new()),
                Value::Text(text) => {
                    let units: Vec<u16> = text.encode_utf16().collect();
                    let len = u16::try_from(units.len()).unwrap().to_le_bytes();
                    (
                        0x0204,
                        [&len[..], &[1], &units.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat(),
                    )
                }
                Value::Number(number) => (0x0203, number.to_le_bytes().to_vec()),
                Value::Flag(flag) => (0x0205, vec![u8::from(*flag), 0]),
                Value::Error => (0x0205, vec![0x2a, 1]),
            };
            sheet.extend(biff(kind, &[&line.to_le_bytes()[..], &column.to_le_bytes(), &[0; 2], &value].concat()));
        }
    }
    sheet.extend(biff(0x000a, &[]));
    let begin = biff(0x0809, &[0, 6, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let end = biff(0x000a, &[]);
    let name = [&[0, 0, 6, 0][..], b"Orders"].concat();
    let start = u32::try_from(begin.len() + 4 + 4 + name.len() + end.len()).unwrap();
    let listed = biff(0x0085, &[&start.to_le_bytes()[..], &name].concat());
    let stream = [begin, listed, end, sheet].concat();
    let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    file.create_stream("Workbook").unwrap().write_all(&stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn biff(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

/// An OpenDocument spreadsheet of sheets with their names, whether they are hidden, and their cells.
pub(super) fn ods(sheets: &[(&str, bool, &Grid)]) -> Vec<u8> {
    let content = format!("<office:document-content>{}</office:document-content>", opendocument(sheets));
    package(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", content.as_bytes()),
    ])
}

fn fods(grid: &Grid) -> String {
    format!(
        "<?xml version='1.0'?><office:document office:mimetype='application/vnd.oasis.opendocument.spreadsheet'>{}</office:document>",
        opendocument(&[("Orders", false, grid)])
    )
}

pub(super) fn opendocument(sheets: &[(&str, bool, &Grid)]) -> String {
    let tables: String = sheets
        .iter()
        .map(|(name, is_hidden, grid)| {
            let style = if *is_hidden { "gone" } else { "shown" };
            let rows: String = runs(grid).into_iter().map(|(row, count)| ods_row(row, count)).collect();
            format!("<table:table table:name='{name}' table:style-name='{style}'>{rows}</table:table>")
        })
        .collect();
    format!(
        "<office:automatic-styles><style:style style:name='gone'><style:table-properties table:display='false'/></style:style>\
         <style:style style:name='shown'/></office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet>\
         </office:body>"
    )
}

fn ods_row(row: &[Value], count: usize) -> String {
    let cell = |(value, count): (&Value, usize)| {
        let (attributes, text) = match value {
            Value::Blank => (String::new(), String::new()),
            Value::Text(text) => ("office:value-type='string'".to_owned(), text.clone()),
            Value::Number(number) => (format!("office:value-type='float' office:value='{number}'"), number.to_string()),
            Value::Flag(flag) => (format!("office:value-type='boolean' office:boolean-value='{flag}'"), value.shown()),
            Value::Error => ("office:value-type='string' calcext:value-type='error'".to_owned(), value.shown()),
        };
        let lines: String = escaped(&text).split('\n').map(|line| format!("<text:p>{line}</text:p>")).collect();
        format!("<table:table-cell table:number-columns-repeated='{count}' {attributes}>{lines}</table:table-cell>")
    };
    let cells: String = runs(row).into_iter().map(cell).collect();
    format!("<table:table-row table:number-rows-repeated='{count}'>{cells}</table:table-row>")
}

/// What follows upon itself, with a count, as this format stores it.
fn runs<T: PartialEq>(all: &[T]) -> Vec<(&T, usize)> {
    all.chunk_by(PartialEq::eq).map(|run| (&run[0], run.len())).collect()
}

fn spreadsheetml(grid: &Grid) -> String {
    let cell = |(column, value): (usize, &Value)| {
        let kind = match value {
            Value::Blank => return String::new(),
            Value::Text(_) => "String",
            Value::Number(_) => "Number",
            Value::Flag(flag) => {
                return format!(
                    "<Cell ss:Index='{}'><Data ss:Type='Boolean'>{}</Data></Cell>",
                    column + 1,
                    u8::from(*flag)
                );
            }
            Value::Error => "Error",
        };
        format!("<Cell ss:Index='{}'><Data ss:Type='{kind}'>{}</Data></Cell>", column + 1, escaped(&value.shown()))
    };
    let row = |row: &Vec<Value>| format!("<Row>{}</Row>", row.iter().enumerate().map(cell).collect::<String>());
    format!(
        "<?xml version='1.0'?><?mso-application progid='Excel.Sheet'?>\
         <Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet' xmlns:ss='urn:schemas-microsoft-com:office:spreadsheet'>\
         <Worksheet ss:Name='Orders'><Table>{}</Table></Worksheet></Workbook>",
        grid.iter().map(row).collect::<String>()
    )
}

fn html(grid: &Grid) -> String {
    let cell = |value: &Value| format!("<td>{}", escaped(&value.shown()).replace('\n', "<br>"));
    let row = |row: &Vec<Value>| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>());
    format!("<html><meta charset=utf-8><table>{}</table></html>", grid.iter().map(row).collect::<String>())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
