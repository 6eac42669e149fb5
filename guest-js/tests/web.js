// The names of the web.
const bytes = new TextEncoder().encode("zürich €😀");
console.log(bytes.length, new TextDecoder().decode(bytes), new TextDecoder("latin1").decode(new Uint8Array([0xe9, 0x80])));
const stream = new TextDecoder();
console.log(Array.from(bytes, (byte) => stream.decode(new Uint8Array([byte]), { stream: true })).join("") + stream.decode());
console.log(new TextDecoder().decode(new Uint8Array([0xff, 65])), new TextEncoder().encode("\ud800"));
try {
  new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff]));
} catch (error) {
  console.log(error.name);
}
console.log(btoa("hi"), atob("aGk="), new Uint8Array([1, 255]).toHex?.());

const url = new URL("../c?q=1#h", "https://user:pw@EXAMPLE.com:8080/a/b/");
url.searchParams.append("w", "x y&z");
url.hash = "";
url.port = "443";
console.log(url.href, url.origin, url.host, url.searchParams.get("w"));
console.log(URL.canParse("no url"), URL.parse("x:y")?.pathname, new URL("file:///a/../b").pathname, JSON.stringify({ url: new URL("http://a/%7Eb ü") }));
const search = new URLSearchParams({ a: "1", b: "ä ~*" });
search.append("a", "2");
search.delete("b");
search.sort();
console.log(String(search), search.getAll("a"), search.size, [...new URLSearchParams("?x=%41+%zz&y")]);
for (const bad of ["http://", "http://a b", "//x", ""]) {
  try {
    new URL(bad);
    console.log("parsed", bad);
  } catch (error) {
    console.log(error.name, error.code);
  }
}

const original = { date: new Date(0), map: new Map([[1, new Set([2])]]), list: [1, , 3], bytes: new Uint8Array([1, 2]), error: new RangeError("r"), expression: /x/g };
original.self = original;
const copy = structuredClone(original);
console.log(copy.self === copy, copy !== original, copy.date.getTime(), copy.map, copy.list, copy.bytes, copy.error.name, copy.expression);
try {
  structuredClone({ f() {} });
} catch (error) {
  console.log(error.name, error instanceof DOMException);
}

console.log(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), crypto.randomUUID() !== crypto.randomUUID());
console.log(crypto.getRandomValues(new Uint8Array(64)).some((byte) => byte !== 0), performance.now() >= 0, performance.timeOrigin > 1.6e12, Math.random() !== Math.random());
const target = new EventTarget();
target.addEventListener("x", (event) => console.log(event.type, event.detail, event instanceof Event), { once: true });
console.log(target.dispatchEvent(new CustomEvent("x", { detail: 5 })), target.dispatchEvent(new Event("x")));
