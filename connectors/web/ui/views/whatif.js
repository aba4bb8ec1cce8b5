// Questions to the twin: one change, many values of one number, or what holds the line up.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { quantity, unitWord } from "../lib/format.js";
import { peek, update, useDocument, useStore } from "../lib/store.js";
import { BottleneckPane } from "../parts/bottleneck.js";
import { Card, Empty, WithDocument } from "../parts/common.js";
import { Answers, Asking, Options, choices, sentence } from "../parts/questions.js";
import { SweepPane } from "../parts/sweep.js";
import { Result, headline } from "../parts/whatifresult.js";

const selectAsking = (s) => s.asking;

const startOf = (choice) => ({ path: choice.path, delta: choice.group === "Buffers" ? 4 : choice.whole ? 1 : 3 });
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
  const field = useRef(null);
  const fault = outside ? `${quantity(target, choice.unit, 4)} is outside what is allowed: ${limits(choice)}.`
    : target === choice.value ? "This changes nothing: give another number than 0." : "";
  useLayoutEffect(() => field.current.setCustomValidity(fault), [fault]);
  return html`
    <div class="change">
      <label>What
        <select value=${change.path} onChange=${(e) => onChange(startOf(all.find((c) => c.path === e.target.value)))}>
          <${Options} all=${all} chosen=${change.path} />
        </select>
      </label>
      <label>Change by <span class="muted">(${unitWord(choice.unit)})</span>
        <input type="number" step=${choice.whole ? 1 : "any"} required value=${change.delta} ref=${field}
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
  useEffect(() => update({ draftChange: null }), []);
  if (!all.length) return html`<${Empty}>The plant file names nothing that may be changed.<//>`;
  const body = () => {
    const texts = changes.map((c) => changeText({ ...c, delta: Number(c.delta) }));
    return { changes: texts, asked: texts };
  };
  return html`
    <${Asking} kind="whatif" ask=${api.whatif} body=${body} label="Compare with today's line" start=${{ horizon_h: 8, replications: 16, seed: 0 }}>
      ${changes.map((change, i) => html`
        <${ChangeRow} key=${i} all=${all} change=${change}
          onChange=${(c) => setChanges(changes.map((old, k) => (k === i ? c : old)))}
          onRemove=${changes.length > 1 ? () => setChanges(changes.filter((_, k) => k !== i)) : null} />`)}
      <div class="row">
        <button type="button" class="text" onClick=${() => setChanges([...changes, startOf(all.find((c) => !changes.some((k) => k.path === c.path)) || all[0])])}>
          + another change</button>
      </div>
    <//>`;
}

function WhatIfPane({ all }) {
  const asked = (job) => (job.result?.changes || peek().questions[job.job_id] || []).map((c) => sentence(all, c));
  return html`
    <div class="split">
      <${Card} title="Question">
        <${WithDocument} name="plant" what="Plant">${(p) => html`<${Question} plant=${p} />`}<//>
      <//>
      <${Answers} kind="whatif" asked=${asked} said=${headline} running="Both lines run, replication by replication."
        empty="Ask, and the answer comes with its interval: both lines run on the same random numbers, so that only the change makes the difference. Nothing is changed on the machines.">
        ${(result) => html`<${Result} result=${result} />`}
      <//>
    </div>`;
}

const KINDS = { whatif: ["One change", WhatIfPane], sweep: ["Many values", SweepPane], bottleneck: ["Bottleneck", BottleneckPane] };

export function WhatIfView() {
  const plant = useDocument("plant");
  const asking = useStore(selectAsking);
  const all = plant ? choices(plant) : [];
  const Pane = KINDS[asking][1];
  return html`
    <div class="toolbar">
      <h1>What if</h1>
      <div class="segmented" role="group" aria-label="Kind of question">
        ${Object.entries(KINDS).map(([kind, [label]]) => html`
          <button key=${kind} data-kind=${kind} aria-pressed=${kind === asking ? "true" : "false"} onClick=${() => update({ asking: kind })}>${label}</button>`)}
      </div>
    </div>
    <${Pane} key=${asking} all=${all} />`;
}
