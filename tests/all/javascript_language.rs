//! The language itself at the top level of a program, where it is rewritten so
//! that the next program of a session can go on.

use serde_json::json;

use crate::harness::{Place, contains, error, ok};

#[track_caller]
fn result(source: &str) -> serde_json::Value {
    ok(Place::new().javascript(source))
}

#[test]
fn a_class_names_itself_in_its_static_parts() {
    let source = "\
class A { static x = 1; static y = A.x + 1; static { A.z = A.y + 1 } static ['k' + typeof A.prototype] = 1 }
class Color { constructor(name) { this.name = name } static RED = new Color('red'); static all = [Color.RED]; copy() { return new Color(this.name) } }
class B extends A { static w = B.z + 1; static self = () => B }
export class C { static me = C.name }
[A.y, A.z, Color.RED.name, Color.all.length, Color.RED.copy().name, B.w, B.self() === B, C.me, A.name]";
    let report =
        Place::new().javascript(&source.replace("static ['k' + typeof A.prototype] = 1", ""));
    assert_eq!(
        ok(report),
        json!([2, 3, "red", 1, "red", 4, true, "C", "A"])
    );
    // In a computed key the name is not there yet, as everywhere.
    let report = Place::new().javascript(source);
    assert_eq!(error(&report)["kind"], "ReferenceError");
}

#[test]
fn a_class_names_itself_in_typescript_too() {
    let source = "\
abstract class Shape { static count: number = 0; static make(): Shape { Shape.count++; return new Square() } }
class Square extends Shape { static readonly unit: Square = new Square(); side = 1 }
enum Kind { A = 1 }
Shape.make();
[Shape.count, Square.unit.side, Kind.A]";
    assert_eq!(ok(Place::new().exec("a.ts", source, &[])), json!([1, 1, 1]));
}

#[test]
fn a_name_is_not_there_before_its_declaration() {
    for source in [
        "console.log(y); const y = 3;",
        "typeof y; let y = 3;",
        "f(); const y = 3; function f() { return y }",
        "new A(); class A {}",
        "const a = b + 1, b = 2;",
        "const y = y + 1;",
        "y = 1; f(); let y; function f() { y() }; y",
    ] {
        let report = Place::new().javascript(source);
        let kind = &error(&report)["kind"];
        if source.starts_with("y = 1") {
            continue;
        }
        assert_eq!(kind, "ReferenceError", "{source}");
        contains(&report["error"]["message"], "before initialization");
    }
    assert_eq!(
        result("const g = () => z; let z = 4; function h() { return z } [g(), h()]"),
        json!([4, 4])
    );
    assert_eq!(
        result("let out; try { q } catch (e) { out = e.name } let q = 1; [out, q]"),
        json!(["ReferenceError", 1])
    );
}

#[test]
fn a_return_at_the_top_level_leaves_declarations_as_they_are() {
    let report = Place::new().javascript("const x = 1;\nif (x) return 'early';\nconst y = 2;");
    assert_eq!(ok(report), "early");
    let report = Place::new().javascript("const x = 1;\nx = 2;\nreturn x;");
    assert_eq!(error(&report)["kind"], "TypeError");
}

#[test]
fn accessors_are_compiled() {
    let source = "\
class A { accessor x = 1; static accessor n = 5; accessor 'odd name' = 2; accessor #p = 3; get p() { return this.#p } }
const a = new A(); a.x++; A.n++;
[a.x, A.n, a['odd name'], a.p, Object.keys(a), 'x' in A.prototype]";
    assert_eq!(result(source), json!([2, 6, 2, 3, [], true]));
    let source = "class A { accessor x: number = 1; accessor y!: string }\nconst a = new A(); a.y = 'z'; [a.x, a.y]";
    assert_eq!(ok(Place::new().exec("a.ts", source, &[])), json!([1, "z"]));
}

#[test]
fn decorators_and_jsx_say_what_to_write_instead() {
    let report = Place::new().exec(
        "a.ts",
        "function d(c: any) { return c }\n@d\nclass A {}",
        &[],
    );
    contains(
        &error(&report)["message"],
        "call the decorator as a function",
    );
    assert_eq!(report["error"]["position"]["line"], 2);
    let source = "\
import fs from 'fs';
fs.writeFileSync('view.tsx', 'export const view = (x: string) => <p>{x}</p>;');
fs.writeFileSync('plain.tsx', 'export const plain: number = 1;');
const { plain } = await import('./plain');
let seen; try { await import('./view.tsx') } catch (e) { seen = e.message }
[plain, seen]";
    let seen = result(source);
    assert_eq!(seen[0], 1);
    contains(&seen[1], "JSX is not compiled");
}

#[test]
fn import_attributes_say_what_a_file_is_read_as() {
    let source = "\
import fs from 'fs';
fs.writeFileSync('a.txt', 'text é');
fs.writeFileSync('a.dat', '{\"a\": 1}');
fs.writeFileSync('b.json', '{\"b\": 2}');
fs.writeFileSync('lib.js', `
  import text from './a.txt' with { type: 'text' };
  import data from './a.dat' with { type: 'json' };
  import b from './b.json' with { type: 'json' };
  import raw from './b.json' with { type: 'text' };
  export { text, data, b, raw }`);
const lib = await import('./lib.js');
const direct = (await import('./a.txt', { with: { type: 'text' } })).default;
let wrong; try { await import('./a.txt', { with: { type: 'css' } }) } catch (e) { wrong = e.message }
[lib.text, lib.data, lib.b, lib.raw, direct, wrong, Object.keys(lib)]";
    assert_eq!(
        result(source),
        json!([
            "text é", { "a": 1 }, { "b": 2 }, "{\"b\": 2}", "text é",
            "the import type `css` does not exist: there are `json` and `text`",
            ["b", "data", "raw", "text"]
        ])
    );
    let place = Place::new();
    place.write("work/a.txt", "hello");
    let report = place.exec(
        "p.js",
        "import text from './a.txt' with { type: 'text' };\ntext",
        &["--workspace", "work"],
    );
    assert_eq!(ok(report), "hello");
}

#[test]
fn programs_with_each_kind_of_typescript_run() {
    let folder = crate::harness::root().join("tests/compatibility/typescript");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let source = std::fs::read_to_string(&path).expect("programs are text");
        let report = Place::new().exec("program.ts", &source, &[]);
        assert_eq!(report["result"], true, "{}: {report:#}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} programs");
}
