// Keeps the documents current: loads them, listens to events, asks again when something was computed.

import { api } from "./api.js";
import { COMPUTED_BY } from "./steps.js";
import { dropDocument, peek, setDocument, setJob, setProblem, update } from "./store.js";

// The others are asked for when `health` says that their step is done, `line` comes as an event: a page
// that is opened while the chain starts asks for nothing that is not there.
const AT_ONCE = ["plant", "health", "signals", "jobs"];
const KPI_EVERY_MS = 15_000;
const KPI_HOURS = 8;
const RECONNECT_MS = 3000;
const BACK_MS = 600_000;
const retries = new Map();
const stamps = new Map();
let wasLost = false;

export async function load(name) {
  clearTimeout(retries.get(name));
  retries.delete(name);
  try {
    if (name === "jobs") {
      const { jobs } = await api.document("jobs");
      jobs.forEach(setJob);
      return;
    }
    const document = name === "kpis" ? await api.kpis(KPI_HOURS) : await api.document(name);
    if (name === "health") onHealth(document);
    else setDocument(name, document);
  } catch (problem) {
    setProblem(name, problem);
    if (problem.status === 503 || problem.status === 0) {
      retries.set(name, setTimeout(load, 1000 * (problem.retryAfterS || 3), name));
    }
  }
}

function onLine(line) {
  update({ lineReceivedAt: performance.now() });
  setDocument("line", line);
  if (!peek().documents.kpis && !peek().problems.kpis) load("kpis");
}

/** Plant time went back, as when the demo is started again: what is shown is of another run. */
function begunAgain({ as_of }) {
  const { line } = peek().documents;
  return line && (!as_of || new Date(line.as_of) - new Date(as_of) > BACK_MS);
}

function onHealth(health) {
  setDocument("health", health);
  if (begunAgain(health)) ["line", "kpis"].forEach(dropDocument);
  for (const [step, names] of Object.entries(COMPUTED_BY)) {
    const stamp = health.steps[step]?.at || null;
    if (stamps.get(step) === stamp) continue;
    stamps.set(step, stamp);
    names.forEach(stamp ? load : dropDocument);
  }
}

const HANDLERS = {
  line: onLine,
  health: onHealth,
  alerts: (document) => setDocument("alerts", document),
  proposals: (document) => setDocument("proposals", document),
  job: setJob,
};

let stream = null;

function connect() {
  if (stream || document.hidden) return;
  stream = new EventSource("/api/v1/events");
  stream.onopen = () => {
    update({ connection: "live" });
    if (wasLost) askAgain();
    wasLost = false;
  };
  stream.onerror = () => {
    wasLost = true;
    update({ connection: "lost" });
    if (stream?.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(connect, RECONNECT_MS);
    }
  };
  for (const [name, handle] of Object.entries(HANDLERS)) {
    stream.addEventListener(name, (event) => {
      update({ connection: "live" });
      handle(JSON.parse(event.data));
    });
  }
}

function disconnect() {
  stream?.close();
  stream = null;
  wasLost = true;
}

// A browser opens six connections to one server at most, for all tabs together: a stream that nobody
// looks at, or of a page that was left, must not hold one.
function followVisibility() {
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", connect);
}

function askAgain() {
  stamps.clear();
  AT_ONCE.forEach(load);
}

export function start() {
  askAgain();
  connect();
  followVisibility();
  setInterval(() => { if (!document.hidden && peek().documents.line) load("kpis"); }, KPI_EVERY_MS);
}
