// The answer to a what-if: a plain verdict first, then every figure with its interval.

import { html } from "../vendor/preact-htm.js";
import { chance, kpiName, number, percent, signed, unitWord } from "../lib/format.js";
import { DeltaBar } from "./charts.js";
import { EngineNote } from "./questions.js";

const HARDLY = 0.001; // of the figure as it is: below this a certain difference is not worth a decision
const MARK = { good: "▲", bad: "▼", flat: "●" };
const SAID_BY = { good_parts: "throughput_per_h", energy_kwh: "energy_per_part_kwh" }; // tells the same again

const tone = (verdict) => (verdict === "better" ? "good" : verdict === "worse" ? "bad" : "flat");

function relative(kpi) {
  if (kpi.delta === null || kpi.baseline === null) return null;
  if (kpi.delta === 0) return 0;
  return kpi.baseline === 0 ? null : kpi.delta / Math.abs(kpi.baseline);
}

const inWords = (kpi) => kpiName(kpi.name).toLowerCase().replace("oee", "OEE");
/** Of what a line does not do, as rework, every figure is 0 on both sides. */
const happens = (kpi) => kpi.baseline !== 0 || kpi.scenario !== 0;
const hardly = (kpi) => relative(kpi) !== null && Math.abs(relative(kpi)) < HARDLY;

function sorted(result) {
  const told = new Set(result.kpis.map((k) => k.name));
  const groups = { better: [], worse: [], hardly: [], unclear: [] };
  result.kpis.filter(happens).filter((k) => !told.has(SAID_BY[k.name])).forEach((k) => {
    if (k.verdict === "better" || k.verdict === "worse") groups[hardly(k) ? "hardly" : k.verdict].push(k);
    else if (k.verdict === "no clear change") groups.unclear.push(k);
  });
  return groups;
}

/** The answer in a few words. */
export function headline(result) {
  const { better, worse, hardly: small } = sorted(result);
  if (better.length && worse.length) return "a trade-off";
  if (better.length) return "better";
  if (worse.length) return "worse";
  return small.length ? "hardly a difference" : "no clear change";
}

const HEADLINES = {
  "a trade-off": "A trade-off: some figures gain, others lose.",
  better: "Better: nothing that counts gets worse.",
  worse: "Worse: nothing that counts gets better.",
  "hardly a difference": "Hardly a difference: what changes changes by less than 0.1 %.",
  "no clear change": "No clear change: chance alone explains what differs. More replications may tell.",
};

function change(kpi) {
  const share = relative(kpi);
  const size = share === null ? signed(kpi.delta, 2) : `${share > 0 ? "+" : ""}${percent(share, Math.abs(share) < 0.1 ? 1 : 0)}`;
  return `${inWords(kpi)} ${size}`;
}

function Verdict({ result }) {
  const { better, worse, hardly: small, unclear } = sorted(result);
  const said = headline(result);
  const names = (kpis) => kpis.map(inWords).join(", ");
  const line = (t, label, text) => text && html`<li class=${`verdict ${t}`}><span aria-hidden="true">${MARK[t]}</span> ${label}: <span>${text}</span></li>`;
  return html`
    <div class=${`verdict-box ${said === "better" ? "good" : said === "worse" ? "bad" : "flat"}`} id="whatif-verdict">
      <p><strong>${HEADLINES[said]}</strong></p>
      <ul>
        ${line("good", "Better", better.map(change).join(", "))}
        ${line("bad", "Worse", worse.map(change).join(", "))}
        ${line("flat", "Certain, but under 0.1 %", names(small))}
        ${line("flat", "No clear change", names(unclear))}
      </ul>
    </div>`;
}

function scaled(kpi) {
  if (kpi.unit !== "1") return { ...kpi, word: unitWord(kpi.unit), factor: 1 };
  return { ...kpi, word: "%", factor: 100 };
}

function ResultRow({ kpi: raw }) {
  const kpi = scaled(raw);
  const t = tone(kpi.verdict);
  const show = (v) => (v === null ? "–" : number(v * kpi.factor, 4));
  const delta = (v) => (v === null ? "–" : signed(v * kpi.factor, 2));
  return html`
    <tr>
      <th scope="row">${kpiName(kpi.name)} ${kpi.word && html`<span class="muted">${kpi.word}</span>`}</th>
      <td class="num right">${show(kpi.baseline)}</td>
      <td class="num right">${show(kpi.scenario)}</td>
      <td class="num right"><b>${delta(kpi.delta)}</b></td>
      <td class="num muted nowrap">${kpi.delta_low === null ? "" : `${delta(kpi.delta_low)} … ${delta(kpi.delta_high)}`}</td>
      <td>${kpi.delta !== null && html`<${DeltaBar} delta=${kpi.delta} low=${kpi.delta_low} high=${kpi.delta_high} tone=${t} />`}</td>
      <td class=${`verdict ${t}`}><span aria-hidden="true">${MARK[t]}</span> ${kpi.verdict}</td>
    </tr>`;
}

export function Result({ result }) {
  const saved = result.kpis.map((k) => k.variance_reduction).filter((v) => v !== null);
  return html`
    <${Verdict} result=${result} />
    <div class="scroll-x">
      <table class="plain results" id="whatif-result">
        <thead><tr><th>Figure</th><th class="right">Today</th><th class="right">Changed</th><th class="right">Difference</th>
          <th class="nowrap">${percent(result.level)} interval</th><th><span class="sr">Chart</span></th><th>Verdict</th></tr></thead>
        <tbody>${result.kpis.filter(happens).map((k) => html`<${ResultRow} key=${k.name} kpi=${k} />`)}</tbody>
      </table>
    </div>
    <p class="note">
      ${result.replications} paired replications over ${number(result.horizon_h)} h, seed ${result.seed}.
      ${saved.length ? ` Pairing removed up to ${chance(Math.max(...saved))} of the variance.` : ""}
      ${result.kpis.every(happens) ? "" : " Figures that are 0 on both sides are left out."}
    </p>
    <${EngineNote} result=${result} />`;
}
