interface A {
  x: number
}
enum E { P = 1, Q }
class C { constructor(private a: string) {} fail(): never { throw new TypeError("bad " + this.a) } }
function go<T>(x: T): void { new C("x" as string).fail() }
go<number>(1 as number);
