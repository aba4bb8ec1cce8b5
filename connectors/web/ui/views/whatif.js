// What if: pick what to change, compare with today's line on the same random numbers.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { dayTime, percent, quantity, unitName, unitWord, words } from "../lib/format.js";
import { peek, setJob, update, useDocument, useStore } from "../lib/store.js";
import { Card, Empty, WithDocument } from "../parts/common.js";
import { Result, headline } from "../parts/whatifresult.js";

const POLL_MS = 1500;
const selectJobs = (s) => s.jobs;
const selectCurrent = (s) => s.currentJob;

/** Everything of the plant that a what-if may change. */
function choices(plant) {
  const parameters = plant.work_units.flatMap((u) => Object.entries(u.parameters).map(([name, p]) => ({
    path: `station.${u.id}.${name}`, label: `${u.name}: ${words(name)}`, value: p.value, unit: p.unit, low: p.low, high: p.high,
    group: "Parameters",
  })));
  const buffers = plant.storage_zones.map((z) => ({
    path: `buffer.${z.id}.capacity`, label: `Buffer before ${unitName(z.downstream)}`, value: z.capacity, unit: "places", low: 0,
    high: null, group: "Buffers",
  }));
  return [...parameters, ...buffers];
}

/** A change as the API has it, in the reader's words: "Reflow oven: peak temperature +3 °C". */
function sentence(all, text) {
  const [path, value] = text.split(/=(.*)/);
  const choice = all.find((c) => c.path === path || c.path === path.replace(/^work_units\.(\w+)\.parameters\.(\w+)\.value$/, "station.$1.$2"));
  return choice ? `${choice.label} ${value.replace("-", "−")} ${unitWord(choice.unit)}`.trim() : text;
}

const startOf = (choice) => ({ path: choice.path, delta: choice.group === "Buffers" ? 4 : 3 });
const changeText = ({ path, delta }) => `${path}=${delta < 0 ? delta : `+${delta}`}`;

function limits({ low, high, unit }) {
  if (low === null && high === null) return "no limit";
  if (high === null) return `${low} or more`;
  return low === null ? `at most ${high} ${unitWord(unit)}` : `${low} to ${high} ${unitWord(unit)}`;
}

function ChangeRow({ all, change, onChange, onRemove }) {
  const choice = all.find((c) => c.path === change.path);
  const target = choice.value + Number(change.delta || 0);
  const outside = (choice.low !== null && target < choice.low) || (choice.high !== null && target > choice.high);
  const groups = [...new Set(all.map((c) => c.group))];
  const field = useRef(null);
  const fault = outside ? `${quantity(target, choice.unit, 4)} is outside what is allowed: ${limits(choice)}.`
    : target === choice.value ? "This changes nothing: give another number than 0." : "";
  useLayoutEffect(() => field.current.setCustomValidity(fault), [fault]);
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
        <input type="number" step=${choice.group === "Buffers" ? 1 : "any"} required value=${change.delta} ref=${field}
          aria-invalid=${fault ? "true" : null} aria-describedby=${`now-${change.path}`} onInput=${(e) => onChange({ ...change, delta: e.target.value })} />
      </label>
      <p class=${fault ? "change-now problem" : "change-now muted"} id=${`now-${change.path}`}>
        ${fault || html`${quantity(choice.value, choice.unit, 4)} → <b class="num">${quantity(target, choice.unit, 4)}</b>, ${limits(choice)}`}
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
      const asked = changes.map((c) => changeText({ ...c, delta: Number(c.delta) }));
      const job = await api.whatif({ changes: asked, ...numbers });
      if (!peek().jobs[job.job_id]) setJob(job);
      update({ currentJob: job.job_id, questions: { ...peek().questions, [job.job_id]: asked } });
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
      <p class="note">A horizon of one shift is a good start; more replications make the intervals narrower. The same seed gives the same answer.</p>
      <div class="row"><button class="primary" id="ask">Compare with today's line</button></div>
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
    </form>`;
}

const asked = (job) => job.result?.changes || peek().questions[job.job_id] || [];

function JobCard({ job, all }) {
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
      <p class="asked">${asked(job).map((c) => html`<strong key=${c} title=${c}>${sentence(all, c)}</strong> `)}</p>
      ${busy && html`
        <div class="row">
          <progress max="1" value=${job.progress} aria-label="Progress"></progress>
          <span class="num">${percent(job.progress)}</span>
          <button onClick=${cancel}>Cancel</button>
        </div>
        <p class="note">${job.state === "queued" ? "Waits for the question before it." : "Both lines run, replication by replication."}</p>`}
      ${job.state === "cancelled" && html`<p class="muted">Cancelled: there is no answer.</p>`}
      ${job.error && html`<p class="problem" role="alert">${job.error}</p>`}
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
      <div role="status">${job.result && html`<${Result} result=${job.result} />`}</div>
    <//>`;
}

function Earlier({ jobs, current, all }) {
  const others = jobs.filter((j) => j.job_id !== current);
  if (!others.length) return null;
  return html`
    <${Card} title="Earlier questions" aside=${html`<span class="muted">kept until linetwin stops</span>`}>
      <ul class="list">
        ${others.map((j) => html`
          <li key=${j.job_id}>
            <button class="text" onClick=${() => update({ currentJob: j.job_id })}>${asked(j).map((c) => sentence(all, c)).join(", ") || j.job_id}</button>
            <span class="muted">${j.result ? `${headline(j.result)}, ` : `${j.state}, `}${dayTime(j.submitted_at)}</span>
          </li>`)}
      </ul>
    <//>`;
}

export function WhatIfView() {
  const plant = useDocument("plant");
  const all = plant ? choices(plant) : [];
  const jobs = Object.values(useStore(selectJobs)).filter((j) => j.kind === "whatif")
    .sort((a, b) => b.submitted_at.localeCompare(a.submitted_at));
  const current = useStore(selectCurrent) || jobs[0]?.job_id;
  const job = jobs.find((j) => j.job_id === current);
  return html`
    <div class="toolbar"><h1>What if</h1></div>
    <div class="split">
      <${Card} title="Question">
        <${WithDocument} name="plant" what="Plant">${(p) => html`<${Question} plant=${p} />`}<//>
      <//>
      <div>
        ${job ? html`<${JobCard} key=${job.job_id} job=${job} all=${all} />`
          : html`<${Card} title="Answer"><${Empty}>Ask, and the answer comes with its interval: both lines run on the same random numbers, so that only the change makes the difference. Nothing is changed on the machines.<//><//>`}
        <${Earlier} jobs=${jobs} current=${current} all=${all} />
      </div>
    </div>`;
}
