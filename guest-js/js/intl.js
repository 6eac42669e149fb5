// `Intl`: comparison, plurals, lists, relative times, and the methods named
// `toLocale…` that the engine has without languages.
(function (native, internal) {
  "use strict";

  const { resolveLocale, canonicalList, known, optionsOf, choice, absent, NumberFormat, DateTimeFormat } = internal.intl;

  // ---- comparison

  // The order of characters that are no letters, as the root collation has it.
  const MARKS = "_-–—,;:!¡?¿.…·'‘’\"“”«»()[]{}§¶@*/\\&#%•`´^¯¨¸°©®+±÷×<=>¬|¦~¤¢$£¥€";
  const SPACES = "\t\n\v\f\r \u00a0";
  const order = new Map([...SPACES, ...MARKS].map((mark, index) => [mark, index + 1]));
  const EXPANDED = { "ß": "ss", "æ": "ae", "œ": "oe", "ĳ": "ij", "ø": "o\u0338", "ł": "l\u0335", "đ": "d\u0335", "ħ": "h\u0335", "þ": "th", "™": "tm", "½": "1⁄2", "¼": "1⁄4", "¾": "3⁄4", "ª": "a", "º": "o", "¹": "1", "²": "2", "³": "3" };
  const MARKED = /\p{M}/u;
  // Accents in their order; what is not here comes behind.
  const ACCENTS = [0x301, 0x300, 0x306, 0x302, 0x30c, 0x30a, 0x308, 0x30b, 0x303, 0x307, 0x338, 0x327, 0x328, 0x304];
  const accent = (code) => ACCENTS.indexOf(code) + 1 || code - 0x2ff + ACCENTS.length;

  /** What of a text counts first, second and third. */
  function weights(text, ignorePunctuation) {
    const primary = [];
    const accents = [];
    const cases = [];
    for (const character of text.normalize("NFD")) {
      const code = character.codePointAt(0);
      if (code < 128) {
        const lower = code >= 65 && code <= 90 ? code + 32 : code;
        const mark = order.get(character);
        if (mark !== undefined) {
          if (ignorePunctuation) continue;
          primary.push(mark);
        } else if (code < 32 || code === 127) {
          continue;
        } else {
          // Digits, then letters, behind all marks.
          primary.push(1000 + lower);
        }
        accents.push(0);
        cases.push(lower === code ? 0 : 1);
        continue;
      }
      if (MARKED.test(character)) {
        if (accents.length) accents[accents.length - 1] = accents[accents.length - 1] * 512 + accent(code);
        continue;
      }
      const lower = character.toLowerCase();
      const expanded = EXPANDED[lower];
      if (expanded !== undefined) {
        const inner = weights(expanded, ignorePunctuation);
        primary.push(...inner.primary);
        accents.push(...inner.accents.map((each) => each || 500));
        cases.push(...inner.primary.map(() => (lower === character ? 0 : 1)));
        continue;
      }
      const mark = order.get(character);
      if (mark !== undefined) {
        if (ignorePunctuation) continue;
        primary.push(mark);
      } else {
        primary.push(2000 + lower.codePointAt(0));
      }
      accents.push(0);
      cases.push(lower === character ? 0 : 1);
    }
    return { primary, accents, cases };
  }

  const isDigit = (weight) => weight >= 1048 && weight <= 1057;

  /** Runs of digits as one weight each: how long, then the digits. */
  function withNumbers(primary) {
    const out = [];
    for (let at = 0; at < primary.length; at++) {
      if (!isDigit(primary[at])) {
        out.push(primary[at]);
        continue;
      }
      let end = at;
      while (end < primary.length && isDigit(primary[end])) end++;
      while (at < end - 1 && primary[at] === 1048) at++;
      // Above all digits and below all letters, longer numbers behind.
      out.push(1057 + (end - at) / 1e9, ...primary.slice(at, end));
      at = end - 1;
    }
    return out;
  }

  function compareLists(one, other) {
    const length = Math.min(one.length, other.length);
    for (let at = 0; at < length; at++) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
    return one.length === other.length ? 0 : one.length < other.length ? -1 : 1;
  }

  class Collator {
    #resolved;
    #compare = null;

    constructor(locales, options) {
      const given = optionsOf(options);
      const { tag, language, locale, numeric } = resolveLocale(locales, "Intl.Collator");
      if (language === "sv" || language === "es") absent(`the order of words in ${locale}`, 'take that of "en"');
      if (given.collation !== undefined && given.collation !== "default") absent(`the collation \`${given.collation}\``);
      this.#resolved = {
        locale: tag,
        usage: choice(given, "usage", ["sort", "search"], "sort"),
        sensitivity: choice(given, "sensitivity", ["base", "accent", "case", "variant"], "variant"),
        ignorePunctuation: Boolean(given.ignorePunctuation),
        collation: "default",
        numeric: given.numeric === undefined ? Boolean(numeric) : Boolean(given.numeric),
        caseFirst: choice(given, "caseFirst", ["upper", "lower", "false"], "false"),
      };
    }
    get compare() {
      const { sensitivity, numeric, caseFirst, ignorePunctuation } = this.#resolved;
      return (this.#compare ??= (one, other) => {
        one = String(one);
        other = String(other);
        if (numeric) [one, other] = [one, other].map((text) => text.replace(/(^|[^0-9])0+(?=[0-9])/g, "$1"));
        if (one === other) return 0;
        const left = weights(one, ignorePunctuation);
        const right = weights(other, ignorePunctuation);
        const first = numeric ? compareLists(withNumbers(left.primary), withNumbers(right.primary)) : compareLists(left.primary, right.primary);
        if (first !== 0 || sensitivity === "base") return first;
        if (sensitivity !== "case") {
          const second = compareLists(left.accents, right.accents);
          if (second !== 0 || sensitivity === "accent") return second;
        }
        const third = compareLists(left.cases, right.cases);
        return caseFirst === "upper" ? -third : third;
      });
    }
    resolvedOptions() {
      return { ...this.#resolved };
    }
  }

  // ---- English: plurals, lists, relative times

  const english = (locales, what) => {
    const found = resolveLocale(locales, what);
    return found.language === "en" ? found : absent(`${what} in ${found.locale}`, "there it is in English only");
  };

  class PluralRules {
    #tag;
    #type;
    #numbers;
    constructor(locales, options) {
      const given = optionsOf(options);
      this.#tag = english(locales, "Intl.PluralRules").tag;
      this.#type = choice(given, "type", ["cardinal", "ordinal"], "cardinal");
      const { minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, minimumSignificantDigits, maximumSignificantDigits } = given;
      this.#numbers = new NumberFormat("en", { useGrouping: false, minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, minimumSignificantDigits, maximumSignificantDigits });
    }
    select(value) {
      const text = this.#numbers.format(value).replace("-", "");
      if (this.#type === "cardinal") return text === "1" ? "one" : "other";
      const [ten, hundred] = [Number(text) % 10, Number(text) % 100];
      if (ten === 1 && hundred !== 11) return "one";
      if (ten === 2 && hundred !== 12) return "two";
      if (ten === 3 && hundred !== 13) return "few";
      return "other";
    }
    resolvedOptions() {
      const { minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits } = this.#numbers.resolvedOptions();
      const pluralCategories = this.#type === "cardinal" ? ["one", "other"] : ["few", "one", "two", "other"];
      return { locale: this.#tag, type: this.#type, minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, pluralCategories };
    }
  }

  class ListFormat {
    #tag;
    #type;
    #style;
    constructor(locales, options) {
      const given = optionsOf(options);
      this.#tag = english(locales, "Intl.ListFormat");
      this.#type = choice(given, "type", ["conjunction", "disjunction", "unit"], "conjunction");
      this.#style = choice(given, "style", ["long", "short", "narrow"], "long");
    }
    formatToParts(list) {
      const items = Array.from(list, (item) => {
        if (typeof item !== "string") throw new TypeError("Iterable yielded a non-String value");
        return { type: "element", value: item };
      });
      const british = this.#tag.locale === "en-GB";
      const [type, style] = [this.#type, this.#style];
      const word = type === "disjunction" ? "or" : style === "long" || british ? "and" : "&";
      let between = ", ";
      let last = `, ${word} `;
      let both = ` ${word} `;
      if (british) last = both;
      if (type === "conjunction" && style === "narrow") [last, both] = [", ", ", "];
      if (type === "unit") {
        last = both = ", ";
        if (style === "narrow") between = last = both = " ";
      }
      return items.flatMap((item, index) => {
        if (index === 0) return [item];
        const mark = items.length === 2 ? both : index === items.length - 1 ? last : between;
        return [{ type: "literal", value: mark }, item];
      });
    }
    format(list) {
      return this.formatToParts(list).map((part) => part.value).join("");
    }
    resolvedOptions() {
      return { locale: this.#tag.tag, type: this.#type, style: this.#style };
    }
  }

  const UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
  const SHORT = { second: ["sec.", "sec."], minute: ["min.", "min."], hour: ["hr.", "hr."], day: ["day", "days"], week: ["wk.", "wk."], month: ["mo.", "mo."], quarter: ["qtr.", "qtrs."], year: ["yr.", "yr."] };
  const WORDS = { "day:-1": "yesterday", "day:0": "today", "day:1": "tomorrow", "second:0": "now" };

  class RelativeTimeFormat {
    #tag;
    #style;
    #numeric;
    #numbers;
    constructor(locales, options) {
      const given = optionsOf(options);
      const found = english(locales, "Intl.RelativeTimeFormat");
      this.#tag = found.tag;
      this.#style = choice(given, "style", ["long", "short", "narrow"], "long");
      if (this.#style === "narrow") absent('the style "narrow" of Intl.RelativeTimeFormat', 'there are "long" and "short"');
      if (this.#style === "short" && found.locale !== "en-US") absent(`the style "short" of Intl.RelativeTimeFormat in ${found.locale}`);
      this.#numeric = choice(given, "numeric", ["always", "auto"], "always");
      this.#numbers = new NumberFormat(locales);
    }
    formatToParts(value, unit) {
      const number = Number(value);
      const name = String(unit).replace(/s$/, "");
      if (!UNITS.includes(name)) throw new RangeError(`Invalid unit argument for format() '${unit}'`);
      if (!Number.isFinite(number)) throw new RangeError("Invalid time value");
      const past = number < 0 || Object.is(number, -0);
      if (this.#numeric === "auto") {
        const short = this.#style === "short" ? SHORT[name][0] : name;
        const word = WORDS[`${name}:${number}`] ?? (name === "second" || name === "day" ? undefined : number === 0 ? `this ${name === "minute" || name === "hour" ? name : short}` : Math.abs(number) === 1 && name !== "minute" && name !== "hour" ? `${past ? "last" : "next"} ${short}` : undefined);
        if (word !== undefined) return [{ type: "literal", value: word }];
      }
      const size = Math.abs(number);
      const many = this.#numbers.format(size) === "1" ? 0 : 1;
      const text = this.#style === "long" ? name + (many ? "s" : "") : SHORT[name][many];
      const parts = this.#numbers.formatToParts(size).map((part) => ({ ...part, unit: name }));
      return past ? [...parts, { type: "literal", value: ` ${text} ago` }] : [{ type: "literal", value: "in " }, ...parts, { type: "literal", value: ` ${text}` }];
    }
    format(value, unit) {
      return this.formatToParts(value, unit).map((part) => part.value).join("");
    }
    resolvedOptions() {
      return { locale: this.#tag, style: this.#style, numeric: this.#numeric, numberingSystem: "latn" };
    }
  }

  // ---- the object, and the methods of other objects

  /** A class of `Intl` that there is not. */
  const missing = (name, instead) => ({ [name]: class { constructor() { absent(`Intl.${name}`, instead); } } })[name];

  /** `Intl.NumberFormat(...)` is one, with or without `new`. */
  const callable = (Type) => {
    const made = function (locales, options) {
      return new Type(locales, options);
    };
    Object.defineProperty(made, "name", { value: Type.name, configurable: true });
    Object.defineProperty(made, "prototype", { value: Type.prototype });
    Type.prototype.constructor = made;
    return made;
  };

  const CONSTRUCTORS = {
    Collator: callable(Collator),
    DateTimeFormat: callable(DateTimeFormat),
    ListFormat,
    NumberFormat: callable(NumberFormat),
    PluralRules,
    RelativeTimeFormat,
    DisplayNames: missing("DisplayNames", "write the names yourself"),
    DurationFormat: missing("DurationFormat", "take Intl.NumberFormat with a unit"),
    Locale: missing("Locale", "take the text of the locale"),
    Segmenter: missing("Segmenter", "spread the text, or split it with a regular expression"),
  };

  const Intl = Object.create(Object.prototype, { [Symbol.toStringTag]: { value: "Intl", configurable: true } });
  for (const [name, Type] of Object.entries(CONSTRUCTORS)) {
    Object.defineProperty(Intl, name, { value: Type, configurable: true, writable: true });
    Object.defineProperty(Type.prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
    Object.defineProperty(Type, "supportedLocalesOf", {
      value: function supportedLocalesOf(locales) {
        return canonicalList(locales).filter((tag) => known(tag) !== undefined);
      },
      configurable: true,
      writable: true,
    });
  }
  const method = (object, name, value) => Object.defineProperty(object, name, { value: { [name]: value }[name], configurable: true, writable: true });
  method(Intl, "getCanonicalLocales", (locales) => canonicalList(locales));
  method(Intl, "supportedValuesOf", (key) => {
    const lists = { calendar: () => ["gregory", "iso8601"], collation: () => ["default"], currency: internal.intl.currencies, numberingSystem: () => ["latn"], timeZone: () => native.zones(), unit: internal.intl.units };
    if (!Object.hasOwn(lists, String(key))) throw new RangeError(`Invalid key : ${key}`);
    return lists[key]();
  });
  internal.global("Intl", Intl);

  const dateOf = Date.prototype.getTime;
  const dates = (name, required, defaults) =>
    method(Date.prototype, name, function (locales, options) {
      const time = dateOf.call(this);
      const format = new DateTimeFormat(locales, options, required, defaults);
      return Number.isNaN(time) ? "Invalid Date" : format.format(time);
    });
  dates("toLocaleString", "any", "all");
  dates("toLocaleDateString", "date", "date");
  dates("toLocaleTimeString", "time", "time");

  const numberOf = Number.prototype.valueOf;
  const bigintOf = BigInt.prototype.valueOf;
  method(Number.prototype, "toLocaleString", function (locales, options) {
    return new NumberFormat(locales, options).format(numberOf.call(this));
  });
  method(BigInt.prototype, "toLocaleString", function (locales, options) {
    return new NumberFormat(locales, options).format(bigintOf.call(this));
  });
  for (const { prototype } of [Array, Object.getPrototypeOf(Uint8Array)]) {
    method(prototype, "toLocaleString", function (locales, options) {
      return Array.from(this, (item) => (item === undefined || item === null ? "" : String(item.toLocaleString(locales, options)))).join(",");
    });
  }

  const usual = new Collator();
  method(String.prototype, "localeCompare", function (that, locales, options) {
    if (this === undefined || this === null) throw new TypeError("String.prototype.localeCompare called on null or undefined");
    const collator = locales === undefined && options === undefined ? usual : new Collator(locales, options);
    return collator.compare(String(this), String(that));
  });
  for (const name of ["toLocaleUpperCase", "toLocaleLowerCase"]) {
    const plain = String.prototype[name.replace("Locale", "")];
    method(String.prototype, name, function (locales) {
      const tag = canonicalList(locales)[0] ?? "en";
      if (/^(?:tr|az|lt)\b/.test(tag)) absent(`${name} of the language ${tag}`);
      return plain.call(this);
    });
  }
})
