// The line as it is: figures, the map, and the machine that was chosen.

import { html } from "../vendor/preact-htm.js";
import { count, number, percent } from "../lib/format.js";
import { STATES, StatePill } from "../lib/states.js";
import { update, useDocument, useStore } from "../lib/store.js";
import { Attention } from "../parts/attention.js";
import { Card, Figure, WithDocument } from "../parts/common.js";
import { LineMap } from "../parts/linemap.js";
import { MachinePanel } from "../parts/machine.js";

const selectUnit = (s) => s.selectedUnit;
const choose = (id) => update({ selectedUnit: id });

function close(id) {
  choose(null);
  document.querySelector(`[data-unit="${id}"]`)?.focus(); // back to where the reader came from
}

function Figures({ line }) {
  const kpis = useDocument("kpis");
  const alerts = useDocument("alerts");
  const open = alerts ? alerts.alerts.filter((a) => a.state !== "cleared") : null;
  const parts = line.zones.reduce((sum, z) => sum + (z.level || 0), 0);
  const producing = line.units.filter((u) => u.state === "production").length;
  const power = line.units.reduce((sum, u) => sum + (u.power_w || 0), 0);
  return html`
    <dl class="figures">
      <${Figure} label="Throughput" value=${`${number(line.throughput_per_h)} /h`} note="now" />
      <${Figure} label="OEE" value=${percent(kpis?.line.oee, 1)} note="last 8 h" />
      <${Figure} label="Quality" value=${percent(kpis?.line.quality_ratio, 1)}
        note=${kpis ? `${count(kpis.line.rejected)} rejected, 8 h` : "last 8 h"} />
      <${Figure} label="Producing" value=${`${producing} of ${line.units.length}`} note="work units" />
      <${Figure} label="In buffers" value=${count(parts)} note="parts" />
      <${Figure} label="Power" value=${`${number(power / 1000)} kW`} note="whole line" />
      <${Figure} label="Alerts" value=${open ? open.length : "–"} note="open" tone=${open?.length ? "hot" : ""} />
    </dl>`;
}

const Legend = ({ line }) => html`
  <div class="legend" aria-label="States">
    ${STATES.filter((s) => line.units.some((u) => u.state === s)).map((s) => html`<${StatePill} key=${s} state=${s} />`)}
  </div>`;

function Map({ line }) {
  const alerts = useDocument("alerts");
  const kpis = useDocument("kpis");
  const selected = useStore(selectUnit);
  const unit = line.units.find((u) => u.id === selected);
  return html`
    <h1 class="sr">Line</h1>
    <${Attention} line=${line} />
    <${Figures} line=${line} />
    <${Card} title="Live line" aside=${html`<${Legend} line=${line} />`}>
      <${WithDocument} name="plant" what="Plant">
        ${(plant) => html`<${LineMap} plant=${plant} line=${line} alerts=${alerts?.alerts || []} selected=${selected}
          bottleneck=${kpis?.line.bottleneck} onSelect=${(id) => choose(id === selected ? null : id)} />`}
      <//>
    <//>
    ${unit
      ? html`<${MachinePanel} key=${unit.id} unit=${unit} asOf=${line.as_of} onClose=${() => close(unit.id)} />`
      : html`<p class="hint">Choose a machine to see its signals, figures and failure curves.</p>`}`;
}

export const LineView = () => html`
  <${WithDocument} name="line" what="The live line">${(line) => html`<${Map} line=${line} />`}<//>`;
