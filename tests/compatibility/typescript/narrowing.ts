type Shape = { kind: "circle"; r: number } | { kind: "square"; s: number };
function area(shape: Shape): number { switch (shape.kind) { case "circle": return Math.round(Math.PI * shape.r ** 2); case "square": return shape.s ** 2; default: { const never: never = shape; return never; } } }
const isSquare = (shape: Shape): shape is Extract<Shape, { kind: "square" }> => shape.kind === "square";
const shapes: readonly Shape[] = [{ kind: "circle", r: 1 }, { kind: "square", s: 2 }];
try { JSON.parse("{"); } catch (error: unknown) { if (!(error instanceof SyntaxError)) throw error; }
shapes.map(area).join() + shapes.filter(isSquare).length === "3,41";
