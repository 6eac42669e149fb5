async function* count(to: number): AsyncGenerator<number, void, undefined> { for (let i = 0; i < to; i++) yield i; }
const seen: number[] = [];
for await (const n of count(3)) seen.push(n);
class Resource implements Disposable { static closed: string[] = []; constructor(private name: string) {} [Symbol.dispose](): void { Resource.closed.push(this.name); } }
{ using first = new Resource("first"); using second = new Resource("second"); }
const settled = await Promise.allSettled<number>([Promise.resolve(1), Promise.reject(new Error("x"))]);
seen.join("") + Resource.closed.join() + settled.map((each: PromiseSettledResult<number>) => each.status).join() === "012second,firstfulfilled,rejected";
