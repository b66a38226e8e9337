//! Which order a page is about, by the number that it shows.

use crate::model::PoNumber;
use crate::site::NumberSource;

/// What is between a word such as "order" and its number.
const MARKS: [char; 8] = ['#', ':', '.', '-', '\u{2013}', '\u{ba}', '\u{b0}', '('];

/// Abbreviations of "number", the longest first.
const NUMBER_WORDS: [&str; 12] =
    ["número", "numero", "numéro", "nummer", "number", "num", "nro", "nr", "no", "nº", "n°", "n"];

/// A revision or a line behind a number has so many digits at most.
const LONGEST_REVISION: usize = 3;

/// The numbers in `text` that are right after one of the words of `source`, as they are written.
pub(crate) fn numbers_in(text: &str, source: &NumberSource) -> Vec<String> {
    let text = text.to_lowercase();
    if source.after.is_empty() {
        let mut words = text.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit()));
        let number = words.next().and_then(number_at).filter(|_| words.next().is_none());
        return number.map(str::to_uppercase).into_iter().collect();
    }
    let mut found = Vec::new();
    for word in &source.after {
        let word = word.trim().to_lowercase();
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(&word)) {
            let (begin, end) = (from + at, from + at + word.len());
            from = end;
            let is_inside = text[..begin].ends_with(char::is_alphanumeric);
            // "orders" is no "order", but "PO7405" is behind the word "PO"
            let goes_on = text[end..].starts_with(char::is_alphabetic);
            if !is_inside
                && !goes_on
                && let Some(number) = number_at(&text[end..])
            {
                found.push((begin, number.to_uppercase()));
            }
        }
    }
    found.sort();
    found.dedup_by_key(|(begin, _)| *begin);
    found.into_iter().map(|(_, number)| number).collect()
}

/// The number that `rest` begins with, after marks and a word for "number".
fn number_at(rest: &str) -> Option<&str> {
    let skip = |text: &'static [char]| move |c: char| c.is_whitespace() || text.contains(&c);
    let mut rest = rest.trim_start_matches(skip(&MARKS));
    let word = NUMBER_WORDS.iter().find_map(|word| {
        let after = rest.strip_prefix(word)?;
        (!after.starts_with(char::is_alphanumeric)).then_some(after)
    });
    if let Some(after) = word {
        rest = after.trim_start_matches(skip(&MARKS));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | ',');
    let number = rest.get(..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()))?;
    let number = number.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let first = number.find(|c: char| c.is_ascii_digit())?;
    // a prefix such as PO or 2D-, and no word that happens to have a digit
    (first <= 4 && number.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(number)
}

/// A number without what is between its thousands: a point or a comma that exactly three digits follow.
fn without_grouping(number: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let is_kept = |(at, c): &(usize, char)| {
        let rest = number.get(at + c.len_utf8()..).unwrap_or_default();
        !matches!(c, ',' | '.') || digits(rest) != 3
    };
    number.char_indices().filter(is_kept).map(|(_, c)| c).collect()
}

