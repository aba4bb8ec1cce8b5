// What if: pick what to change, compare with today's line on the same random numbers.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { chance, dayTime, number, percent, quantity, signed, unitName, unitWord, words, kpiName } from "../lib/format.js";
import { peek, setJob, update, useStore } from "../lib/store.js";
import { Card, Empty, WithDocument } from "../parts/common.js";
import { DeltaBar } from "../parts/charts.js";

const POLL_MS = 1500;
const selectJobs = (s) => s.jobs;
const selectCurrent = (s) => s.currentJob;

/** Everything of the plant that a what-if may change. */
function choices(plant) {
  const parameters = plant.work_units.flatMap((u) => Object.entries(u.parameters).map(([name, p]) => ({
    path: `station.${u.id}.${name}`, label: `${u.name}: ${words(name)}`, value: p.value, unit: p.unit, low: p.low, high: p.high,
    step: 1, group: "Parameters",
  })));
  const buffers = plant.storage_zones.map((z) => ({
    path: `buffer.${z.id}.capacity`, label: `Buffer before ${unitName(z.downstream)}`, value: z.capacity, unit: "places", low: 0,
    high: null, step: 1, group: "Buffers",
  }));
  return [...parameters, ...buffers];
}

const startOf = (choice) => ({ path: choice.path, delta: choice.group === "Buffers" ? 4 : 3 });
const changeText = ({ path, delta }) => `${path}=${delta < 0 ? delta : `+${delta}`}`;

function ChangeRow({ all, change, onChange, onRemove }) {
  const choice = all.find((c) => c.path === change.path);
  const target = choice.value + Number(change.delta || 0);
  const outside = (choice.low !== null && target < choice.low) || (choice.high !== null && target > choice.high);
  const groups = [...new Set(all.map((c) => c.group))];
  return html`
    <div class="change">
      <label>What
        <select value=${change.path} onChange=${(e) => onChange(startOf(all.find((c) => c.path === e.target.value)))}>
          ${groups.map((g) => html`<optgroup key=${g} label=${g}>
            ${all.filter((c) => c.group === g).map((c) => html`<option key=${c.path} value=${c.path} selected=${c.path === change.path}>${c.label}</option>`)}
          </optgroup>`)}
        </select>
      </label>
      <label>Change by <span class="muted">(${unitWord(choice.unit)})</span>
        <input type="number" step=${choice.step} required value=${change.delta} onInput=${(e) => onChange({ ...change, delta: e.target.value })} />
      </label>
      <p class=${outside ? "change-now problem" : "change-now muted"}>
        ${quantity(choice.value, choice.unit)} → <b class="num">${quantity(target, choice.unit)}</b>
        ${outside && html` allowed ${choice.low ?? "–"} to ${choice.high ?? "–"} ${unitWord(choice.unit)}`}
      </p>
      ${onRemove && html`<button type="button" class="text" onClick=${onRemove}>Remove</button>`}
    </div>`;
}

function Question({ plant }) {
  const all = choices(plant);
  const drafted = all.find((c) => c.path === peek().draftChange);
  const [changes, setChanges] = useState(all.length ? [startOf(drafted || all[0])] : []);
  const [settings, setSettings] = useState({ horizon_h: 8, replications: 16, seed: 0 });
  const [failure, setFailure] = useState(null);
  useEffect(() => update({ draftChange: null }), []);
  if (!all.length) return html`<${Empty}>The plant file names nothing that may be changed.<//>`;
  const setting = (name, label, min, max, unit) => html`
    <label>${label} ${unit && html`<span class="muted">(${unit})</span>`}
      <input type="number" required min=${min} max=${max} step=${name === "horizon_h" ? "any" : 1} value=${settings[name]}
        onInput=${(e) => setSettings({ ...settings, [name]: e.target.value })} />
    </label>`;
  async function ask(event) {
    event.preventDefault();
    setFailure(null);
    const numbers = Object.fromEntries(Object.entries(settings).map(([k, v]) => [k, Number(v)]));
    try {
      const job = await api.whatif({ changes: changes.map((c) => changeText({ ...c, delta: Number(c.delta) })), ...numbers });
      if (!peek().jobs[job.job_id]) setJob(job);
      update({ currentJob: job.job_id });
    } catch (problem) {
      setFailure(problem.message);
    }
  }
  return html`
    <form class="question" onSubmit=${ask}>
      ${changes.map((change, i) => html`
        <${ChangeRow} key=${i} all=${all} change=${change}
          onChange=${(c) => setChanges(changes.map((old, k) => (k === i ? c : old)))}
          onRemove=${changes.length > 1 ? () => setChanges(changes.filter((_, k) => k !== i)) : null} />`)}
      <div class="row">
        <button type="button" class="text" onClick=${() => setChanges([...changes, startOf(all.find((c) => !changes.some((k) => k.path === c.path)) || all[0])])}>
          + another change</button>
      </div>
      <div class="settings">
        ${setting("horizon_h", "Horizon", 1, 336, "h")}
        ${setting("replications", "Replications", 2, 256)}
        ${setting("seed", "Seed", 0, null)}
      </div>
      <div class="row"><button class="primary" id="ask">Compare with today's line</button></div>
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
    </form>`;
}

