//! Digests, for `node:crypto` and `crypto.subtle`.

use crate::text::Text;
use hmac::{Hmac, Mac as _};
use md5::Md5;
use rquickjs::{ArrayBuffer, Ctx, Function, Object, Result};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Puts the functions into the `native` object of the prelude.
pub(crate) fn define<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    native.set("digest", Function::new(ctx.clone(), digest)?)?;
    native.set("hmac", Function::new(ctx.clone(), hmac)?)
}

/// The bytes of a buffer, copied: nothing of the engine is borrowed.
fn bytes_of(buffer: &ArrayBuffer<'_>) -> Vec<u8> {
    // SAFETY: no JavaScript runs while the bytes are copied.
    unsafe { buffer.as_bytes() }.unwrap_or_default().to_vec()
}

/// A digest; `undefined` for an algorithm that is not there.
fn digest<'js>(
    ctx: Ctx<'js>,
    algorithm: Text,
    bytes: ArrayBuffer<'js>,
) -> Result<Option<ArrayBuffer<'js>>> {
    let bytes = bytes_of(&bytes);
    let digest = match algorithm.0.as_str() {
        "md5" => Md5::digest(bytes).to_vec(),
        "sha1" => Sha1::digest(bytes).to_vec(),
        "sha224" => Sha224::digest(bytes).to_vec(),
        "sha256" => Sha256::digest(bytes).to_vec(),
        "sha384" => Sha384::digest(bytes).to_vec(),
        "sha512" => Sha512::digest(bytes).to_vec(),
        _ => return Ok(None),
    };
    ArrayBuffer::new(ctx, digest).map(Some)
}

/// The code of a message with a key; `undefined` for an algorithm that is not
/// there.
fn hmac<'js>(
    ctx: Ctx<'js>,
    algorithm: Text,
    key: ArrayBuffer<'js>,
    bytes: ArrayBuffer<'js>,
) -> Result<Option<ArrayBuffer<'js>>> {
    let (key, bytes) = (bytes_of(&key), bytes_of(&bytes));
    macro_rules! code {
        ($digest:ty) => {
            Hmac::<$digest>::new_from_slice(&key).map(|mut code| {
                code.update(&bytes);
                code.finalize().into_bytes().to_vec()
            })
        };
    }
    let code = match algorithm.0.as_str() {
        "md5" => code!(Md5),
        "sha1" => code!(Sha1),
        "sha224" => code!(Sha224),
        "sha256" => code!(Sha256),
        "sha384" => code!(Sha384),
        "sha512" => code!(Sha512),
        _ => return Ok(None),
    };
    // A key of any length is taken.
    match code {
        Ok(code) => ArrayBuffer::new(ctx, code).map(Some),
        Err(_) => Ok(None),
    }
}
