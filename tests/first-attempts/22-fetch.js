// fails: TypeError
// hint: no network
const answer = await fetch("https://example.com/api");
await answer.json()
