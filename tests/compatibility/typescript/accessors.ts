class Box<T> { accessor value: T; static accessor count: number = 0; constructor(value: T) { this.value = value; Box.count++; } }
const box = new Box<string>("a");
box.value += "b";
box.value + Box.count === "ab1";
