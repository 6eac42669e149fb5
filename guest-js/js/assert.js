// `node:assert`, and what it shares with `node:util`: deep equality.
(function (native, internal) {
  "use strict";

  const { getPrototypeOf, getOwnPropertySymbols, keys, is, hasOwn } = Object;
  const tagOf = (value) => Object.prototype.toString.call(value);
  const TypedArray = getPrototypeOf(Uint8Array);

  const own = (value) => [...keys(value), ...getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key))];

  /** Whether two values are equal in all they hold; `strict` compares with
   * `Object.is` and looks at prototypes. */
  function isDeepEqual(one, other, strict, seen = []) {
    if (strict ? is(one, other) : one == other || (one !== one && other !== other)) return true;
    if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
    if (strict && getPrototypeOf(one) !== getPrototypeOf(other)) return false;
    if (tagOf(one) !== tagOf(other) || Array.isArray(one) !== Array.isArray(other)) return false;
    if (seen.some(([left, right]) => left === one && right === other)) return true;
    seen = [...seen, [one, other]];
    const equal = (left, right) => isDeepEqual(left, right, strict, seen);
    if (one instanceof Date && !is(one.getTime(), other.getTime?.())) return false;
    if (one instanceof RegExp && (String(one) !== String(other) || one.lastIndex !== other.lastIndex)) return false;
    if (one instanceof Error && (one.message !== other.message || one.name !== other.name || !equal(one.cause, other.cause))) return false;
    if (["[object Number]", "[object String]", "[object Boolean]", "[object BigInt]", "[object Symbol]"].includes(tagOf(one)) && !is(one.valueOf(), other.valueOf())) return false;
    if (one instanceof ArrayBuffer) return one.byteLength === other.byteLength && new Uint8Array(one).every((byte, at) => byte === new Uint8Array(other)[at]);
    if (one instanceof TypedArray) return one.length === other.length && Array.prototype.every.call(one, (item, at) => (strict ? is(item, other[at]) : item === other[at]));
    if (one instanceof Set) {
      if (one.size !== other.size) return false;
      for (const item of one) if (!other.has(item) && !(typeof item === "object" && [...other].some((each) => equal(item, each)))) return false;
    }
    if (one instanceof Map) {
      if (one.size !== other.size) return false;
      for (const [key, item] of one) {
        const found = other.has(key) ? [key, other.get(key)] : [...other].find(([each]) => typeof key === "object" && equal(key, each));
        if (found === undefined || !equal(item, found[1])) return false;
      }
    }
    if (one instanceof Promise || one instanceof WeakMap || one instanceof WeakSet) return false;
    const names = own(one);
    return names.length === own(other).length && names.every((name) => hasOwn(other, name) && equal(one[name], other[name]));
  }

  class AssertionError extends Error {
    constructor({ message, actual, expected, operator }) {
      super(message);
      this.code = "ERR_ASSERTION";
      this.generatedMessage = false;
      Object.assign(this, { actual, expected, operator });
    }
  }
  Object.defineProperty(AssertionError.prototype, "name", { value: "AssertionError", configurable: true, writable: true });

  const show = (value) => internal.inspect(value);

  function fail(message, usual, actual, expected, operator) {
    if (message instanceof Error) throw message;
    const error = new AssertionError({ message: message ?? usual, actual, expected, operator });
    error.generatedMessage = message === undefined;
    throw error;
  }

  function assert(value, message) {
    if (!value) fail(message, arguments.length ? `The expression evaluated to a falsy value: ${show(value)}` : "No value argument passed to `assert.ok()`", value, true, "==");
  }

  /** Whether an error is what was expected: a class, a pattern, a check, or
   * properties. */
  function checkError(error, expected, message, operator) {
    if (expected === undefined) return;
    if (typeof expected === "function") {
      if (expected.prototype !== undefined && error instanceof expected) return;
      if (Error.isPrototypeOf(expected) || expected === Error) {
        if (message === undefined) throw error;
        return fail(message, "", error, expected, operator);
      }
      if (expected.call({}, error) === true) return;
      return fail(message, `The ${expected.name ? `"${expected.name}" ` : ""}validation function is expected to return "true". Received ${show(error)}`, error, expected, operator);
    }
    if (expected instanceof RegExp) {
      if (expected.test(String(error))) return;
      return fail(message, `The input did not match the regular expression ${show(expected)}. Input:\n\n${show(String(error))}\n`, error, expected, operator);
    }
    const names = expected instanceof Error ? [...keys(expected), "name", "message"] : keys(expected);
    for (const name of names) {
      const [is_, should] = [error?.[name], expected[name]];
      if (should instanceof RegExp && typeof is_ === "string" ? !should.test(is_) : !isDeepEqual(is_, should, true)) {
        return fail(message, `Expected an error whose \`${name}\` is ${show(should)}, not ${show(is_)}`, error, expected, operator);
      }
    }
  }

  const missing = (operator, expected, message) => fail(message, `Missing expected ${operator === "rejects" ? "rejection" : "exception"}${expected?.name ? ` (${expected.name})` : ""}.`, undefined, expected, operator);
  const split = (expected, message) => (typeof expected === "string" ? [undefined, expected] : [expected, message]);

  function pair(name, test, text) {
    assert[name] = { [name](actual, expected, message) {
      if (!test(actual, expected)) fail(message, `${text}\n\n${show(actual)}\n\nand\n\n${show(expected)}\n`, actual, expected, name);
    } }[name];
  }
  pair("equal", (a, b) => a == b || (a !== a && b !== b), "Expected values to be loosely equal:");
  pair("notEqual", (a, b) => a != b && !(a !== a && b !== b), 'Expected "actual" to be loosely unequal to:');
  pair("strictEqual", is, "Expected values to be strictly equal:");
  pair("notStrictEqual", (a, b) => !is(a, b), 'Expected "actual" to be strictly unequal to:');
  pair("deepEqual", (a, b) => isDeepEqual(a, b, false), "Expected values to be loosely deep-equal:");
  pair("deepStrictEqual", (a, b) => isDeepEqual(a, b, true), "Expected values to be strictly deep-equal:");
  pair("notDeepEqual", (a, b) => !isDeepEqual(a, b, false), 'Expected "actual" not to be loosely deep-equal to:');
  pair("notDeepStrictEqual", (a, b) => !isDeepEqual(a, b, true), 'Expected "actual" not to be strictly deep-equal to:');

  Object.assign(assert, {
    AssertionError,
    ok(...values) {
      assert(...values);
    },
    fail: (message) => fail(message, "Failed", undefined, undefined, "fail"),
    match(text, pattern, message) {
      if (typeof text !== "string" || !pattern.test(text)) fail(message, `The input did not match the regular expression ${show(pattern)}. Input:\n\n${show(text)}\n`, text, pattern, "match");
    },
    doesNotMatch(text, pattern, message) {
      if (typeof text === "string" && pattern.test(text)) fail(message, `The input was expected to not match the regular expression ${show(pattern)}. Input:\n\n${show(text)}\n`, text, pattern, "doesNotMatch");
    },
    ifError(value) {
      if (value !== null && value !== undefined) fail(undefined, `ifError got unwanted exception: ${value?.message ?? show(value)}`, value, null, "ifError");
    },
    throws(run, expected, message) {
      [expected, message] = split(expected, message);
      try {
        run();
      } catch (error) {
        return checkError(error, expected, message, "throws");
      }
      missing("throws", expected, message);
    },
    doesNotThrow(run, expected, message) {
      try {
        run();
      } catch (error) {
        fail(split(expected, message)[1], `Got unwanted exception.\nActual message: "${error?.message}"`, error, expected, "doesNotThrow");
      }
    },
    async rejects(promise, expected, message) {
      [expected, message] = split(expected, message);
      try {
        await (typeof promise === "function" ? promise() : promise);
      } catch (error) {
        return checkError(error, expected, message, "rejects");
      }
      missing("rejects", expected, message);
    },
    async doesNotReject(promise, expected, message) {
      try {
        await (typeof promise === "function" ? promise() : promise);
      } catch (error) {
        fail(split(expected, message)[1], `Got unwanted rejection.\nActual message: "${error?.message}"`, error, expected, "doesNotReject");
      }
    },
  });
  const strict = Object.assign((...values) => assert(...values), assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
  strict.strict = assert.strict = strict;
  assert.default = assert;
  strict.default = strict;

  internal.isDeepEqual = isDeepEqual;
  Object.assign(internal.builtins, { assert, "assert/strict": strict });
})
