// What holds the line up: shares of the critical path by station, and what would help most.

import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { duration, kpiName, number, percent, unitName, words } from "../lib/format.js";
import { peek } from "../lib/store.js";
import { DeltaBar } from "./charts.js";
import { Card, WithDocument } from "./common.js";
import { Answers, Asking, EngineNote } from "./questions.js";

const FIRST = 12;
const MARK = { better: "▲", worse: "▼" };
const TONE = { better: "good", worse: "bad" };
const KINDS = {
  service: ["Service", "st-production"], setup: ["Setup", "st-setup"], repair: ["Repair", "st-repair"],
  maintenance: ["Planned maintenance", "c4"], down: ["Waits for a crew", "st-down"], operator: ["Waits for an operator", "st-delay"],
  off: ["Off shift", "st-off"], transport: ["Conveyor", "c5"], release: ["Nothing to start", "st-starved"],
  supply: ["A component is missing", "c2"], other: ["Not known", "st-unknown"],
};
const FIGURES = ["throughput_per_h", "good_parts", "yield_ratio", "work_in_process", "flow_time_s", "oee_ratio", "energy_per_part_kwh"];

function Question() {
  const [kpi, setKpi] = useState("throughput_per_h");
  const body = () => ({ kpi, asked: [`What limits ${kpiName(kpi).toLowerCase()}?`] });
  return html`
    <${Asking} kind="bottleneck" ask=${api.bottleneck} body=${body} label="Find the bottleneck" start=${{ horizon_h: 8, replications: 16, seed: 0 }}>
      <label>Figure that is to improve
        <select value=${kpi} onChange=${(e) => setKpi(e.target.value)}>
          ${FIGURES.map((name) => html`<option key=${name} value=${name} selected=${name === kpi}>${kpiName(name)}</option>`)}
        </select>
      </label>
      <p class="note">The line runs as it is, and once or twice more for every number of the plant, moved a little.</p>
    <//>`;
}

function Bar({ station, longest }) {
  let x = 0;
  const said = Object.entries(station.kinds).map(([kind, share]) => `${KINDS[kind]?.[0] || kind} ${percent(share, 1)}`).join(", ");
  const scale = 1000 / longest;
  return html`
    <li class="path-row">
      <span class="path-name">${unitName(station.unit)}</span>
      <svg viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label=${`${unitName(station.unit)}: ${said}`}>
        <title>${said}</title>
        ${Object.entries(station.kinds).map(([kind, share]) => {
          const begin = x;
          x += share * scale;
          return html`<rect key=${kind} class=${KINDS[kind]?.[1] || "st-unknown"} x=${begin} y="1" width=${share * scale} height="14" />`;
        })}
        ${station.low !== null && html`<line class="whisker" x1=${station.low * scale} x2=${station.high * scale} y1="8" y2="8" />`}
      </svg>
      <span class="num right">${percent(station.share, station.share < 0.1 ? 1 : 0)}</span>
    </li>`;
}

function Path({ path }) {
  const longest = Math.max(...path.stations.map((s) => s.high ?? s.share), 0.01);
  const kinds = Object.keys(KINDS).filter((kind) => path.stations.some((s) => s.kinds[kind] > 0));
  return html`
    <h3>What the end of the run waited for</h3>
    <ol class="path" id="critical-path">${path.stations.map((s) => html`<${Bar} key=${s.unit} station=${s} longest=${longest} />`)}</ol>
    <div class="keys">
      ${kinds.map((kind) => html`<span key=${kind} class=${`key ${KINDS[kind][1]}`}><i class="dot"></i>${KINDS[kind][0]}</span>`)}
      <span class="key"><svg width="22" height="8" aria-hidden="true"><line class="whisker" x1="0" x2="22" y1="4" y2="4" /></svg>${percent(path.level)} interval</span>
    </div>
    <p class="note">Shares of ${duration(path.seconds)}, the mean length of ${path.replications} runs; together they are 100 %.</p>`;
}

function moved(row, step) {
  if (row.counted) return "+1";
  if (row.step === null) return `+${percent(step, step < 0.01 ? 1 : 0)}`;
  return `+${Number(row.step.toPrecision(3))} ${row.unit}`.trim();
}

