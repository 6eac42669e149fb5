//! Numbers, dates and comparisons as people write them. What is expected was
//! written by another engine with all its tables.

use serde_json::json;

use crate::harness::{Place, contains, error, ok};

#[track_caller]
fn result(source: &str) -> serde_json::Value {
    ok(Place::new().javascript(source))
}

#[test]
fn numbers_are_written_as_in_the_united_states() {
    let source = "\
const n = 1234567.891;
[n.toLocaleString(), n.toLocaleString('en-US', { style: 'currency', currency: 'USD' }),
 (0.256).toLocaleString('en-US', { style: 'percent' }), (1.005).toLocaleString('en-US', { maximumFractionDigits: 2 }),
 new Intl.NumberFormat('en-US', { notation: 'compact' }).format(n), (12345678901234567890n).toLocaleString(),
 new Intl.NumberFormat('en-US', { style: 'currency', currency: 'JPY' }).format(1234.5),
 new Intl.NumberFormat('en', { style: 'unit', unit: 'kilometer-per-hour' }).format(50),
 (1e21).toLocaleString('en-US'), (5).toLocaleString('en-US', { minimumIntegerDigits: 2 }), Intl.NumberFormat().format(-1234.5)]";
    assert_eq!(
        result(source),
        json!([
            "1,234,567.891",
            "$1,234,567.89",
            "26%",
            "1.01",
            "1.2M",
            "12,345,678,901,234,567,890",
            "¥1,235",
            "50 km/h",
            "1,000,000,000,000,000,000,000",
            "05",
            "-1,234.5"
        ])
    );
}

#[test]
fn dates_are_written_in_the_time_zone_that_was_asked_for() {
    let source = "\
const at = new Date(Date.UTC(2024, 6, 5, 15, 4, 9));
[at.toLocaleString(), at.toLocaleString('en-US', { timeZone: 'America/New_York' }),
 at.toLocaleDateString('en-US', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric', timeZone: 'Asia/Tokyo' }),
 at.toLocaleTimeString('en-US', { hour: '2-digit', minute: '2-digit', timeZone: 'Europe/Zurich' }),
 new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone: 'Europe/London' }).format(at),
 at.toLocaleDateString('en-CA', { timeZone: 'Pacific/Auckland' }), at.toLocaleString('sv-SE', { timeZone: 'UTC' }),
 new Intl.DateTimeFormat('en-US', { timeZone: 'America/New_York', hour: 'numeric', timeZoneName: 'short' }).format(at),
 Intl.DateTimeFormat().resolvedOptions().timeZone,
 new Intl.DateTimeFormat('en-US', { timeZone: 'America/Los_Angeles', hour: 'numeric', hourCycle: 'h23' }).formatToParts(new Date(Date.UTC(2045, 0, 5, 15))).find(p => p.type === 'hour').value]";
    assert_eq!(
        result(source),
        json!([
            "7/5/2024, 3:04:09 PM",
            "7/5/2024, 11:04:09 AM",
            "Saturday, July 6, 2024",
            "05:04 PM",
            "Friday, 5 July 2024 at 16:04:09 BST",
            "2024-07-06",
            "2024-07-05 15:04:09",
            "11 AM EDT",
            "UTC",
            "07"
        ])
    );
}

#[test]
fn texts_are_compared_as_people_sort_them() {
    let source = "\
const words = ['Zebra', 'apple', 'résumé', 'Äpfel', 'resume', 'file10', 'file9', 'banana', '_x', 'Apple'];
[[...words].sort((a, b) => a.localeCompare(b)), ['file10', 'file9'].sort(new Intl.Collator(undefined, { numeric: true }).compare),
 ['a10', 'a2'].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })), 'a'.localeCompare('A', undefined, { sensitivity: 'base' }),
 'é'.localeCompare('e', 'en', { sensitivity: 'base' }), 'a'.localeCompare('B')]";
    assert_eq!(
        result(source),
        json!([
            [
                "_x", "Äpfel", "apple", "Apple", "banana", "file10", "file9", "resume", "résumé",
                "Zebra"
            ],
            ["file9", "file10"],
            ["a2", "a10"],
            0,
            0,
            -1
        ])
    );
}

#[test]
fn plurals_lists_and_relative_times_are_english() {
    let source = "\
[new Intl.PluralRules('en', { type: 'ordinal' }).select(22), new Intl.ListFormat('en', { type: 'conjunction' }).format(['a', 'b', 'c']),
 new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'), new Intl.RelativeTimeFormat('en').format(3, 'weeks')]";
    assert_eq!(
        result(source),
        json!(["two", "a, b, and c", "yesterday", "in 3 weeks"])
    );
}

#[test]
fn other_countries_write_numbers_and_dates_in_their_own_way() {
    let source = "\
[(1234567.5).toLocaleString('de-DE'), (1234.5).toLocaleString('de-DE', { style: 'currency', currency: 'EUR' }).replace('\\u00a0', '_'),
 new Date(0).toLocaleDateString('de-DE'), new Date(0).toLocaleDateString('fr-FR'), (0.5).toLocaleString('de-DE', { style: 'percent' }).replace('\\u00a0', '_')]";
    assert_eq!(
        result(source),
        json!([
            "1.234.567,5",
            "1.234,50_€",
            "1.1.1970",
            "01/01/1970",
            "50_%"
        ])
    );
}

#[test]
fn what_a_locale_has_not_is_said_and_never_another_value() {
    for (source, hint) in [
        (
            "(1).toLocaleString('ar-EG')",
            "does not know the locale `ar-EG`",
        ),
        (
            "new Date(0).toLocaleDateString('de-DE', { month: 'long' })",
            "there are those of en-US and en-GB",
        ),
        (
            "new Date(0).toLocaleString('en-US', { timeZone: 'Mars/Olympus' })",
            "Invalid time zone specified: Mars/Olympus",
        ),
        (
            "'a'.localeCompare('b', 'sv')",
            "the order of words in sv-SE",
        ),
        (
            "new Intl.DisplayNames('en', { type: 'region' })",
            "Intl.DisplayNames",
        ),
        (
            "new Intl.NumberFormat('en', { style: 'currency', currency: 'x' })",
            "Invalid currency code",
        ),
        ("'i'.toLocaleUpperCase('tr')", "toLocaleUpperCase"),
    ] {
        let report = Place::new().javascript(source);
        assert_eq!(error(&report)["kind"], "RangeError", "{source}");
        contains(&report["error"]["message"], hint);
    }
}
