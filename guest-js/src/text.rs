//! Texts of a program, as the native functions take them.

use rquickjs::{Ctx, FromJs, Result, Value, qjs};

/// A text of the program as UTF-8. Half a surrogate pair, which JavaScript
/// can hold and UTF-8 cannot, becomes U+FFFD.
pub(crate) struct Text(pub(crate) String);

impl<'js> FromJs<'js> for Text {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let mut length = 0;
        // SAFETY: the value is alive; a null pointer means an exception, and
        // the bytes are copied before they are given back.
        let bytes = unsafe {
            let context = ctx.as_raw().as_ptr();
            let start = qjs::JS_ToCStringLen(context, &mut length, value.as_raw());
            if start.is_null() {
                return Err(rquickjs::Error::Exception);
            }
            let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length as _).to_vec();
            qjs::JS_FreeCString(context, start);
            bytes
        };
        Ok(Text(String::from_utf8(bytes).unwrap_or_else(|error| {
            let mut bytes = error.into_bytes();
            for at in 2..bytes.len() {
                if bytes[at - 2] == 0xED && bytes[at - 1] >= 0xA0 {
                    bytes[at - 2..=at].copy_from_slice("\u{FFFD}".as_bytes());
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })))
    }
}

/// A text, or `null`.
pub(crate) struct Nullable(pub(crate) Option<String>);

impl<'js> FromJs<'js> for Nullable {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        if value.is_null() || value.is_undefined() {
            return Ok(Nullable(None));
        }
        Text::from_js(ctx, value).map(|text| Nullable(Some(text.0)))
    }
}
