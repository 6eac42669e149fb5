abstract class Shape<T = number> { abstract area(): T; protected constructor(readonly name: string, private secret?: T) {} declare ghost: string; static count: number = 0; [key: string]: any; get label(): string { return this.name; } }
class Square extends Shape implements Iterable<number> { private side!: number; constructor(side: number) { super("square", 1); this.side = side; } override area(): number { return this.side ** 2; } *[Symbol.iterator](): Generator<number> { yield this.side; } public async later(this: Square): Promise<number> { return this.area(); } method?(): void; }
const Anonymous = class<T> { constructor(public value: T) {} };
const square = new Square(3);
[square.area(), [...square][0], square.label, await square.later(), new Anonymous<string>("v").value, "ghost" in square, Shape.count].join() === "9,3,square,9,v,false,0";
