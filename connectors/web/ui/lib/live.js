// Keeps the documents current: loads them, listens to events, asks again when something was computed.

import { api } from "./api.js";
import { peek, setDocument, setJob, setProblem, update } from "./store.js";

const DOCUMENTS = ["plant", "health", "line", "alerts", "forecasts", "calibration", "schedule",
  "demand", "proposals", "signals"];
const COMPUTED_BY = {
  history: ["line", "kpis"],
  calibration: ["calibration"],
  forecast: ["forecasts", "alerts"],
  schedule: ["schedule"],
  demand: ["demand", "proposals"],
};
const KPI_EVERY_MS = 15_000;
const KPI_HOURS = 8;
const RECONNECT_MS = 3000;
const retries = new Map();
const stamps = {};
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
    setDocument(name, name === "kpis" ? await api.kpis(KPI_HOURS) : await api.document(name));
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
}

function onHealth(health) {
  setDocument("health", health);
  for (const [step, names] of Object.entries(COMPUTED_BY)) {
    const stamp = health.steps[step]?.at;
    if (stamp && stamps[step] !== stamp) {
      const first = !(step in stamps);
      stamps[step] = stamp;
      names.filter((n) => !first || !peek().documents[n]).forEach(load);
    }
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
    if (wasLost) [...DOCUMENTS, "kpis", "jobs"].forEach(load);
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

export function start() {
  [...DOCUMENTS, "kpis", "jobs"].forEach(load);
  connect();
  followVisibility();
  setInterval(() => { if (!document.hidden) load("kpis"); }, KPI_EVERY_MS);
}
