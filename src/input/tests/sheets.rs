//! Sheets as people have them: which rows, columns and sheets are read, and what is said of it.

use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet};

use super::writers::{Value, xls_with_hidden};
use super::{numbers, take, take_with};
use crate::input::{InputError, InputOptions, Intake};
use crate::model::PoNumberFormat;

fn sheet(rows: &[&str]) -> Intake {
    take(rows.join("\n").as_bytes()).unwrap()
}

fn said(intake: &Intake) -> String {
    intake.remarks.iter().map(|remark| format!("{remark}\n")).collect()
}

/// The lines of the rejected rows with their reasons.
fn rejects(intake: &Intake) -> Vec<(u64, &str)> {
    intake.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect()
}

fn column(sheet: &mut Worksheet, cells: &[&str]) {
    for (line, cell) in (0..).zip(cells) {
        match cell.parse::<f64>() {
            Ok(number) => sheet.write(line, 0, number).unwrap(),
            Err(_) => sheet.write(line, 0, *cell).unwrap(),
        };
    }
}

#[test]
fn dates_truth_values_and_errors_beside_a_number_are_shown_as_people_see_them() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (at, name) in (0..).zip(["PO", "Date", "Time", "Paid", "Check", "Sum"]) {
        sheet.write(0, at, name).unwrap();
    }
    sheet.write(1, 0, 15_262_984).unwrap();
    sheet.write_with_format(1, 1, 45_356.0, &Format::new().set_num_format("dd/mm/yyyy")).unwrap();
    sheet.write_with_format(1, 2, 45_356.75, &Format::new().set_num_format("[$-409]d-mmm h:mm")).unwrap();
    sheet.write(1, 3, true).unwrap();
    sheet.write(1, 4, Formula::new("=NA()").set_result("#N/A")).unwrap();
    sheet.write(1, 5, 0.1 + 0.2).unwrap();
    let intake = take(&book.save_to_buffer().unwrap()).unwrap();
    let notes: Vec<_> = intake.tasks[0].metadata.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(notes, ["Check=#N/A", "Date=2024-03-05", "Paid=TRUE", "Sum=0.3", "Time=2024-03-05 18:00:00"]);
}

#[test]
fn numbers_that_are_formatted_as_dates_are_taken_if_they_cannot_be_dates() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "PO_NUMBER").unwrap();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    for (line, number) in [(1, 15_262_984.0), (2, 45_356.0), (3, 15_262_990.0)] {
        sheet.write_with_format(line, 0, number, &date).unwrap();
    }
    let intake = take(&book.save_to_buffer().unwrap()).unwrap();
    assert_eq!(numbers(&intake), ["15262984", "15262990"]);
    assert!(
        said(&intake).contains("line 2 and 1 more row: \"15262984\", \"15262990\": formatted as a date"),
        "{}",
        said(&intake)
    );
    assert_eq!((intake.rejects[0].text.as_str(), intake.rejects[0].line), ("2024-03-05", 3));
}

#[test]
fn a_number_that_the_spreadsheet_has_rounded_is_refused() {
    let mut book = Workbook::new();
    column(book.add_worksheet(), &["PO_NUMBER", "123456789012345678", "15262984"]);
    let intake = take(&book.save_to_buffer().unwrap()).unwrap();
    assert_eq!(numbers(&intake), ["15262984"]);
    assert!(rejects(&intake)[0].1.contains("rounded"));
    // a text keeps all of its digits
    assert_eq!(numbers(&sheet(&["PO_NUMBER", "123456789012345678"])), ["123456789012345678"]);
}

#[test]
fn a_quotation_mark_that_is_not_closed_is_refused_with_its_line() {
    let refused = take(b"PO_NUMBER,NOTE\n1501,\"6 inch pipe\n1502,b\n1503,c\n").unwrap_err();
    assert!(refused.to_string().starts_with("sheet, line 2: a quotation mark"), "{refused}");
    // by chance another one closes it
    let refused = take(b"PO_NUMBER,NOTE\n1501,\"6 inch\n1502,b\n1503,\"8 inch\n").unwrap_err();
    assert!(matches!(refused, InputError::OpenQuote { line: 2, .. }), "{refused}");
    // late in a long file
    let mut long = "PO_NUMBER,NOTE\n".to_owned();
    (0..900).for_each(|at| long.push_str(&format!("{},x\n", 15_262_000 + at)));
    assert!(matches!(take((long + "7,\"x\n").as_bytes()), Err(InputError::OpenQuote { line: 902, .. })));
}

