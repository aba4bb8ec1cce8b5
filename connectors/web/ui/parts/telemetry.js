// How telemetry reaches the stores: sources, spool, stores, and what was lost on the way.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { clock, count, day, dayTime, duration, number } from "../lib/format.js";
import { Card, Empty } from "./common.js";

const EVERY_MS = 2000;
const MIB = 1024 * 1024;

/** The document, asked for again and again while somebody looks. */
function useTelemetry() {
  const [found, set] = useState({ telemetry: null, failure: null });
  useEffect(() => {
    let gone = false;
    const ask = () => api.document("telemetry").then(
      (telemetry) => { if (!gone) set({ telemetry, failure: null }); },
      (problem) => { if (!gone) set((before) => ({ ...before, failure: problem })); },
    );
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => { gone = true; clearInterval(timer); };
  }, []);
  return found;
}

function State({ source: s }) {
  if (!s.connected && !s.error) return html`<span class="tag">connecting</span>`;
  if (!s.connected) return html`<span class="tag failed">not connected</span>`;
  if (!s.subscribed) return html`<span class="tag failed">signals missing</span>`;
  if (s.clock_skew_s !== null) {
    return html`<span class="tag failed">clock ${duration(Math.abs(s.clock_skew_s))} ${s.clock_skew_s > 0 ? "ahead" : "behind"}</span>`;
  }
  return html`<span class="tag done">connected</span>`;
}

const Sources = ({ sources }) => html`
  <div class="scroll-x">
    <table class="plain">
      <thead><tr><th>Source</th><th>Kind</th><th>State</th><th class="right">Received</th><th class="right">Stored</th><th class="right">Seen before</th>
        <th class="right">Waiting</th><th class="right">Dead letters</th><th class="right">Gaps</th><th>Last sample</th></tr></thead>
      <tbody>
        ${sources.map((s) => html`
          <tr key=${s.name}>
            <th scope="row">${s.name}</th><td>${s.kind}</td>
            <td><${State} source=${s} />${s.error && html`<div class="problem-text">${s.error}</div>`}</td>
            <td class="num right">${count(s.received)}</td><td class="num right">${count(s.stored)}</td><td class="num right">${count(s.duplicates)}</td>
            <td class="num right">${count(s.waiting)}</td><td class="num right">${count(s.rejected + s.refused)}</td><td class="num right">${count(s.gaps)}</td>
            <td class="num nowrap">${s.last_at ? `${day(s.last_at)}, ${clock(s.last_at)}` : "–"}</td>
          </tr>`)}
      </tbody>
    </table>
  </div>`;

const Stores = ({ stores, spool }) => html`
  <ul class="stores">
    ${stores.map((s) => html`
      <li key=${s.name}><strong>${s.name}</strong> ${s.error
        ? html`<span class="tag failed">takes nothing</span> <span class="problem-text">${s.error}</span>`
        : html`<span class="tag done">${s.behind > 50 ? `${count(s.behind)} records behind` : "up to date"}</span>`}</li>`)}
    <li><strong>spool</strong> <span class="num">${number(spool.bytes / MIB)}</span> of ${count(spool.quota_bytes / MIB)} MiB
      ${spool.error && html`<span class="problem-text">${spool.error}</span>`}</li>
  </ul>`;

const Gaps = ({ gaps }) => html`
  <h3>What could not be recovered</h3>
  <div class="scroll-x">
    <table class="plain">
      <thead><tr><th>Source</th><th class="right">Signals</th><th>From</th><th>Until</th><th>Why</th></tr></thead>
      <tbody>
        ${gaps.toReversed().map((g, i) => html`
          <tr key=${i}><th scope="row">${g.source}</th><td class="num right">${count(g.signals)}</td>
            <td class="nowrap">${g.start ? dayTime(g.start) : "–"}</td><td class="nowrap">${g.end ? dayTime(g.end) : "–"}</td><td>${g.reason}</td></tr>`)}
      </tbody>
    </table>
  </div>`;

export function Telemetry() {
  const { telemetry, failure } = useTelemetry();
  if (!telemetry) {
    return html`<${Card} title="Telemetry">${failure && failure.code !== "not-ready"
      ? html`<div class="problem" role="alert">${failure.message}</div>` : html`<${Empty} busy>Waiting for the stores<//>`}<//>`;
  }
  return html`
    <${Card} title="Telemetry">
      <${Sources} sources=${telemetry.sources} />
      <${Stores} stores=${telemetry.stores} spool=${telemetry.spool} />
      ${telemetry.gaps.length > 0 && html`<${Gaps} gaps=${telemetry.gaps} />`}
    <//>`;
}
