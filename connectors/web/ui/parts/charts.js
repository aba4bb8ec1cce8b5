// Small charts of our own: failure curves, interval bars, time bars.

import { html, useLayoutEffect, useState } from "../vendor/preact-htm.js";
import { chance, duration, percent, unitName, words } from "../lib/format.js";

const SERIES = ["c1", "c2", "c3", "c4", "c5"];
export const seriesClass = (i) => SERIES[i % SERIES.length];

/** Width of an element, followed as it changes. */
export function useWidth(element) {
  const [width, set] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => set(Math.floor(entry.contentRect.width)));
    observer.observe(element.current);
    set(Math.floor(element.current.clientWidth));
    return () => observer.disconnect();
  }, []);
  return width;
}

/** P(failure within t) of some failure modes; the axis of time is logarithmic. */
export function FailureCurves({ forecasts }) {
  const [width, height, left, bottom, top, right] = [420, 210, 44, 34, 10, 12];
  const all = forecasts.flatMap((f) => f.horizon_h).filter((h) => h > 0);
  if (!all.length) return html`<p class="muted">No failure forecast for this work unit yet.</p>`;
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = Math.log(high / low) || 1;
  const x = (h) => left + (Math.log(h / low) / span) * (width - left - right);
  const y = (p) => top + (1 - p) * (height - top - bottom);
  const ticks = [...new Set(all)].sort((a, b) => a - b).filter((h) => [1, 2, 4, 8, 12, 24, 48, 72, 168].includes(h) && h !== 12);
  const path = (f) => f.horizon_h.map((h, i) => `${i ? "L" : "M"}${x(h).toFixed(1)} ${y(f.probability[i]).toFixed(1)}`).join("");
  return html`
    <figure class="chart">
      <svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label="Probability of failure within a time, by failure mode">
        ${[0, 0.25, 0.5, 0.75, 1].map((p) => html`
          <line class="grid" x1=${left} x2=${width - right} y1=${y(p)} y2=${y(p)} />
          <text x=${left - 7} y=${y(p) + 4} text-anchor="end">${percent(p).replace(" ", "")}</text>`)}
        ${ticks.map((h) => html`
          <line class="tick" x1=${x(h)} x2=${x(h)} y1=${y(0)} y2=${y(0) + 4} />
          <text x=${x(h)} y=${height - 15} text-anchor="middle">${h} h</text>`)}
        ${forecasts.map((f, i) => html`
          <path class=${`line ${seriesClass(i)} dash${i % 3}`} d=${path(f)}><title>${words(f.failure_mode)}</title></path>`)}
        <text class="axis" x=${(left + width - right) / 2} y=${height - 1} text-anchor="middle">from now on, calendar time</text>
      </svg>
      <figcaption>
        ${forecasts.map((f, i) => {
          const at24 = f.horizon_h.indexOf(24);
          return html`<span key=${f.failure_mode} class=${`key ${seriesClass(i)}`}>
            <svg width="22" height="8" aria-hidden="true"><path class=${`line dash${i % 3}`} d="M1 4H21" /></svg>
            ${words(f.failure_mode)}${at24 >= 0 && html` <b class="num">${chance(f.probability[at24])}</b> in 24 h`}
          </span>`;
        })}
      </figcaption>
    </figure>`;
}

/** An estimate with its interval on an axis that is symmetric about zero. */
export function DeltaBar({ delta, low, high, tone }) {
  const [width, height] = [80, 22];
  const reach = Math.max(Math.abs(low ?? delta), Math.abs(high ?? delta), 1e-12) * 1.08;
  const x = (v) => width / 2 + (v / reach) * (width / 2 - 4);
  return html`
    <svg class=${`delta ${tone}`} viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} aria-hidden="true">
      <line class="zero" x1=${width / 2} x2=${width / 2} y1="1" y2=${height - 1} />
      ${low !== null && high !== null && html`<rect x=${x(low)} y="7" width=${Math.max(2, x(high) - x(low))} height="8" rx="2" />`}
      <circle cx=${x(delta)} cy="11" r="4" />
    </svg>`;
}

/** Where the measured value lies beside the datasheet's, as a ratio on a common logarithmic axis. */
export function RatioBar({ value, low, high, nominal, reach }) {
  const [width, height] = [180, 20];
  if (!nominal || !(value / nominal > 0)) return null;
  const x = (v) => {
    const ratio = Math.log(Math.max(1e-9, v / nominal)) / Math.log(reach);
    return width / 2 + Math.max(-1, Math.min(1, ratio)) * (width / 2 - 5);
  };
  return html`
    <svg class="ratio" viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} aria-hidden="true">
      <line class="zero" x1=${width / 2} x2=${width / 2} y1="1" y2=${height - 1} />
      ${low !== null && high !== null && html`<rect x=${x(low)} y="7" width=${Math.max(2, x(high) - x(low))} height="6" rx="2" />`}
      <circle cx=${x(value)} cy="10" r="3.6" />
    </svg>`;
}

const TIME_PARTS = [
  ["production_s", "Production", "st-production"],
  ["setup_s", "Setup", "st-setup"],
  ["delay_s", "Starved, blocked or delayed", "st-blocked"],
  ["down_s", "Down or under repair", "st-down"],
  ["off_s", "Off shift", "st-off"],
];

/** ISO 22400 time elements of one work unit, as one stacked bar. */
export function TimeBar({ kpis, label = true }) {
  const total = TIME_PARTS.reduce((sum, [key]) => sum + kpis[key], 0) || 1;
  const said = TIME_PARTS.map(([key, name]) => `${name} ${duration(kpis[key])}`).join(", ");
  return html`
    <div class="timebar" role="img" aria-label=${`${unitName(kpis.id)}: ${said}`} title=${said}>
      <div class="timebar-track">
        ${TIME_PARTS.map(([key, name, cls]) => html`<i key=${key} class=${cls} style=${{ width: `${(100 * kpis[key]) / total}%` }}></i>`)}
      </div>
      ${label && html`<div class="keys">
        ${TIME_PARTS.filter(([key]) => kpis[key] > 0).map(([key, name, cls]) => html`
          <span key=${key} class=${`key ${cls}`}><i class="dot"></i>${name} <b class="num">${duration(kpis[key])}</b></span>`)}
      </div>`}
    </div>`;
}
