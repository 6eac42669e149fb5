// Promises, timers, cancellation, and the order of things.
const log = [];
const after = (delay, value) => new Promise((resolve) => setTimeout(resolve, delay, value));

setTimeout(() => log.push("timer"), 0);
setImmediate(() => log.push("immediate"));
queueMicrotask(() => log.push("microtask"));
process.nextTick(() => log.push("tick"));
Promise.resolve().then(() => log.push("then"));
log.push("main");
await after(10);
console.log(log.join(" "));

console.log(await Promise.race([after(500, "slow"), after(1, "fast")]));
console.log(await Promise.any([Promise.reject(1), after(1, "any")]));
console.log((await Promise.allSettled([after(1, 1), Promise.reject(new Error("x"))])).map((each) => each.status));
const { promise, resolve } = Promise.withResolvers();
setTimeout(resolve, 1, "resolved");
console.log(await promise);

let ticks = 0;
await new Promise((done) => {
  const id = setInterval(() => {
    if (++ticks === 3) {
      clearInterval(id);
      done();
    }
  }, 1);
});
const cancelled = setTimeout(() => console.log("never"), 1);
clearTimeout(cancelled);

const controller = new AbortController();
controller.signal.addEventListener("abort", (event) => console.log(event.type, controller.signal.reason.name));
controller.abort();
console.log(AbortSignal.any([controller.signal]).aborted, ticks);
try {
  AbortSignal.abort("why").throwIfAborted();
} catch (reason) {
  console.log(reason);
}
const late = Promise.reject(new Error("handled later"));
setTimeout(() => late.catch((error) => console.log(error.message)), 1);

setTimeout(() => console.log("after the top level"), 5);
async function main() {
  await after(2);
  return "the value of main";
}
main();
