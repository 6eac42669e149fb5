// What all hosts of a JavaScript library have in common; `host.py` says what
// that is. Packages are found in the folder `PEER_PACKAGES`, wherever this is.

import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// In milliseconds.
const SLOW = 3000;
const NAP = 10;

const packages = join(process.env.PEER_PACKAGES ?? "/", "package.json");
const { resolve } = createRequire(packages);

export const load = (name) => import(pathToFileURL(resolve(name)));

// What the tools do, without what a library wants around it.
export const tools = {
  noop: () => 1,
  nap: () => new Promise((answer) => setTimeout(() => answer(1), NAP)),
  table: () => tools.text,
  text: "",
};

export async function main(peer) {
  const [first, second] = process.argv.slice(2);
  if (first === "--once") {
    process.stdout.write((await peer.fresh(readFileSync(second, "utf8"))) + "\n");
    return;
  }
  tools.text = readFileSync(first, "utf8");
  const kept = [];
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = await respond(peer, kept, JSON.parse(line));
    } catch (error) {
      answer = { error: String(error).slice(-300) };
    }
    say(answer);
  }
  process.exit(0);
}

// Writes all of a message, however slowly it is read.
export function say(message) {
  let left = Buffer.from(JSON.stringify(message) + "\n");
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(1, left));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

async function respond(peer, kept, request) {
  const { code, prints, count, budget } = request;
  const fresh = async () => check(await peer.fresh(code), prints);
  switch (request.do) {
    case "fresh":
      return { samples: await series(fresh, count, budget) };
    case "rate":
      return rate(fresh, budget);
    case "live": {
      const session = await peer.open();
      try {
        const run = async () => check(await peer.run(session, code), prints);
        return { samples: await series(run, count, budget) };
      } finally {
        await peer.close(session);
      }
    }
    case "keep":
      for (let i = 0; i < count; i++) {
        const session = await peer.open();
        check(await peer.run(session, code), prints);
        kept.push(session);
      }
      return {};
    default:
      throw new Error(`unknown request \`${request.do}\``);
  }
}

function check(output, prints) {
  if (output.trim() !== prints) {
    throw new Error(`it printed \`${output.slice(0, 100)}\` instead of \`${prints}\``);
  }
}

async function series(work, count, budget) {
  const first = await timed(work);
  if (first > SLOW) return [first];
  const until = performance.now() + budget * 1000;
  const samples = [await timed(work)];
  while (samples.length < count && performance.now() < until) samples.push(await timed(work));
  return samples;
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function rate(work, budget) {
  const began = performance.now();
  let runs = 0;
  while (runs === 0 || performance.now() < began + budget * 1000) {
    await work();
    runs++;
  }
  return { runs, seconds: (performance.now() - began) / 1000 };
}
