// `Intl.NumberFormat`, and what of `Intl` all its parts share: locales.
//
// There are no tables of a Unicode library here. English is complete; of the
// other locales that are listed, numbers and numeric dates are. Whatever is
// not there is a RangeError that says so: a number in another country's
// notation is a wrong number.
(function (native, internal) {
  "use strict";

  const NBSP = "\u00a0";
  const NARROW = "\u202f";

  // The signs of numbers, how many digits a number needs to be grouped, what
  // stands before `%`, and on which side the currency is.
  const LOCALES = {
    en: { decimal: ".", group: ",", percent: "%" },
    de: { decimal: ",", group: ".", percent: NBSP + "%", behind: true },
    es: { decimal: ",", group: ".", percent: NBSP + "%", behind: true, least: 5 },
    fr: { decimal: ",", group: NARROW, percent: NBSP + "%", behind: true },
    it: { decimal: ",", group: ".", percent: "%", behind: true, least: 5 },
    nl: { decimal: ",", group: ".", percent: "%", before: true },
    pt: { decimal: ",", group: ".", percent: "%", apart: true },
    sv: { decimal: ",", group: NBSP, percent: NBSP + "%", behind: true, minus: "\u2212" },
  };
  const REGIONS = { en: ["US", "GB", "CA"], de: ["DE"], es: ["ES"], fr: ["FR"], it: ["IT"], nl: ["NL"], pt: ["BR"], sv: ["SE"] };
  const KNOWN = Object.entries(REGIONS).flatMap(([language, regions]) => regions.map((region) => `${language}-${region}`));

  const TAG = /^[a-z]{2,8}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-[a-z0-9]{5,8}|-[0-9][a-z0-9]{3})*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?$/i;

  function canonical(tag) {
    if (typeof tag !== "string" && (typeof tag !== "object" || tag === null)) throw new TypeError("a locale must be a string");
    tag = String(tag);
    if (!TAG.test(tag)) throw new RangeError(`Incorrect locale information provided: ${JSON.stringify(tag)}`);
    let extension = false;
    return tag
      .toLowerCase()
      .split("-")
      .map((part, index) => {
        if (part.length === 1) extension = true;
        if (index === 0 || extension) return part;
        return part.length === 2 ? part.toUpperCase() : part.length === 4 && /^[a-z]/.test(part) ? part[0].toUpperCase() + part.slice(1) : part;
      })
      .join("-");
  }
  const canonicalList = (tags) => (tags === undefined ? [] : [...new Set((typeof tags === "string" ? [tags] : Array.from(tags)).map(canonical))]);

  /** The locale of `KNOWN` for a tag: its own, or that of its language. */
  function known(tag) {
    const [language, ...rest] = tag.replace(/-[a-z0-9](?:-.*)$/, "").split("-");
    if (tag === "und") return "en-US";
    const region = rest.find((part) => part.length === 2);
    const regions = Object.hasOwn(REGIONS, language) ? REGIONS[language] : [];
    if (region === undefined) return regions.length ? (tag.startsWith(`${language}-u-`) || rest.length === 0 ? `${language}-${regions[0]}` : undefined) : undefined;
    return regions.includes(region) ? `${language}-${region}` : undefined;
  }

  /** The locale that is used, of those asked for. */
  function resolveLocale(tags, what) {
    const list = canonicalList(tags);
    if (list.length === 0) return { locale: "en-US", language: "en", tag: "en-US" };
    for (const tag of list) {
      const locale = known(tag);
      if (locale === undefined) continue;
      const extension = /-u-((?:[a-z0-9]+-?)+)$/.exec(tag)?.[1] ?? "";
      const calendar = /(?:^|-)ca-([a-z0-9]+)/.exec(extension)?.[1];
      const digits = /(?:^|-)nu-([a-z0-9]+)/.exec(extension)?.[1];
      if ((calendar && calendar !== "gregory" && calendar !== "iso8601") || (digits && digits !== "latn")) break;
      const hourCycle = /(?:^|-)hc-(h1[12]|h2[34])/.exec(extension)?.[1];
      return { locale, language: locale.slice(0, 2), tag: tag.includes("-u-") ? tag.slice(0, tag.indexOf("-u-")) : tag, hourCycle, numeric: /(?:^|-)kn(?:-true)?(?:-|$)/.test(extension) };
    }
    throw new RangeError(`${what} does not know the locale \`${list.join(", ")}\` in this sandbox; there are ${KNOWN.join(", ")}`);
  }

  const optionsOf = (options) => {
    if (options === null) throw new TypeError("the options must be an object");
    return options === undefined ? {} : Object(options);
  };

  function choice(options, name, values, fallback) {
    const value = options[name];
    if (value === undefined) return fallback;
    const text = String(value);
    if (!values.includes(text)) throw new RangeError(`Value ${text} out of range for Intl options property ${name}`);
    return text;
  }

  function whole(options, name, least, most, fallback) {
    const value = options[name];
    if (value === undefined) return fallback;
    const number = Number(value);
    if (!(number >= least && number <= most)) throw new RangeError(`${name} value is out of range.`);
    return Math.floor(number);
  }

  const absent = (what, instead) => {
    throw new RangeError(`${what} does not exist in this sandbox${instead ? `: ${instead}` : ""}`);
  };

  // ---- decimals: numbers as the digits that are written

  /** `0.<digits> * 10^point`, without zeros at either end. */
  function decimalOf(value) {
    const text = typeof value === "bigint" ? String(value < 0n ? -value : value) : String(Math.abs(value));
    const [, whole_, fraction = "", exponent = "0"] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text);
    let digits = whole_ + fraction;
    let point = whole_.length + Number(exponent);
    const zeros = /^0*/.exec(digits)[0].length;
    digits = digits.slice(zeros).replace(/0+$/, "");
    point -= zeros;
    return digits === "" ? { digits: "", point: 0 } : { digits, point };
  }

  /** What rounding away the digits behind the first `keep` adds to the last
   * one that stays. */
  const AWAY = {
    ceil: (rest, negative) => !negative,
    floor: (rest, negative) => negative,
    expand: () => true,
    trunc: () => false,
    halfCeil: (rest, negative) => (rest === 0 ? !negative : rest > 0),
    halfFloor: (rest, negative) => (rest === 0 ? negative : rest > 0),
    halfExpand: (rest) => rest >= 0,
    halfTrunc: (rest) => rest > 0,
    halfEven: (rest, negative, odd) => (rest === 0 ? odd : rest > 0),
  };

  /** The first `keep` digits, rounded. */
  function rounded({ digits, point }, keep, mode, negative) {
    if (keep >= digits.length) return { digits, point };
    if (keep < 0) {
      // Less than a tenth of the last place.
      if (digits === "" || !AWAY[mode](-1, negative, false) || mode.startsWith("half")) return { digits: "", point: 0 };
      return { digits: "1", point: point - keep + 1 };
    }
    const rest = digits.slice(keep);
    const half = rest[0] === "5" && /^50*$/.test(rest) ? 0 : rest[0] >= "5" ? 1 : -1;
    const odd = keep > 0 && Number(digits[keep - 1]) % 2 === 1;
    let kept = digits.slice(0, keep);
    if (AWAY[mode](half, negative, odd)) {
      kept = String(BigInt(`1${kept}`) + 1n);
      if (kept[0] === "2") {
        kept = kept.slice(1);
        kept = `1${kept}`;
        point++;
      } else {
        kept = kept.slice(1);
      }
    }
    kept = kept.replace(/0+$/, "");
    return kept === "" ? { digits: "", point: 0 } : { digits: kept, point };
  }

  const toFraction = (decimal, places, mode, negative) => rounded(decimal, decimal.point + places, mode, negative);

  /** The digits before and behind the sign. */
  function written({ digits, point }, leastWhole, leastFraction) {
    const before = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "";
    const behind = point > 0 ? digits.slice(point) : digits === "" ? "" : "0".repeat(-point) + digits;
    return [before.padStart(leastWhole, "0"), behind.padEnd(leastFraction, "0")];
  }

  // ---- currencies and units

  const SYMBOLS = "AUD:A$ BRL:R$ CAD:CA$ CNY:CN¥ EUR:€ GBP:£ HKD:HK$ ILS:₪ INR:₹ JPY:¥ KRW:₩ MXN:MX$ NZD:NZ$ PHP:₱ TWD:NT$ USD:$ VND:₫ XAF:FCFA XCD:EC$ XOF:F\u202fCFA XPF:CFPF";
  const NARROW_SYMBOLS =
    "ARS:$ AUD:$ BBD:$ BDT:৳ BMD:$ BND:$ BSD:$ BZD:$ CAD:$ CLP:$ CNY:¥ COP:$ CRC:₡ CUP:$ CZK:Kč DKK:kr DOP:$ EGP:E£ GEL:₾ GHS:GH₵ GIP:£ GTQ:Q HKD:$ HNL:L HUF:Ft IDR:Rp ISK:kr JMD:$ KZT:₸ LBP:L£ LKR:Rs MNT:₮ MUR:Rs MXN:$ MYR:RM NAD:$ NGN:₦ NIO:C$ NOK:kr NPR:Rs NZD:$ PKR:Rs PLN:zł PYG:₲ RON:lei RUB:₽ SEK:kr SGD:$ THB:฿ TRY:₺ TTD:$ TWD:$ UAH:₴ UYU:$ XCD:$ ZAR:R";
  const NAMES =
    "USD:US dollar,US dollars EUR:euro,euros GBP:British pound,British pounds JPY:Japanese yen,Japanese yen CHF:Swiss franc,Swiss francs CAD:Canadian dollar,Canadian dollars AUD:Australian dollar,Australian dollars CNY:Chinese yuan,Chinese yuan INR:Indian rupee,Indian rupees SEK:Swedish krona,Swedish kronor NOK:Norwegian krone,Norwegian kroner DKK:Danish krone,Danish kroner PLN:Polish zloty,Polish zlotys BRL:Brazilian real,Brazilian reals MXN:Mexican peso,Mexican pesos KRW:South Korean won,South Korean won NZD:New Zealand dollar,New Zealand dollars";
  const DECIMALS = "AFN:0 ALL:0 BHD:3 BIF:0 CLP:0 COP:0 DJF:0 GNF:0 HUF:0 IDR:0 IQD:0 IRR:0 ISK:0 JOD:3 JPY:0 KMF:0 KPW:0 KRW:0 KWD:3 LAK:0 LBP:0 LYD:3 MGA:0 MMK:0 OMR:3 PKR:0 PYG:0 RWF:0 SOS:0 SYP:0 TND:3 UGX:0 VND:0 VUV:0 XAF:0 XOF:0 XPF:0 YER:0";
  const table = (text) => new Map([...text.matchAll(/([A-Z]{3}):(.*?)(?= [A-Z]{3}:|$)/g)].map(([, key, value]) => [key, value]));
  const symbols = table(SYMBOLS);
  const narrow = table(NARROW_SYMBOLS);
  const names = table(NAMES);
  const decimals = table(DECIMALS);

  /** How the currency is written in a locale. */
  function symbolOf(currency, display, { locale, language }) {
    if (display === "code") return currency;
    if (display === "narrowSymbol") return narrow.get(currency) ?? symbols.get(currency) ?? currency;
    if (currency === "USD" && locale !== "en-US" && language !== "de") return { fr: "$US", it: "USD" }[language] ?? "US$";
    if (locale === "en-CA" && currency === "CAD") return "$";
    if (locale === "en-GB" && currency === "JPY") return "JP¥";
    if (language === "en" || currency === "EUR" || (currency === "USD" && language === "de")) return symbols.get(currency) ?? currency;
    const own = { "de:GBP": "£", "fr:GBP": "£GB", "es:GBP": "GBP", "it:GBP": "£", "nl:GBP": "£", "pt:GBP": "£", "sv:GBP": "GBP", "pt:BRL": "R$", "sv:SEK": "kr", "de:CHF": "CHF", "fr:CHF": "CHF", "it:CHF": "CHF", "nl:CHF": "CHF", "pt:CHF": "CHF", "es:CHF": "CHF", "sv:CHF": "CHF" }[`${language}:${currency}`];
    return own ?? absent(`the symbol of ${currency} in ${locale}`, 'pass currencyDisplay: "code"');
  }

  // Short, long (one, other), narrow; `{0}` is the number.
  const UNITS = {
    percent: ["{0}%", "{0} percent", "{0} percent", "{0}%"],
    bit: ["{0} bit", "{0} bit", "{0} bits", "{0}bit"],
    byte: ["{0} byte", "{0} byte", "{0} bytes", "{0}B"],
    celsius: ["{0}°C", "{0} degree Celsius", "{0} degrees Celsius", "{0}°C"],
    fahrenheit: ["{0}°F", "{0} degree Fahrenheit", "{0} degrees Fahrenheit", "{0}°"],
    degree: ["{0} deg", "{0} degree", "{0} degrees", "{0}°"],
    acre: ["{0} ac", "{0} acre", "{0} acres", "{0}ac"],
    hectare: ["{0} ha", "{0} hectare", "{0} hectares", "{0}ha"],
    foot: ["{0} ft", "{0} foot", "{0} feet", "{0}′"],
    inch: ["{0} in", "{0} inch", "{0} inches", "{0}″"],
    pound: ["{0} lb", "{0} pound", "{0} pounds", "{0}#"],
    ounce: ["{0} oz", "{0} ounce", "{0} ounces", "{0}oz"],
    stone: ["{0} st", "{0} stone", "{0} stones", "{0}st"],
    yard: ["{0} yd", "{0} yard", "{0} yards", "{0}yd"],
    gallon: ["{0} gal", "{0} gallon", "{0} gallons", "{0}gal"],
    month: ["{0} mth{s}", "{0} month", "{0} months", "{0}m"],
    week: ["{0} wk{s}", "{0} week", "{0} weeks", "{0}w"],
    day: ["{0} day{s}", "{0} day", "{0} days", "{0}d"],
    year: ["{0} yr{s}", "{0} year", "{0} years", "{0}y"],
    hour: ["{0} hr", "{0} hour", "{0} hours", "{0}h"],
    minute: ["{0} min", "{0} minute", "{0} minutes", "{0}m"],
    second: ["{0} sec", "{0} second", "{0} seconds", "{0}s"],
    millisecond: ["{0} ms", "{0} millisecond", "{0} milliseconds", "{0}ms"],
    microsecond: ["{0} μs", "{0} microsecond", "{0} microseconds", "{0}μs"],
    nanosecond: ["{0} ns", "{0} nanosecond", "{0} nanoseconds", "{0}ns"],
    kilometer: ["{0} km", "{0} kilometer", "{0} kilometers", "{0}km"],
    meter: ["{0} m", "{0} meter", "{0} meters", "{0}m"],
    centimeter: ["{0} cm", "{0} centimeter", "{0} centimeters", "{0}cm"],
    millimeter: ["{0} mm", "{0} millimeter", "{0} millimeters", "{0}mm"],
    mile: ["{0} mi", "{0} mile", "{0} miles", "{0}mi"],
    kilogram: ["{0} kg", "{0} kilogram", "{0} kilograms", "{0}kg"],
    gram: ["{0} g", "{0} gram", "{0} grams", "{0}g"],
    liter: ["{0} L", "{0} liter", "{0} liters", "{0}L"],
    milliliter: ["{0} mL", "{0} milliliter", "{0} milliliters", "{0}mL"],
  };
  for (const [prefix, short] of [["kilo", "k"], ["mega", "M"], ["giga", "G"], ["tera", "T"], ["peta", "P"]]) {
    const upper = short.toUpperCase();
    if (prefix !== "peta") UNITS[`${prefix}bit`] = [`{0} ${short}b`, `{0} ${prefix}bit`, `{0} ${prefix}bits`, `{0}${short}b`];
    UNITS[`${prefix}byte`] = [`{0} ${short}B`, `{0} ${prefix}byte`, `{0} ${prefix}bytes`, `{0}${prefix === "kilo" ? "k" : upper}B`];
  }
  const PER = { "kilometer-per-hour": ["{0} km/h", "{0} kilometer per hour", "{0} kilometers per hour", "{0}km/h"], "mile-per-hour": ["{0} mph", "{0} mile per hour", "{0} miles per hour", "{0}mph"], "meter-per-second": ["{0} m/s", "{0} meter per second", "{0} meters per second", "{0}m/s"], "liter-per-kilometer": ["{0} L/km", "{0} liter per kilometer", "{0} liters per kilometer", "{0}L/km"] };
  Object.assign(UNITS, PER);

  const THOUSANDS = [
    [15, "T", " trillion", 12],
    [12, "T", " trillion", 12],
    [9, "B", " billion", 9],
    [6, "M", " million", 6],
    [3, "K", " thousand", 3],
  ];

  const BRITISH = { T: "tn", B: "bn", M: "m", K: "k" };

  // ---- the format

  class NumberFormat {
    #locale;
    #options;
    #signs;

    constructor(locales, options) {
      const given = optionsOf(options);
      const locale = resolveLocale(locales, "Intl.NumberFormat");
      const resolved = { style: choice(given, "style", ["decimal", "percent", "currency", "unit"], "decimal") };
      if (given.numberingSystem !== undefined && given.numberingSystem !== "latn") absent(`the numbering system \`${given.numberingSystem}\``);
      if (given.currency !== undefined) {
        if (!/^[a-z]{3}$/i.test(given.currency)) throw new RangeError(`Invalid currency code : ${given.currency}`);
        resolved.currency = String(given.currency).toUpperCase();
      }
      if (resolved.style === "currency" && !resolved.currency) throw new TypeError("Currency code is required with currency style.");
      resolved.currencyDisplay = choice(given, "currencyDisplay", ["code", "symbol", "narrowSymbol", "name"], "symbol");
      resolved.currencySign = choice(given, "currencySign", ["standard", "accounting"], "standard");
      resolved.unit = given.unit === undefined ? undefined : String(given.unit);
      if (resolved.style === "unit" && resolved.unit === undefined) throw new TypeError("Unit is required with unit style.");
      if (resolved.unit !== undefined && !Object.hasOwn(UNITS, resolved.unit)) absent(`the unit \`${resolved.unit}\``, "write it behind the number");
      resolved.unitDisplay = choice(given, "unitDisplay", ["short", "narrow", "long"], "short");
      resolved.notation = choice(given, "notation", ["standard", "scientific", "engineering", "compact"], "standard");
      resolved.compactDisplay = choice(given, "compactDisplay", ["short", "long"], "short");
      if (locale.language !== "en") {
        const what = resolved.style === "unit" ? "units" : resolved.notation !== "standard" ? `${resolved.notation} notation` : resolved.currencyDisplay === "name" && resolved.style === "currency" ? "names of currencies" : "";
        if (what) absent(`Intl.NumberFormat with ${what} in ${locale.locale}`, "there it is in English only");
      }
      let grouping = given.useGrouping;
      if (grouping === undefined) grouping = resolved.notation === "compact" ? "min2" : "auto";
      else if (grouping === true || grouping === "always") grouping = "always";
      else if (grouping === "true" || grouping === "false") grouping = "auto";
      else if (grouping === false || grouping === null || grouping === "" || grouping === 0) grouping = false;
      else grouping = choice(given, "useGrouping", ["min2", "auto", "always"], "auto");
      resolved.useGrouping = grouping;
      resolved.signDisplay = choice(given, "signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto");
      resolved.roundingMode = choice(given, "roundingMode", Object.keys(AWAY), "halfExpand");
      resolved.roundingPriority = choice(given, "roundingPriority", ["auto", "morePrecision", "lessPrecision"], "auto");
      if (resolved.roundingPriority !== "auto") absent("roundingPriority");
      resolved.roundingIncrement = whole(given, "roundingIncrement", 1, 5000, 1);
      if (resolved.roundingIncrement !== 1) absent("roundingIncrement");
      resolved.trailingZeroDisplay = choice(given, "trailingZeroDisplay", ["auto", "stripIfInteger"], "auto");
      this.#digits(resolved, given);
      this.#locale = locale;
      this.#options = resolved;
      this.#signs = LOCALES[locale.language];
    }

    #digits(resolved, given) {
      resolved.minimumIntegerDigits = whole(given, "minimumIntegerDigits", 1, 21, 1);
      const most = whole(given, "maximumSignificantDigits", 1, 21, undefined);
      const least = whole(given, "minimumSignificantDigits", 1, most ?? 21, undefined);
      if (most !== undefined || least !== undefined) {
        resolved.minimumSignificantDigits = least ?? 1;
        resolved.maximumSignificantDigits = most ?? 21;
        return;
      }
      const money = resolved.style === "currency" && resolved.notation === "standard" ? Number(decimals.get(resolved.currency) ?? 2) : null;
      const [defaultLeast, defaultMost] = money !== null ? [money, money] : [0, resolved.style === "percent" || resolved.notation === "compact" ? 0 : 3];
      let min = whole(given, "minimumFractionDigits", 0, 100, undefined);
      let max = whole(given, "maximumFractionDigits", 0, 100, undefined);
      resolved.compactDigits = resolved.notation === "compact" && min === undefined && max === undefined;
      if (min === undefined) min = max === undefined ? defaultLeast : Math.min(defaultLeast, max);
      else if (max === undefined) max = Math.max(defaultMost, min);
      max ??= Math.max(defaultMost, min);
      if (min > max) throw new RangeError("maximumFractionDigits value is out of range.");
      resolved.minimumFractionDigits = min;
      resolved.maximumFractionDigits = max;
    }

    /** A decimal, rounded as the options say; and how many places it must have. */
    #round(decimal, negative) {
      const options = this.#options;
      if (options.maximumSignificantDigits !== undefined) {
        const value = rounded(decimal, options.maximumSignificantDigits, options.roundingMode, negative);
        const whole_ = value.digits === "" ? 1 : value.point;
        return [value, Math.max(0, options.minimumSignificantDigits - Math.max(whole_, value.digits === "" ? 1 : value.point))];
      }
      if (options.compactDigits) {
        // Two significant digits, but never fewer than those of the whole.
        const places = decimal.point >= 2 ? 0 : 2 - decimal.point;
        return [toFraction(decimal, places, options.roundingMode, negative), 0];
      }
      return [toFraction(decimal, options.maximumFractionDigits, options.roundingMode, negative), options.minimumFractionDigits];
    }

    #parts(value) {
      const options = this.#options;
      const signs = this.#signs;
      if (typeof value !== "bigint") {
        if (typeof value === "string" && /^\s*[+-]?\d{16,}\s*$/.test(value)) value = BigInt(value.trim().replace(/^\+/, ""));
        else if (typeof value === "object" && value !== null) value = value[Symbol.toPrimitive]?.("number") ?? value.valueOf();
        if (typeof value !== "bigint") value = Number(value);
      }
      const negative = value < 0 || Object.is(value, -0);
      const number = [];
      let suffix = "";
      let exponent = null;
      let zero = false;
      let one = false;
      if (Number.isNaN(value)) {
        number.push(["nan", "NaN"]);
      } else if (value === Infinity || value === -Infinity) {
        number.push(["infinity", "∞"]);
      } else {
        let decimal = decimalOf(value);
        if (options.style === "percent" && decimal.digits !== "") decimal = { digits: decimal.digits, point: decimal.point + 2 };
        let places;
        let result;
        if (options.notation === "standard") {
          [result, places] = this.#round(decimal, negative);
        } else {
          const shift = (decimal) => {
            if (decimal.digits === "") return 0;
            const power = decimal.point - 1;
            if (options.notation === "scientific") return power;
            if (options.notation === "engineering") return Math.floor(power / 3) * 3;
            return THOUSANDS.find(([from]) => power >= from)?.[3] ?? 0;
          };
          let by = shift(decimal);
          for (let attempt = 0; attempt < 2; attempt++) {
            [result, places] = this.#round({ digits: decimal.digits, point: decimal.point - by }, negative);
            const again = shift({ digits: result.digits, point: result.point + by });
            if (again === by) break;
            by = again;
          }
          if (options.notation === "compact") {
            const found = THOUSANDS.find(([, , , power]) => power === by);
            if (found) suffix = options.compactDisplay === "long" ? found[2] : this.#locale.locale === "en-GB" ? BRITISH[found[1]] : found[1];
          } else {
            exponent = by;
          }
        }
        zero = result.digits === "";
        let [before, behind] = written(result, options.minimumIntegerDigits, places);
        if (options.trailingZeroDisplay === "stripIfInteger" && /^0*$/.test(behind)) behind = "";
        one = behind === "" && before === "1" && suffix === "" && exponent === null;
        const least = options.useGrouping === "always" ? 4 : Math.max(signs.least ?? 4, options.useGrouping === "min2" ? 5 : 4);
        if (options.useGrouping !== false && before.length >= least) {
          before.replace(/\B(?=(?:\d{3})+$)/g, "_").split("_").forEach((group, index) => {
            if (index > 0) number.push(["group", signs.group]);
            number.push(["integer", group]);
          });
        } else {
          number.push(["integer", before]);
        }
        if (behind !== "") number.push(["decimal", signs.decimal], ["fraction", behind]);
        if (exponent !== null) {
          number.push(["exponentSeparator", "E"]);
          if (exponent < 0) number.push(["exponentMinusSign", "-"]);
          number.push(["exponentInteger", String(Math.abs(exponent))]);
        }
        if (suffix !== "") {
          if (suffix[0] === " ") number.push(["literal", " "]);
          number.push(["compact", suffix.trim()]);
        }
      }
      return this.#around(number, negative, zero || Number.isNaN(value), one);
    }

    /** A number with its sign, and what it counts. */
    #around(number, negative, zero, one) {
      const options = this.#options;
      const signs = this.#signs;
      const isNaN_ = number[0][0] === "nan";
      const minus = ["minusSign", signs.minus ?? "-"];
      const plus = ["plusSign", "+"];
      let sign = null;
      if (options.signDisplay === "always") sign = negative ? minus : plus;
      else if (options.signDisplay === "exceptZero") sign = zero ? null : negative ? minus : plus;
      else if (options.signDisplay === "negative") sign = negative && !zero ? minus : null;
      else if (options.signDisplay === "auto") sign = negative && !isNaN_ ? minus : null;
      const signed = sign === null ? [] : [sign];
      if (options.style === "percent") {
        const space = signs.percent.slice(0, -1);
        return [...signed, ...number, ...(space ? [["literal", space]] : []), ["percentSign", "%"]];
      }
      if (options.style === "unit") {
        const [short, singular, plural, narrow_] = UNITS[options.unit];
        const pattern = (options.unitDisplay === "long" ? (one ? singular : plural) : options.unitDisplay === "narrow" ? narrow_ : short).replace("{s}", one ? "" : "s");
        const behind = pattern.slice(3);
        const space = behind.startsWith(" ") ? [["literal", " "]] : [];
        return [...signed, ...number, ...space, ["unit", behind.trimStart()]];
      }
      if (options.style !== "currency") return [...signed, ...number];
      if (options.currencyDisplay === "name") {
        const name = names.get(options.currency)?.split(",") ?? absent(`the name of the currency ${options.currency}`);
        return [...signed, ...number, ["literal", " "], ["currency", name[one && options.minimumFractionDigits === 0 ? 0 : 1]]];
      }
      const symbol = ["currency", symbolOf(options.currency, options.currencyDisplay, this.#locale)];
      const gap = ["literal", NBSP];
      if (signs.behind) return [...signed, ...number, gap, symbol];
      if (signs.before) return [symbol, gap, ...signed, ...number];
      const space = signs.apart || (/[A-Za-z]$/.test(symbol[1]) && /^\d/.test(number[0][1])) ? [gap] : [];
      if (options.currencySign === "accounting" && sign === minus) return [["literal", "("], symbol, ...space, ...number, ["literal", ")"]];
      return [...signed, symbol, ...space, ...number];
    }

    get format() {
      const format = (value) => this.#parts(value).map(([, text]) => text).join("");
      Object.defineProperty(format, "name", { value: "" });
      return format;
    }
    formatToParts(value) {
      return this.#parts(value).map(([type, value]) => ({ type, value }));
    }
    formatRange(start, end) {
      const [from, to] = [this.format(start), this.format(end)];
      return from === to ? `~${from}` : this.#options.style === "decimal" ? `${from}–${to}` : absent("formatRange of this style", "format both ends");
    }
    resolvedOptions() {
      const { compactDigits, compactDisplay, currencyDisplay, currencySign, unitDisplay, unit, currency, ...rest } = this.#options;
      return {
        locale: this.#locale.tag,
        numberingSystem: "latn",
        ...rest,
        ...(rest.style === "currency" ? { currency, currencyDisplay, currencySign } : {}),
        ...(rest.style === "unit" ? { unit, unitDisplay } : {}),
        ...(rest.notation === "compact" ? { compactDisplay } : {}),
      };
    }
  }

  internal.intl = { resolveLocale, canonicalList, known, optionsOf, choice, whole, absent, KNOWN, NumberFormat, currencies: () => [...new Set([...symbols.keys(), ...narrow.keys(), ...names.keys(), ...decimals.keys()])].sort(), units: () => Object.keys(UNITS).filter((unit) => !unit.includes("-per-")).sort() };
})
