"use strict";
// What both peers share: options, the truth log, and lines on stdin and stdout.

const fs = require("node:fs");
const readline = require("node:readline");

console.log = console.error; // stdout is for our own lines; libraries warn there too

/** `--name value` and `--flag` into an object, over these defaults. */
function options(defaults) {
  const found = { ...defaults };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    const name = args[i].replace(/^--/, "");
    if (!(name in defaults)) throw new Error(`unknown option ${args[i]}`);
    const was = defaults[name];
    if (typeof was === "boolean") found[name] = true;
    else found[name] = typeof was === "number" ? Number(args[++i]) : args[++i];
  }
  return found;
}

/** Appends `address<TAB>time in microseconds<TAB>value` for everything that was really written. */
class Truth {
  constructor(path) {
    this.file = path ? fs.openSync(path, "a") : null;
    this.count = 0;
  }

  write(rows) {
    this.count += rows.length;
    if (this.file === null) return;
    fs.writeSync(this.file, rows.map(([a, ms, v]) => `${a}\t${ms}000\t${v}\n`).join(""));
  }
}

function say(word, more = {}) {
  fs.writeSync(1, `${word} ${JSON.stringify(more)}\n`);
}

/** Runs `commands[word](rest)` for each line of stdin and answers `ok`; the end of stdin is an exit. */
function obey(commands, count) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const [word, ...rest] = line.trim().split(/\s+/);
    try {
      if (word !== "count") await commands[word](...rest);
      say("ok", { word, written: count() });
    } catch (e) {
      say("failed", { word, error: String(e) });
    }
    if (word === "exit") process.exit(0);
  });
  lines.on("close", () => process.exit(0));
}

/** Milliseconds since 1970 that never repeat and never go back. */
function risingClock() {
  let last = 0;
  return () => (last = Math.max(Date.now(), last + 1));
}

/** Calls `step` so often a second that a late timer is made up for; `running()` false skips. */
function atRate(rate, running, step) {
  const periodMs = 1000 / rate;
  let due = Date.now() + periodMs;
  setInterval(() => {
    const now = Date.now();
    if (now - due > 1000) due = now; // after a stall there is no burst of more than a second
    for (; due <= now; due += periodMs) if (running()) step();
  }, Math.max(1, Math.min(periodMs, 20)));
}

module.exports = { Truth, atRate, obey, options, risingClock, say };
