//! Modules of Node, `require`, and packages placed in the workspace.

use serde_json::json;

use crate::harness::{Place, contains, error, ok};

#[track_caller]
fn result(source: &str) -> serde_json::Value {
    ok(Place::new().javascript(source))
}

#[test]
fn hashes_of_node_crypto_are_there() {
    let source = "\
import crypto, { createHash } from 'crypto';
const { createHmac } = require('node:crypto');
[createHash('sha256').update('a').update(Buffer.from('b')).digest('hex').slice(0, 16), crypto.createHash('md5').update('a').digest('base64'),
 createHmac('sha256', 'key').update('m').digest('hex').slice(0, 16), crypto.randomBytes(8).length, crypto.createHash('SHA-512').update('').digest().length,
 Buffer.from(await globalThis.crypto.subtle.digest('SHA-1', new TextEncoder().encode('abc'))).toString('hex')]";
    assert_eq!(
        result(source),
        json!([
            "fb8e20fc2e4c3f24",
            "DMF1ucDxtqgxw5niaXcmYQ==",
            "782906cfdc87462b",
            8,
            64,
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        ])
    );
    let report = Place::new().javascript("require('crypto').createHash('whirlpool')");
    contains(&error(&report)["message"], "there are md5, sha1");
    let report = Place::new().javascript("require('crypto').createCipheriv('aes', 'k', 'i')");
    contains(&error(&report)["message"], "createHash, createHmac");
}

#[test]
fn buffers_are_bytes_with_texts() {
    let source = "\
const b = Buffer.from('héllo');
[b.toString('base64'), Buffer.from('aGk=', 'base64').toString(), Buffer.concat([Buffer.from('a'), Buffer.from([98])]).toString(), b.length, b instanceof Uint8Array,
 Buffer.alloc(2).fill(1).readUInt16BE(0), Buffer.isBuffer(b.slice(1)), b.equals(Buffer.from('héllo')), JSON.stringify(Buffer.from('a')), require('util').inspect(Buffer.from('abc'))]";
    assert_eq!(
        result(source),
        json!([
            "aMOpbGxv",
            "hi",
            "ab",
            6,
            true,
            257,
            true,
            true,
            "{\"type\":\"Buffer\",\"data\":[97]}",
            "<Buffer 61 62 63>"
        ])
    );
    assert_eq!(
        result(
            "import fs from 'fs'; fs.writeFileSync('x', 'abc'); fs.readFileSync('x').toString('hex')"
        ),
        "616263"
    );
}

#[test]
fn assert_events_util_url_and_others_work() {
    let source = "\
import assert from 'node:assert';
import { EventEmitter, once } from 'node:events';
import { promisify, isDeepStrictEqual } from 'util';
import { fileURLToPath } from 'url';
import qs from 'querystring';
import { StringDecoder } from 'string_decoder';
import path from 'path';
import os from 'os';
const out = [];
try { assert.deepStrictEqual({ a: [1] }, { a: [2] }) } catch (e) { out.push(e.name, e.code) }
assert.throws(() => { throw new TypeError('x') }, TypeError);
class Bus extends EventEmitter {}
const bus = new Bus();
setTimeout(() => bus.emit('ready', 7), 1);
out.push((await once(bus, 'ready'))[0]);
out.push(await promisify((x, done) => done(null, x + 1))(1), isDeepStrictEqual(new Map([[1, 2]]), new Map([[1, 2]])));
out.push(fileURLToPath('file:///a%20b'), qs.parse('a=1&a=2').a, new StringDecoder('utf8').write(Buffer.from([226, 130])), path.join('a', '..', 'b'), os.EOL);
out";
    assert_eq!(
        result(source),
        json!([
            "AssertionError",
            "ERR_ASSERTION",
            7,
            2,
            true,
            "/a b",
            ["1", "2"],
            "",
            "b",
            "\n"
        ])
    );
}

