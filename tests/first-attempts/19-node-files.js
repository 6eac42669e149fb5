// gives: "hello"
const fs = require("fs");
fs.writeFileSync("/workspace/note.txt", "hello");
fs.readFileSync("/workspace/note.txt", "utf8")
