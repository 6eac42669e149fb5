//! What goes into a call of a tool from JavaScript, and what comes out of it.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, ok};

/// A server whose answers are exactly the bytes it wants to send, and which
/// says exactly what it received.
const EXACT: &str = r#"
import json, re, sys
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("received", "numbers", "refuse", "rich")]
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    method = message["method"]
    if method == "initialize":
        answer["result"] = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "exact", "version": "1"}}
    elif method == "tools/list":
        answer["result"] = {"tools": TOOLS}
    elif method == "tools/call":
        name = message["params"]["name"]
        if name == "received":
            raw = re.search(r'"arguments"\s*:\s*(\{.*\})', line)
            depth, end = 0, 0
            for end, letter in enumerate(raw.group(1)):
                depth += (letter == "{") - (letter == "}")
                if depth == 0:
                    break
            answer["result"] = {"content": [{"type": "text", "text": "raw " + raw.group(1)[: end + 1]}]}
        elif name == "numbers":
            answer["result"] = {"content": [{"type": "text", "text": message["params"]["arguments"]["text"]}]}
        elif name == "rich":
            answer["result"] = {"content": [{"type": "text", "text": "important"}], "structuredContent": {"n": 1}, "_meta": {"trace": "t1"}}
        else:
            answer["error"] = {"code": -32042, "message": "no luck", "data": {"retry": True, "id": 9007199254740993}}
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)
"#;

fn place() -> Place {
    Place::with_servers(json!({
        "exact": { "command": "python3", "args": ["-u", "-c", EXACT] },
    }))
}

#[track_caller]
fn result(source: &str) -> Value {
    ok(place().javascript(source))
}

#[test]
fn an_id_beyond_2_53_stays_itself_in_a_result() {
    let source = r#"
import { numbers } from 'servers/exact';
const one = await numbers({ text: '{"id": 9007199254740993, "small": 7, "even": 18014398509481984, "list": [-9007199254740993, 1e3], "text": "9007199254740993 \\" 1"}' });
[typeof one.id, String(one.id), one.small, typeof one.even, String(one.list[0]), one.list[1], one.text]"#;
    assert_eq!(
        result(source),
        json!([
            "bigint",
            "9007199254740993",
            7,
            "number",
            "-9007199254740993",
            1000,
            "9007199254740993 \" 1"
        ])
    );
}

