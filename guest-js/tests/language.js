// What a program may be written with, and what its value is.
const { a, ...rest } = { a: 1, b: 2 };
let [first, , third = 3] = [1, 2];
class Point {
  #x = 1;
  static made = 0;
  constructor() {
    Point.made++;
  }
  get x() {
    return this.#x;
  }
}
function* numbers() {
  yield* [1, 2, 3];
}
async function* slowly() {
  for (const n of numbers()) {
    await null;
    yield n;
  }
}
const seen = [];
for await (const n of slowly()) seen.push(n);
label: for (const i of [1, 2, 3]) {
  for (const j of [1, 2, 3]) {
    if (j === 2) continue label;
    if (i === 3) break label;
  }
}
console.log(a, rest, first, third, new Point().x, Point.made, seen);
console.log(process.argv.slice(2), globalThis === this, typeof Math.random());
console.log([3, 1, 2].toSorted(), Object.groupBy([1, 2, 3], (n) => (n % 2 ? "odd" : "even")), 2n ** 70n, /(?<y>\d+)-(?<m>\d+)/u.exec("2026-11").groups.m);
await Promise.resolve({ value: [1, null, "x", { nested: true }] });
