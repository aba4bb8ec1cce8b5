// One alert: how long it has, why we think so, what is planned and on the shelf for it, who takes care.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { chance, dayTime, duration, hours, percent, quantity, unitName, words } from "../lib/format.js";
import { load } from "../lib/live.js";
import { peek, update, useDocument } from "../lib/store.js";
import { DecisionForm, ShareBar } from "./common.js";
import { FailureCurves } from "./charts.js";
import { plantNow } from "./topbar.js";
import { Trend } from "./trend.js";

const STATE_WORDS = { raised: "Raised", acknowledged: "Acknowledged", cleared: "Cleared" };

function Life({ alert }) {
  const { p10, p50, p90 } = alert.remaining_life_h;
  const reach = Math.max(alert.horizon_h, p90 || 0, p50 || 0, (p10 || 0) * 1.2, 1);
  const at = (h) => `${Math.min(100, (100 * h) / reach)}%`;
  const said = p50 === null
    ? (p10 === null ? "longer than we can see" : `more than ${hours(p10)}`)
    : `about ${hours(p50)}`;
  return html`
    <div class="life">
      <div class="life-said">Remaining life <strong>${said}</strong></div>
      <div class="life-track" aria-hidden="true">
        ${p10 !== null && html`<i style=${{ left: at(p10), right: p90 === null ? "0" : `calc(100% - ${at(p90)})` }} class=${p90 === null ? "open" : ""}></i>`}
        ${p50 !== null && html`<b style=${{ left: at(p50) }}></b>`}
      </div>
      <div class="life-ends num muted">
        <span>now</span>
        <span>${p10 === null ? "" : `P10 ${hours(p10)}`}${p90 === null ? ", P90 not within reach" : ` … P90 ${hours(p90)}`}</span>
        <span>${hours(reach)}</span>
      </div>
    </div>`;
}

/** When the work is best done: what the schedule has, or that its time has gone by. */
function Window({ window }) {
  const begins = new Date(window.start_at).getTime();
  const now = plantNow() || 0;
  const over = begins + 1000 * window.duration_s < now;
  const when = over ? "as soon as possible"
    : begins <= now ? `now, until ${dayTime(begins + 1000 * window.duration_s)}` : dayTime(window.start_at);
  return html`
    <p class="window"><span class="muted">Cheapest window for the work</span>
      <strong>${when}</strong>, takes ${duration(window.duration_s)}
      <small class="muted">${over ? `It was planned for ${dayTime(window.start_at)}; the next plan moves it on.` : "The schedule keeps it free."} <a href="#schedule">Schedule</a></small></p>`;
}

/** Said while the machine stands: the forecast speaks of the next failure already. */
function Standing({ alert }) {
  const unit = useDocument("line")?.units.find((u) => u.id === alert.work_unit);
  if (unit?.state !== "down" && unit?.state !== "repair") return null;
  return html`<p class="problem" role="status">${unit.name} is ${unit.state === "down" ? "down" : "under repair"} now.
    If it is for this, the alert clears by itself once the machine runs again.</p>`;
}

/** Spare parts whose demand this failure makes, and whether they are there. */
function Parts({ alert }) {
  const demand = useDocument("demand");
  const proposals = useDocument("proposals");
  const cause = `${alert.work_unit}.${alert.failure_mode}`;
  const parts = (demand?.items || []).filter((i) => i.pegging.some((g) => g.kind === "failure" && g.name === cause));
  if (!parts.length) return null;
  const open = (id) => (proposals?.proposals || []).some((p) => p.item_id === id && p.state === "proposed");
  return html`
    <p class="window"><span class="muted">Spare parts for it</span>
      ${parts.map((i) => html`<span key=${i.item_id} class="part"><strong>${i.description}</strong> (${i.item_id}): ${quantity(i.on_hand, i.unit)} on hand${
        open(i.item_id) ? html`, <a href="#components">a purchase waits for a decision</a>` : ""}</span>`)}</p>`;
}