function Row({ row, step }) {
  const tone = TONE[row.verdict] || "flat";
  const show = (v) => (v === null ? "–" : `${v > 0 ? "+" : ""}${percent(v, 1)}`);
  return html`
    <tr>
      <th scope="row">${capital(named(row.name))}</th>
      <td class="num nowrap">${moved(row, step)}</td>
      <td class="num right nowrap"><b>${show(row.effect)}</b></td>
      <td class="num muted nowrap">${row.effect_low === null ? "" : `${show(row.effect_low)} … ${show(row.effect_high)}`}</td>
      <td>${row.effect !== null && html`<${DeltaBar} delta=${row.effect} low=${row.effect_low} high=${row.effect_high} tone=${tone} />`}</td>
      <td class="num right">${row.elasticity === null ? "–" : number(row.elasticity, 2)}</td>
      <td class=${`verdict ${tone}`}><span aria-hidden="true">${MARK[row.verdict] || "●"}</span> ${row.verdict}</td>
    </tr>`;
}

function Sensitivities({ found }) {
  const [whole, setWhole] = useState(false);
  const rows = whole ? found.rows : found.rows.slice(0, FIRST);
  return html`
    <h3>What ${kpiName(found.kpi).toLowerCase()} answers to each number of the plant</h3>
    <div class="scroll-x">
      <table class="plain results" id="sensitivities">
        <thead><tr><th>Number</th><th>Moved by</th><th class="right">Effect</th><th class="nowrap">${percent(found.level)} interval</th>
          <th><span class="sr">Chart</span></th><th class="right" title="Per cent of the figure per per cent of the number">Elasticity</th><th>Verdict</th></tr></thead>
        <tbody>${rows.map((row) => html`<${Row} key=${row.name} row=${row} step=${found.relative_step} />`)}</tbody>
      </table>
    </div>
    ${found.rows.length > FIRST && html`<button class="text" onClick=${() => setWhole(!whole)}>${whole ? "Show fewer" : `Show all ${found.rows.length}`}</button>`}`;
}

function Result({ result }) {
  return html`
    <div class="verdict-box flat" id="bottleneck-verdict">
      <p><strong>${spoken(result.critical_path.message)}</strong></p>
      ${result.sensitivities && html`<p>${spoken(result.sensitivities.message)}</p>`}
    </div>
    <${Path} path=${result.critical_path} />
    ${result.sensitivities && html`<${Sensitivities} found=${result.sensitivities} />`}
    <p class="note">${result.replications} replications over ${number(result.horizon_h)} h, seed ${result.seed}. Effects are of the number going up; each verdict stands on its own.</p>
    <${EngineNote} result=${result} />`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Text of the API with the names of stations, buffers and figures as people say them. */
function named(text) {
  const plant = peek().documents.plant;
  const ids = new Set(plant?.work_units.map((u) => u.id));
  const zones = new Map(plant?.storage_zones.map((z) => [z.id, z]));
  return text.replace(/\bin (\w+)/g, (all, id) => (zones.has(id) ? `before ${unitName(zones.get(id).downstream)}` : all))
    .replace(/\b\w+\b/g, (id) => (ids.has(id) ? unitName(id) : FIGURES.includes(id) ? kpiName(id).toLowerCase() : words(id)))
    .replace(/(\d)%/g, "$1 %");
}

/** A sentence of the API as the page says it. */
const spoken = (text) => `${capital(named(text))}.`;

export function BottleneckPane() {
  const asked = (job) => peek().questions[job.job_id]
    || (job.result?.sensitivities ? [`What limits ${kpiName(job.result.sensitivities.kpi).toLowerCase()}?`] : ["Which station is the bottleneck?"]);
  const said = (result) => unitName(result.critical_path.stations[0]?.unit);
  return html`
    <div class="split">
      <${Card} title="Question"><${WithDocument} name="plant" what="Plant">${() => html`<${Question} />`}<//><//>
      <${Answers} kind="bottleneck" asked=${asked} said=${said} running="The line runs as it is, then with every number moved a little."
        empty="Who is busiest need not be who holds the line up. This walks back from the end of simulated runs through what each part waited for, and moves every number of the plant a little.">
        ${(result) => html`<${Result} result=${result} />`}
      <//>
    </div>`;
}
