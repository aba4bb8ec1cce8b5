// Many values of one number: a figure against them with its interval, and the same as a table.

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { kpiName, number, percent, quantity, signed, unitWord } from "../lib/format.js";
import { peek, useDocument } from "../lib/store.js";
import { DeltaBar, useWidth } from "./charts.js";
import { Card, Empty, WithDocument } from "./common.js";
import { Answers, Asking, EngineNote, Options, choices } from "./questions.js";

const HEIGHT = 240;
const MARK = { better: "▲", worse: "▼", changed: "●", "no clear change": "●" };
const TONE = { better: "good", worse: "bad" };

/** What a sweep may move: what a change may, and cycle times as shares of what they are. */
const axes = (plant) => [
  ...choices(plant),
  ...plant.work_units.map((u) => ({
    path: `station.${u.id}.cycle_time`, label: `Cycle times of ${u.name}`, value: 1, unit: "1", low: null, high: null, group: "Cycle times", share: true,
  })),
];

function usual({ value, whole, low, high, share }) {
  if (share) return "*0.9, *0.95, *1, *1.05, *1.1";
  const step = whole ? Math.max(1, Math.round(value / 4)) : ((high ?? value * 1.1) - (low ?? value * 0.9)) / 8;
  return [-2, -1, 0, 1, 2].map((k) => value + k * step)
    .map((v) => Math.min(high ?? v, Math.max(low ?? v, v))).map((v) => Number(v.toPrecision(6)))
    .filter((v, i, all) => all.indexOf(v) === i).join(", ");
}

const VALUE = /^[+\-*=]?\d+(\.\d+)?$/;
const read = (text) => text.split(/[,;\s]+/).filter(Boolean);
const spoken = (v) => (typeof v === "number" ? number(v, 6) : v.replace(/^\*/, "× ").replace("-", "−"));

function Question({ plant }) {
  const all = axes(plant);
  const [path, setPath] = useState(all[0].path);
  const choice = all.find((c) => c.path === path);
  const [text, setText] = useState(usual(choice));
  const field = useRef(null);
  const values = read(text);
  const wrong = values.find((v) => !VALUE.test(v));
  const fault = wrong ? `"${wrong}" is no value: write 12, +3 or *0.9.` : values.length < 2 ? "Give two values or more."
    : values.length > 60 ? "Give 60 values at most." : "";
  useLayoutEffect(() => field.current.setCustomValidity(fault), [fault]);
  const body = () => {
    const given = values.map((v) => (/^\d/.test(v) ? Number(v) : v));
    return { grid: { [path]: given }, asked: [`${choice.label}: ${given.map(spoken).join(", ")}`] };
  };
  const choose = (e) => {
    setPath(e.target.value);
    setText(usual(all.find((c) => c.path === e.target.value)));
  };
  return html`
    <${Asking} kind="sweep" ask=${api.sweep} body=${body} label="Try them all" start=${{ horizon_h: 8, replications: 16, seed: 0 }}>
      <div class="change">
        <label>What <select value=${path} onChange=${choose}><${Options} all=${all} chosen=${path} /></select></label>
        <label>Values <span class="muted">${choice.share ? "(share of what they are)" : `(${unitWord(choice.unit) || "number"})`}</span>
          <input required value=${text} ref=${field} aria-invalid=${fault ? "true" : null} onInput=${(e) => setText(e.target.value)} />
        </label>
        <p class=${fault ? "change-now problem" : "change-now muted"}>
          ${fault || (choice.share ? "*0.9 is 10 % shorter." : html`today <b class="num">${quantity(choice.value, choice.unit, 4)}</b>; 12 sets, +3 adds, *0.9 multiplies`)}</p>
      </div>
    <//>`;
}

const amount = (value) => (typeof value === "number" ? value : Number(value.replace(/^[*=]/, "")));

function ticks(low, high) {
  const raw = (high - low) / 4 || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * size).find((s) => s >= raw);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The mean of a figure at each value, its interval as a band, and the line as it is. */
function Chart({ result, kpi, label }) {
  const frame = useRef(null);
  const width = useWidth(frame);
  const points = result.points.map((p) => ({ value: p.values[0], x: amount(p.values[0]), ...p.kpis[kpi.name] }))
    .filter((p) => p.mean !== null).sort((a, b) => a.x - b.x);
  const base = result.baseline[kpi.name].mean;
  const factor = kpi.unit === "1" ? 100 : 1;
  const ends = points.flatMap((p) => [p.low ?? p.mean, p.high ?? p.mean]).concat(base ?? []);
  const [left, right, top, bottom] = [58, 14, 12, 40];
  const pad = (Math.max(...ends) - Math.min(...ends)) * 0.06 || 1;
  const [low, high] = [Math.min(...ends) - pad, Math.max(...ends) + pad];
  const [from, to] = [points[0]?.x, points.at(-1)?.x];
  const x = (v) => left + ((v - from) / (to - from || 1)) * (width - left - right);
  const y = (v) => top + ((high - v) / (high - low)) * (HEIGHT - top - bottom);
  const at = (p, v) => `${x(p.x).toFixed(1)} ${y(v).toFixed(1)}`;
  const band = points.every((p) => p.low !== null)
    && `M${points.map((p) => at(p, p.high)).join("L")}L${points.toReversed().map((p) => at(p, p.low)).join("L")}Z`;
  const every = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor((width - left) / 62))));
  return html`
    <div class="chart sweep-chart" ref=${frame}>
      ${width > 0 && points.length > 0 && html`
        <svg width=${width} height=${HEIGHT} role="img" aria-label=${`${kpiName(kpi.name)} against ${label}; the table below has the numbers`}>
          ${ticks(low * factor, high * factor).map((v) => html`
            <line class="grid" x1=${left} x2=${width - right} y1=${y(v / factor)} y2=${y(v / factor)} />
            <text x=${left - 7} y=${y(v / factor) + 4} text-anchor="end">${number(v, 4)}</text>`)}
          ${band && html`<path class="band c1" d=${band} />`}
          ${base !== null && html`<line class="today" x1=${left} x2=${width - right} y1=${y(base)} y2=${y(base)} />`}
          <path class="line c1" d=${`M${points.map((p) => at(p, p.mean)).join("L")}`} />
          ${points.map((p, i) => html`
            <g key=${p.x}>
              <circle class="c1" cx=${x(p.x)} cy=${y(p.mean)} r="3.5"><title>${`${spoken(p.value)}: ${number(p.mean * factor, 5)}`}</title></circle>
              ${i % every === 0 && html`<text x=${x(p.x)} y=${HEIGHT - 22} text-anchor="middle">${spoken(p.value)}</text>`}
            </g>`)}
          <text class="axis" x=${(left + width - right) / 2} y=${HEIGHT - 4} text-anchor="middle">${label}</text>
        </svg>`}
      <div class="keys">
        <span class="key c1"><i class="dot"></i>mean with its ${percent(result.level)} interval</span>
        <span class="key"><svg width="22" height="8" aria-hidden="true"><line class="today" x1="0" x2="22" y1="4" y2="4" /></svg>today's line</span>
      </div>
    </div>`;
}

