// What needs somebody now: drawn from every document, the gravest first, each with the way to it.

import { html } from "../vendor/preact-htm.js";
import { chance, count, dayTime, duration, hours, percent, unitName } from "../lib/format.js";
import { update, useDocument } from "../lib/store.js";
import { stateLabel } from "../lib/states.js";
import { Card } from "./common.js";

const SHOWN = 6;
const STOPPED = ["down", "repair"];

const soon = (alert) => alert.remaining_life_h.p50 ?? alert.remaining_life_h.p10 ?? Infinity;

function ofAlerts(alerts) {
  return alerts.filter((a) => a.state !== "cleared").sort((a, b) => soon(a) - soon(b)).map((a) => ({
    tone: a.state === "raised" ? "bad" : "warn",
    what: `${unitName(a.work_unit)}: ${a.name}`,
    why: `${chance(a.probability)} to fail within ${hours(a.horizon_h)}${Number.isFinite(soon(a)) ? `, about ${hours(soon(a))} left` : ""}${
      a.state === "acknowledged" ? `; ${a.acknowledged_by} takes care` : ""}`,
    to: "alerts",
    alert: a.alert_id,
    action: a.state === "raised" ? "See why and decide" : "Show",
  }));
}

function ofLine(line) {
  const stopped = line.units.filter((u) => STOPPED.includes(u.state)).map((u) => ({
    tone: "bad",
    what: `${u.name}: ${stateLabel(u.state).toLowerCase()}`,
    why: u.since ? `for ${duration((new Date(line.as_of) - new Date(u.since)) / 1000)}` : "",
    unit: u.id,
    action: "Show the machine",
  }));
  const silent = line.sources.filter((s) => !s.connected).map((s) => ({
    tone: "bad", what: `No data from source “${s.name}”`, why: s.error || "not connected", to: "system", action: "Show",
  }));
  return [...stopped, ...silent];
}

function ofSchedule(schedule) {
  const late = schedule.entries.filter((e) => e.late_h > 0).sort((a, b) => b.late_h - a.late_h);
  if (!late.length) return [];
  return [{
    tone: "warn",
    what: late.length === 1 ? "One order will be late" : `${count(late.length)} orders will be late`,
    why: `worst ${late[0].order_id}, ${hours(late[0].late_h)}`,
    to: "schedule",
    action: "Show the schedule",
  }];
}

function ofProposals(proposals) {
  const open = proposals.filter((p) => p.state === "proposed");
  const tooLate = open.filter((p) => p.expected_at > p.due_at);
  if (!tooLate.length) return [];
  const first = tooLate.reduce((a, b) => (a.due_at < b.due_at ? a : b));
  return [{
    tone: "warn",
    what: tooLate.length === 1 ? "One component comes too late" : `${count(tooLate.length)} purchases come too late`,
    why: `even if ordered now; the first is ${first.item_id}, needed ${dayTime(first.due_at)}`,
    to: "components",
    action: `Decide on ${count(open.length)}`,
  }];
}

const ofHealth = (health) => Object.entries(health.steps).filter(([, s]) => s.state === "failed").map(([name, s]) => ({
  tone: "warn", what: `Step “${name}” failed`, why: s.detail || "", to: "system", action: "Show",
}));

function Item({ item }) {
  const show = () => {
    if (item.unit) update({ selectedUnit: item.unit });
    else {
      update({ wantedAlert: item.alert || null });
      location.hash = `#${item.to}`;
    }
  };
  return html`
    <li class=${item.tone}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">${item.tone === "bad"
        ? html`<path d="M6 .5l5.8 10.5H.2zM5.4 4v3.6h1.2V4zm0 4.4v1.2h1.2V8.4z" fill-rule="evenodd" />`
        : html`<circle cx="6" cy="6" r="4" />`}</svg>
      <span class="sr">${item.tone === "bad" ? "Urgent:" : "Watch:"}</span>
      <div><strong>${item.what}</strong> <span class="muted">${item.why}</span></div>
      <button class="text" onClick=${show}>${item.action}</button>
    </li>`;
}

export function Attention({ line }) {
  const [alerts, schedule, proposals, health, kpis] =
    ["alerts", "schedule", "proposals", "health", "kpis"].map((name) => useDocument(name));
  const items = [
    ...ofLine(line), ...(alerts ? ofAlerts(alerts.alerts) : []), ...(schedule ? ofSchedule(schedule) : []),
    ...(proposals ? ofProposals(proposals.proposals) : []), ...(health ? ofHealth(health) : []),
  ].sort((a, b) => (a.tone === "bad" ? 0 : 1) - (b.tone === "bad" ? 0 : 1));
  return html`
    <${Card} title="What needs attention" className="attention">
      ${items.length
        ? html`<ul>${items.slice(0, SHOWN).map((item) => html`<${Item} key=${item.what} item=${item} />`)}</ul>`
        : html`<p class="calm">Nothing: no failure is likely soon, every source delivers${schedule ? ", every order is in time" : ""}.</p>`}
      ${items.length > SHOWN && html`<p class="note">and ${items.length - SHOWN} more</p>`}
      <${Bottleneck} kpis=${kpis} />
    <//>`;
}

function Bottleneck({ kpis }) {
  const unit = kpis?.units.find((u) => u.id === kpis.line.bottleneck);
  if (!unit || !unit.planned_busy_s) return null;
  return html`
    <p class="bottleneck"><span class="flag">Bottleneck</span> <strong>${unitName(unit.id)}</strong>
      <span class="muted"> had work for ${percent(1 - unit.delay_s / unit.planned_busy_s)} of its planned time since ${dayTime(kpis.from)}, more than any other machine: what it gains, the line gains.</span></p>`;
}
