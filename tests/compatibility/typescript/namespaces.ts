namespace Outer { export const a = 1; export namespace Inner { export function b() { return a + 1; } } export class C { static d = Inner.b() + 1; } }
namespace Outer { export const e = Outer.a + 9; }
namespace Dotted.Name { export let f = 4; }
namespace Types { export interface OnlyType { x: number } }
import Short = Outer.Inner;
[Outer.a, Short.b(), Outer.C.d, Outer.e, Dotted.Name.f].join() === "1,2,3,10,4";
