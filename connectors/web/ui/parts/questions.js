// What questions to the twin share: what may be changed, the form around them, the job that answers.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { dayTime, percent, unitName, unitWord, words } from "../lib/format.js";
import { peek, setJob, update, useStore } from "../lib/store.js";
import { Card, Empty } from "./common.js";

const POLL_MS = 1500;
const selectJobs = (s) => s.jobs;
const selectCurrent = (s) => s.currentJob;

/** Everything of the plant that a question may change. */
export function choices(plant) {
  const counted = (group, path, label, value, low, unit) => ({ group, path, label, value, unit, low, high: null, whole: true });
  return [
    ...plant.work_units.flatMap((u) => Object.entries(u.parameters).map(([name, p]) => ({
      path: `station.${u.id}.${name}`, label: `${u.name}: ${words(name)}`, value: p.value, unit: p.unit, low: p.low, high: p.high,
      group: "Parameters",
    }))),
    ...plant.storage_zones.map((z) => counted("Buffers", `buffer.${z.id}.capacity`, `Buffer before ${unitName(z.downstream)}`, z.capacity, 0, "places")),
    ...plant.work_units.map((u) => counted("Machines", `station.${u.id}.servers`, `Machines of ${u.name}`, u.servers, 1, "machines")),
    counted("People and cards", "maintenance.crews", "Repair crews", plant.crews, 1, "crews"),
    ...plant.operators.map((t) => counted("People and cards", `team.${t.id}.count`, `Team ${words(t.id)}`, t.count, 0, "people")),
    ...plant.kanban.map((k) => counted("People and cards", `loop.${k.id}.cards`, `Cards of ${words(k.id)}`, k.cards, 1, "cards")),
  ];
}

/** A change as the API has it, in the reader's words: "Reflow oven: peak temperature +3 °C". */
export function sentence(all, text) {
  const [path, value] = text.split(/=(.*)/);
  const choice = all.find((c) => c.path === path || c.path === path.replace(/^work_units\.(\w+)\.parameters\.(\w+)\.value$/, "station.$1.$2"));
  return choice ? `${choice.label} ${value.replace("-", "−")} ${unitWord(choice.unit)}`.trim() : text;
}

export const Options = ({ all, chosen }) => {
  const groups = [...new Set(all.map((c) => c.group))];
  return groups.map((g) => html`<optgroup key=${g} label=${g}>
    ${all.filter((c) => c.group === g).map((c) => html`<option key=${c.path} value=${c.path} selected=${c.path === chosen}>${c.label}</option>`)}
  </optgroup>`);
};

export const EngineNote = ({ result }) => html`
  <p class="note engine">Engine: <b>${result.engine}</b> (${result.engine_reason}).</p>`;

/** A form that asks one kind of question; `words` is what the question is called later. */
export function Asking({ kind, ask, label, start, body, children }) {
  const [settings, setSettings] = useState(start);
  const [failure, setFailure] = useState(null);
  const setting = (name, title, min, max, unit) => html`
    <label>${title} ${unit && html`<span class="muted">(${unit})</span>`}
      <input type="number" required min=${min} max=${max} step=${name === "horizon_h" ? "any" : 1} value=${settings[name]}
        onInput=${(e) => setSettings({ ...settings, [name]: e.target.value })} />
    </label>`;
  async function submit(event) {
    event.preventDefault();
    setFailure(null);
    const numbers = Object.fromEntries(Object.entries(settings).map(([k, v]) => [k, Number(v)]));
    try {
      const { asked, ...rest } = body();
      const job = await ask({ ...rest, ...numbers });
      if (!peek().jobs[job.job_id]) setJob(job);
      update({ currentJob: { ...peek().currentJob, [kind]: job.job_id }, questions: { ...peek().questions, [job.job_id]: asked } });
    } catch (problem) {
      setFailure(problem.message);
    }
  }
  return html`
    <form class="question" onSubmit=${submit}>
      ${children}
      <div class="settings">
        ${setting("horizon_h", "Horizon", 1, 336, "h")}
        ${setting("replications", "Replications", 2, 256)}
        ${setting("seed", "Seed", 0, null)}
      </div>
      <p class="note">A horizon of one shift is a good start; more replications make the intervals narrower. The same seed gives the same answer.</p>
      <div class="row"><button class="primary" id="ask">${label}</button></div>
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
    </form>`;
}

/** The jobs of one kind, newest first, and the one that is looked at. */
export function useJobsOf(kind) {
  const jobs = Object.values(useStore(selectJobs)).filter((j) => j.kind === kind)
    .sort((a, b) => b.submitted_at.localeCompare(a.submitted_at) || b.job_id.localeCompare(a.job_id, "en", { numeric: true }));
  const current = useStore(selectCurrent)[kind] || jobs[0]?.job_id;
  return { jobs, job: jobs.find((j) => j.job_id === current) };
}

function JobCard({ job, asked, running, aside, children }) {
  const [failure, setFailure] = useState(null);
  const busy = job.state === "queued" || job.state === "running";
  useEffect(() => {
    if (!busy) return undefined;
    const timer = setInterval(() => api.job(job.job_id).then(setJob, () => {}), POLL_MS);
    return () => clearInterval(timer);
  }, [job.job_id, busy]);
  const cancel = () => api.cancel(job.job_id).then(setJob, (p) => setFailure(p.message));
  return html`
    <${Card} title="Answer" className="answer" aside=${html`${job.result && aside}<span class=${`tag ${job.state}`}>${job.state}</span>`}>
      <p class="asked">${asked.map((c) => html`<strong key=${c}>${c}</strong> `)}</p>
      ${busy && html`
        <div class="row">
          <progress max="1" value=${job.progress} aria-label="Progress"></progress>
          <span class="num">${percent(job.progress)}</span>
          <button onClick=${cancel}>Cancel</button>
        </div>
        <p class="note">${job.state === "queued" ? "Waits for the question before it." : running}</p>`}
      ${job.state === "cancelled" && html`<p class="muted">Cancelled: there is no answer.</p>`}
      ${job.error && html`<p class="problem" role="alert">${job.error}</p>`}
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
      <div role="status">${job.result && children}</div>
    <//>`;
}

function Earlier({ kind, jobs, said, asked }) {
  if (!jobs.length) return null;
  return html`
    <${Card} title="Earlier questions" aside=${html`<span class="muted">kept until linetwin stops</span>`}>
      <ul class="list">
        ${jobs.map((j) => html`
          <li key=${j.job_id}>
            <button class="text" onClick=${() => update({ currentJob: { ...peek().currentJob, [kind]: j.job_id } })}>${asked(j).join(", ") || j.job_id}</button>
            <span class="muted">${j.result ? `${said(j.result)}, ` : `${j.state}, `}${dayTime(j.submitted_at)}</span>
          </li>`)}
      </ul>
    <//>`;
}

/** The answer that is looked at, and the others. `asked(job)` and `said(result)` are in the reader's words. */
export function Answers({ kind, asked, said, running, empty, aside, children }) {
  const { jobs, job } = useJobsOf(kind);
  return html`
    <div>
      ${job ? html`<${JobCard} key=${job.job_id} job=${job} asked=${asked(job)} running=${running} aside=${aside && aside(job)}>${job.result && children(job.result)}<//>`
        : html`<${Card} title="Answer"><${Empty}>${empty}<//><//>`}
      <${Earlier} kind=${kind} jobs=${jobs.filter((j) => j !== job)} said=${said} asked=${asked} />
    </div>`;
}
