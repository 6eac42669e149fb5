// Bytes as text and back, in the encodings that Node's files know.
(function (native, internal) {
  "use strict";

  const NAMES = new Map();
  for (const names of ["utf8 utf-8", "utf16le utf-16le ucs2 ucs-2", "latin1 binary", "ascii", "base64", "base64url", "hex"]) {
    const [first, ...others] = names.split(" ");
    for (const name of [first, ...others]) NAMES.set(name, first);
  }

  /** The encoding of this name, or `undefined`. */
  internal.encoding = (name) => NAMES.get(String(name).toLowerCase());

  /** Arguments that one call may have; the engine's stack holds more. */
  const CHUNK = 8_192;

  function characters(codes) {
    let text = "";
    for (let at = 0; at < codes.length; at += CHUNK) text += String.fromCharCode(...codes.subarray(at, at + CHUNK));
    return text;
  }

  const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

  const decoders = {
    utf8: (bytes) => native.decode(bytes.buffer, bytes.byteOffset, bytes.byteLength, false),
    utf16le: (bytes) => characters(new Uint16Array(bytes.slice(0, bytes.length & ~1).buffer)),
    latin1: characters,
    ascii: (bytes) => characters(bytes.map((byte) => byte & 0x7f)),
    base64: (bytes) => btoa(characters(bytes)),
    base64url: (bytes) => btoa(characters(bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
    hex: (bytes) => Array.from(bytes, (byte) => HEX[byte]).join(""),
  };

  function codes(text, Type) {
    const array = new Type(text.length);
    for (let at = 0; at < text.length; at++) array[at] = text.charCodeAt(at);
    return array;
  }

  /** As Node reads it: either alphabet, anything else between is left out. */
  function fromBase64(text) {
    let digits = text.split("=", 1)[0].replace(/[^\w+/-]/g, "").replaceAll("-", "+").replaceAll("_", "/");
    if (digits.length % 4 === 1) digits = digits.slice(0, -1);
    return codes(atob(digits + "=".repeat(-digits.length & 3)), Uint8Array);
  }

  const encoders = {
    utf8: (text) => new Uint8Array(native.encode(text)),
    utf16le: (text) => new Uint8Array(codes(text, Uint16Array).buffer),
    latin1: (text) => codes(text, Uint8Array),
    ascii: (text) => codes(text, Uint8Array),
    base64: fromBase64,
    base64url: fromBase64,
    hex(text) {
      // Up to what is none.
      const digits = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
      return Uint8Array.from({ length: digits.length / 2 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
    },
  };

  internal.toText = (bytes, encoding) => decoders[encoding](bytes);
  internal.toBytes = (text, encoding) => encoders[encoding](text);
})
