// TypeScript of every kind
import { getOrder, type Foo } from "servers/demo";
import type { Bar } from "./types";
import { OnlyType } from "./types";
interface Issue { title: string; n?: number }
type Pair<T> = [T, T];
declare const external: string;
declare function ext(x: number): void;
abstract class Shape<T extends object = {}> implements Iface, Other {
  private readonly name: string = "s";
  public static count?: number;
  protected declare hidden: number;
  [key: string]: any;
  #p!: number;
  abstract area(): number;
  constructor(protected x: number, public readonly y = 2, z?: string) { Shape.count = 1; }
  get double(): number { return this.x * 2 }
  async method<T>(this: Shape<T>, a: T, ...rest: string[]): Promise<T> { return a }
  overload(a: string): string;
  overload(a: number): number;
  overload(a: any): any { return a }
  optional?(): void;
}
class Square extends Shape<{}> {
  override area() { return this.x ** 2 }
  constructor() { super(3, 4); console.log("in square", this.x, this.y) }
}
interface Iface {} interface Other {}
enum Color { Red, Green = 5, Blue, Text = "t", Calc = Green << 1, Next }
const enum Small { A = 'a' }
namespace Geo { export const pi = 3; export function area(r: number): number { return pi * r * r } export namespace Inner { export let v = 1 } export interface X {} }
namespace A.B { export const c = 1 }
function over(a: string): string
function over(a: any): any { return a }
const f = <T,>(x: T): T => x;
const g = async <T extends { a: number }>(x: T): Promise<{
  a: number
}> => { return x };
const h = (a?: number, b: string = "x", { c }: { c?: number } = {}): a is number => true;
let v = f<number>(1)!;
let w = <any>v;
let definite!: string;
const obj = { a: 1, b: [1, 2] as const, m<T>(x: T) { return x } } satisfies Record<string, unknown>;
for (const k of Object.keys(obj) as Array<keyof typeof obj>) console.log(k);
try { throw new Error("e") } catch (e: unknown) { console.log((e as Error).message) }
const y = v as unknown as number
;[1].forEach((n: number) => console.log(n))
const z = v as any
(function () { console.log("iife") })()
type Fn = (a: number) => void;
let opt = obj?.a!.toFixed(2) as string;
console.log(Color.Blue, Color[5], Color.Calc, Color.Next, Color.Text, Small.A, Geo.area(2), Geo.Inner.v, A.B.c, opt);
const sq = new Square();
console.log(sq.area(), sq.y, sq.double, f<string>("q"), await g({ a: 1 }), over("o"), h());
function assertIsString(val: any): asserts val is string {}
let tuple: [a: string, b?: number] = ["x"];
let fnType: new (...args: any[]) => object = Object;
const gen = new Map<string, Array<Map<string, number>>>();
let u: typeof import("./types");
label: for (;;) { break label }
const sum = (await getOrder({ id: 3 })).id as number;
export const exported: number = sum;
export type { Foo };
export default { sum };
