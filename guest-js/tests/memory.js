// Running out of memory is an error that a program can catch and survive.
const { heap } = { heap: 1 };
function tries(name, work) {
  try {
    work();
    console.log(name, "no error");
  } catch (error) {
    console.log(name, error instanceof Error);
  }
}
tries("buffer", () => new ArrayBuffer(2 ** 32));
tries("text", () => "x".repeat(2 ** 30).repeat(2));
tries("blocks", () => {
  const blocks = [];
  for (;;) blocks.push(new Uint8Array(2 ** 24).fill(1));
});
tries("objects", () => {
  const objects = [];
  for (;;) objects.push(new Array(1000).fill(heap));
});
"alive";