/** The signal that speaks loudest, as it went. */
function Evidence({ alert }) {
  const signals = useDocument("signals");
  const line = useDocument("line");
  const ranked = Object.entries(alert.evidence).sort((a, b) => b[1] - a[1]);
  const found = (name) => signals?.signals.find((s) => s.work_unit === alert.work_unit && s.name === name);
  const loudest = ranked.map(([name]) => found(name)).find(Boolean);
  return html`
    <div>
      <h3>Why we think so</h3>
      ${ranked.length
        ? ranked.slice(0, 6).map(([name, share]) => html`<${ShareBar} key=${name} label=${words(name)} share=${share} text=${percent(share)} />`)
        : html`<p class="muted">From the running time alone; no condition signal speaks yet.</p>`}
      ${loudest && line && alert.state !== "cleared" && html`
        <details class="why" open><summary>How ${words(loudest.name)} went</summary><${Trend} signal=${loudest.id} asOf=${line.as_of} from=${168} /></details>`}
    </div>`;
}

function Actions({ alert }) {
  const [doing, set] = useState(null);
  const close = () => set(null);
  const refreshed = async (call) => { await call; load("alerts"); };
  if (doing === "acknowledge") {
    return html`<${DecisionForm} verb="Acknowledge" note="You take care of it. It goes to the ledger and cannot be taken back." onClose=${close} onDecide=${(body) => refreshed(api.acknowledge(alert.alert_id, body))} />`;
  }
  if (doing === "clear") {
    return html`<${DecisionForm} verb="Clear" whyNeeded note="Clear what is done or was wrong; it comes back if the forecast still says so. It goes to the ledger." onClose=${close} onDecide=${(body) => refreshed(api.clear(alert.alert_id, body))} />`;
  }
  return html`
    <div class="row">
      ${alert.state === "raised" && html`<button class="primary" onClick=${() => set("acknowledge")}>Acknowledge</button>`}
      ${alert.state !== "cleared" && html`<button onClick=${() => set("clear")}>Clear</button>`}
      <button class="text" onClick=${() => { update({ selectedUnit: alert.work_unit }); location.hash = "#line"; }}>Show on the line</button>
    </div>`;
}

function History({ alert }) {
  return html`
    <p class="note">
      Raised ${dayTime(alert.raised_at)}${alert.acknowledged_at && `, acknowledged ${dayTime(alert.acknowledged_at)} by ${alert.acknowledged_by || "?"}`}${alert.cleared_at && `, cleared ${dayTime(alert.cleared_at)}: ${alert.clear_reason || "no reason given"}`}.
      Model ${alert.model}.
    </p>`;
}

export function AlertCard({ alert, forecast }) {
  const card = useRef(null);
  useEffect(() => { // the reader came here for this one
    if (peek().wantedAlert !== alert.alert_id) return;
    card.current.scrollIntoView({ block: "start" });
    card.current.focus({ preventScroll: true });
    update({ wantedAlert: null });
  }, []);
  return html`
    <article class=${`card alert ${alert.state}`} ref=${card} tabindex="-1" data-alert=${alert.alert_id}>
      <header class="alert-head">
        <div>
          <h2>${alert.name}</h2>
          <p class="muted" title=${alert.alert_id}>${unitName(alert.work_unit)}</p>
        </div>
        <div class="alert-chance">
          <span class="num big">${chance(alert.probability)}</span>
          <span class="muted">within ${hours(alert.horizon_h)}</span>
        </div>
        <span class=${`tag ${alert.state}`}>${STATE_WORDS[alert.state] || alert.state}</span>
      </header>
      <div class="columns">
        <div>
          ${alert.state !== "cleared" && html`<${Standing} alert=${alert} />`}
          ${alert.state !== "cleared" && html`<${Life} alert=${alert} />`}
          ${alert.state !== "cleared" && alert.proposed_window && html`<${Window} window=${alert.proposed_window} />`}
          ${alert.state !== "cleared" && html`<${Parts} alert=${alert} />`}
          <${History} alert=${alert} />
          <${Actions} alert=${alert} />
        </div>
        <${Evidence} alert=${alert} />
        ${forecast && alert.state !== "cleared" && html`<div><h3>Failure within a time</h3><${FailureCurves} forecasts=${[forecast]} /></div>`}
      </div>
    </article>`;
}