#[test]
fn rows_inside_of_a_cell_in_quotation_marks_are_named() {
    let intake = sheet(&["PO_NUMBER,NOTE", "15262984,\"6 inch", "15262990,b", "15262995,8 inch\"", "15262999,c"]);
    assert_eq!(numbers(&intake), ["15262984", "15262999"]);
    assert_eq!(rejects(&intake).len(), 2);
    assert!(rejects(&intake)[0].1.contains("quotation mark"));
    assert_eq!(intake.row_counts[0].rows, 4);
    // a note of several lines is a note
    let intake = sheet(&["PO_NUMBER,NOTE", "15262984,\"replaces", "15262990\"", "15262999,c"]);
    assert_eq!((numbers(&intake).len(), intake.rejects.len()), (2, 0));
}

#[test]
fn zeros_and_prefixes_that_make_one_order_of_two_are_told() {
    let intake = sheet(&["PO_NUMBER", "0158122", "158122", "PO7405", "PM7405", "PO7405"]);
    assert_eq!(numbers(&intake), ["0158122", "PO7405"]);
    assert_eq!(intake.row_counts[0].merged, 3);
    let said = said(&intake);
    assert!(said.contains("line 3: \"158122 and 0158122\": the same order, since zeros"), "{said}");
    assert!(said.contains("line 5: \"PM7405 and PO7405\": the same order, since the prefix"), "{said}");
}

#[test]
fn prefixes_and_suffixes_of_the_settings_are_understood() {
    let rows = b"PO_NUMBER\nUS0158122\n2D-15262984\nPO15262984-2\nPO15262984-3\n";
    let without = take(rows).unwrap();
    assert_eq!((numbers(&without).len(), without.rejects.len()), (0, 4));
    assert!(without.rejects.iter().all(|reject| reject.reason.contains("po_")), "{:?}", without.rejects);
    let numbers_of = PoNumberFormat::new(&["US", "2D-"], &["-#"]).unwrap();
    let with = take_with(rows, &InputOptions { numbers: numbers_of, ..InputOptions::default() }).unwrap();
    assert_eq!(numbers(&with), ["US0158122", "2D-15262984"]);
    assert!(
        said(&with).contains("line 4 and 1 more row: \"PO15262984-2\", \"PO15262984-3\": what follows"),
        "{}",
        said(&with)
    );
}

#[test]
fn where_the_prefix_makes_another_order_both_are_orders() {
    let rows = b"PO_NUMBER\nPO7405\nPM7405\nPO-007405\n7405\n";
    let options = InputOptions { prefix_counts: true, ..InputOptions::default() };
    let intake = take_with(rows, &options).unwrap();
    assert_eq!((numbers(&intake), intake.rejects.len()), (["PO7405", "PM7405", "7405"].map(str::to_owned).to_vec(), 0));
}

#[test]
fn many_rows_with_a_foreign_priority_make_one_remark() {
    let mut rows = "PO_NUMBER,PRIORITY\n".to_owned();
    (20_001..25_001).for_each(|po| rows.push_str(&format!("{po},{}\n", if po % 2 == 0 { "Alta" } else { "Baixa" })));
    let intake = take(rows.as_bytes()).unwrap();
    assert_eq!((intake.tasks.len(), intake.remarks.len()), (5000, 1));
    let remark = intake.remarks[0].to_string();
    assert!(
        remark.starts_with("sheet, line 2 and 4999 more rows: \"Baixa\", \"Alta\": not a priority, so normal"),
        "{remark}"
    );
}

#[test]
fn the_column_is_chosen_by_what_its_cells_hold() {
    let intake = sheet(&["PO Number;Coupa PO", "ERP-77;15262984", "ERP-78;15262990"]);
    assert_eq!(numbers(&intake), ["15262984", "15262990"]);
    assert!(
        said(&intake).contains("read from the column \"Coupa PO\", since the cells of \"PO Number\""),
        "{}",
        said(&intake)
    );
    let refused = take(b"PO Number;Coupa PO\n77;15262984\n78;15262990\n").unwrap_err();
    assert!(refused.to_string().contains("\"PO Number\" (column A), \"Coupa PO\" (column B)"), "{refused}");
    // the same numbers twice leave no doubt
    assert_eq!(numbers(&sheet(&["PO;PO_NUMBER", "PO7;7", "8;PO8"])), ["7", "PO8"]);
    // and one column alone tells of its rows what is wrong with them
    assert_eq!(rejects(&sheet(&["PO_NUMBER;x", "N/A;1", "tbd;2"])).len(), 2);
}

