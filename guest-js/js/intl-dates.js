// `Intl.DateTimeFormat`. The zones and their rules are in Rust; English has
// names of months and days, the other locales numeric dates.
(function (native, internal) {
  "use strict";

  const { resolveLocale, optionsOf, choice, whole, absent } = internal.intl;

  const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
  const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const ZONE_NAMES = [
    // What US English has short names for: winter, summer, both.
    ["Eastern", "E", "America/New_York America/Toronto America/Detroit US/Eastern America/Montreal America/Nassau EST5EDT America/Kentucky/Louisville America/Indiana/Indianapolis America/Indianapolis"],
    ["Central", "C", "America/Chicago America/Winnipeg US/Central CST6CDT America/Menominee America/Matamoros"],
    ["Mountain", "M", "America/Denver America/Edmonton US/Mountain America/Boise MST7MDT America/Phoenix US/Arizona"],
    ["Pacific", "P", "America/Los_Angeles America/Vancouver US/Pacific America/Tijuana PST8PDT"],
    ["Alaska", "AK", "America/Anchorage America/Juneau US/Alaska America/Nome America/Sitka"],
    ["Hawaii-Aleutian", "H", "Pacific/Honolulu US/Hawaii"],
  ];
  const US = new Map(ZONE_NAMES.flatMap(([name, letters, zones]) => zones.split(" ").map((zone) => [zone, { name, letters }])));
  const LONG = new Map();
  for (const [name, zones] of [
    ["Central European", "Europe/Zurich Europe/Berlin Europe/Paris Europe/Rome Europe/Madrid Europe/Vienna Europe/Amsterdam Europe/Brussels Europe/Copenhagen Europe/Oslo Europe/Stockholm Europe/Prague Europe/Budapest Europe/Warsaw Europe/Belgrade Europe/Luxembourg Europe/Zagreb"],
    ["Eastern European", "Europe/Athens Europe/Helsinki Europe/Kyiv Europe/Kiev Europe/Bucharest Europe/Sofia Europe/Riga Europe/Vilnius Europe/Tallinn"],
    ["India", "Asia/Kolkata Asia/Calcutta"],
    ["Japan", "Asia/Tokyo"],
    ["China", "Asia/Shanghai"],
    ["Korean", "Asia/Seoul"],
    ["Singapore", "Asia/Singapore"],
    ["Hong Kong", "Asia/Hong_Kong"],
    ["Gulf", "Asia/Dubai"],
    ["Brasilia", "America/Sao_Paulo"],
    ["Argentina", "America/Argentina/Buenos_Aires"],
    ["Moscow", "Europe/Moscow"],
    ["Israel", "Asia/Jerusalem"],
    ["Atlantic", "America/Halifax"],
    ["Australian Eastern", "Australia/Sydney Australia/Melbourne Australia/Brisbane Australia/Hobart"],
    ["Australian Western", "Australia/Perth"],
    ["New Zealand", "Pacific/Auckland"],
  ]) {
    for (const zone of zones.split(" ")) LONG.set(zone, name);
  }
  const SUMMER = new Set(["Central European", "Eastern European"]);

  const UTC = new Set(["UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "Etc/Greenwich", "Greenwich", "Etc/GMT0", "GMT0", "Etc/GMT+0", "Etc/GMT-0", "GMT+0", "GMT-0"]);

  // ---- zones

  /** The zone of this name, in its usual spelling, or one of an offset. */
  function zoneOf(name) {
    const text = String(name);
    const offset = /^([+-])([01]\d|2[0-3])(?::?([0-5]\d))?$/.exec(text);
    if (offset) {
      const seconds = (Number(offset[2]) * 60 + Number(offset[3] ?? 0)) * 60 * (offset[1] === "-" ? -1 : 1);
      return { name: `${offset[1]}${offset[2]}:${offset[3] ?? "00"}`, fixed: seconds };
    }
    const found = native.zone(text);
    if (found === null) throw new RangeError(`Invalid time zone specified: ${text}`);
    return UTC.has(found) ? { name: "UTC", fixed: 0 } : { name: found };
  }

  const offsetOf = (zone, time) => (zone.fixed !== undefined ? zone.fixed : native.zoneOffset(zone.name, time)[0]);

  const two = (number) => String(number).padStart(2, "0");

  function offsetText(seconds, long) {
    const sign = seconds < 0 ? "-" : "+";
    const [hours, minutes] = [Math.floor(Math.abs(seconds) / 3600), Math.floor(Math.abs(seconds) / 60) % 60];
    if (long) return `GMT${sign}${two(hours)}:${two(minutes)}`;
    return `GMT${sign}${hours}${minutes ? `:${two(minutes)}` : ""}`;
  }

  function zoneName(zone, time, style, locale) {
    if (zone.name === "UTC") {
      if (style.endsWith("Offset")) return style === "longOffset" ? "GMT+00:00" : "GMT+0";
      if (style.endsWith("Generic")) return "GMT";
      return style === "long" ? "Coordinated Universal Time" : "UTC";
    }
    const [seconds, abbreviation, summer] = zone.fixed !== undefined ? [zone.fixed, "", false] : native.zoneOffset(zone.name, time);
    const long = style.startsWith("long");
    if (zone.fixed !== undefined || style.endsWith("Offset")) return seconds === 0 && !style.endsWith("Offset") ? "GMT" : offsetText(seconds, long);
    const us = US.get(zone.name);
    if (style.endsWith("Generic")) {
      if (us) return long ? `${us.name} Time` : `${us.letters}T`;
      const name = LONG.get(zone.name);
      return name ? (long ? `${name} ${SUMMER.has(name) ? "Time" : "Standard Time"}` : absent(`timeZoneName "${style}" of ${zone.name}`)) : absent(`timeZoneName "${style}" of ${zone.name}`, 'take "shortOffset"');
    }
    if (zone.name === "Europe/London" && summer) return long ? "British Summer Time" : locale === "en-US" ? "GMT+1" : "BST";
    if (zone.name === "Europe/Dublin" && summer) return long ? "Irish Standard Time" : "GMT+1";
    if (seconds === 0 && /^(?:Europe|Africa|Atlantic)\//.test(zone.name) && !summer && /^(?:GMT|WET)$/.test(abbreviation)) {
      if (abbreviation === "GMT") return long ? "Greenwich Mean Time" : "GMT";
    }
    if (!long) {
      if (us && locale !== "en-GB") return `${us.letters}${summer ? "D" : "S"}T`;
      if (locale === "en-GB" && ["CET", "CEST", "EET", "EEST", "WET", "WEST"].includes(abbreviation)) return abbreviation;
      return seconds === 0 ? "GMT" : offsetText(seconds, false);
    }
    const name = us?.name ?? LONG.get(zone.name);
    if (name === undefined) return offsetText(seconds, true);
    return `${name} ${summer ? (us || name.startsWith("Australian") || name === "New Zealand" || name === "Israel" || name === "Atlantic" ? "Daylight" : "Summer") : "Standard"} Time`;
  }

  /** A moment in a zone, as numbers. */
  function fieldsOf(zone, time) {
    const local = new Date(time + offsetOf(zone, time) * 1000);
    const year = local.getUTCFullYear();
    return {
      year,
      month: local.getUTCMonth(),
      day: local.getUTCDate(),
      weekday: local.getUTCDay(),
      hour: local.getUTCHours(),
      minute: local.getUTCMinutes(),
      second: local.getUTCSeconds(),
      millisecond: local.getUTCMilliseconds(),
    };
  }

  // ---- patterns

  // Numeric dates: the order of the parts and what stands between them, and
  // which are written with two digits where `numeric` is asked for.
  const DATES = {
    "en-US": { order: "mdy", mark: "/", join: ", " },
    "en-GB": { order: "dmy", mark: "/", pad: true, join: ", " },
    "en-CA": { order: "ymd", mark: "-", pad: true, join: ", " },
    "de-DE": { order: "dmy", mark: ".", last: ".", join: ", " },
    "es-ES": { order: "dmy", mark: "/", join: ", " },
    "fr-FR": { order: "dmy", mark: "/", pad: true, join: " " },
    "it-IT": { order: "dmy", mark: "/", pad: true, join: ", " },
    "nl-NL": { order: "dmy", mark: "-", join: ", " },
    "pt-BR": { order: "dmy", mark: "/", pad: true, join: ", " },
    "sv-SE": { order: "ymd", mark: "-", pad: true, join: " " },
  };
  const TWELVE = { "en-US": ["AM", "PM"], "en-CA": ["a.m.", "p.m."] };
  const SHORT_DATES = { "en-US": ["numeric", "numeric", "2-digit"], "en-GB": ["2-digit", "2-digit", "numeric"], "en-CA": ["2-digit", "2-digit", "numeric"], "sv-SE": ["2-digit", "2-digit", "numeric"], "de-DE": ["2-digit", "2-digit", "2-digit"], "es-ES": ["numeric", "numeric", "2-digit"], "fr-FR": ["2-digit", "2-digit", "numeric"], "it-IT": ["2-digit", "2-digit", "2-digit"], "nl-NL": ["2-digit", "2-digit", "numeric"], "pt-BR": ["2-digit", "2-digit", "numeric"] };

  const DATE_FIELDS = ["weekday", "era", "year", "month", "day"];
  const TIME_FIELDS = ["dayPeriod", "hour", "minute", "second", "fractionalSecondDigits"];
  const NUMERIC = ["2-digit", "numeric"];
  const NAMES = ["narrow", "short", "long"];
  const STYLES = ["full", "long", "medium", "short"];

  function resolve(locales, options, required, defaults) {
    const given = optionsOf(options);
    const locale = resolveLocale(locales, "Intl.DateTimeFormat");
    for (const [key, only] of [["calendar", ["gregory", "iso8601"]], ["numberingSystem", ["latn"]]]) {
      if (given[key] !== undefined && !only.includes(String(given[key]))) absent(`the ${key} \`${given[key]}\``);
    }
    const resolved = {
      weekday: choice(given, "weekday", NAMES),
      era: choice(given, "era", NAMES),
      year: choice(given, "year", NUMERIC),
      month: choice(given, "month", [...NUMERIC, ...NAMES]),
      day: choice(given, "day", NUMERIC),
      dayPeriod: choice(given, "dayPeriod", NAMES),
      hour: choice(given, "hour", NUMERIC),
      minute: choice(given, "minute", NUMERIC),
      second: choice(given, "second", NUMERIC),
      fractionalSecondDigits: whole(given, "fractionalSecondDigits", 1, 3, undefined),
      timeZoneName: choice(given, "timeZoneName", ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"]),
    };
    choice(given, "formatMatcher", ["basic", "best fit"]);
    choice(given, "localeMatcher", ["lookup", "best fit"]);
    const dateStyle = choice(given, "dateStyle", STYLES);
    const timeStyle = choice(given, "timeStyle", STYLES);
    const zone = zoneOf(given.timeZone === undefined ? "UTC" : given.timeZone);
    const any = (names) => names.some((name) => resolved[name] !== undefined);
    if (dateStyle !== undefined || timeStyle !== undefined) {
      const explicit = [...DATE_FIELDS, ...TIME_FIELDS, "timeZoneName"].find((name) => resolved[name] !== undefined);
      if (explicit) throw new TypeError(`Can't set option ${explicit} when ${dateStyle !== undefined ? "dateStyle" : "timeStyle"} is used`);
      if ((required === "date" && timeStyle !== undefined) || (required === "time" && dateStyle !== undefined)) throw new TypeError(`Invalid option : ${required === "date" ? "timeStyle" : "dateStyle"}`);
      if (dateStyle !== undefined) {
        resolved.year = "numeric";
        resolved.day = "numeric";
        if (dateStyle === "short") [resolved.month, resolved.day, resolved.year] = SHORT_DATES[locale.locale];
        else resolved.month = dateStyle === "medium" ? "short" : "long";
        if (dateStyle === "full") resolved.weekday = "long";
      }
      if (timeStyle !== undefined) {
        resolved.hour = "numeric";
        resolved.minute = "2-digit";
        if (timeStyle !== "short") resolved.second = "2-digit";
        if (timeStyle === "full" || timeStyle === "long") resolved.timeZoneName = timeStyle === "full" ? "long" : "short";
      }
    } else if (!any(required === "date" ? ["weekday", "year", "month", "day"] : required === "time" ? TIME_FIELDS : ["weekday", "year", "month", "day", ...TIME_FIELDS])) {
      if (defaults !== "time") resolved.year = resolved.month = resolved.day = "numeric";
      if (defaults !== "date") resolved.hour = resolved.minute = resolved.second = "numeric";
    }
    const textual = ["short", "long", "narrow"].includes(resolved.month) || resolved.weekday !== undefined || resolved.era !== undefined || resolved.dayPeriod !== undefined || (resolved.timeZoneName !== undefined && !resolved.timeZoneName.endsWith("Offset"));
    if (textual && (locale.language !== "en" || locale.locale === "en-CA")) {
      absent(`Intl.DateTimeFormat with names of months, days or zones in ${locale.locale}`, "there are those of en-US and en-GB");
    }
    if (resolved.dayPeriod !== undefined) absent("the option dayPeriod", "take `hour`");
    if (resolved.minute !== undefined && (resolved.hour !== undefined || resolved.second !== undefined)) resolved.minute = "2-digit";
    if (resolved.second !== undefined && resolved.minute !== undefined) resolved.second = "2-digit";
    let cycle;
    if (resolved.hour !== undefined) {
      const twelve = Object.hasOwn(TWELVE, locale.locale);
      cycle = choice(given, "hourCycle", ["h11", "h12", "h23", "h24"]) ?? locale.hourCycle ?? (twelve ? "h12" : "h23");
      if (given.hour12 !== undefined) cycle = given.hour12 ? "h12" : "h23";
      if (cycle === "h23" || cycle === "h24") resolved.hour = locale.locale === "es-ES" && resolved.hour === "numeric" ? "numeric" : "2-digit";
    }
    return { locale, zone, resolved, dateStyle, timeStyle, cycle };
  }

  class DateTimeFormat {
    #made;

    constructor(locales, options, required = "any", defaults = "date") {
      this.#made = resolve(locales, options, required, defaults);
    }

    #date(fields) {
      const { locale, resolved } = this.#made;
      const { weekday, era, year, month, day } = resolved;
      const parts = {};
      const pattern = DATES[locale.locale];
      if (year !== undefined) {
        const number = era !== undefined && fields.year <= 0 ? 1 - fields.year : fields.year;
        parts.year = ["year", year === "2-digit" ? two(Math.abs(number) % 100) : String(number)];
      }
      const named = NAMES.includes(month);
      const numeric = month !== undefined && !named;
      const pad = (style) => style === "2-digit" || (pattern.pad && !(locale.language === "sv" && year === undefined) && numeric && (day !== undefined || year !== undefined));
      if (numeric) parts.month = ["month", pad(month) ? two(fields.month + 1) : String(fields.month + 1)];
      if (named) parts.month = ["month", month === "long" ? MONTHS[fields.month] : month === "narrow" ? MONTHS[fields.month][0] : locale.locale === "en-GB" && fields.month === 8 ? "Sept" : MONTHS[fields.month].slice(0, 3)];
      if (day !== undefined) parts.day = ["day", day === "2-digit" || (pad(day) && numeric) ? two(fields.day) : String(fields.day)];
      if (weekday !== undefined) parts.weekday = ["weekday", weekday === "long" ? DAYS[fields.weekday] : DAYS[fields.weekday].slice(0, weekday === "short" ? 3 : 1)];

      let line = [];
      const literal = (text) => ["literal", text];
      if (numeric) {
        // Without a year Swedish, without a day German have another mark.
        const swedish = locale.language === "sv" && !parts.year;
        const mark = swedish || (locale.language === "de" && !parts.day) ? "/" : pattern.mark;
        const shown = [...(swedish ? "dm" : pattern.order)].map((letter) => parts[{ d: "day", m: "month", y: "year" }[letter]]).filter(Boolean);
        shown.forEach((part, index) => line.push(...(index ? [literal(mark)] : []), part));
        if (pattern.last && !parts.year) line.push(literal(pattern.last));
      } else if (named) {
        const british = locale.locale === "en-GB";
        if (parts.day) line = british ? [parts.day, literal(" "), parts.month] : [parts.month, literal(" "), parts.day];
        else line = [parts.month];
        if (parts.year) line.push(literal(parts.day && !british ? ", " : " "), parts.year);
      } else if (parts.year && parts.day) {
        line = [parts.year, literal(" (day: "), parts.day, literal(")")];
      } else {
        line = [parts.year ?? parts.day].filter(Boolean);
      }
      if (era !== undefined) {
        const names = era === "long" ? ["Before Christ", "Anno Domini"] : era === "short" ? ["BC", "AD"] : ["B", "A"];
        line.push(literal(" "), ["era", names[fields.year > 0 ? 1 : 0]]);
      }
      if (parts.weekday) {
        if (line.length === 0) line = [parts.weekday];
        else if (!parts.month && !parts.year && parts.day) line = locale.locale === "en-GB" ? [parts.weekday, literal(" "), ...line] : [...line, literal(" "), parts.weekday];
        else if (named && !parts.day) line = [...line, literal(" "), parts.weekday];
        else line = [parts.weekday, literal(locale.locale === "en-GB" && !parts.year && numeric ? " " : ", "), ...line];
      }
      return line;
    }

    #time(fields) {
      const { locale, resolved, cycle } = this.#made;
      const line = [];
      const add = (mark, type, value) => line.push(...(line.length ? [["literal", mark]] : []), [type, value]);
      if (resolved.hour !== undefined) {
        let hour = fields.hour;
        if (cycle === "h12") hour = hour % 12 || 12;
        else if (cycle === "h11") hour %= 12;
        else if (cycle === "h24") hour = hour || 24;
        add("", "hour", resolved.hour === "2-digit" ? two(hour) : String(hour));
      }
      if (resolved.minute !== undefined) add(":", "minute", resolved.minute === "2-digit" && (resolved.hour !== undefined || resolved.second !== undefined) ? two(fields.minute) : String(fields.minute));
      if (resolved.second !== undefined) add(":", "second", resolved.second === "2-digit" && resolved.minute !== undefined ? two(fields.second) : String(fields.second));
      if (resolved.fractionalSecondDigits !== undefined) {
        const digits = String(fields.millisecond).padStart(3, "0").slice(0, resolved.fractionalSecondDigits);
        add(resolved.second === undefined ? "" : ".", "fractionalSecond", digits);
      }
      if (cycle === "h12" || cycle === "h11") {
        const names = TWELVE[locale.locale] ?? (locale.locale === "en-GB" ? ["am", "pm"] : null);
        if (names === null) absent(`hour12 in ${locale.locale}`);
        add(" ", "dayPeriod", names[fields.hour < 12 ? 0 : 1]);
      }
      return line;
    }

    #parts(date) {
      const { locale, zone, resolved, dateStyle } = this.#made;
      const time = date === undefined ? Date.now() : Number(date);
      if (!(Math.abs(time) <= 8.64e15)) throw new RangeError("Invalid time value");
      const fields = fieldsOf(zone, Math.trunc(time));
      const day = this.#date(fields);
      const clock = this.#time(fields);
      const line = [...day];
      if (day.length && clock.length) {
        const at = dateStyle === undefined ? resolved.month === "long" : dateStyle === "full" || dateStyle === "long";
        const alone = resolved.month === undefined && resolved.year === undefined && resolved.day === undefined && locale.locale === "en-US";
        line.push(["literal", at ? " at " : alone ? " " : DATES[locale.locale].join]);
      }
      line.push(...clock);
      if (resolved.timeZoneName !== undefined) {
        const name = zoneName(zone, time, resolved.timeZoneName, locale.locale);
        if (line.length) line.push(["literal", clock.length ? " " : ", "]);
        line.push(["timeZoneName", name]);
      }
      return line;
    }

    get format() {
      const format = (date) => this.#parts(date).map(([, text]) => text).join("");
      Object.defineProperty(format, "name", { value: "" });
      return format;
    }
    formatToParts(date) {
      return this.#parts(date).map(([type, value]) => ({ type, value }));
    }
    formatRange(start, end) {
      const [from, to] = [this.format(start), this.format(end)];
      return from === to ? from : absent("Intl.DateTimeFormat.prototype.formatRange", "format both ends");
    }
    resolvedOptions() {
      const { locale, zone, resolved, dateStyle, timeStyle, cycle } = this.#made;
      const shown = { locale: locale.tag, calendar: "gregory", numberingSystem: "latn", timeZone: zone.name };
      if (cycle !== undefined) Object.assign(shown, { hourCycle: cycle, hour12: cycle === "h11" || cycle === "h12" });
      if (dateStyle === undefined && timeStyle === undefined) for (const [key, value] of Object.entries(resolved)) if (value !== undefined) shown[key] = value;
      if (dateStyle !== undefined) shown.dateStyle = dateStyle;
      if (timeStyle !== undefined) shown.timeStyle = timeStyle;
      return shown;
    }
  }

  internal.intl.DateTimeFormat = DateTimeFormat;
})
