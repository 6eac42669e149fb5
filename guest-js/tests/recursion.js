// Deep recursion of every kind is an error that a program can catch.
let d = 0; function g() { d++; g() } try { g() } catch (e) { console.log("call", d > 250, e.name, e.message) }
d = 0; const o = { get x() { d++; return this.x } }; try { o.x } catch (e) { console.log("getter", d > 250, e.name) }
d = 0; class K { constructor() { d++; new K() } } try { new K } catch (e) { console.log("construct", d > 250, e.name) }
d = 0; function h() { d++; [1].map(h) } try { h() } catch (e) { console.log("map", d > 250, e.name) }
d = 0; function h2() { d++; [2,1].sort(h2) } try { h2() } catch (e) { console.log("sort", d > 250, e.name) }
d = 0; function h3() { d++; "a".replace(/a/, h3) } try { h3() } catch (e) { console.log("replace", d > 250, e.name) }
d = 0; function h4() { d++; h4.apply(null, [1,2,3]) } try { h4() } catch (e) { console.log("apply", d > 250, e.name) }
d = 0; function h5() { d++; Reflect.construct(h5, []) } try { h5() } catch (e) { console.log("reflect", d > 250, e.name) }
d = 0; const ts = { toString() { d++; return "" + this } }; try { "" + ts } catch (e) { console.log("tostring", d > 250, e.name) }
d = 0; function* gen() { d++; yield* gen() } try { gen().next() } catch (e) { console.log("generator", d > 250, e.name) }
d = 0; async function as() { d++; await as() } try { await as() } catch (e) { console.log("async", d > 250, e.name) }
d = 0; function ev() { d++; eval("ev()") } try { ev() } catch (e) { console.log("eval", d > 250, e.name) }
d = 0; const px = new Proxy({}, { get(t, k, r) { d++; return r[k] } }); try { px.x } catch (e) { console.log("proxy", d > 250, e.name) }
d = 0; const tj = { toJSON() { d++; return JSON.stringify(tj) } }; try { JSON.stringify(tj) } catch (e) { console.log("tojson", d > 250, e.name) }
d = 0; function big(a,b,c,dd,e,f) { d++; let x=1,y=2,z=3,w=4,q=5,r=6,s=7,t=8; big(a,b,c,dd,e,f); return x+y+z+w+q+r+s+t } try { big() } catch (e) { console.log("big", d > 250, e.name) }
try { JSON.parse("[".repeat(1e6)) } catch (e) { console.log("parse", e.name, e.message) }
try { eval("(".repeat(1e5)) } catch (e) { console.log("eval (", e.name, e.message) }
try { eval("[".repeat(1e5)) } catch (e) { console.log("eval [", e.name, e.message) }
try { eval("{".repeat(1e5)) } catch (e) { console.log("eval {", e.name, e.message) }
try { eval("!".repeat(1e5) + "1") } catch (e) { console.log("eval !", e.name, e.message) }
try { eval("a=>".repeat(1e5) + "1") } catch (e) { console.log("eval =>", e.name, e.message) }
try { eval("if(1)".repeat(1e5) + "1") } catch (e) { console.log("eval if", e.name, e.message) }
try { eval("1?1:".repeat(1e5) + "1") } catch (e) { console.log("eval ?", e.name, e.message) }
try { eval("`${".repeat(1e5)) } catch (e) { console.log("eval `", e.name, e.message) }
try { eval("new ".repeat(1e5) + "a") } catch (e) { console.log("eval new", e.name, e.message) }
try { eval("a=".repeat(1e5) + "1") } catch (e) { console.log("eval =", e.name, e.message) }
try { eval("2**".repeat(1e5) + "1") } catch (e) { console.log("eval **", e.name, e.message) }
try { eval("1+".repeat(1e5) + "1"); console.log("eval + ok") } catch (e) { console.log("eval +", e.name, e.message) }
try { new RegExp("(?:".repeat(1e5)) } catch (e) { console.log("regexp", e.name, e.message) }
try { new RegExp("(?:a|".repeat(3000) + "b" + ")".repeat(3000)).test("a".repeat(1e5)); console.log("regexp ok") } catch (e) { console.log("regexp", e.name, e.message) }
try { /(a*)*b/.test("a".repeat(25)); console.log("regexp backtrack ok") } catch (e) { console.log("regexp", e.name, e.message) }
try { /^(?:a|ab)*$/.test("ab".repeat(1e5)); console.log("regexp long ok") } catch (e) { console.log("regexp", e.name, e.message) }
globalThis.deep = []; for (let i = 0; i < 1e5; i++) deep = [deep];
try { JSON.stringify(deep); console.log("stringify ok") } catch (e) { console.log("stringify", e.name, e.message) }
try { String(deep); console.log("String ok") } catch (e) { console.log("String", e.name, e.message) }
try { deep.flat(Infinity); console.log("flat ok") } catch (e) { console.log("flat", e.name, e.message) }
try { structuredClone(deep); console.log("clone ok") } catch (e) { console.log("clone", e.name, e.message) }
let pr = {}; for (let i = 0; i < 2e4; i++) pr = new Proxy(pr, {}); try { pr.x; console.log("proxies ok") } catch (e) { console.log("proxies", e.name, e.message) }
try { Object.keys(pr); console.log("proxies keys ok") } catch (e) { console.log("proxies keys", e.name, e.message) }
try { pr instanceof Object; console.log("proxies inst ok") } catch (e) { console.log("proxies inst", e.name, e.message) }
try { Array.isArray(pr); console.log("proxies isArray ok") } catch (e) { console.log("proxies isArray", e.name, e.message) }
try { typeof pr; console.log("typeof ok") } catch (e) { console.log("proxies typeof", e.name, e.message) }
let pc = {}; for (let i = 0; i < 1e5; i++) pc = Object.create(pc); try { pc.x; console.log("proto ok") } catch (e) { console.log("proto", e.name, e.message) }
let s = "a"; for (let i = 0; i < 1e5; i++) s = s + "b" + i; try { s.charCodeAt(5); console.log("rope ok") } catch (e) { console.log("rope", e.name, e.message) }
try { console.log(deep); } catch (e) { console.log("log deep", e.name, e.message) }
let ne = new Error("x"); for (let i = 0; i < 1e4; i++) ne = new Error("y", { cause: ne }); try { console.log(String(ne)) } catch (e) {}
let map = new Map(); for (let i = 0; i < 1e5; i++) map = new Map([[map, 1]]); console.log("map built");
deep = null; pr = null; bf = null; pc = null; map = null; ne = null; console.log("freed");
let lst = null; for (let i = 0; i < 1e5; i++) lst = { next: lst }; lst = null; console.log("list freed");
