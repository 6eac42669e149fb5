setTimeout(() => console.log("never"), 1000);
try {
  process.exit(3);
} catch {
  console.log("never");
} finally {
  console.log("never");
}
