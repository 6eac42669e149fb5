//! Time zones, for `js/intl-dates.js`: the rules of the IANA database, which
//! is part of the guest.

use crate::text::Text;
use jiff::Timestamp;
use jiff::tz::{TimeZone, db};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result, Value};
use std::cell::RefCell;

thread_local! {
    /// The zone that was asked for last: programs format many dates in one.
    static LAST: RefCell<Option<(String, TimeZone)>> = const { RefCell::new(None) };
}

/// The longest name of a zone is 32 bytes long.
const MAX_NAME: usize = 64;

/// Puts the functions into the `native` object of the prelude.
pub(crate) fn define<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    native.set("zone", Function::new(ctx.clone(), name)?)?;
    native.set("zoneOffset", Function::new(ctx.clone(), offset)?)?;
    native.set("zones", Function::new(ctx.clone(), names)?)
}

fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > MAX_NAME {
        return None;
    }
    let known = LAST.with_borrow(|last| {
        last.as_ref()
            .filter(|(known, _)| known == name)
            .map(|(_, zone)| zone.clone())
    });
    known.or_else(|| {
        let zone = TimeZone::get(name).ok()?;
        LAST.set(Some((name.to_owned(), zone.clone())));
        Some(zone)
    })
}

/// The usual spelling of a zone's name, or `null`.
fn name<'js>(ctx: Ctx<'js>, written: Text) -> Result<Value<'js>> {
    match zone(&written.0).as_ref().and_then(TimeZone::iana_name) {
        Some(name) => name.into_js(&ctx),
        None => Ok(Value::new_null(ctx)),
    }
}

/// `[seconds east of Greenwich, abbreviation, whether it is summer time]` at a
/// moment in milliseconds. Moments that the library does not know, before year
/// -9999 and after year 9999, are as its first and last.
fn offset<'js>(ctx: Ctx<'js>, written: Text, milliseconds: f64) -> Result<Array<'js>> {
    let at = Timestamp::from_millisecond(milliseconds as i64).unwrap_or(if milliseconds < 0.0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    let zone = zone(&written.0).unwrap_or(TimeZone::UTC);
    let info = zone.to_offset_info(at);
    let found = Array::new(ctx)?;
    found.set(0, info.offset().seconds())?;
    found.set(1, info.abbreviation())?;
    found.set(2, info.dst().is_dst())?;
    Ok(found)
}

fn names() -> Vec<String> {
    db().available().map(|name| name.to_string()).collect()
}
