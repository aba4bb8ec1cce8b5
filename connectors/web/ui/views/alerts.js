// The alert inbox: what will fail, how long it has, why we think so, who takes care.

import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { chance, dayTime, duration, hours, percent, unitName, words } from "../lib/format.js";
import { load } from "../lib/live.js";
import { update, useDocument } from "../lib/store.js";
import { Card, DecisionForm, Empty, ShareBar, WithDocument } from "../parts/common.js";
import { FailureCurves } from "../parts/charts.js";
import { plantNow } from "../parts/topbar.js";

const STATE_WORDS = { raised: "Raised", acknowledged: "Acknowledged", cleared: "Cleared" };
const FILTERS = { open: "Open", cleared: "Cleared", all: "All" };

function Life({ alert }) {
  const { p10, p50, p90 } = alert.remaining_life_h;
  const reach = Math.max(alert.horizon_h, p90 || 0, p50 || 0, 1);
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

const passed = (window) => new Date(window.start_at).getTime() + 1000 * window.duration_s < (plantNow() || 0);

function Actions({ alert }) {
  const [doing, set] = useState(null);
  const close = () => set(null);
  const refreshed = async (call) => { await call; load("alerts"); };
  if (doing === "acknowledge") {
    return html`<${DecisionForm} verb="Acknowledge" onClose=${close} onDecide=${(body) => refreshed(api.acknowledge(alert.alert_id, body))} />`;
  }
  if (doing === "clear") {
    return html`<${DecisionForm} verb="Clear" whyNeeded onClose=${close} onDecide=${(body) => refreshed(api.clear(alert.alert_id, body))} />`;
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

function AlertCard({ alert, forecast }) {
  const evidence = Object.entries(alert.evidence).sort((a, b) => b[1] - a[1]).slice(0, 6);
  const window = alert.proposed_window;
  return html`
    <article class=${`card alert ${alert.state}`} data-alert=${alert.alert_id}>
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
          ${alert.state !== "cleared" && html`<${Life} alert=${alert} />`}
          ${window && html`<p class="window"><span class="muted">Cheapest window for the work</span>
            <strong>${dayTime(window.start_at)}</strong>, ${duration(window.duration_s)}${passed(window) ? html` <span class="muted">(has passed)</span>` : ""}</p>`}
          <${History} alert=${alert} />
          <${Actions} alert=${alert} />
        </div>
        <div>
          <h3>Why we think so</h3>
          ${evidence.length
            ? evidence.map(([name, share]) => html`<${ShareBar} key=${name} label=${words(name)} share=${share} text=${percent(share)} />`)
            : html`<p class="muted">From the running time alone; no condition signal speaks yet.</p>`}
        </div>
        ${forecast && alert.state !== "cleared" && html`<div><h3>Failure within a time</h3><${FailureCurves} forecasts=${[forecast]} /></div>`}
      </div>
    </article>`;
}

function Inbox({ alerts }) {
  const [filter, set] = useState("open");
  const forecasts = useDocument("forecasts");
  const wanted = alerts.filter((a) => filter === "all" || (filter === "open") === (a.state !== "cleared"));
  const order = { raised: 0, acknowledged: 1, cleared: 2 };
  wanted.sort((a, b) => (order[a.state] ?? 3) - (order[b.state] ?? 3) || b.probability - a.probability);
  return html`
    <div class="toolbar">
      <h1>Alerts</h1>
      <div class="segmented" role="group" aria-label="Which alerts">
        ${Object.entries(FILTERS).map(([key, label]) => html`
          <button key=${key} aria-pressed=${filter === key ? "true" : "false"} onClick=${() => set(key)}>${label}</button>`)}
      </div>
    </div>
    ${wanted.length
      ? wanted.map((a) => html`<${AlertCard} key=${a.alert_id} alert=${a}
          forecast=${forecasts?.forecasts.find((f) => f.work_unit === a.work_unit && f.failure_mode === a.failure_mode)} />`)
      : html`<${Card}><${Empty}>Nothing here. ${filter === "open" ? "No failure is likely soon." : ""}<//><//>`}
    <${Risks} forecasts=${forecasts} />`;
}

function Risks({ forecasts }) {
  if (!forecasts) return null;
  const within24h = (f) => f.probability[f.horizon_h.indexOf(24)] ?? f.probability.at(-1) ?? 0;
  const ranked = [...forecasts.forecasts].sort((a, b) => within24h(b) - within24h(a)).slice(0, 10);
  return html`
    <${Card} title="Most likely to fail within 24 h" aside=${html`<span class="muted">as of ${dayTime(forecasts.as_of)}</span>`}>
      ${ranked.map((f) => html`<${ShareBar} key=${`${f.work_unit}${f.failure_mode}`} share=${within24h(f)} text=${chance(within24h(f))}
        label=${`${unitName(f.work_unit)}: ${words(f.failure_mode)}`} tone="long" />`)}
    <//>`;
}

export const AlertsView = () => html`
  <${WithDocument} name="alerts" what="Alerts">${(d) => html`<${Inbox} alerts=${d.alerts} />`}<//>`;
