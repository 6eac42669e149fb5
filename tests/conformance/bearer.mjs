// Loaded before the suite, which cannot send a token of its own: every request
// it makes carries the bearer token that the server under test insists on.
// Nothing else of the requests is changed, and nothing of the suite.

import http from "node:http";
import { syncBuiltinESMExports } from "node:module";

const name = "authorization";
const value = `Bearer ${process.env.WASM_COORDINATOR_CONFORMANCE_TOKEN}`;

function authorized(headers) {
  if (Array.isArray(headers)) return [...headers, name, value];
  if (typeof headers?.[Symbol.iterator] === "function") return [...headers, [name, value]];
  return { ...headers, [name]: value };
}

// The `fetch` of Node finds what sends its requests under one of these, undici
// from npm under the other. They are made when `fetch` is first used.
await fetch("data:,");
for (const version of ["1", "2"]) {
  const place = Symbol.for(`undici.globalDispatcher.${version}`);
  globalThis[place] = new Proxy(globalThis[place], {
    get(dispatcher, key) {
      const member = Reflect.get(dispatcher, key, dispatcher);
      if (key === "dispatch") {
        return (options, handler) =>
          member.call(dispatcher, { ...options, headers: authorized(options.headers) }, handler);
      }
      return typeof member === "function" ? member.bind(dispatcher) : member;
    },
  });
}

// Some scenarios need more control over headers than `fetch` gives.
const request = http.request;
http.request = (...words) => {
  const options = words.find((word) => typeof word === "object" && !(word instanceof URL));
  options.headers = authorized(options.headers);
  return request(...words);
};
syncBuiltinESMExports();