function Row({ point, kpi }) {
  const figure = point.kpis[kpi.name];
  const factor = kpi.unit === "1" ? 100 : 1;
  const tone = TONE[figure.verdict] || "flat";
  const delta = (v) => (v === null ? "–" : signed(v * factor, 2));
  return html`
    <tr>
      <th scope="row" class="num">${point.values.map(spoken).join(", ")}</th>
      <td class="num right">${figure.mean === null ? "–" : number(figure.mean * factor, 4)}</td>
      <td class="num right"><b>${delta(figure.delta)}</b></td>
      <td class="num muted nowrap">${figure.delta_low === null ? "" : `${delta(figure.delta_low)} … ${delta(figure.delta_high)}`}</td>
      <td>${figure.delta !== null && html`<${DeltaBar} delta=${figure.delta} low=${figure.delta_low} high=${figure.delta_high} tone=${tone} />`}</td>
      <td class=${`verdict ${tone}`}><span aria-hidden="true">${MARK[figure.verdict]}</span> ${figure.verdict}</td>
    </tr>`;
}

function Result({ result, label }) {
  const [name, setName] = useState("throughput_per_h");
  const kpi = result.kpis.find((k) => k.name === name) || result.kpis[0];
  const unit = kpi.unit === "1" ? "%" : unitWord(kpi.unit);
  return html`
    <label class="inline figure-choice">Figure
      <select value=${kpi.name} onChange=${(e) => setName(e.target.value)}>
        ${result.kpis.map((k) => html`<option key=${k.name} value=${k.name} selected=${k.name === kpi.name}>${kpiName(k.name)}</option>`)}
      </select>
      ${unit && html`<span class="muted">${unit}</span>`}
    </label>
    ${result.paths.length === 1 && html`<${Chart} result=${result} kpi=${kpi} label=${label(result.paths[0])} />`}
    <div class="scroll-x">
      <table class="plain results" id="sweep-result">
        <thead><tr><th>Value</th><th class="right">Mean</th><th class="right">Difference</th><th class="nowrap">${percent(result.level)} interval</th>
          <th><span class="sr">Chart</span></th><th>Against today</th></tr></thead>
        <tbody>${result.points.map((p) => html`<${Row} key=${p.changes.join()} point=${p} kpi=${kpi} />`)}</tbody>
      </table>
    </div>
    <p class="note">${result.replications} replications over ${number(result.horizon_h)} h at each value, on the same random numbers, seed ${result.seed}.
      Each verdict stands on its own: of a hundred values that change nothing, about ten are told as changed.</p>
    <${EngineNote} result=${result} />`;
}

const Table = ({ job }) => html`
  <a class="download" href=${`/api/v1/sweeps/${job.job_id}.csv`} download=${`${job.job_id}.csv`}>
    <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true"><path class="stroke" d="M6 1v7M3 5.5L6 8.5l3-3M1.5 11h9" /></svg>CSV<span class="sr"> of the sweep</span></a>`;

function said(result) {
  const clear = result.points.filter((p) => Object.values(p.kpis)[0].verdict === "better").length;
  return `${result.points.length} values, ${clear || "none"} clearly better`;
}

export function SweepPane() {
  const plant = useDocument("plant");
  const label = (path) => (plant && axes(plant).find((c) => c.path === path)?.label) || path;
  const asked = (job) => peek().questions[job.job_id]
    || (job.result ? [`${job.result.paths.map(label).join(", ")}: ${job.result.points.map((p) => p.values.map(spoken).join(" ")).join(", ")}`] : []);
  return html`
    <div class="split">
      <${Card} title="Question">
        <${WithDocument} name="plant" what="Plant">${(p) => (axes(p).length ? html`<${Question} plant=${p} />` : html`<${Empty}>Nothing may be changed.<//>`)}<//>
      <//>
      <${Answers} kind="sweep" asked=${asked} said=${said} running="The line runs at every value." aside=${(job) => html`<${Table} job=${job} />`}
        empty="Choose a number of the plant and some values: the line runs at each of them, and every figure is drawn against the values with its interval.">
        ${(result) => html`<${Result} result=${result} label=${label} />`}
      <//>
    </div>`;
}
