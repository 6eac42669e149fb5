import fs, { readFileSync as read, type Stats } from "fs";
import type Path from "path";
import * as path from "path";
import util = require("util");
fs.writeFileSync("lib.ts", "export interface I { a: number }\nexport const a: I = { a: 1 };\nexport default class Made<T> { constructor(public t: T) {} }\nexport type { I as J };\nexport * as inner from './inner';");
fs.writeFileSync("inner.ts", "export enum Level { Low = 1, High }\nexport const twice = (x: number): number => x * 2;");
const lib = await import("./lib.ts");
const check = (x: Stats | Path.ParsedPath | null): boolean => x === null;
[lib.a.a, new lib.default<number>(2).t, lib.inner.Level.High, lib.inner.twice(2), path.basename("/a/b"), util.format("%d", 5), read("lib.ts", "utf8").length > 5, check(null)].join() === "1,2,2,4,b,5,true,true";
