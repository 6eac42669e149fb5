// `console`: one write to the host per call, so that a printed line survives
// whatever happens next.
(function (native, internal) {
  "use strict";

  const OUT = 1;
  const ERR = 2;
  const { inspect } = internal;

  const show = (value) => (typeof value === "string" ? value : inspect(value));

  /** The arguments of a console call as one text, `%s` and friends included. */
  function format(values) {
    const [first] = values;
    if (typeof first !== "string") return values.map(show).join(" ");
    if (values.length === 1) return first;
    let next = 1;
    const text = first.replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === "%%") return "%";
      if (next >= values.length) return mark;
      const value = values[next++];
      switch (mark) {
        case "%s":
          return typeof value === "object" && value !== null ? inspect(value, { depth: 0 }) : typeof value === "bigint" ? `${value}n` : String(value);
        case "%d":
          return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : String(Number(value));
        case "%i":
          return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : String(parseInt(value, 10));
        case "%f":
          return typeof value === "symbol" ? "NaN" : String(parseFloat(value));
        case "%j":
          try {
            return JSON.stringify(value);
          } catch {
            return "[Circular]";
          }
        case "%c":
          return "";
        default:
          return inspect(value);
      }
    });
    return [text, ...values.slice(next).map(show)].join(" ");
  }

  let indent = "";
  const timers = new Map();
  const counts = new Map();

  function write(stream, text) {
    if (indent !== "") text = indent + text.replaceAll("\n", "\n" + indent);
    native.write(stream, text + "\n");
  }

  const line = (stream) =>
    function (...values) {
      write(stream, format(values));
    };

  function table(rows, columns) {
    if (rows === null || typeof rows !== "object") return write(OUT, show(rows));
    const entries =
      rows instanceof Map ? [...rows] : rows instanceof Set ? [...rows].map((row, index) => [index, row]) : Object.entries(rows);
    const names = [];
    let values = false;
    for (const [, row] of entries) {
      if (row === null || typeof row !== "object") values = true;
      else for (const key of Object.keys(row)) if (!names.includes(key)) names.push(key);
    }
    const shown = columns ? columns.map(String) : names;
    const cell = (value) => inspect(value, { depth: 0 });
    const head = ["(index)", ...shown, ...(values ? ["Values"] : [])];
    const body = entries.map(([index, row]) => {
      const object = row !== null && typeof row === "object";
      const cells = shown.map((name) => (object && Object.hasOwn(row, name) ? cell(row[name]) : ""));
      return [String(index), ...cells, ...(values ? [object ? "" : cell(row)] : [])];
    });
    const widths = head.map((name, column) => Math.max(name.length, ...body.map((row) => row[column].length)) + 2);
    const rule = (left, middle, right) => left + widths.map((width) => "─".repeat(width)).join(middle) + right;
    const row = (cells) => "│" + cells.map((text, column) => ` ${text}`.padEnd(widths[column])).join("│") + "│";
    write(OUT, [rule("┌", "┬", "┐"), row(head), rule("├", "┼", "┤"), ...body.map(row), rule("└", "┴", "┘")].join("\n"));
  }

  const log = line(OUT);
  const warn = line(ERR);
  const duration = (start) => {
    const milliseconds = native.now() - start;
    return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(3)}s` : `${milliseconds.toFixed(3)}ms`;
  };

  const console = {
    log,
    info: log,
    debug: log,
    warn,
    error: warn,
    trace(...values) {
      const text = format(values);
      write(ERR, `Trace${text ? `: ${text}` : ""}${internal.frames(new Error())}`);
    },
    dir(value, options) {
      write(OUT, inspect(value, options));
    },
    dirxml: log,
    table,
    assert(condition, ...values) {
      if (condition) return;
      write(ERR, values.length ? `Assertion failed: ${format(values)}` : "Assertion failed");
    },
    count(label = "default") {
      const count = (counts.get(label) ?? 0) + 1;
      counts.set(label, count);
      write(OUT, `${label}: ${count}`);
    },
    countReset(label = "default") {
      counts.delete(label);
    },
    group(...values) {
      if (values.length) write(OUT, format(values));
      if (indent.length < 40) indent += "  ";
    },
    groupEnd() {
      indent = indent.slice(2);
    },
    time(label = "default") {
      timers.set(label, native.now());
    },
    timeLog(label = "default", ...values) {
      if (timers.has(label)) write(OUT, format([`${label}: ${duration(timers.get(label))}`, ...values]));
    },
    timeEnd(label = "default") {
      console.timeLog(label);
      timers.delete(label);
    },
  };
  console.groupCollapsed = console.group;

  internal.global("console", console);
  internal.format = format;
})
