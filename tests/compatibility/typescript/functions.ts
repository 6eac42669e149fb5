function over(x: number): number;
function over(x: string): string;
function over(x: any): any { return x; }
function isText(x: unknown): x is string { return typeof x === "string"; }
function must(x: unknown): asserts x { if (!x) throw new Error("no"); }
const generic = <T extends object, K extends keyof T = keyof T>(o: T, k: K): T[K] => o[k];
const arrow = async <T,>(x: T): Promise<T> => x;
function withThis(this: { n: number }, { a, b = 2 }: { a: number; b?: number }, ...rest: readonly number[]): number { return this.n + a + b + rest.length; }
must(true);
[over(1), over("s"), isText(1), generic({ a: 1 }, "a"), await arrow<number>(5), withThis.call({ n: 1 }, { a: 1 }, 1, 2)].join() === "1,s,false,1,5,6";