#[test]
fn require_loads_files_and_json() {
    let source = "\
import fs from 'fs';
fs.mkdirSync('lib/deep', { recursive: true });
fs.writeFileSync('lib/a.js', 'const b = require(\"./deep/b\"); exports.sum = b.one + 1; exports.file = __filename; exports.top = this === module.exports;');
fs.writeFileSync('lib/deep/b.cjs', 'exports.one = 1; exports.back = require(\"../a.js\");');
fs.writeFileSync('lib/d.json', '{\"n\": 5}');
fs.writeFileSync('lib/m.js', 'export const named = 3; export default 4;');
fs.writeFileSync('lib/t.ts', 'export const t: number = 6;');
const a = require('./lib/a');
const m = require('./lib/m.js');
[a.sum, a.file, a.top, require('./lib/d.json').n, m.named, m.default, require('./lib/t').t, require('./lib/a.js') === a, require.resolve('./lib/a')]";
    assert_eq!(
        result(source),
        json!([
            2,
            "/workspace/lib/a.js",
            true,
            5,
            3,
            4,
            6,
            true,
            "/workspace/lib/a.js"
        ])
    );
    let report = Place::new().javascript("require('./nothing.js')");
    contains(
        &error(&report)["message"],
        "there is no file `/workspace/nothing.js`",
    );
    // An error in a file has its place there.
    let report = Place::new().javascript(
        "require('fs').writeFileSync('bad.js', 'exports.x = 1;\\nnull.y');\nrequire('./bad.js')",
    );
    contains(&error(&report)["traceback"], "/workspace/bad.js:2");
}

/// Packages of each kind, as an installation would have laid them.
fn packages() -> Place {
    let place = Place::new();
    let write = |name: &str, text: &str| {
        place.write(&format!("work/node_modules/{name}"), text);
    };
    write(
        "common/package.json",
        r#"{"name": "common", "main": "./lib/main"}"#,
    );
    write(
        "common/lib/main.js",
        "module.exports = function common(x) { return x + 1 }; module.exports.version = '1'; Object.defineProperty(module.exports, 'lazy', { enumerable: true, get: () => 'got' });",
    );
    write(
        "named/package.json",
        r#"{"name": "named", "main": "index.js"}"#,
    );
    write(
        "named/index.js",
        "'use strict';\nObject.defineProperty(exports, '__esModule', { value: true });\nexports.one = 1; exports.two = require('./two').two; exports.default = 'd';",
    );
    write("named/two.js", "exports.two = 2;");
    write(
        "umd/package.json",
        r#"{"name": "umd", "main": "umd.min.js"}"#,
    );
    write(
        "umd/umd.min.js",
        "(function (root, factory) { typeof exports === 'object' && typeof module !== 'undefined' ? module.exports = factory() : typeof define === 'function' && define.amd ? define(factory) : (root = root || self, root.umd = factory()) })(this, function () { 'use strict'; function umd() { return 'umd' } umd.extend = 1; return umd });",
    );
    write(
        "modern/package.json",
        r##"{"name": "modern", "type": "module", "exports": {".": {"types": "./x.d.ts", "import": "./esm.js", "require": "./cjs.cjs"}, "./features/*": "./src/*.js", "./hidden": null}, "imports": {"#own": "./src/own.js"}}"##,
    );
    write(
        "modern/esm.js",
        "import { own } from '#own'; import common from 'common'; export const kind = 'esm'; export { own }; export const more = common(1);",
    );
    write("modern/cjs.cjs", "exports.kind = 'cjs';");
    write("modern/src/own.js", "export const own = 'own';");
    write("modern/src/a.js", "export default 'feature a';");
    write(
        "@scope/pkg/package.json",
        r#"{"name": "@scope/pkg", "module": "./m.mjs", "main": "./c.js"}"#,
    );
    write("@scope/pkg/m.mjs", "export const from = 'module';");
    write("@scope/pkg/c.js", "exports.from = 'main';");
    write("@scope/pkg/extra.json", r#"{"extra": true}"#);
    place
}

#[test]
fn packages_of_the_workspace_are_found_by_nodes_rules() {
    let place = packages();
    let source = "\
import common, { version, lazy } from 'common';
import named, { one, two } from 'named';
import umd, { extend } from 'umd';
import { kind, own, more } from 'modern';
import feature from 'modern/features/a';
import { from } from '@scope/pkg';
import extra from '@scope/pkg/extra.json';
const dynamic = await import('named');
const required = [require('modern').kind, require('@scope/pkg').from, require('umd')(), require('common')(2)];
[common(1), version, lazy, named.one, one, two, umd(), extend, kind, own, more, feature, from, extra.extra, dynamic.two, required]";
    let report = place.exec("p.js", source, &["--workspace", "work"]);
    assert_eq!(
        ok(report),
        json!([
            2,
            "1",
            "got",
            1,
            1,
            2,
            "umd",
            1,
            "esm",
            "own",
            2,
            "feature a",
            "module",
            true,
            2,
            ["cjs", "main", "umd", 3]
        ])
    );
    for (source, why) in [
        ("import 'modern/hidden'", "do not have `./hidden`"),
        ("require('modern/src/own.js')", "do not have `./src/own.js`"),
        ("import 'absent-package'", "packages are not installed here"),
    ] {
        let report = place.exec("p.js", source, &["--workspace", "work"]);
        contains(&error(&report)["message"], why);
    }
}
