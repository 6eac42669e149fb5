class Stack<in out T> { #items: T[] = []; push(...items: T[]): this { this.#items.push(...items); return this; } map<U>(f: (item: T, index: number) => U): Stack<U> { return new Stack<U>().push(...this.#items.map(f)); } get size(): number { return this.#items.length; } toArray(): T[] { return [...this.#items]; } }
function pick<const T extends readonly string[]>(...names: T): T[number] { return names[0]; }
const a = new Stack<number>().push(1, 2).map<string>((n) => `${n}`);
const compare = a.size < 3 && a.size > 1;
const shift = (8 >> 1) >>> 1;
[a.toArray().join(""), pick("x", "y"), compare, shift].join() === "12,x,true,2";