#[test]
fn the_column_that_is_named_decides() {
    let by = |column: &str, rows: &str| {
        take_with(rows.as_bytes(), &InputOptions { column: Some(column.to_owned()), ..InputOptions::default() })
    };
    let two = "PO Number;Coupa PO\n77;15262984\n78;15262990\n";
    assert_eq!(numbers(&by("coupa po", two).unwrap()), ["15262984", "15262990"]);
    assert_eq!(numbers(&by("A", two).unwrap()), ["77", "78"]);
    assert_eq!(numbers(&by("2", two).unwrap()), ["15262984", "15262990"]);
    let foreign = "Liste\nPedido;Fornecedor\n15262984;Acme\nN/A;Bolt\n";
    for column in ["Pedido", "A"] {
        let intake = by(column, foreign).unwrap();
        assert_eq!((numbers(&intake), rejects(&intake)[0].0), (vec!["15262984".to_owned()], 4), "{column}");
        assert_eq!(intake.tasks[0].metadata["Fornecedor"], "Acme");
    }
    // without headings
    assert_eq!(numbers(&by("B", "Acme;7\nBolt;8\n").unwrap()), ["7", "8"]);
    let refused = by("Order", foreign).unwrap_err().to_string();
    assert!(refused.contains("no column \"Order\"") && refused.contains("Liste"), "{refused}");
}

#[test]
fn heads_of_two_rows_are_one() {
    for rows in [
        &[";Purchase order;;", "Supplier;Number;Date;Priority", "Acme;15262984;May;high"][..],
        &["Supplier;PO number;Delivery;", ";;Street;Town", "Acme;15262984;A;B"],
        &["Supplier;PO;;Amount", ";Number;Date;", "Acme;15262984;May;5"],
        &["PO", "Supplier;PO_NUMBER", "Acme;15262984"],
    ] {
        let intake = sheet(rows);
        assert_eq!((numbers(&intake), rejects(&intake)), (vec!["15262984".to_owned()], vec![]), "{rows:?}");
        assert_eq!(intake.tasks[0].metadata["Supplier"], "Acme", "{rows:?}");
    }
    // a heading that is merged over two columns, of which the second has the numbers
    assert_eq!(numbers(&sheet(&["Supplier;PO_NUMBER;;Amount", "Acme;;15262984;5"])), ["15262984"]);
    // a row of words is a row
    assert_eq!(
        rejects(&sheet(&["PO_NUMBER;Supplier", "tbd;Acme", "7;Bolt"])),
        [(2, "a number is digits, with or without PO or PM before them")]
    );
}

#[test]
fn records_of_lines_do_not_become_orders() {
    let exports: [&[&str]; 3] = [
        &[
            "PurchaseOrder,Id,PO Number,Status",
            "PurchaseOrderLine,Id,Line Number,Quantity",
            "PurchaseOrder,9,15262984,issued",
            "PurchaseOrderLine,31,1,5",
            "PurchaseOrderLine,32,2,7",
        ],
        &["Record type,PO Number,x", "H,15262984,a", "L,1,b", "L,2,c", "H,15262990,d"],
        &["PO Number,Status", "15262984,issued", "", "Line Number,Quantity", "1,5", "2,7"],
    ];
    for (export, orders) in exports.into_iter().zip([1, 2, 1]) {
        let intake = sheet(export);
        assert_eq!(intake.tasks.len(), orders, "{intake:?}");
        assert_eq!(intake.row_counts[0].rejected, intake.row_counts[0].rows - orders as u64);
    }
    let intake = sheet(exports[0]);
    assert!(rejects(&intake)[1].1.contains("\"PurchaseOrderLine\""), "{:?}", rejects(&intake));
    // what only looks like it is no such table
    let intake = sheet(&["Approved;PO_NUMBER", "Approved;15262984", "Rejected;15262990", "Approved;15262995"]);
    assert_eq!((intake.tasks.len(), intake.rejects.len()), (3, 0));
}

#[test]
fn headings_that_come_again_are_followed() {
    let intake = sheet(&[
        "Supplier;PO_NUMBER",
        "Acme;15262984",
        "Supplier;PO_NUMBER",
        "Bolt;15262990",
        "PO;Invoice",
        "15262995;77",
    ]);
    assert_eq!(numbers(&intake), ["15262984", "15262990", "15262995"]);
    assert_eq!(rejects(&intake).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 5]);
    // a cell that says PO is no heading
    let intake = sheet(&["PO_NUMBER;Type", "15262984;PO", "N/A;PO", "15262990;PM"]);
    assert_eq!((numbers(&intake).len(), rejects(&intake)[0].0), (2, 3));
}

#[test]
fn an_order_above_the_headings_is_named() {
    let intake = sheet(&["PO15262980;urgent", "2024;report", "PO_NUMBER;x", "15262984;y"]);
    assert_eq!((numbers(&intake), intake.row_counts[0].rows), (vec!["15262984".to_owned()], 2));
    assert!(rejects(&intake)[0].1.contains("above the headings, which are in line 3"));
}

