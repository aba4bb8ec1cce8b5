// The live line as one SVG: machines, buffers, parts on the move.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { chance, count, duration, quantity } from "../lib/format.js";
import { StateGlyph, stateClass, stateLabel } from "../lib/states.js";
import { useWidth } from "./charts.js";
import { BLOCK, layout, twoLines } from "./layout.js";

const MAX_SLOTS = 12;

function Buffer({ place, level, capacity }) {
  const slots = Math.min(MAX_SLOTS, Math.max(1, capacity));
  const filled = level === null || capacity === 0 ? 0 : Math.round((level / capacity) * slots);
  const height = Math.min(84, slots * 12);
  const slot = height / slots;
  const label = level === null ? "?" : `${level}/${capacity}`;
  return html`
    <g class=${`buffer ${level !== null && level >= capacity ? "full" : ""}`} transform=${`translate(${place.x - 9} ${place.y - height / 2})`}>
      <title>${`Buffer ${place.zone.id}: ${level ?? "unknown"} of ${capacity}`}</title>
      <rect class="case" x="-3" y="-3" width="24" height=${height + 6} rx="4" />
      ${Array.from({ length: slots }, (_, i) => html`
        <rect key=${i} class=${slots - 1 - i < filled ? "slot on" : "slot"} x="0" y=${i * slot + 1} width="18" height=${slot - 2} rx="1.5" />`)}
      <text x="9" y=${height + 17} text-anchor="middle">${label}</text>
    </g>`;
}

/** A part that leaves a machine: drawn anew, and so moved anew, at every count. */
function Token({ place, made }) {
  const [seen, remember] = useState(made);
  useEffect(() => remember(made), [made]);
  if (made === null || (made === seen && seen !== null)) return null;
  return html`<circle key=${made} class="token" cx=${place.from.x + 2} cy=${place.from.y} r="4.5" />`;
}

function Block({ place, unit, risk, bottleneck, selected, asOf, onSelect }) {
  const { x, y } = place;
  const state = unit?.state || "unknown";
  const name = twoLines(place.unit.name, 19, risk ? 12 : 19);
  const since = unit?.since ? duration((new Date(asOf) - new Date(unit.since)) / 1000) : "";
  const choose = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onSelect(place.unit.id);
  };
  const said = `${place.unit.name}: ${stateLabel(state)}${unit?.product ? `, ${unit.product}` : ""}, ${count(unit?.good_count)} good${
    risk ? `, alert: ${risk.name}` : ""}${bottleneck ? ", bottleneck" : ""}`;
  return html`
    <g class=${`machine ${stateClass(state)} ${selected ? "selected" : ""}`} transform=${`translate(${x} ${y})`}
       role="button" tabindex="0" aria-label=${said} aria-expanded=${selected ? "true" : "false"} data-unit=${place.unit.id}
       onClick=${choose} onKeyDown=${choose}>
      <rect class="body" width=${BLOCK.width} height=${BLOCK.height} rx="8" />
      <path class="edge" d=${`M8 0H${BLOCK.width - 8}A8 8 0 0 1 ${BLOCK.width} 8V26H0V8A8 8 0 0 1 8 0z`} />
      <${StateGlyph} state=${state} x=${10} y=${7} size=${12} />
      <text class="state" x="27" y="17">${stateLabel(state)}</text>
      <text class="since num" x=${BLOCK.width - 10} y="17" text-anchor="end">${since}</text>
      <text class="name" x="11" y="44">${name[0]}</text>
      ${name[1] && html`<text class="name" x="11" y="59">${name[1]}</text>`}
      <text class="order" x="11" y="79">${unit?.product ? `${unit.product}${unit.order ? `  ${unit.order}` : ""}` : "no order"}</text>
      <text class="made num" x="11" y="118">${count(unit?.good_count)}</text>
      <text class="made-word" x="11" y="97">good in total</text>
      ${unit?.reject_count > 0 && html`<text class="rejects num" x=${BLOCK.width - 11} y="97" text-anchor="end">${count(unit.reject_count)} bad</text>`}
      <text class="power num" x=${BLOCK.width - 11} y="118" text-anchor="end">${unit?.power_w === null || unit?.power_w === undefined ? "" : quantity(unit.power_w, "W", 2)}</text>
      ${bottleneck && html`
        <g class="neck" transform=${`translate(${BLOCK.width / 2 - 42} -19)`}>
          <title>Works the greatest share of its planned time</title>
          <rect width="84" height="16" rx="8" />
          <text x="42" y="12" text-anchor="middle">bottleneck</text>
        </g>`}
      ${risk && html`
        <g class="risk" transform=${`translate(${BLOCK.width - 54} 32)`}>
          <title>${`${risk.name}: ${chance(risk.probability)} within ${risk.horizon_h} h`}</title>
          <rect width="46" height="18" rx="9" />
          <text class="num" x="23" y="13" text-anchor="middle">${chance(risk.probability).replaceAll(" ", "")}</text>
        </g>`}
    </g>`;
}

export function LineMap({ plant, line, alerts, bottleneck, selected, onSelect }) {
  const frame = useRef(null);
  const width = useWidth(frame);
  const drawn = useMemo(() => (width ? layout(plant, width) : null), [plant, width]);
  const units = Object.fromEntries(line.units.map((u) => [u.id, u]));
  const zones = Object.fromEntries(line.zones.map((z) => [z.id, z]));
  const risks = {};
  alerts.filter((a) => a.state !== "cleared").forEach((a) => {
    if (!risks[a.work_unit] || risks[a.work_unit].probability < a.probability) risks[a.work_unit] = a;
  });
  return html`
    <div class="linemap" id="live-line" ref=${frame}>
      ${drawn && html`
        <svg viewBox=${`0 0 ${drawn.width} ${drawn.height}`} width=${drawn.width} height=${drawn.height} role="group" aria-label="Live line, in flow order">
          ${drawn.buffers.map((b) => html`<path key=${b.zone.id} class="conveyor" d=${b.path} />`)}
          ${drawn.buffers.map((b) => html`<${Token} key=${b.zone.id} place=${b} made=${units[b.zone.upstream]?.good_count ?? null} />`)}
          ${drawn.buffers.map((b) => html`
            <${Buffer} key=${b.zone.id} place=${b} level=${zones[b.zone.id]?.level ?? null} capacity=${b.zone.capacity} />`)}
          ${drawn.blocks.map((b) => html`
            <${Block} key=${b.unit.id} place=${b} unit=${units[b.unit.id]} risk=${risks[b.unit.id]} bottleneck=${bottleneck === b.unit.id} asOf=${line.as_of}
              selected=${selected === b.unit.id} onSelect=${onSelect} />`)}
        </svg>`}
    </div>`;
}
