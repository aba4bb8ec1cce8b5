// Component demand by bucket as a distribution, and the purchase proposals that follow from it.

import { html, useMemo, useState } from "../vendor/preact-htm.js";
import { compact, dayShort, dayTime, number, percent, quantity, unitName, unitWord, words } from "../lib/format.js";
import { useDocument } from "../lib/store.js";
import { Card, Download, Empty, ShareBar, WithDocument } from "../parts/common.js";
import { DemandChart } from "../parts/demandchart.js";
import { ProposalList } from "../parts/proposals.js";

const runsOut = (item) => item.projected_on_hand.findIndex((v) => v < -1e-9);

function Cell({ item, bucket, top }) {
  const [p10, p50, p90, left] = [item.p10[bucket], item.p50[bucket], item.p90[bucket], item.projected_on_hand[bucket]];
  const short = left < -1e-9;
  const heat = top > 0 ? Math.sqrt(p50 / top) : 0;
  const unit = unitWord(item.unit);
  const said = `P10 ${number(p10)}, P50 ${number(p50)}, P90 ${number(p90)} ${unit}; left ${number(left)} ${unit}`;
  return html`
    <td class=${`cell num ${short ? "short" : ""}`} title=${said} style=${{ "--heat": `${Math.round(heat * 70)}%` }}>
      <span class=${p90 > 0 ? "" : "none"}>${p90 > 0 ? compact(p50) : "·"}</span>
      ${p90 > 0 && html`<small>${compact(p10)}–${compact(p90)}</small>`}
      ${short && html`<span class="sr">stock runs out</span>`}
    </td>`;
}

function peg({ kind, name }) {
  if (kind !== "failure") return `Order ${name}`;
  const [unit, mode] = name.split(".");
  return `Failure of ${unitName(unit)}, ${words(mode)}`;
}

function Detail({ item, demand, span }) {
  return html`
    <tr class="detail"><td colspan=${span}>
      <div class="columns">
        <div><h3>Demand and stock, ${unitWord(item.unit)}</h3><${DemandChart} item=${item} buckets=${demand.buckets} /></div>
        <div>
          <h3>What it is for</h3>
          ${item.pegging.length
            ? item.pegging.slice(0, 8).map((p) => html`<${ShareBar} key=${p.kind + p.name} share=${p.share} text=${percent(p.share)}
                label=${peg(p)} tone="long" />`)
            : html`<p class="muted">No demand within the horizon.</p>`}
        </div>
      </div>
    </td></tr>`;
}

function ItemRow({ item, demand, open, onToggle, top }) {
  const out = runsOut(item);
  return html`
    <tr class=${out >= 0 ? "runs-out" : ""}>
      <th scope="row" class="item">
        <button class="text" aria-expanded=${open ? "true" : "false"} onClick=${onToggle}>${item.item_id}</button>
        <span class="muted">${item.description}</span>
      </th>
      <td class="num right on-hand">${quantity(item.on_hand, item.unit)}</td>
      <td class="nowrap">${out >= 0 ? html`<span class="out"><span aria-hidden="true">▼</span> ${dayShort(demand.buckets[out])}</span>` : html`<span class="muted">covered</span>`}</td>
      ${demand.buckets.map((b, i) => html`<${Cell} key=${i} item=${item} bucket=${i} top=${top} />`)}
    </tr>
    ${open && html`<${Detail} item=${item} demand=${demand} span=${3 + demand.buckets.length} />`}`;
}

function Grid({ demand }) {
  const [filter, setFilter] = useState("");
  const [onlyShort, setOnlyShort] = useState(false);
  const [open, setOpen] = useState(null);
  const tops = useMemo(() => Object.fromEntries(demand.items.map((i) => [i.item_id, Math.max(...i.p50, 0)])), [demand]);
  const wanted = filter.trim().toLowerCase();
  const items = demand.items.filter((i) => (!onlyShort || runsOut(i) >= 0)
    && (!wanted || `${i.item_id} ${i.description}`.toLowerCase().includes(wanted)));
  const short = demand.items.filter((i) => runsOut(i) >= 0).length;
  return html`
    <${Card} title="Component demand" aside=${html`<span class="muted">P50 with P10–P90, by ${number(demand.bucket_h)} h, as of ${dayTime(demand.as_of)}</span><${Download} table="demand" />`}>
      <div class="row grid-tools">
        <label class="inline">Find <input type="search" placeholder="item or description" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
        <label class="inline check"><input type="checkbox" checked=${onlyShort} onChange=${(e) => setOnlyShort(e.target.checked)} /> only what runs out (${short})</label>
        <span class="muted num">${items.length} of ${demand.items.length} items</span>
      </div>
      <div class="scroll-x grid-scroll" tabindex="0" role="group" aria-label="Component grid">
        <table class="grid" id="component-grid">
          <thead><tr><th class="item">Item</th><th class="right">On hand</th><th>Runs out</th>
            ${demand.buckets.map((b) => html`<th key=${b} class="right nowrap">${dayShort(b)}</th>`)}</tr></thead>
          <tbody>
            ${items.map((item) => html`<${ItemRow} key=${item.item_id} item=${item} demand=${demand} top=${tops[item.item_id]}
              open=${open === item.item_id} onToggle=${() => setOpen(open === item.item_id ? null : item.item_id)} />`)}
          </tbody>
        </table>
        ${!items.length && html`<${Empty}>No item matches.<//>`}
      </div>
      <p class="hint">Large: the demand that is as likely exceeded as not (P50). Small: eight of ten futures lie between (P10–P90). Darker is nearer to the item's own highest day;
        a red line: the projected stock falls below zero. Choose an item for its stock over time and what needs it.</p>
    <//>`;
}

export function ComponentsView() {
  useDocument("plant");
  return html`
    <div class="toolbar"><h1>Components</h1></div>
    <${WithDocument} name="proposals" what="Purchase proposals">${(d) => html`<${ProposalList} proposals=${d.proposals} />`}<//>
    <${WithDocument} name="demand" what="Component demand">${(d) => html`<${Grid} demand=${d} />`}<//>`;
}
