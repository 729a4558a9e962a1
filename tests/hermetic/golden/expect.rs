//! A sidecar's `[expect]` against the JSON of a measurement.
//!
//! A table must be found within an object, an array must be as long as the other and match item by item. A number
//! is equal to a billionth; a number as text is equal to the digits that the text has, as a printed table would be.
//! `{ contains = "…" }` is part of a text, `{ absent = true }` is an undefined figure.

use serde_json::Value as Json;
use toml::Value as Toml;

/// Every place where the measurement is not as expected.
pub fn differences(expected: &Toml, measured: &Json) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, Some(measured), &mut found);
    found
}

fn compare(place: &str, expected: &Toml, measured: Option<&Json>, found: &mut Vec<String>) {
    match (expected, measured) {
        (Toml::Table(table), _) if table.contains_key("absent") => {
            if measured.is_some_and(|json| !json.is_null()) {
                found.push(format!("{place} is defined: {}", shown(measured)));
            }
        }
        (Toml::Table(table), Some(Json::String(text))) if table.contains_key("contains") => {
            let part = table["contains"].as_str().unwrap_or("");
            if part.is_empty() || !text.contains(part) {
                found.push(format!("{place} lacks {part:?}: {text:?}"));
            }
        }
        (Toml::Table(table), Some(Json::Object(object))) => {
            for (key, value) in table {
                compare(&format!("{place}.{key}"), value, object.get(key), found);
            }
        }
        (Toml::Array(items), Some(Json::Array(values))) => {
            if items.len() != values.len() {
                found.push(format!("{place} has {} entries, not {}: {}", values.len(), items.len(), shown(measured)));
            }
            for (number, (item, value)) in items.iter().zip(values).enumerate() {
                compare(&format!("{place}[{number}]"), item, Some(value), found);
            }
        }
        _ if measured.is_some_and(|json| equal(expected, json)) => {}
        _ => found.push(format!("{place} is {}, not {expected}", shown(measured))),
    }
}

fn equal(expected: &Toml, measured: &Json) -> bool {
    match (expected, measured) {
        (Toml::String(digits), Json::Number(number)) => {
            let places = digits.split_once('.').map_or(0, |(_, places)| places.len());
            number.as_f64().is_some_and(|number| format!("{number:.places$}") == *digits)
        }
        (Toml::String(text), Json::String(other)) => text == other,
        (Toml::Integer(integer), Json::Number(number)) => match number.as_i64() {
            Some(other) => other == *integer,
            None => near(*integer as f64, number.as_f64()),
        },
        (Toml::Float(float), Json::Number(number)) => near(*float, number.as_f64()),
        (Toml::Boolean(expected), Json::Bool(measured)) => expected == measured,
        _ => false,
    }
}

fn near(expected: f64, measured: Option<f64>) -> bool {
    measured.is_some_and(|measured| (measured - expected).abs() <= 1e-9 * expected.abs().max(1.0))
}

fn shown(measured: Option<&Json>) -> String {
    measured.map_or_else(|| "absent".to_owned(), Json::to_string)
}

#[test]
fn the_comparison_itself_sees_what_differs() {
    let measured = serde_json::json!({"streams": [{"lost": 3, "jitter": 2.4834, "codec": "PCMA"}], "gap": 1000.0});
    let same = |text: &str| differences(&Toml::Table(text.parse().unwrap()), &measured).is_empty();
    assert!(same("gap = 1000\nstreams = [{ lost = 3, jitter = '2.483', codec = { contains = 'PCM' } }]"));
    assert!(same("streams = [{ delay = { absent = true } }]"));
    for wrong in ["gap = 999", "streams = []", "streams = [{ lost = 4 }]", "streams = [{ jitter = '2.484' }]"] {
        assert!(!same(wrong), "{wrong}");
    }
    for wrong in ["delay = 0", "gap = { absent = true }", "streams = [{ codec = 'PCMU' }]"] {
        assert!(!same(wrong), "{wrong}");
    }
}
