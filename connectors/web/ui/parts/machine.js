// One machine: what it does, its figures, its signals, when it will fail.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { clock, count, duration, percent, quantity, words } from "../lib/format.js";
import { StatePill } from "../lib/states.js";
import { update, useDocument } from "../lib/store.js";
import { Card, ShareBar } from "./common.js";
import { FailureCurves, TimeBar } from "./charts.js";
import { Trend } from "./trend.js";

const TREND_ROLES = ["condition", "process", "energy"];
const QUALITY = ["good", "uncertain", "bad"];

/** The failure mode that a stopped machine names, from its fault signal. */
function useFault(unit, asOf) {
  const signals = useDocument("signals");
  const [fault, set] = useState("");
  const stopped = unit.state === "down" || unit.state === "repair";
  const signal = signals?.signals.find((s) => s.work_unit === unit.id && s.role === "fault")?.id;
  useEffect(() => {
    let gone = false;
    set("");
    if (!stopped || !signal) return undefined;
    const start = new Date(new Date(unit.since).getTime() - 60_000).toISOString();
    api.samples(signal, start, asOf, 50).then((s) => { if (!gone) set(s.value.filter(Boolean).at(-1) || ""); }, () => {});
    return () => { gone = true; };
  }, [signal, stopped, unit.since]);
  return fault;
}

function Facts({ unit, asOf }) {
  const fault = useFault(unit, asOf);
  return html`
    <dl class="facts">
      <div><dt>State</dt><dd><${StatePill} state=${unit.state} /> for ${duration((new Date(asOf) - new Date(unit.since)) / 1000)}</dd></div>
      ${fault && html`<div><dt>Fault</dt><dd>${words(fault)}</dd></div>`}
      <div><dt>Product</dt><dd>${unit.product || "–"}</dd></div>
      <div><dt>Order</dt><dd>${unit.order || "–"}</dd></div>
      <div><dt>Good in total</dt><dd class="num">${count(unit.good_count)}</dd></div>
      <div><dt>Rejected in total</dt><dd class="num">${count(unit.reject_count)}</dd></div>
      <div><dt>Power</dt><dd class="num">${quantity(unit.power_w, "W")}</dd></div>
    </dl>`;
}

function Figures({ id }) {
  const kpis = useDocument("kpis");
  const mine = kpis?.units.find((u) => u.id === id);
  if (!mine) return html`<p class="muted">Figures are not there yet.</p>`;
  return html`
    <${ShareBar} label="Availability" share=${mine.availability} text=${percent(mine.availability, 1)} />
    <${ShareBar} label="Effectiveness" share=${mine.effectiveness} text=${percent(mine.effectiveness, 1)} />
    <${ShareBar} label="Quality ratio" share=${mine.quality_ratio} text=${percent(mine.quality_ratio, 1)} />
    <${ShareBar} label="OEE" share=${mine.oee} text=${percent(mine.oee, 1)} tone="strong" />
    <${TimeBar} kpis=${mine} />
    <p class="note">ISO 22400, ${clock(kpis.from)} to ${clock(kpis.to)}${kpis.state_map ? `, state map “${kpis.state_map}”` : ""}</p>`;
}

function SignalTable({ unit, chosen, onChoose }) {
  const names = Object.keys(unit.signals).sort((a, b) => rank(unit.signals[a]) - rank(unit.signals[b]) || a.localeCompare(b));
  return html`
    <table class="plain signals">
      <thead><tr><th>Signal</th><th class="right">Value</th><th>At</th><th>Quality</th></tr></thead>
      <tbody>
        ${names.map((name) => {
          const s = unit.signals[name];
          const plots = TREND_ROLES.includes(s.role);
          return html`
            <tr key=${name} class=${name === chosen ? "chosen" : ""}>
              <td>${plots
                ? html`<button class="text" aria-pressed=${name === chosen ? "true" : "false"} onClick=${() => onChoose(name)}>${words(name)}</button>`
                : words(name)} <span class="muted">${s.role === "condition" ? "condition" : ""}</span></td>
              <td class="num right">${quantity(s.value, s.unit)}</td>
              <td class="num muted">${clock(s.measured_at)}</td>
              <td class=${`q${s.quality}`}>${QUALITY[s.quality] || s.quality}</td>
            </tr>`;
        })}
      </tbody>
    </table>`;
}

const rank = (signal) => {
  const place = TREND_ROLES.indexOf(signal.role);
  return place < 0 ? TREND_ROLES.length : place;
};

function Parameters({ id }) {
  const plant = useDocument("plant");
  const parameters = Object.entries(plant?.work_units.find((u) => u.id === id)?.parameters || {});
  if (!parameters.length) return null;
  const ask = (name) => {
    update({ asking: "whatif", draftChange: `station.${id}.${name}` });
    location.hash = "#whatif";
  };
  return html`<div class="row">
    ${parameters.map(([name, p]) => html`
      <button key=${name} onClick=${() => ask(name)}>What if ${words(name)} were not ${quantity(p.value, p.unit)}?</button>`)}
  </div>`;
}

export function MachinePanel({ unit, asOf, onClose }) {
  const signals = useDocument("signals");
  const forecasts = useDocument("forecasts");
  const candidates = Object.entries(unit.signals).filter(([, s]) => TREND_ROLES.includes(s.role)).sort((a, b) => rank(a[1]) - rank(b[1]));
  const [chosen, choose] = useState(candidates[0]?.[0] || null);
  useEffect(() => {
    const panel = document.getElementById("machine");
    panel.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    panel.querySelector("button").focus({ preventScroll: true });
  }, []);
  const signal = signals?.signals.find((s) => s.work_unit === unit.id && s.name === chosen);
  const mine = (forecasts?.forecasts || []).filter((f) => f.work_unit === unit.id);
  const close = html`<button class="icon-button" aria-label="Close" onClick=${onClose}>
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path class="stroke" d="M3 3l10 10M13 3L3 13" /></svg></button>`;
  return html`
    <${Card} id="machine" title=${unit.name} aside=${close} className="machine-panel">
      <${Facts} unit=${unit} asOf=${asOf} />
      <div class="columns">
        <div><h3>Failure within a time</h3><${FailureCurves} forecasts=${mine} /></div>
        <div>
          <h3>${chosen ? `Trend of ${words(chosen)}` : "Trend"}</h3>
          ${signal ? html`<${Trend} key=${signal.id} signal=${signal.id} asOf=${asOf} />` : html`<p class="muted">No signal to plot.</p>`}
        </div>
        <div><h3>Figures</h3><${Figures} id=${unit.id} /><${Parameters} id=${unit.id} /></div>
        <div><h3>Signals</h3><${SignalTable} unit=${unit} chosen=${chosen} onChoose=${choose} /></div>
      </div>
    <//>`;
}
