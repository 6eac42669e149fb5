// Modules of Node that need no system: `util`, `url`, `querystring`, `crypto`,
// `string_decoder`, `os`, `buffer`.
(function (native, internal) {
  "use strict";

  const { builtins, Buffer, buffer } = internal;
  const coded = (error, code) => Object.assign(error, { code });
  const invalid = (name, expected, value) => coded(new TypeError(`The "${name}" argument must be ${expected}. Received ${internal.inspect(value)}`), "ERR_INVALID_ARG_TYPE");

  // ---- util

  const CUSTOM = Symbol.for("nodejs.util.promisify.custom");
  const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

  function promisify(run) {
    if (typeof run !== "function") throw invalid("original", "of type function", run);
    if (run[CUSTOM]) return run[CUSTOM];
    return function (...values) {
      return new Promise((resolve, reject) => run.call(this, ...values, (error, value) => (error ? reject(error) : resolve(value))));
    };
  }
  promisify.custom = CUSTOM;
  setTimeout[CUSTOM] = (delay, value) => new Promise((resolve) => setTimeout(resolve, delay, value));

  const types = {
    isPromise: (value) => native.promiseState(value) !== null,
    isProxy: (value) => native.isProxy(value),
    isDate: (value) => value instanceof Date,
    isRegExp: (value) => value instanceof RegExp,
    isMap: (value) => value instanceof Map,
    isSet: (value) => value instanceof Set,
    isWeakMap: (value) => value instanceof WeakMap,
    isWeakSet: (value) => value instanceof WeakSet,
    isNativeError: (value) => value instanceof Error,
    isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
    isUint8Array: (value) => value instanceof Uint8Array,
    isArrayBuffer: (value) => value instanceof ArrayBuffer,
    isAnyArrayBuffer: (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer,
    isDataView: (value) => value instanceof DataView,
    isAsyncFunction: (value) => typeof value === "function" && ["AsyncFunction", "AsyncGeneratorFunction"].includes(tagOf(value)),
    isGeneratorFunction: (value) => typeof value === "function" && ["GeneratorFunction", "AsyncGeneratorFunction"].includes(tagOf(value)),
    isGeneratorObject: (value) => tagOf(value) === "Generator",
    isBoxedPrimitive: (value) => typeof value === "object" && ["Number", "String", "Boolean", "Symbol", "BigInt"].includes(tagOf(value)),
  };

  const warned = new Set();

  function inspect(value, options, depth) {
    if (typeof options === "boolean") options = { depth };
    return internal.inspect(value, options?.depth === null ? { ...options, depth: Infinity } : (options ?? { depth: 2 }));
  }
  inspect.custom = internal.CUSTOM;
  inspect.defaultOptions = {};

  const util = {
    inspect,
    format: (...values) => internal.format(values),
    promisify,
    callbackify: (run) =>
      function (...values) {
        const callback = values.pop();
        run.apply(this, values).then((value) => callback(null, value), (error) => callback(error ?? new Error("rejected without a reason")));
      },
    inherits(type, parent) {
      Object.defineProperty(type, "super_", { value: parent, configurable: true, writable: true });
      Object.setPrototypeOf(type.prototype, parent.prototype);
    },
    deprecate: (run, message) =>
      function (...values) {
        if (!warned.has(message)) {
          warned.add(message);
          console.warn(`DeprecationWarning: ${message}`);
        }
        return new.target ? Reflect.construct(run, values, new.target) : run.apply(this, values);
      },
    debuglog: () => Object.assign(() => {}, { enabled: false }),
    isDeepStrictEqual: (one, other) => internal.isDeepEqual(one, other, true),
    isArray: Array.isArray,
    stripVTControlCharacters: (text) => String(text).replace(/\u001b\[[0-9;?]*[A-Za-z]/g, ""),
    toUSVString: (text) => String(text).toWellFormed(),
    types,
    TextEncoder,
    TextDecoder,
  };

  // ---- url

  const url = {
    URL,
    URLSearchParams,
    fileURLToPath(value) {
      const parsed = typeof value === "string" ? new URL(value) : value;
      if (parsed.protocol !== "file:") throw coded(new TypeError("The URL must be of scheme file"), "ERR_INVALID_URL_SCHEME");
      return decodeURIComponent(parsed.pathname);
    },
    pathToFileURL: (path) => new URL(`file://${internal.builtins.path.resolve(String(path)).split("/").map(encodeURIComponent).join("/")}`),
    domainToASCII: (domain) => URL.parse(`http://${domain}`)?.hostname ?? "",
    resolve(from, to) {
      const resolved = new URL(to, new URL(from, "resolve://"));
      return resolved.protocol === "resolve:" ? resolved.pathname + resolved.search + resolved.hash : resolved.href;
    },
    parse(text, query) {
      const parsed = URL.parse(text);
      const rest = parsed ?? new URL(text, "none://none");
      const auth = parsed?.username ? decodeURIComponent(parsed.username) + (parsed.password ? `:${decodeURIComponent(parsed.password)}` : "") : null;
      const some = (value) => value || null;
      return {
        protocol: some(parsed?.protocol),
        slashes: parsed ? /^[a-z+.-]+:\/\//i.test(text) : null,
        auth,
        host: some(parsed?.host),
        port: some(parsed?.port),
        hostname: some(parsed?.hostname),
        hash: some(rest.hash),
        search: some(rest.search),
        query: query ? builtins.querystring.parse(rest.search.slice(1)) : some(rest.search.slice(1)),
        pathname: some(parsed || text.startsWith("/") ? rest.pathname : rest.pathname.slice(1)),
        path: some((parsed || text.startsWith("/") ? rest.pathname : rest.pathname.slice(1)) + rest.search),
        href: parsed?.href ?? text,
      };
    },
    format(value, options) {
      if (typeof value === "string") return url.format(url.parse(value));
      if (value instanceof URL) {
        const copy = new URL(value);
        if (options?.fragment === false) copy.hash = "";
        if (options?.search === false) copy.search = "";
        if (options?.auth === false) copy.username = copy.password = "";
        return copy.href;
      }
      const { protocol = "", auth, hostname, port, hash = "", query, slashes } = value;
      const host = value.host ?? (hostname ? hostname + (port ? `:${port}` : "") : "");
      const search = value.search ?? (query && typeof query === "object" ? builtins.querystring.stringify(query) : "");
      const scheme = protocol && (protocol.endsWith(":") ? protocol : `${protocol}:`);
      const marks = host || slashes ? (/^(?:https?|ftp|file|wss?):$/.test(scheme) || slashes ? "//" : "") : "";
      return `${scheme ?? ""}${marks}${auth ? `${encodeURIComponent(auth).replace("%3A", ":")}@` : ""}${host}${value.pathname ?? ""}${search ? (search.startsWith("?") ? search : `?${search}`) : ""}${hash ? (hash.startsWith("#") ? hash : `#${hash}`) : ""}`;
    },
  };

  // ---- querystring

  const escape = (text) => encodeURIComponent(text);
  const unescape = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const querystring = {
    escape,
    unescape,
    parse(text, separator = "&", equals = "=", options) {
      const parsed = Object.create(null);
      const decode = options?.decodeURIComponent ?? unescape;
      const most = options?.maxKeys ?? 1000;
      const parts = String(text ?? "").split(separator).filter(Boolean);
      for (const part of most > 0 ? parts.slice(0, most) : parts) {
        const at = part.indexOf(equals);
        const [key, value] = (at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + equals.length)]).map((each) => decode(each.replaceAll("+", " ")));
        if (key in parsed) parsed[key] = [].concat(parsed[key], value);
        else parsed[key] = value;
      }
      return parsed;
    },
    stringify(object, separator = "&", equals = "=", options) {
      const encode = options?.encodeURIComponent ?? escape;
      const text = (value) => (["string", "number", "bigint", "boolean"].includes(typeof value) && (typeof value !== "number" || Number.isFinite(value)) ? encode(String(value)) : "");
      return Object.entries(object ?? {})
        .flatMap(([key, value]) => [].concat(value).map((each) => `${encode(key)}${equals}${text(each)}`))
        .join(separator);
    },
  };
  querystring.encode = querystring.stringify;
  querystring.decode = querystring.parse;

  // ---- crypto

  const ALGORITHMS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

  function algorithmOf(name) {
    const known = String(name).toLowerCase().replace(/^rsa-/, "").replace("-", "");
    if (!ALGORITHMS.includes(known)) throw coded(new Error(`Digest method not supported: \`${name}\`; there are ${ALGORITHMS.join(", ")}`), "ERR_CRYPTO_INVALID_DIGEST");
    return known;
  }

  const bytesOf = (value, encoding, name = "data") => {
    if (typeof value === "string") return Buffer.from(value, encoding);
    if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
    if (value instanceof ArrayBuffer) return Buffer.from(value.slice(0));
    throw invalid(name, "of type string or an instance of Buffer, TypedArray, or DataView", value);
  };
  const exact = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);

  class Digest {
    #run;
    #chunks;
    #done = false;
    constructor(run, chunks = []) {
      this.#run = run;
      this.#chunks = chunks;
    }
    update(data, encoding) {
      if (this.#done) throw coded(new Error("Digest already called"), "ERR_CRYPTO_HASH_FINALIZED");
      this.#chunks.push(bytesOf(data, encoding));
      return this;
    }
    digest(encoding) {
      if (this.#done) throw coded(new Error("Digest already called"), "ERR_CRYPTO_HASH_FINALIZED");
      this.#done = true;
      const digest = Buffer.from(this.#run(exact(Buffer.concat(this.#chunks))));
      return encoding === undefined || encoding === "buffer" ? digest : digest.toString(encoding);
    }
    copy() {
      return new Digest(this.#run, [...this.#chunks]);
    }
  }

  const random = (size) => {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; at += 65_536) bytes.set(new Uint8Array(native.random(Math.min(65_536, size - at))), at);
    return bytes;
  };

  const crypto_ = {
    createHash(name) {
      const algorithm = algorithmOf(name);
      return new Digest((bytes) => native.digest(algorithm, bytes));
    },
    createHmac(name, key) {
      const algorithm = algorithmOf(name);
      const secret = exact(bytesOf(key, "utf8", "key"));
      return new Digest((bytes) => native.hmac(algorithm, secret, bytes));
    },
    hash: (name, data, encoding = "hex") => crypto_.createHash(name).update(data).digest(encoding),
    getHashes: () => [...ALGORITHMS],
    randomBytes(size, callback) {
      const bytes = random(size);
      if (typeof callback === "function") queueMicrotask(() => callback(null, bytes));
      return bytes;
    },
    randomFillSync(array) {
      new Uint8Array(array.buffer ?? array, array.byteOffset ?? 0, array.byteLength).set(random(array.byteLength));
      return array;
    },
    randomInt(least, most, callback) {
      if (most === undefined || typeof most === "function") [least, most, callback] = [0, least, most];
      const range = most - least;
      if (!Number.isSafeInteger(least) || !Number.isSafeInteger(most) || !(range > 0 && range <= 2 ** 48 - 1)) throw coded(new RangeError(`The value of "max" is out of range. Received ${most}`), "ERR_OUT_OF_RANGE");
      const limit = 2 ** 48 - (2 ** 48 % range);
      let number;
      do number = random(6).readUIntBE(0, 6);
      while (number >= limit);
      const result = least + (number % range);
      if (typeof callback === "function") queueMicrotask(() => callback(null, result));
      return result;
    },
    randomUUID: () => crypto.randomUUID(),
    getRandomValues: (array) => crypto.getRandomValues(array),
    timingSafeEqual(one, other) {
      if (one.byteLength !== other.byteLength) throw coded(new RangeError("Input buffers must have the same byte length"), "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH");
      const [left, right] = [bytesOf(one), bytesOf(other)];
      let difference = 0;
      for (let at = 0; at < left.length; at++) difference |= left[at] ^ right[at];
      return difference === 0;
    },
    webcrypto: crypto,
  };
  for (const name of ["createCipheriv", "createDecipheriv", "createSign", "createVerify", "generateKeyPairSync", "pbkdf2Sync", "scryptSync", "createDiffieHellman"]) {
    crypto_[name] = () => {
      throw new Error(`crypto.${name} does not exist in this sandbox; createHash, createHmac, randomBytes, randomInt and randomUUID do`);
    };
  }

  // Of `crypto.subtle` there are digests.
  const subtle = {
    async digest(algorithm, data) {
      const name = typeof algorithm === "string" ? algorithm : algorithm?.name;
      if (!/^SHA-(?:1|256|384|512)$/i.test(name)) throw new DOMException(`Unrecognized algorithm name: \`${name}\`; there are SHA-1, SHA-256, SHA-384 and SHA-512`, "NotSupportedError");
      return native.digest(algorithmOf(name), exact(bytesOf(data)));
    },
  };
  crypto_.subtle = new Proxy(subtle, {
    get(target, key) {
      if (key in target || typeof key !== "string" || key === "then") return target[key];
      return () => Promise.reject(new Error(`crypto.subtle.${key} does not exist in this sandbox; crypto.subtle.digest does, and createHmac of node:crypto`));
    },
  });
  Object.defineProperty(crypto, "subtle", { value: crypto_.subtle, configurable: true });

  // ---- string_decoder

  class StringDecoder {
    #decoder;
    #rest = Buffer.alloc(0);
    constructor(encoding) {
      this.encoding = internal.encoding(encoding ?? "utf8");
      if (this.encoding === undefined) throw coded(new TypeError(`Unknown encoding: ${encoding}`), "ERR_UNKNOWN_ENCODING");
      if (this.encoding === "utf8" || this.encoding === "utf16le") this.#decoder = new TextDecoder(this.encoding === "utf8" ? "utf-8" : "utf-16le", { ignoreBOM: true });
    }
    write(bytes) {
      if (typeof bytes === "string") return bytes;
      if (this.#decoder) return this.#decoder.decode(bytes, { stream: true });
      if (!this.encoding.startsWith("base64")) return buffer(bytes).toString(this.encoding);
      const all = Buffer.concat([this.#rest, bytes]);
      const whole = all.length - (all.length % 3);
      this.#rest = all.subarray(whole);
      return all.toString(this.encoding, 0, whole);
    }
    end(bytes) {
      const text = bytes === undefined ? "" : this.write(bytes);
      const rest = this.#decoder ? this.#decoder.decode() : this.#rest.toString(this.encoding);
      this.#rest = Buffer.alloc(0);
      return text + rest;
    }
  }

  // ---- the rest

  const os = {
    EOL: "\n",
    platform: () => process.platform,
    type: () => "WASI",
    arch: () => process.arch,
    release: () => "",
    hostname: () => "sandbox",
    homedir: () => "/workspace",
    tmpdir: () => "/tmp",
    cpus: () => [],
    totalmem: () => 0,
    freemem: () => 0,
    uptime: () => process.uptime(),
    endianness: () => "LE",
    userInfo: () => ({ username: "sandbox", uid: -1, gid: -1, shell: null, homedir: "/workspace" }),
  };

  const { MAX_LENGTH } = { MAX_LENGTH: 2 ** 31 - 1 };
  const modules = {
    util,
    "util/types": types,
    url,
    querystring,
    crypto: crypto_,
    string_decoder: { StringDecoder },
    os,
    buffer: { Buffer, SlowBuffer: Buffer, kMaxLength: MAX_LENGTH, constants: { MAX_LENGTH, MAX_STRING_LENGTH: 2 ** 30 - 1 }, atob, btoa, isUtf8: (bytes) => native.decode(exact(bytesOf(bytes)), 0, bytes.byteLength, true) !== null },
    console: { ...console, Console: undefined },
    sys: util,
  };
  for (const module of Object.values(modules)) module.default ??= module;
  Object.assign(builtins, modules);
  internal.global("global", globalThis);
})
