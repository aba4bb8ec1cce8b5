// Demand of one item by bucket (P10 to P90, P50) and the stock that is left.

import { html } from "../vendor/preact-htm.js";
import { compact, dayShort } from "../lib/format.js";

export function DemandChart({ item, buckets }) {
  const [width, height, left, bottom, top] = [520, 190, 48, 24, 10];
  const values = [...item.p90, ...item.projected_on_hand, item.on_hand, 0];
  const [low, high] = [Math.min(...values), Math.max(...values) || 1];
  const y = (v) => top + ((high - v) / (high - low || 1)) * (height - top - bottom);
  const step = (width - left - 6) / Math.max(1, buckets.length);
  const x = (i) => left + i * step;
  const stock = item.projected_on_hand.map((v, i) => `${i ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return html`
    <figure class="chart">
      <svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`Demand and projected stock of ${item.item_id}`}>
        ${[low, 0, high].filter((v, i, all) => all.indexOf(v) === i).map((v) => html`
          <line class=${v === 0 ? "axis-line" : "grid"} x1=${left} x2=${width} y1=${y(v)} y2=${y(v)} />
          <text x=${left - 6} y=${y(v) + 4} text-anchor="end">${compact(v)}</text>`)}
        ${buckets.map((b, i) => html`
          <g key=${b}>
            <rect class="p50" x=${x(i) + step * 0.2} width=${step * 0.6} y=${y(item.p50[i])} height=${Math.max(0, y(0) - y(item.p50[i]))} />
            <line class="whisker" x1=${x(i) + step / 2} x2=${x(i) + step / 2} y1=${y(item.p10[i])} y2=${y(item.p90[i])} />
            ${i % 2 === 0 && html`<text x=${x(i) + step / 2} y=${height - 6} text-anchor="middle">${dayShort(b)}</text>`}
          </g>`)}
        <path class="line c3" d=${`M${x(0)} ${y(item.on_hand).toFixed(1)}${stock.replace("M", "L")}`} />
      </svg>
      <figcaption>
        <span class="key c1"><i class="dot"></i>demand P50, whisker P10–P90</span>
        <span class="key c3"><svg width="22" height="8" aria-hidden="true"><path class="line" d="M1 4H21" /></svg>stock that is left</span>
      </figcaption>
    </figure>`;
}
