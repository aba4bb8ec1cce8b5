// The schedule as a Gantt chart: orders by product, due marks, late ones, maintenance.

import { html, useMemo, useState } from "../vendor/preact-htm.js";
import { count, dayShort, dayTime, duration, hourMinute, hours, minutesOfDay, number, percent, unitName, words } from "../lib/format.js";
import { seriesClass } from "../parts/charts.js";
import { Card, Download, Empty, Figure, WithDocument } from "../parts/common.js";
import { plantNow } from "../parts/topbar.js";

const ROW = 26;
const LABEL_W = 150;
const ZOOMS = { 9: "Days", 3: "Whole plan" }; // pixels of an hour
const HOURS_FROM = 6;
const HEAD = 34;
const ms = (t) => new Date(t).getTime();

function midnights(start, end) {
  const first = start - minutesOfDay(start) * 60_000;
  const days = [];
  for (let t = first; t < end; t += 86_400_000) {
    const m = minutesOfDay(t); // a change of summer time moves midnight by an hour
    days.push(m === 0 ? t : t + (m > 720 ? 1440 - m : -m) * 60_000);
  }
  return days.filter((t) => t >= start - 86_400_000);
}

const clipped = (text) => (text.length > 20 ? `${text.slice(0, 19)}…` : text);

const Label = ({ y, label, sub }) => html`
  <g transform=${`translate(0 ${y})`}>
    <line class="rule" x1="0" x2=${LABEL_W} y1=${ROW} y2=${ROW} />
    <text class="row-label" x="2" y="17">${clipped(label)}<title>${label}</title></text>
    <text class="row-sub num" x=${LABEL_W - 10} y="17" text-anchor="end">${sub}</text>
  </g>`;

const Row = ({ y, width, children }) => html`
  <g transform=${`translate(0 ${y})`}>
    <line class="rule" x1="0" x2=${width} y1=${ROW} y2=${ROW} />
    ${children}
  </g>`;

function OrderBar({ entry, x, cls }) {
  const [a, b] = [x(ms(entry.start_at)), x(ms(entry.end_at))];
  const setup = Math.min(b - a, x(ms(entry.start_at) + entry.setup_s * 1000) - a);
  const late = entry.late_h > 0;
  const said = `${entry.order_id}: ${count(entry.quantity)} ${entry.product}, ${dayTime(entry.start_at)} to ${dayTime(entry.end_at)}, setup ${duration(entry.setup_s)}${
    entry.due_at ? `, due ${dayTime(entry.due_at)}` : ""}${late ? `, ${hours(entry.late_h)} late` : ""}`;
  const due = entry.due_at ? x(ms(entry.due_at)) : null;
  return html`
    <g class=${`order ${cls} ${late ? "late" : ""}`} tabindex="0" role="img" aria-label=${said}>
      <title>${said}</title>
      <rect class="bar" x=${a} y="5" width=${Math.max(3, b - a)} height="16" rx="3" />
      ${setup > 1 && html`<rect class="setup" x=${a} y="5" width=${setup} height="16" rx="3" />`}
      ${due !== null && html`<path class="due" d=${`M${due} 4l4.5 9-4.5 9-4.5-9z`} />`}
      ${late && html`<text class="late-word" x=${b + 10} y="17">${hours(entry.late_h)} late</text>`}
    </g>`;
}

function Work({ task, x }) {
  const [a, b] = [x(ms(task.start_at)), x(ms(task.end_at))];
  const said = `Maintenance: ${unitName(task.work_unit)}, ${words(task.failure_mode) || "planned"}, ${dayTime(task.start_at)} to ${dayTime(task.end_at)}`;
  return html`
    <g class="work" tabindex="0" role="img" aria-label=${said}>
      <title>${said}</title>
      <rect x=${a} y="5" width=${Math.max(5, b - a)} height="16" rx="3" />
      <text x=${Math.max(5, b - a) + a + 6} y="17">${words(task.failure_mode)} ${hourMinute(task.start_at)}</text>
    </g>`;
}