const tone = (verdict) => (verdict === "better" ? "good" : verdict === "worse" ? "bad" : "flat");
const MARK = { good: "▲", bad: "▼", flat: "●" };

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

function Result({ result }) {
  const saved = result.kpis.map((k) => k.variance_reduction).filter((v) => v !== null);
  return html`
    <div class="scroll-x">
      <table class="plain results" id="whatif-result">
        <thead><tr><th>Figure</th><th class="right">Today</th><th class="right">Changed</th><th class="right">Difference</th>
          <th class="nowrap">${percent(result.level)} interval</th><th><span class="sr">Chart</span></th><th>Verdict</th></tr></thead>
        <tbody>${result.kpis.map((k) => html`<${ResultRow} key=${k.name} kpi=${k} />`)}</tbody>
      </table>
    </div>
    <p class="note">
      ${result.replications} paired replications over ${number(result.horizon_h)} h, seed ${result.seed}, ${result.engine} engine.
      ${saved.length ? ` Pairing removed up to ${chance(Math.max(...saved))} of the variance.` : ""}
    </p>`;
}

function JobCard({ job }) {
  const [failure, setFailure] = useState(null);
  const busy = job.state === "queued" || job.state === "running";
  useEffect(() => {
    if (!busy) return undefined;
    const timer = setInterval(() => api.job(job.job_id).then(setJob, () => {}), POLL_MS);
    return () => clearInterval(timer);
  }, [job.job_id, busy]);
  const cancel = () => api.cancel(job.job_id).then(setJob, (p) => setFailure(p.message));
  return html`
    <${Card} title="Answer" className="answer" aside=${html`<span class=${`tag ${job.state}`}>${job.state}</span>`}>
      ${busy && html`
        <div class="row">
          <progress max="1" value=${job.progress} aria-label="Progress"></progress>
          <span class="num">${percent(job.progress)}</span>
          <button onClick=${cancel}>Cancel</button>
        </div>`}
      ${job.error && html`<p class="problem" role="alert">${job.error}</p>`}
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
      ${job.result && html`
        <p class="asked">${(job.result.changes || []).map((c) => html`<code key=${c}>${c}</code> `)}</p>
        <${Result} result=${job.result} />`}
    <//>`;
}

function Earlier({ jobs, current }) {
  const others = jobs.filter((j) => j.job_id !== current);
  if (!others.length) return null;
  return html`
    <${Card} title="Earlier questions">
      <ul class="list">
        ${others.map((j) => html`
          <li key=${j.job_id}>
            <button class="text" onClick=${() => update({ currentJob: j.job_id })}>${j.result?.changes?.join(", ") || j.job_id}</button>
            <span class="muted">${dayTime(j.submitted_at)}, ${j.state}</span>
          </li>`)}
      </ul>
    <//>`;
}

export function WhatIfView() {
  const jobs = Object.values(useStore(selectJobs)).filter((j) => j.kind === "whatif")
    .sort((a, b) => b.submitted_at.localeCompare(a.submitted_at));
  const current = useStore(selectCurrent) || jobs[0]?.job_id;
  const job = jobs.find((j) => j.job_id === current);
  return html`
    <div class="toolbar"><h1>What if</h1></div>
    <div class="split">
      <${Card} title="Question">
        <${WithDocument} name="plant" what="Plant">${(plant) => html`<${Question} plant=${plant} />`}<//>
      <//>
      <div>
        ${job ? html`<${JobCard} key=${job.job_id} job=${job} />`
          : html`<${Card} title="Answer"><${Empty}>Ask, and the answer comes with its interval: both lines run on the same random numbers, so that only the change makes the difference.<//><//>`}
        <${Earlier} jobs=${jobs} current=${current} />
      </div>
    </div>`;
}
