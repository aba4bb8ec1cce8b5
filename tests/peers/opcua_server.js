"use strict";
// An OPC UA server of node-opcua whose writer keeps a log of every value that it really wrote.
//
//   node opcua_server.js --port P --truth FILE [--nodes N] [--rate R] [--history]
//     [--late-s S --late K] [--secure --pki FOLDER] [--first SEQ] [--paused] [--loose]
//
// Nodes are ns=1 (urn:linetwin:torture), s=v0 ... s=v{N-1}, Double. R times a second each of them
// gets the next number with one source time. The last K nodes appear only S seconds after the
// start. Lines on stdin: pause, resume, appear, exit; with --loose also text <index>, which turns
// the numbers of a node into texts, and back.

const { Truth, atRate, obey, options, risingClock, say } = require("./common");

const o = options({
  port: 0, truth: "", nodes: 10, rate: 20, history: false, "late-s": 0, late: 0,
  secure: false, pki: "", first: 0, paused: false, loose: false,
});

let opcua;
try {
  opcua = {
    ...require("node-opcua-server"), ...require("node-opcua-address-space"),
    ...require("node-opcua-variant"), ...require("node-opcua-status-code"),
  };
} catch (e) {
  say("absent", { package: "node-opcua", error: e.message.split("\n")[0] });
  process.exit(3);
}
const { DataType, StatusCodes, Variant, OPCUAServer } = opcua;

const NAMESPACE = "urn:linetwin:torture";
const truth = new Truth(o.truth);
const clock = risingClock();
const present = new Map();
let seq = o.first;
let paused = o.paused;

async function security() {
  const uri = (name) => `http://opcfoundation.org/UA/SecurityPolicy#${name}`;
  const [NONE, SIGN, SIGN_AND_ENCRYPT] = [1, 2, 3];
  if (!o.secure) {
    return { securityPolicies: [uri("None")], securityModes: [NONE] };
  }
  const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
  const manager = new OPCUACertificateManager({
    rootFolder: o.pki, automaticallyAcceptUnknownCertificate: true,
  });
  await manager.initialize();
  return {
    securityPolicies: ["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"].map(uri),
    securityModes: [NONE, SIGN, SIGN_AND_ENCRYPT],
    serverCertificateManager: manager,
    userCertificateManager: manager,
  };
}

function add(server, index) {
  const space = server.engine.addressSpace;
  const variable = space.getNamespace(NAMESPACE).addVariable({
    organizedBy: space.rootFolder.objects,
    browseName: `v${index}`,
    nodeId: `s=v${index}`,
    dataType: o.loose ? "BaseDataType" : "Double",
    minimumSamplingInterval: 0,
  });
  if (o.history) space.installHistoricalDataNode(variable, { maxOnlineValues: 200_000 });
  present.set(index, variable);
}

function step() {
  const ms = clock();
  const rows = [...present.keys()].map((index) => [`v${index}`, ms, seq + index / 1024]);
  truth.write(rows);
  const at = new Date(ms);
  for (const [address, , value] of rows) {
    const variable = present.get(Number(address.slice(1)));
    const typed =
      variable.asText
        ? new Variant({ dataType: DataType.String, value: `${value}` })
        : new Variant({ dataType: DataType.Double, value });
    variable.setValueFromSource(typed, StatusCodes.Good, at);
  }
  seq += 1;
}

async function main() {
  const server = new OPCUAServer({
    port: o.port, hostname: "127.0.0.1", host: "127.0.0.1", resourcePath: "/torture",
    alternateHostname: "127.0.0.1", allowAnonymous: true, ...(await security()),
    serverCapabilities: {
      maxSubscriptions: 100, maxSessions: 100, maxMonitoredItemsQueueSize: 10_000,
      maxHistoryContinuationPoints: 1_000,
      operationLimits: { maxNodesPerHistoryReadData: 100 },
    },
    buildInfo: { productName: "linetwin torture peer" },
  });
  await server.initialize();
  server.engine.addressSpace.registerNamespace(NAMESPACE);
  const soon = o.nodes - o.late;
  for (let i = 0; i < soon; i++) add(server, i);
  const appear = () => {
    for (let i = soon; i < o.nodes; i++) if (!present.has(i)) add(server, i);
  };
  if (o.late && o["late-s"]) setTimeout(appear, o["late-s"] * 1000);
  await server.start();
  obey(
    {
      pause: () => { paused = true; },
      resume: () => { paused = false; },
      appear,
      text: (index) => {
        const variable = present.get(Number(index));
        variable.asText = !variable.asText;
      },
      exit: () => server.shutdown(100),
    },
    () => truth.count,
  );
  atRate(o.rate, () => !paused, step);
  say("ready", { url: server.getEndpointUrl(), namespace: NAMESPACE });
}

main().catch((e) => {
  say("failed", { error: String(e && e.stack) });
  process.exit(1);
});
