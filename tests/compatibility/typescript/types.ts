/// <reference lib="es2022" />
type Keys<T> = { readonly [K in keyof T as `get${Capitalize<string & K>}`]-?: () => T[K] };
type If<C extends boolean, A, B> = C extends true ? A : B;
type Named = [first: string, second?: number, ...rest: boolean[]];
interface Callable { (x: number): string; new (y: string): Callable; readonly prop: unique symbol; method<T>(this: void, t: T): asserts t is NonNullable<T>; get accessor(): number; set accessor(v: number); }
declare const ambient: Callable;
declare function nothing(): void;
declare module "somewhere" { export const x: number; }
declare global { interface Window { mine: string } }
export type { Named };
import type { Nowhere } from "./nowhere";
import { type Gone } from "./nowhere-else";
type Infer<T> = T extends Promise<infer U extends string> ? U : never;
let type = 1, as = 2, of = 3, declare = 4, namespace = 5, abstract = 6, is = 7, readonly = 8;
type = type + as;
type + of + declare + namespace + abstract + is + readonly === 36;