#[test]
fn bigint_arguments_go_out_digit_by_digit() {
    let source = r#"
import { received } from 'servers/exact';
await received({ wei: 10n ** 21n + 1n, id: 9007199254740993n, list: [1n, 2], gone: undefined })"#;
    assert_eq!(
        result(source),
        json!(r#"raw {"wei":1000000000000000000001,"id":9007199254740993,"list":[1,2]}"#)
    );
}

#[test]
fn a_bigint_as_the_result_of_a_program_keeps_its_digits() {
    let report = Place::new().run(&[
        "exec",
        "--json",
        "--language",
        "javascript",
        "--code",
        "({ n: 2n ** 70n, list: [1n] })",
    ]);
    assert!(
        report.stdout.contains("1180591620717411303424"),
        "{}",
        report.stdout
    );
}

#[test]
fn maps_sets_dates_and_arrays_of_numbers_are_sent_as_json_has_them() {
    let source = r#"
import { received } from 'servers/exact';
await received({ map: new Map([['a', 1], [2, new Set([3])]]), at: new Date(0), numbers: new Float64Array([1.5, 2]), boxed: Object(4), when: { toJSON: () => 'then' }, bytes: new Uint8Array([104, 105]), buffer: Buffer.from('hi'), made: (function* () { yield 1; yield 2 })() })"#;
    assert_eq!(
        result(source),
        json!(
            r#"raw {"map":{"a":1,"2":[3]},"at":"1970-01-01T00:00:00.000Z","numbers":[1.5,2],"boxed":4,"when":"then","bytes":"aGk=","buffer":"aGk=","made":[1,2]}"#
        )
    );
}

#[test]
fn arguments_that_json_cannot_say_are_refused_by_their_path() {
    for (arguments, path, why) in [
        ("{ n: NaN }", "`n`", "is NaN"),
        ("{ a: [{ b: -Infinity }] }", "`a[0].b`", "is -Infinity"),
        (
            "{ 'odd key': { x: 1 / 0 } }",
            "`[\\\"odd key\\\"].x`",
            "is Infinity",
        ),
        ("{ run: () => 1 }", "`run`", "is a function"),
        (
            "{ later: Promise.resolve(1) }",
            "`later`",
            "`await` it first",
        ),
        ("{ error: new Error('x') }", "`error`", "class `Error`"),
        ("{ pattern: /x/ }", "`pattern`", "class `RegExp`"),
        ("{ at: new Date(NaN) }", "`at`", "invalid date"),
        (
            "(() => { const a = {}; a.a = a; return a })()",
            "`a`",
            "contains itself",
        ),
    ] {
        let path = path.replace("\\\"", "\"");
        for call in [
            "(await import('servers/exact')).received",
            "tools.exact.received",
        ] {
            let source = format!(
                "let seen; try {{ await ({call})({arguments}) }} catch (e) {{ seen = [e.name, e.kind, e.message] }} seen"
            );
            let seen = result(&source);
            assert_eq!(seen[0], "ToolError", "{arguments}: {seen}");
            assert_eq!(seen[1], "invalid_arguments", "{arguments}");
            contains(&seen[2], &path);
            contains(&seen[2], why);
        }
    }
}

#[test]
fn nan_and_infinity_in_a_text_of_json_are_these_numbers() {
    let source = r#"
import { numbers } from 'servers/exact';
const { a, b, c, d } = await numbers({ text: '{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN", "d": 1}' });
[Number.isNaN(a), b[0] === Infinity, b[1] === -Infinity, c, d]"#;
    assert_eq!(result(source), json!([true, true, true, "NaN", 1]));
}

#[test]
fn the_whole_answer_has_text_structure_and_meta() {
    let source = r#"
import { rich } from 'servers/exact';
const plain = await rich();
const full = await rich.full({});
const same = await callToolFull('exact.rich', {});
const again = await tools.exact.rich.full();
const named = await call_tool_full('exact', 'rich');
[plain, full.value, full.content[0].text, full.structuredContent, full._meta.trace, [same, again, named].every(each => JSON.stringify(each) === JSON.stringify(full))]"#;
    assert_eq!(
        result(source),
        json!([{ "n": 1 }, { "n": 1 }, "important", { "n": 1 }, "t1", true])
    );
}

#[test]
fn an_error_of_a_tool_has_the_servers_code_and_data() {
    let source = r#"
let seen;
try { await callTool('exact.refuse') } catch (e) { seen = [e instanceof ToolError, e.code, e.data.retry, String(e.data.id)] }
seen"#;
    assert_eq!(
        result(source),
        json!([true, -32042, true, "9007199254740993"])
    );
}

#[test]
fn content_blocks_that_a_tool_returned_are_emitted_as_what_they_are() {
    let place = Place::with_fixture(&[]);
    let source = r#"
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
emit({ type: 'image', data: png, mimeType: 'image/png' });
emit([{ type: 'text', text: 'hello' }, { type: 'resource', resource: { uri: 'file:///a/b.csv', mimeType: 'text/csv', text: 'a,b' } }]);
emit({ type: 'text', other: 1 });"#;
    let report = place.javascript(source);
    let blocks = report["content"]
        .as_array()
        .unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(blocks[0]["type"], "image", "{report:#}");
    assert_eq!(blocks[1], json!({ "type": "text", "text": "hello" }));
    assert_eq!(blocks[2]["type"], "resource", "{report:#}");
    assert_eq!(blocks[2]["resource"]["mimeType"], "text/csv");
    contains(&blocks[3]["text"], "other");
}

#[test]
fn the_lines_of_the_published_pattern_work() {
    let place = Place::with_servers(
        json!({ "google-drive": { "command": "python3", "args": ["-u", "-c", EXACT] } }),
    );
    let javascript = r#"
import * as gdrive from "./servers/google-drive";
import { callMCPTool } from "../../../client.js";
const names = await listDirectory("/servers");
const again = list_directory("/servers/google-drive");
const text = await readFile("/servers/google-drive/rich.ts");
[(await gdrive.rich({})).n, (await callMCPTool('google_drive__rich', {})).n, names.includes('google_drive'), again.includes('rich.ts'), text.includes('rich('), list_servers()]"#;
    assert_eq!(
        ok(place.javascript(javascript)),
        json!([1, 1, true, true, true, ["google_drive"]])
    );
    let typescript = r#"
interface RichInput { n?: number }
interface RichResponse { n: number }
async function rich(input: RichInput): Promise<RichResponse> {
  return callMCPTool<RichResponse>('google_drive__rich', input);
}
(await rich({})).n + (await callMCPTool<RichResponse>("rich", {})).n"#;
    assert_eq!(ok(place.exec("a.ts", typescript, &[])), json!(2));
}

#[test]
fn a_client_file_of_the_programs_own_comes_first() {
    let source = r#"
import fs from 'fs';
fs.writeFileSync('client.js', 'export const callMCPTool = () => "mine";');
const { callMCPTool } = await import('./client.js');
callMCPTool()"#;
    assert_eq!(ok(Place::new().javascript(source)), "mine");
    error(&Place::new().javascript("import { nothing } from './client.js'; nothing()"));
}
