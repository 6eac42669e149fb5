//! JavaScript and TypeScript as programs use them.

use serde_json::json;

use crate::harness::{Place, contains, error, ok};

#[track_caller]
fn result(source: &str) -> serde_json::Value {
    ok(Place::new().javascript(source))
}

#[track_caller]
fn typescript(source: &str) -> serde_json::Value {
    ok(Place::new().exec("script.ts", source, &[]))
}

#[test]
fn promises_and_timers_work() {
    let source = "\
const after = (ms, value) => new Promise(resolve => setTimeout(() => resolve(value), ms));
const out = {};
out.all = await Promise.all([after(20, 1), after(10, 2)]);
out.race = await Promise.race([after(200, 'slow'), after(1, 'fast')]);
out.settled = (await Promise.allSettled([after(1, 1), Promise.reject(new Error('x'))])).map(s => s.status);
out.any = await Promise.any([Promise.reject(1), after(1, 'any')]);
let n = 0; await new Promise(resolve => { const id = setInterval(() => { if (++n == 3) { clearInterval(id); resolve() } }, 1) });
out.n = n;
await new Promise(resolve => queueMicrotask(resolve));
out";
    assert_eq!(
        result(source),
        json!({ "all": [1, 2], "race": "fast", "settled": ["fulfilled", "rejected"], "any": "any", "n": 3 })
    );
}

#[test]
fn the_web_names_are_there() {
    let source = "\
const text = new TextDecoder().decode(new TextEncoder().encode('zürich €'));
const url = new URL('../c?q=1#h', 'https://user@example.com:8080/a/b/');
url.searchParams.append('w', 'x y');
const copy = structuredClone({ a: [1, new Date(0)], m: new Map([[1, 2]]) });
const random = crypto.getRandomValues(new Uint8Array(8));
({ text, url: url.href, copy: [copy.a[0], copy.a[1].getTime(), copy.m.get(1)],
   b64: btoa('hi') + atob('aGk='), uuid: crypto.randomUUID().length, random: random.length,
   now: typeof performance.now(), aborted: AbortSignal.abort().aborted })";
    assert_eq!(
        result(source),
        json!({
            "text": "zürich €", "url": "https://user@example.com:8080/a/c?q=1&w=x+y#h", "copy": [1, 0, 2],
            "b64": "aGk=hi", "uuid": 36, "random": 8, "now": "number", "aborted": true,
        })
    );
}

#[test]
fn console_methods_go_to_their_streams() {
    let report = Place::new().javascript(
        "console.log('a', { b: [1, 2] }); console.info('i'); console.warn('w'); console.error('e'); console.debug('d')",
    );
    assert_eq!(report["stdout"], "a { b: [ 1, 2 ] }\ni\nd\n", "{report:#}");
    assert_eq!(report["stderr"], "w\ne\n");
}

#[test]
fn errors_have_positions_in_the_users_file() {
    let report =
        Place::new().javascript("function f() {\n  throw new TypeError('bad');\n}\n\nf();\n");
    let failure = error(&report);
    assert_eq!(failure["kind"], "TypeError");
    assert_eq!(failure["message"], "bad");
    assert_eq!(failure["position"]["file"], "script.js");
    assert_eq!(failure["position"]["line"], 2);
    contains(&failure["traceback"], "script.js:5");
}

#[test]
fn errors_in_typescript_have_positions_too() {
    let source = "\
interface Order {
  id: number;
  note?: string;
}
enum Colour { Red = 1, Green }
class Shop<T extends Order> {
  constructor(private readonly name: string, public orders: T[] = []) {}
  first(): T { if (!this.orders.length) throw new RangeError(`${this.name} is empty`); return this.orders[0]!; }
}
const shop = new Shop<Order>('shop' as string);
console.log(Colour.Green, Colour[1]);
shop.first();
";
    let report = Place::new().exec("script.ts", source, &[]);
    assert_eq!(report["stdout"], "2 Red\n", "{report:#}");
    let failure = error(&report);
    assert_eq!(failure["kind"], "RangeError");
    assert_eq!(failure["message"], "shop is empty");
    assert_eq!(failure["position"]["file"], "script.ts");
    assert_eq!(failure["position"]["line"], 8);
    contains(&failure["traceback"], "script.ts:12");
}

