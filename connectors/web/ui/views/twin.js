// How the twin differs from the datasheet: every fitted number with its interval.

import { html, useState } from "../vendor/preact-htm.js";
import { count, dayTime, number, percent, unitName, unitWord, words } from "../lib/format.js";
import { useDocument } from "../lib/store.js";
import { Card, Figure, ShareBar, WithDocument } from "../parts/common.js";
import { RatioBar, TimeBar } from "../parts/charts.js";

const REACH = 4; // the chart spans a quarter of the datasheet's value to four times it
const NEAR = 1.25;

function parsed(estimate) {
  const [unit, topic, ...rest] = estimate.name.split(".");
  return { ...estimate, unitId: unit, topic: topic || "", detail: rest.join(" ").replace(/mean_s$/, "mean").replace(/_s\b/, "") };
}

function Row({ e, reach }) {
  const inside = e.nominal !== null && e.low !== null && e.low <= e.nominal && e.nominal <= e.high;
  return html`
    <tr class=${e.n === 0 ? "faint" : ""}>
      <th scope="row">${unitName(e.unitId)}</th>
      <td>${words(e.topic)} <span class="muted">${words(e.detail)}</span></td>
      <td class="num right">${e.nominal === null ? "–" : number(e.nominal, 4)}</td>
      <td class="num right"><b>${number(e.value, 4)}</b></td>
      <td class="num muted nowrap">${e.low === null ? "not measured" : `${number(e.low, 4)} … ${number(e.high, 4)}`}</td>
      <td>${unitWord(e.unit)}</td>
      <td><${RatioBar} ...${e} reach=${reach} /></td>
      <td class="num right">${e.nominal ? percent(e.value / e.nominal - 1, 1) : "–"} ${e.low !== null && !inside && html`<span class="outside" title="The datasheet's value lies outside the interval">◆</span>`}</td>
      <td class="num right">${count(e.n)}</td>
    </tr>`;
}

function Estimates({ calibration }) {
  const estimates = calibration.estimates.map(parsed);
  const topics = [...new Set(estimates.map((e) => e.topic))];
  const [topic, setTopic] = useState(topics[0]);
  const shown = estimates.filter((e) => e.topic === topic);
  const ratios = shown.filter((e) => e.nominal > 0 && e.value > 0 && e.low > 0)
    .flatMap((e) => [e.value, e.low, e.high].map((v) => Math.exp(Math.abs(Math.log(v / e.nominal)))));
  const reach = Math.min(REACH, Math.max(NEAR, ...ratios));
  return html`
    <dl class="figures">
      <${Figure} label="Calibrated" value=${dayTime(calibration.as_of)} tone="textual" note=${`from ${dayTime(calibration.window_start)}`} />
      <${Figure} label="Numbers" value=${count(estimates.length)} note=${`${count(estimates.filter((e) => e.n > 0).length)} of them measured`} />
      <${Figure} label="Not as the datasheet" value=${count(estimates.filter((e) => e.nominal !== null && e.low !== null && (e.nominal < e.low || e.nominal > e.high)).length)} note="outside the 90 % interval" />
      <${Figure} label="Version" value=${calibration.version.slice(0, 12)} tone="textual" note="hash of its content" />
    </dl>
    <${Card} title="Datasheet beside the line as it is" aside=${html`
      <div class="segmented" role="group" aria-label="Which numbers">
        ${topics.map((t) => html`<button key=${t} aria-pressed=${t === topic ? "true" : "false"} onClick=${() => setTopic(t)}>${words(t)}</button>`)}
      </div>`}>
      <div class="scroll-x">
        <table class="plain" id="calibration">
          <thead><tr><th>Work unit</th><th>What</th><th class="right">Datasheet</th><th class="right">Measured</th><th>90 % interval</th><th>Unit</th>
            <th class="nowrap">÷${number(reach, 2)} · datasheet · ×${number(reach, 2)}</th><th class="right">Difference</th><th class="right">n</th></tr></thead>
          <tbody>${shown.map((e) => html`<${Row} key=${e.name} e=${e} reach=${reach} />`)}</tbody>
        </table>
      </div>
      ${calibration.notes.length > 0 && html`<details class="notes"><summary>${calibration.notes.length} notes</summary>
        <ul>${calibration.notes.map((n) => html`<li key=${n}>${n}</li>`)}</ul></details>`}
    <//>`;
}

function Kpis() {
  const kpis = useDocument("kpis");
  if (!kpis) return null;
  return html`
    <${Card} title="Where the time goes" aside=${html`<span class="muted">${dayTime(kpis.from)} to ${dayTime(kpis.to)}${kpis.state_map ? `, state map “${kpis.state_map}”` : ""}</span>`}>
      ${kpis.units.map((u, i) => html`
        <div class="kpi-row" key=${u.id}>
          <span>${unitName(u.id)}</span>
          <${TimeBar} kpis=${u} label=${false} />
          <${ShareBar} label="OEE" share=${u.oee} text=${percent(u.oee, 1)} tone="strong" />
        </div>`)}
      <div class="keys">
        ${[["st-production", "Production"], ["st-setup", "Setup"], ["st-blocked", "Starved, blocked or delayed"], ["st-down", "Down or under repair"], ["st-off", "Off shift"]]
          .map(([cls, name]) => html`<span key=${cls} class=${`key ${cls}`}><i class="dot"></i>${name}</span>`)}
      </div>
    <//>`;
}

export function TwinView() {
  useDocument("plant");
  return html`
    <div class="toolbar"><h1>Twin</h1></div>
    <${WithDocument} name="calibration" what="The calibration">${(d) => html`<${Estimates} calibration=${d} />`}<//>
    <${Kpis} />`;
}