function Gantt({ schedule, products, hourW }) {
  const entries = useMemo(() => [...schedule.entries].sort((a, b) => a.start_at.localeCompare(b.start_at)), [schedule]);
  const works = Object.entries(grouped(schedule.maintenance));
  const times = [...entries, ...schedule.maintenance].flatMap((e) => [ms(e.start_at), ms(e.end_at)]);
  const now = plantNow() || ms(schedule.as_of);
  const start = Math.min(...times, ms(schedule.as_of)) - 3_600_000;
  const end = Math.max(...times, ...entries.filter((e) => e.due_at).map((e) => ms(e.due_at))) + 8 * 3_600_000;
  const x = (t) => ((t - start) / 3_600_000) * hourW;
  const width = x(end);
  const rows = [
    ...works.map(([unit, tasks]) => ({ id: unit, label: unitName(unit), sub: "", bars: tasks.map((t) => html`<${Work} task=${t} x=${x} />`) })),
    ...entries.map((e) => ({ id: e.order_id, label: e.order_id, sub: count(e.quantity),
      bars: html`<${OrderBar} entry=${e} x=${x} cls=${seriesClass(Math.max(0, products.indexOf(e.product)))} />` })),
  ];
  const height = HEAD + rows.length * ROW + 6;
  const size = (w) => ({ width: w, height, viewBox: `0 0 ${w} ${height}` });
  return html`
    <div class="scroll-x gantt-frame" tabindex="0" role="group" aria-label="Gantt chart">
      <svg class="gantt labels" ...${size(LABEL_W)}>
        ${rows.map((r, i) => html`<${Label} key=${r.id} y=${HEAD + i * ROW} label=${r.label} sub=${r.sub} />`)}
      </svg>
      <svg class="gantt" id="gantt" ...${size(width)}>
        <${Axis} start=${start} end=${end} x=${x} height=${height} hours=${hourW >= HOURS_FROM} />
        ${rows.map((r, i) => html`<${Row} key=${r.id} y=${HEAD + i * ROW} width=${width}>${r.bars}<//>`)}
        ${now > start && now < end && html`<line class="now" x1=${x(now)} x2=${x(now)} y1="20" y2=${height} />`}
      </svg>
    </div>`;
}

const DAY_NAME_W = 50;

const Axis = ({ start, end, x, height, hours: named }) => midnights(start, end).map((t, i, days) => html`
  <g key=${t}>
    ${t > start && html`<line class="day" x1=${x(t)} x2=${x(t)} y1="0" y2=${height} />`}
    ${x(days[i + 1] || end) - Math.max(0, x(t)) > DAY_NAME_W && html`
      <text class="day-name" x=${Math.max(0, x(t)) + 5} y="12">${dayShort(Math.max(t, start))}</text>`}
    ${(named ? [6, 12, 18] : []).map((h) => t + h * 3_600_000).filter((u) => u > start + 1_800_000 && u < end).map((u) => html`
      <line class="hour" x1=${x(u)} x2=${x(u)} y1="28" y2=${height} />
      <text class="hour-name num" x=${x(u)} y="26" text-anchor="middle">${hourMinute(u).slice(0, 2)}</text>`)}
  </g>`);

function grouped(tasks) {
  const groups = {};
  tasks.forEach((t) => (groups[t.work_unit] ||= []).push(t));
  return groups;
}

const QUALITY = { optimal: "Proved best", feasible: "Good plan" };

/** What bound and gap mean, for who has never met a solver. */
const Quality = ({ schedule: s }) => html`
  <details class="hint"><summary>What objective, bound and gap say</summary>
    <p>The plan is scored: late orders count most, weighted by their priority, then the end of the last work and the
      changeovers. Its score, the objective, is <b class="num">${number(s.objective, 4)}</b>; less is better. It is proved that no plan scores below the
      bound of <b class="num">${number(s.bound, 4)}</b>. The gap between them${s.gap === null ? "" : html`, <b class="num">${percent(s.gap, 1)}</b>,`} is the most that a
      better plan could still save. “Proved best” means that there is no gap. A second, independent program has checked the plan:
      ${s.violations.length ? html` <b>it found ${s.violations.length} broken rules.</b>` : " no rule is broken."}</p>
  </details>`;

const Late = ({ late }) => html`
  <${Card} title=${late.length === 1 ? "One order is late" : `${count(late.length)} orders are late`}>
    <ul class="list">
      ${[...late].sort((a, b) => b.late_h - a.late_h).map((e) => html`
        <li key=${e.order_id}><span><strong>${e.order_id}</strong> ${count(e.quantity)} ${e.product}</span>
          <span><b class="overdue">${hours(e.late_h)} late</b> <span class="muted">due ${dayTime(e.due_at)}, done ${dayTime(e.end_at)}</span></span></li>`)}
    </ul>
  <//>`;

function Plan({ schedule }) {
  const [hourW, setHourW] = useState(9);
  const products = [...new Set(schedule.entries.map((e) => e.product))].sort();
  const late = schedule.entries.filter((e) => e.late_h > 0);
  const last = schedule.entries.reduce((t, e) => Math.max(t, ms(e.end_at)), 0);
  return html`
    <dl class="figures">
      <${Figure} label="Orders" value=${count(schedule.entries.length)} note=${`as of ${dayTime(schedule.as_of)}`} />
      <${Figure} label="Late" value=${count(late.length)} tone=${late.length ? "hot" : ""}
        note=${late.length ? `worst ${hours(Math.max(...late.map((e) => e.late_h)))}` : "every due date is met"} />
      <${Figure} label="Finished" value=${last ? dayTime(last) : "–"} tone="textual" note="last order" />
      <${Figure} label="Maintenance" value=${count(schedule.maintenance.length)} note=${schedule.maintenance.length === 1 ? "planned task" : "planned tasks"} />
      <${Figure} label="How good" value=${QUALITY[schedule.status] || schedule.status} tone="textual"
        note=${schedule.gap > 0 ? `at most ${percent(schedule.gap, 1)} from the best plan` : ""} />
    </dl>
    <${Quality} schedule=${schedule} />
    ${late.length > 0 && html`<${Late} late=${late} />`}
    ${schedule.violations.length > 0 && html`
      <div class="problem" role="alert"><strong>The independent checker disagrees:</strong>
        <ul>${schedule.violations.map((v) => html`<li key=${v}>${v}</li>`)}</ul></div>`}
    <${Card} title="Orders and maintenance" aside=${html`
      <div class="keys">
        ${products.map((p, i) => html`<span key=${p} class=${`key ${seriesClass(i)}`}><i class="dot"></i>${p}</span>`)}
        <span class="key"><svg width="10" height="18" aria-hidden="true"><path class="due-key" d="M5 1l4 8-4 8-4-8z" /></svg>due</span>
        <span class="key"><i class="dot work-key"></i>maintenance</span>
        <span class="key"><i class="now-key"></i>now</span>
      </div>
      <div class="segmented" role="group" aria-label="Scale">
        ${Object.entries(ZOOMS).reverse().map(([w, label]) => html`
          <button key=${w} aria-pressed=${hourW === Number(w) ? "true" : "false"} onClick=${() => setHourW(Number(w))}>${label}</button>`)}
      </div><${Download} table="schedule" />`}>
      ${schedule.entries.length || schedule.maintenance.length
        ? html`<${Gantt} schedule=${schedule} products=${products} hourW=${hourW} />`
        : html`<${Empty}>No open order.<//>`}
    <//>`;
}

export const ScheduleView = () => html`
  <div class="toolbar"><h1>Schedule</h1></div>
  <${WithDocument} name="schedule" what="The schedule">${(d) => html`<${Plan} schedule=${d} />`}<//>`;