#[test]
fn typescript_types_are_removed() {
    let source = "\
type Pair<A, B = A> = { a: A; b: B };
declare const missing: number;
namespace Inner { export const value = 4; }
function over(x: number): number;
function over(x: string): string;
function over(x: any) { return x; }
abstract class Base { abstract f(): number; protected n: number = 3; }
class Derived extends Base implements Iterable<number> { f = (): number => this.n; *[Symbol.iterator]() { yield 1; } }
const pair = { a: 1, b: 'x' } satisfies Pair<number, string>;
let list: Array<[string, number?]> = [['a', 1]];
const get = <T,>(x: T): T => x;
[get<number>(pair.a), over(2), new Derived().f(), Inner.value, list[0]![0] as string, [...new Derived()]]";
    assert_eq!(typescript(source), json!([1, 2, 3, 4, "a", [1]]));
}

#[test]
fn unhandled_rejections_are_errors() {
    let report = Place::new().javascript(
        "Promise.reject(new Error('lost'));\nawait new Promise(r => setTimeout(r, 5));",
    );
    assert_eq!(error(&report)["message"], "lost");
    let report = Place::new().javascript("await Promise.reject(new Error('awaited'))");
    assert_eq!(error(&report)["message"], "awaited");
    let report = Place::new().javascript(
        "let m; try { await Promise.reject(new Error('x')) } catch (e) { m = e.message } m",
    );
    assert_eq!(ok(report), "x");
}

#[test]
fn modules_of_the_program_can_use_import_and_export() {
    let place = Place::with_fixture(&[]);
    let source = "\
import { echo } from 'servers/fixture';
import * as all from 'servers/fixture';
export const answer = 42;
const dynamic = await import('servers/fixture');
[typeof echo, typeof all.echo, typeof dynamic.echo, answer]";
    assert_eq!(
        ok(place.javascript(source)),
        json!(["function", "function", "function", 42])
    );
}

#[test]
fn waiting_for_what_can_never_happen_ends_at_once() {
    let report = Place::new().exec("a.js", "await new Promise(() => {})", &["--timeout", "20s"]);
    contains(&error(&report)["message"], "nothing will ever settle");
    assert!(
        report["usage"]["wall_ms"].as_f64().unwrap() < 5000.0,
        "{report:#}"
    );
}

#[test]
fn calls_can_be_cancelled_by_a_signal() {
    let place = Place::with_fixture(&[]);
    let source = "\
import { sleep } from 'servers/fixture';
const started = performance.now();
let seen;
try { await sleep({ ms: 20000 }, { signal: AbortSignal.timeout(50) }) } catch (e) { seen = e.name }
[seen, performance.now() - started < 5000]";
    let result = ok(place.javascript(source));
    assert_eq!(result[1], true);
    assert!(
        ["TimeoutError", "AbortError"].contains(&result[0].as_str().unwrap()),
        "{result}"
    );
}

#[test]
fn results_that_json_cannot_express_are_text() {
    assert_eq!(
        result("({ a: [1, null, 'x'] })"),
        json!({ "a": [1, null, "x"] })
    );
    assert_eq!(result("undefined"), json!(null));
    assert!(
        result("new Map([[1, 2]])")
            .as_str()
            .unwrap()
            .starts_with("Map(1)")
    );
    // As a number in JSON, whose digits `javascript_calls` looks at.
    assert_eq!(result("10n ** 20n"), json!(1e20));
}

#[test]
fn what_is_absent_names_the_cure() {
    let place = Place::new();
    for (source, cure) in [
        ("await fetch('http://127.0.0.1:1/')", "tool"),
        ("require('child_process')", "sandbox"),
        ("await import('http://127.0.0.1:1/x.js')", "workspace"),
        ("await import('servers/nothing')", "nothing"),
    ] {
        let report = place.javascript(source);
        contains(&error(&report)["message"], cure);
    }
}

#[test]
fn the_engines_own_modules_are_absent() {
    for source in ["await import('std')", "await import('qjs:os')"] {
        error(&Place::new().javascript(source));
    }
    // `os` is that of Node, as far as it needs no system.
    assert_eq!(
        result("const os = await import('os'); [typeof os.open, typeof os.exec, typeof os.EOL]"),
        json!(["undefined", "undefined", "string"])
    );
    assert_eq!(
        result("[typeof std, typeof os, typeof scriptArgs]"),
        json!(["undefined", "undefined", "undefined"])
    );
}
