//! The tool `now`: the current time, in any zone. The zones are in the binary,
//! so that it tells the same on a machine without a zone database.

use jiff::{Timestamp, tz::TimeZoneDatabase};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Definition};

/// Zones in one question.
const MAX_ZONES: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default)]
    zones: Vec<String>,
}

pub(super) fn definition() -> Definition {
    Definition {
        name: "now",
        description: "The current time: in UTC, and in the time zones asked for.",
        input: json!({
            "type": "object",
            "properties": {
                "zones": {
                    "type": "array",
                    "items": { "type": "string" },
                    "maxItems": MAX_ZONES,
                    "default": [],
                    "description": "names like `Europe/Berlin` or `Asia/Tokyo`",
                },
            },
            "additionalProperties": false,
        }),
        output: json!({
            "type": "object",
            "properties": {
                "utc": { "type": "string", "format": "date-time" },
                "unix": { "type": "number", "description": "seconds since 1970" },
                "zones": {
                    "type": "object",
                    "additionalProperties": { "type": "string", "format": "date-time" },
                    "description": "the same moment in each zone, by its name",
                },
            },
            "required": ["utc", "unix", "zones"],
            "additionalProperties": false,
        }),
    }
}

pub(super) fn now(question: Question) -> Answer {
    at(Timestamp::now(), question)
}

fn at(moment: Timestamp, question: Question) -> Answer {
    if question.zones.len() > MAX_ZONES {
        return Err(format!("`zones` has more than {MAX_ZONES} names"));
    }
    let database = TimeZoneDatabase::bundled();
    let mut zones = Map::new();
    for name in question.zones {
        let zone = database
            .get(&name)
            .map_err(|_| unknown_zone(&database, &name))?;
        let local = moment.to_zoned(zone);
        let text = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        zones.insert(name, Value::String(text));
    }
    let utc = moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let unix = moment.as_millisecond() as f64 / 1000.0;
    let content = json!({ "utc": utc, "unix": unix, "zones": zones });
    Ok((utc, content))
}

fn unknown_zone(database: &TimeZoneDatabase, name: &str) -> String {
    let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    // `Berlin` and `berlin` mean `Europe/Berlin`.
    let city = name
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .replace(' ', "_");
    let meant = database.available().find(|known| {
        let known = known.as_str().rsplit('/').next().unwrap_or_default();
        known.eq_ignore_ascii_case(&city)
    });
    match meant {
        Some(meant) => format!("unknown time zone `{shown}`; did you mean `{meant}`?"),
        None => format!("unknown time zone `{shown}`; names look like `Europe/Berlin`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zones: &[&str]) -> Result<Value, String> {
        let moment = Timestamp::from_millisecond(1_750_000_000_250).unwrap();
        let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        at(moment, Question { zones }).map(|(_, content)| content)
    }

    #[test]
    fn one_moment_is_told_in_every_zone() {
        assert_eq!(
            check(&["Europe/Berlin", "Asia/Kolkata", "UTC"]),
            Ok(json!({
                "utc": "2025-06-15T15:06:40Z",
                "unix": 1_750_000_000.25,
                "zones": {
                    "Europe/Berlin": "2025-06-15T17:06:40+02:00",
                    "Asia/Kolkata": "2025-06-15T20:36:40+05:30",
                    "UTC": "2025-06-15T15:06:40+00:00",
                },
            }))
        );
    }

    #[test]
    fn an_unknown_zone_is_named_with_what_was_meant() {
        assert_eq!(
            check(&["berlin"]),
            Err("unknown time zone `berlin`; did you mean `Europe/Berlin`?".to_owned())
        );
        assert_eq!(
            check(&["Moon/Crater\u{1b}"]),
            Err(
                "unknown time zone `Moon/Crater\\u{1b}`; names look like `Europe/Berlin`"
                    .to_owned()
            )
        );
        assert!(check(&["UTC"; 51]).is_err());
    }
}
