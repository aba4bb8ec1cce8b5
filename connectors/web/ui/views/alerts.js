// The alert inbox: what will fail, how long it has, why we think so, who takes care.

import { html, useState } from "../vendor/preact-htm.js";
import { chance, dayTime, unitName, words } from "../lib/format.js";
import { useDocument } from "../lib/store.js";
import { AlertCard } from "../parts/alertcard.js";
import { Card, Empty, ShareBar, WithDocument } from "../parts/common.js";

const FILTERS = { open: "Open", cleared: "Cleared", all: "All" };

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
      : html`<${Card}><${Empty}>${!forecasts ? "No alert yet: the first forecast is on its way."
        : filter === "open" ? "No open alert. One is raised when a machine is likely to fail within the horizon that the plant file names; below is who comes next." : "None yet."}<//><//>`}
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
