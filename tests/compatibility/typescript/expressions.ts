const point = { x: 1, y: [2, 3] as const } satisfies { x: number; y: readonly number[] };
let value: unknown = "text";
const length = (value as string).length + (<string>value).length;
const maybe: { deep?: { n: number } | null } | undefined = { deep: { n: 4 } };
const forced = maybe!.deep!.n + (maybe?.deep?.n ?? 0);
const made = new Map<string, Array<number>>([["a", [1]]]);
const call = Math.max<number>;
let definite!: number;
definite = 7;
for (const [key, item] of made as Map<string, number[]>) { definite += key.length + item.length; }
const tagged = String.raw<string>`a${1}`;
[point.y[1], length, forced, made.get("a")![0], definite, tagged, typeof call].join() === "3,8,8,1,9,a1,function";
