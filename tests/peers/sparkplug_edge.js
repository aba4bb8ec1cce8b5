"use strict";
// A Sparkplug B edge node of Eclipse Tahu's client that keeps a log of every value it really sent.
//
//   node sparkplug_edge.js --broker mqtt://127.0.0.1:1883 --truth FILE [--group G] [--node N]
//     [--devices D] [--metrics M] [--rate R] [--no-alias] [--historical]
//
// Births name every metric and give it an alias; data messages carry aliases only. Addresses in the
// truth are G/N/d0:m0 ... R times a second one device sends all its metrics in one DDATA.
// Lines on stdin: pause, resume, exit, rebirth, die, connect, drop (the next message is built and
// counted in the sequence, but never sent), alias (a rebirth that hands every alias to another
// metric), unknown (one DDATA with an alias that no birth named), garbage (one DDATA of bytes that
// are no protobuf), store <n> / flush (hold n messages back, then send them flagged historical).

const { Truth, atRate, obey, options, risingClock, say } = require("./common");

const o = options({
  broker: "", truth: "", group: "torture", node: "edge", devices: 2, metrics: 5, rate: 20,
  "no-alias": false, historical: false, paused: false,
});

let sparkplug;
try {
  sparkplug = require("sparkplug-client");
} catch (e) {
  say("absent", { package: "sparkplug-client", error: e.message.split("\n")[0] });
  process.exit(3);
}

const truth = new Truth(o.truth);
const clock = risingClock();
const PREFIX = `spBv1.0/${o.group}`;
let seq = 0;
let paused = o.paused;
let born = false;
let shift = 0; // by how many places the aliases have moved
let drop = 0;
let births = 0;
let rebirths = 0;
let hold = null;

const client = sparkplug.newClient({
  serverUrl: o.broker, username: "", password: "", groupId: o.group, edgeNode: o.node,
  clientId: `${o.group}-${o.node}`, version: "spBv1.0", publishDeath: true,
});

function aliasOf(device, metric) {
  const place = device * o.metrics + metric;
  return 1 + ((place + shift) % (o.devices * o.metrics));
}

/** The metrics of one device, at one time, noted as sent. */
function values(device, birth) {
  const ms = clock();
  const rows = [];
  const metrics = [];
  for (let m = 0; m < o.metrics; m++) {
    const value = seq + (device * o.metrics + m) / 1024;
    const metric = { value, type: "Double", timestamp: ms };
    if (birth || o["no-alias"]) metric.name = `m${m}`;
    if (!o["no-alias"]) metric.alias = aliasOf(device, m);
    rows.push([`${o.group}/${o.node}/d${device}:m${m}`, ms, value]);
    metrics.push(metric);
  }
  seq += 1;
  return { rows, payload: { timestamp: ms, metrics } };
}

function giveBirth() {
  births += 1;
  client.publishNodeBirth({
    timestamp: clock(),
    metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: false }],
  });
  for (let d = 0; d < o.devices; d++) {
    const { rows, payload } = values(d, true);
    truth.write(rows);
    client.publishDeviceBirth(`d${d}`, payload);
  }
  born = true;
}

function step() {
  const device = seq % o.devices;
  const { rows, payload } = values(device, false);
  if (hold !== null) {
    for (const metric of payload.metrics) metric.isHistorical = true;
    hold.push([device, rows, payload]);
    return;
  }
  if (o.historical) for (const metric of payload.metrics) metric.isHistorical = true;
  if (drop > 0) {
    drop -= 1;
    client.incrementSeqNum(); // counted, never sent: not in the truth
    return;
  }
  truth.write(rows);
  client.publishDeviceData(`d${device}`, payload);
}

function raw(bytes) {
  client.client.publish(`${PREFIX}/DDATA/${o.node}/d0`, bytes);
}

client.on("birth", giveBirth);
client.on("close", () => { born = false; });
client.on("error", () => {});
client.on("ncmd", (payload) => {
  for (const metric of payload.metrics || []) {
    if (metric.name === "Node Control/Rebirth" && metric.value) {
      rebirths += 1;
      giveBirth();
    }
  }
});

obey(
  {
    pause: () => { paused = true; },
    resume: () => { paused = false; },
    rebirth: giveBirth,
    drop: (count = "1") => { drop += Number(count); },
    alias: () => { shift += 1; giveBirth(); },
    unknown: () =>
      client.publishDeviceData("d0", {
        timestamp: clock(),
        metrics: [{ alias: 9999, type: "Double", value: -1, timestamp: clock() }],
      }),
    garbage: () => raw(Buffer.from([0x08, 0xff, 0xff, 0x12, 0x7f, 0x01, 0x02])),
    store: () => { hold = []; },
    flush: () => {
      const held = hold;
      hold = null;
      for (const [device, rows, payload] of held) {
        truth.write(rows);
        client.publishDeviceData(`d${device}`, payload);
      }
    },
    die: () => client.client.stream.destroy(), // the broker sends the will; the client comes again
    counts: () => say("counts", { births, rebirths }),
    exit: () => new Promise((done) => { client.stop(); setTimeout(done, 100); }),
  },
  () => truth.count,
);
atRate(o.rate, () => born && !paused, step);
say("ready", { group: o.group, node: o.node });
