// A program that has taken all memory gets an error that it can catch, and
// what nobody catches is reported as the limit that it is.
const caught = [];
try {
  for (;;) caught.push({});
} catch (error) {
  caught.length = 0;
  console.log(error.name, error.message);
}
globalThis.kept = [];
for (;;) kept.push({});
