const lost = Promise.reject(new RangeError("lost"));
await new Promise((resolve) => setTimeout(resolve, 2));
console.log("goes on");