/// Whether a number that a page shows is that of `po`: the same digits, whatever their prefix, with or without a
/// revision or a line behind them. Where the prefix counts it must not be another one.
pub(crate) fn is_number_of(shown: &str, po: &PoNumber, prefix_counts: bool) -> bool {
    let shown = without_grouping(&shown.to_uppercase());
    let wanted = po.digits().trim_start_matches('0');
    let runs: Vec<&str> = shown.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).collect();
    let value = |run: &&&str| run.trim_start_matches('0').len();
    let longest = runs.iter().rev().max_by_key(value);
    let is_first = runs.first().is_some_and(|run| run.trim_start_matches('0') == wanted)
        && runs.iter().skip(1).all(|run| run.len() <= LONGEST_REVISION);
    let is_same = is_first || longest.is_some_and(|run| run.trim_start_matches('0') == wanted);
    if !is_same || !prefix_counts {
        return is_same;
    }
    let prefix = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_alphabetic()).to_owned();
    let before =
        shown.find(|c: char| c.is_ascii_digit()).and_then(|at| shown.get(..at)).map(prefix).unwrap_or_default();
    let asked = prefix(&po.prefix().to_uppercase());
    before.is_empty() || asked.is_empty() || before == asked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::site::recipe::parse::load;

    fn shown(text: &str) -> Option<String> {
        let recipe = load("coupa").unwrap();
        recipe
            .order
            .number
            .iter()
            .filter(|source| !source.after.is_empty())
            .find_map(|source| numbers_in(text, source).into_iter().next())
    }

    #[test]
    fn a_title_shows_the_number_behind_its_words_in_several_languages() {
        for (text, number) in [
            ("Purchase Order #7505", Some("7505")),
            ("Purchase order #15000387 | Demo portal", Some("15000387")),
            ("PURCHASE ORDER # PO7505", Some("PO7505")),
            ("Purchase Order 2D-15262984-2 (issued)", Some("2D-15262984-2")),
            ("Pedido de compra nº 15.262.984", Some("15.262.984")),
            ("Pedido de Compra n° PO15262984", Some("PO15262984")),
            ("Orden de compra No. 77", Some("77")),
            ("Bestellung Nr. 4711 vom 03.05.2026", Some("4711")),
            ("Bon de commande n\u{b0} 4711", Some("4711")),
            ("Purchase Orders", None),
            ("Purchase Order", None),
            ("Sorry", None),
            ("Oops! We couldn't find what you wanted", None),
            ("Purchase Order history of 2026", None),
            ("Requisition #223", None),
        ] {
            assert_eq!(shown(text).as_deref(), number, "{text}");
        }
    }

    #[test]
    fn a_place_that_holds_nothing_but_the_number_needs_no_words() {
        let recipe = load("coupa").unwrap();
        let source = recipe.order.number.iter().find(|source| source.after.is_empty()).unwrap();
        for (text, numbers) in [
            ("9912", &["9912"][..]),
            (" #PO9912 ", &["PO9912"]),
            ("Order no.: 9912", &["9912"]),
            ("9912 of 2026", &[]),
            ("none", &[]),
        ] {
            assert_eq!(numbers_in(text, source), numbers, "{text}");
        }
    }

    #[test]
    fn a_requisition_names_every_order_that_came_of_it() {
        let recipe = load("coupa").unwrap();
        let source = &recipe.requisition.orders[0];
        assert_eq!(numbers_in("PO n\u{ba} 5555 PO n\u{ba} 7021", source), ["5555", "7021"]);
        assert_eq!(numbers_in("3 items were ordered as PO 5555.", source), ["5555"]);
        assert!(numbers_in("3 items were added to the cart", source).is_empty());
    }

    #[test]
    fn a_number_is_the_same_with_another_prefix_zeros_or_a_revision() {
        let is = |shown: &str, po: &str| is_number_of(shown, &po.parse().unwrap(), false);
        for (shown, po) in [
            ("7505", "PO7505"),
            ("PO7505", "7505"),
            ("PM7505", "PO7505"),
            ("007505", "7505"),
            ("7505", "007505"),
            ("15.262.984", "15262984"),
            ("2D-15262984-2", "15262984"),
            ("7-10", "7"),
            ("1,526,298", "1526298"),
            ("7505.2", "7505"),
            ("7505.10", "7505"),
            ("PO7505,1", "7505"),
            ("15.262.984-2", "15262984"),
            ("US0158122", "158122"),
        ] {
            assert!(is(shown, po), "{shown} {po}");
        }
        for (shown, po) in [
            ("9912", "7505"),
            ("75050", "7505"),
            ("17505", "7505"),
            ("9912-7505", "7505"),
            ("7505-9912", "7"),
            ("7505.2", "75052"),
        ] {
            assert!(!is(shown, po), "{shown} {po}");
        }
        assert!(!is_number_of("PM7505", &"PO7505".parse().unwrap(), true));
        assert!(is_number_of("7505", &"PO7505".parse().unwrap(), true));
        assert!(is_number_of("PO-7505", &"po7505".parse().unwrap(), true));
    }

    proptest! {
        #[test]
        fn a_number_behind_a_word_is_read_whatever_stands_around_it(
            digits in "[1-9][0-9]{0,11}", before in "[ (:>-]{0,3}", mark in "( #|: | no\\. | nº | #PO)", after in "( [a-z ]{0,9}|)",
        ) {
            let found = shown(&format!("{before}Purchase Order{mark}{digits}{after}"));
            let po = digits.parse().unwrap();
            prop_assert!(found.as_ref().is_some_and(|found| is_number_of(found, &po, false)), "{found:?}");
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let found = shown(&format!("Purchase Order {text}"));
            let _ = found.map(|found| is_number_of(&found, &"7".parse().unwrap(), true));
        }
    }
}
