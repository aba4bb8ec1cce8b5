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
  return { ...inHours(estimate), unitId: unit, topic: topic || "",
    detail: rest.join(" ").replace(/\s?mean_s$/, "").replace(/_s\b/, "") || "mean" };
}

/** Lives and repairs of many hours are not read in seconds. */
function inHours(e) {
  if (e.unit !== "s" || !(Math.max(e.value, e.nominal || 0) >= 7200)) return e;
  const [value, low, high, nominal] = [e.value, e.low, e.high, e.nominal].map((v) => (v === null ? null : v / 3600));
  return { ...e, value, low, high, nominal, unit: "h" };
}

const TOPIC_WORDS = {
  cycle_time: "Time for one part, without waiting.",
  setup: "Time for a changeover to another order.",
  failure: "Running time from a repair to the next failure. Few failures make wide intervals.",
  repair: "Time of a repair, once the crew is there.",
  defects: "Share of defective parts, and how it depends on the process.",
  scrap: "Share of parts that an inspection takes out.",
  crew_wait: "How long a machine that is down waits for the crew.",
};

/** What the measurements could say about this number. */
function told(e) {
  if (e.n === 0 && e.value === e.nominal) return "not measured, datasheet kept";
  if (e.low === null) return e.n ? "no interval" : "not measured";
  return `${number(e.low, 4)} … ${number(e.high, 4)}${e.n === 0 ? " (none seen)" : ""}`;
}

function Row({ e, reach }) {
  const measured = e.low !== null && !(e.n === 0 && e.value === e.nominal);
  const inside = e.nominal !== null && e.low <= e.nominal && e.nominal <= e.high;
  return html`
    <tr class=${e.n === 0 ? "faint" : ""}>
      <th scope="row">${unitName(e.unitId)}</th>
      <td class="nowrap">${words(e.detail)}</td>
      <td class="num right">${e.nominal === null ? "–" : number(e.nominal, 4)}</td>
      <td class="num right"><b>${number(e.value, 4)}</b></td>
      <td class="num muted nowrap">${told(e)}</td>
      <td>${unitWord(e.unit)}</td>
      <td>${measured && html`<${RatioBar} ...${e} reach=${reach} />`}</td>
      <td class="num right nowrap">${e.nominal && measured ? percent(e.value / e.nominal - 1, 1) : "–"} ${measured && !inside && e.nominal !== null && html`<span class="outside" title="The datasheet's value lies outside the interval">◆<span class="sr"> outside the interval</span></span>`}</td>
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
      <${Figure} label="Not as the datasheet ◆" value=${count(estimates.filter((e) => e.nominal !== null && e.low !== null && (e.nominal < e.low || e.nominal > e.high)).length)} note="outside the 90 % interval" />
      <${Figure} label="Version" value=${calibration.version.slice(0, 12)} tone="textual" note="hash of its content" />
    </dl>
    <p class="hint">The twin starts from the plant file (the datasheet) and is fitted to what the machines did. Everything that linetwin says, the
      schedule and the what-if, runs on the fitted numbers. Where nothing was seen, the datasheet's number stays.</p>
    <${Card} title="Datasheet beside the line as it is" aside=${html`
      <div class="segmented" role="group" aria-label="Which numbers">
        ${topics.map((t) => html`<button key=${t} aria-pressed=${t === topic ? "true" : "false"} onClick=${() => setTopic(t)}>${words(t)}</button>`)}
      </div>`}>
      ${TOPIC_WORDS[topic] && html`<p class="note">${TOPIC_WORDS[topic]}</p>`}
      <div class="scroll-x">
        <table class="plain wide" id="calibration">
          <thead><tr><th>Work unit</th><th>What</th><th class="right">Datasheet</th><th class="right">Measured</th><th>90 % interval</th><th>Unit</th>
            <th class="nowrap">÷${number(reach, 2)} · datasheet · ×${number(reach, 2)}</th><th class="right">Difference</th><th class="right">n</th></tr></thead>
          <tbody>${shown.map((e) => html`<${Row} key=${e.name} e=${e} reach=${reach} />`)}</tbody>
        </table>
      </div>
      <${Notes} notes=${calibration.notes} topic=${topic} />
    <//>`;
}

/** What calibration has to say about the numbers that are shown; "reflow.fan" reads as the machine's name. */
function Notes({ notes, topic }) {
  const mine = notes.filter((n) => n.split(/[ :]/)[0].split(".")[1] === topic);
  if (!notes.length) return null;
  const said = (note) => {
    const [name, rest] = [note.split(/[ :]/)[0], note.slice(note.split(/[ :]/)[0].length)];
    const { unitId, detail } = parsed({ name, unit: "" });
    return html`<b>${unitName(unitId)}${detail && `, ${words(detail)}`}</b>${rest}`;
  };
  return html`
    <details class="notes" open=${mine.length > 0 && mine.length <= 8}><summary>${mine.length
      ? `${mine.length} of ${notes.length} notes are about these numbers` : `No note about these numbers, ${notes.length} about others`}</summary>
      <ul>${mine.map((n) => html`<li key=${n}>${said(n)}</li>`)}</ul></details>`;
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