#[test]
fn a_number_that_is_far_shorter_than_the_others_is_told() {
    let mut rows = "PO_NUMBER;Amount\n".to_owned();
    (0..12).for_each(|at| rows.push_str(&format!("{};1\n", 15_262_984 + at)));
    let intake = take((rows + "12;24\n").as_bytes()).unwrap();
    assert!(
        said(&intake).contains("1 order has far fewer digits than the others, such as 12 in line 14"),
        "{}",
        said(&intake)
    );
}

#[test]
fn all_visible_sheets_with_orders_are_read_and_said() {
    let mut book = Workbook::new();
    column(book.add_worksheet().set_name("Cover").unwrap(), &["All orders", "of 2026"]);
    column(book.add_worksheet().set_name("Jan").unwrap(), &["PO_NUMBER", "15262984", "15262990"]);
    column(book.add_worksheet().set_name("Feb").unwrap(), &["PO_NUMBER", "15262995", "x", "15262990"]);
    column(book.add_worksheet().set_name("old").unwrap().set_hidden(true), &["PO_NUMBER", "7"]);
    let bytes = book.save_to_buffer().unwrap();
    let intake = take(&bytes).unwrap();
    assert_eq!(numbers(&intake), ["15262984", "15262990", "15262995"]);
    let said = said(&intake);
    assert!(said.contains("orders are read from 2 sheets: \"Jan\" (2 rows), \"Feb\" (3 rows)"), "{said}");
    assert!(said.contains("hidden sheets with orders are not read: \"old\""), "{said}");
    assert!(said.contains("without a column of order numbers are not read: \"Cover\""), "{said}");
    assert_eq!(intake.rejects[0].source, "sheet, sheet \"Feb\"");
    let one = |name: &str| take_with(&bytes, &InputOptions { sheet: Some(name.to_owned()), ..InputOptions::default() });
    assert_eq!(numbers(&one("feb").unwrap()), ["15262995", "15262990"]);
    assert_eq!(numbers(&one("OLD").unwrap()), ["7"]);
    let refused = one("March").unwrap_err().to_string();
    assert!(refused.contains("no sheet \"March\"") && refused.contains("Jan, Feb"), "{refused}");
}

#[test]
fn hidden_sheets_are_read_only_if_no_visible_one_has_orders() {
    let mut book = Workbook::new();
    column(book.add_worksheet().set_name("cover").unwrap(), &["PO_NUMBER"]);
    column(book.add_worksheet().set_name("data").unwrap().set_very_hidden(true), &["PO_NUMBER", "7", "8"]);
    let intake = take(&book.save_to_buffer().unwrap()).unwrap();
    assert_eq!(numbers(&intake), ["7", "8"]);
    assert!(
        said(&intake).contains("hidden sheets, since no visible sheet has orders: \"data\" (2 rows)"),
        "{}",
        said(&intake)
    );
}

#[test]
fn hidden_rows_are_read_and_said() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    column(sheet, &["PO_NUMBER", "7", "8", "9"]);
    sheet.set_row_hidden(2).unwrap();
    let grid: Vec<_> = ["PO_NUMBER", "7", "8", "9"].map(|text| vec![Value::Text(text.to_owned())]).into();
    for bytes in [book.save_to_buffer().unwrap(), xls_with_hidden(&grid, &[2])] {
        let intake = take(&bytes).unwrap();
        assert_eq!(numbers(&intake), ["7", "8", "9"]);
        assert!(said(&intake).contains("1 of its rows is hidden"), "{}", said(&intake));
    }
}

#[test]
fn a_web_page_and_a_workbook_of_xml_are_read_under_any_name() {
    let page = b"<html><head><meta charset='utf-8'></head><body><table border=1><tr><th>PO_NUMBER</th><th>Buyer</th></tr>\
                 <tr><td>15262984</td><td>Ada</td></tr><tr style='display:none'><td>15262990</td><td>Ben</td></tr></table>";
    let intake = take(page).unwrap();
    assert_eq!(
        (numbers(&intake), intake.tasks[0].metadata["Buyer"].as_str()),
        (vec!["15262984".to_owned(), "15262990".to_owned()], "Ada")
    );
    assert!(said(&intake).contains("hidden"));
}

#[test]
fn rows_inside_of_a_heading_and_below_a_comment_are_told_and_zero_is_no_order() {
    let heading = take(b"PO_NUMBER,\"Note\n15262984,a\n15262985,b\"\n15262986,c").unwrap();
    assert_eq!((numbers(&heading), heading.rejects.len()), (vec!["15262986".to_owned()], 2));
    let comment = take(b"15262983\n\"# may\n15262984\n15262985\"\n").unwrap();
    assert_eq!((numbers(&comment), comment.rejects.len()), (vec!["15262983".to_owned()], 1));
    let zero = take(b"PO_NUMBER\n7\n0\n000\nPO0\n").unwrap();
    assert_eq!((numbers(&zero), zero.rejects.len()), (vec!["7".to_owned()], 3));
}
