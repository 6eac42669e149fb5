// What does not exist says what to do instead.
async function says(name, work) {
  try {
    await work();
    console.log(`${name}: no error`);
  } catch (error) {
    console.log(`${name}: ${error.message.slice(0, 90)}`);
  }
}
await says("fetch", () => fetch("http://127.0.0.1:1/"));
await says("process", () => require("child_process"));
await says("http", () => import("node:http"));
await says("package", () => import("lodash"));
await says("address", () => import("http://127.0.0.1:1/x.js"));
await says("std", () => import("std"));
await says("file", () => import("./nothing.js"));
await says("server", () => import("servers/nothing"));
await says("prompt", () => prompt("name?"));
await says("subtle", () => crypto.subtle.encrypt({}, null, new Uint8Array()));
console.log(typeof std, typeof os, typeof scriptArgs, typeof print, typeof Deno, typeof Bun, Object.keys(process.env).length);
localStorage.getItem("x");
