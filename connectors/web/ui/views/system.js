// The product itself: steps of the chain, telemetry, the ledger.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { dayTime, duration, number, unitName, words } from "../lib/format.js";
import { STEP_MARK, STEP_WORDS } from "../lib/steps.js";
import { useDocument } from "../lib/store.js";
import { Card, Empty, WithDocument } from "../parts/common.js";
import { Telemetry } from "../parts/telemetry.js";


const Steps = ({ health }) => html`
  <${Card} title="The chain" aside=${html`<span class="muted">linetwin ${health.version}, ${health.status}</span>`}>
    <ol class="steps">
      ${Object.entries(health.steps).map(([name, s]) => html`
        <li key=${name} class=${s.state}>
          <span class="mark" aria-hidden="true">${STEP_MARK[s.state] || "?"}</span>
          <div>
            <strong>${words(name)}</strong> <span class="muted">${STEP_WORDS[name]}</span>
            <div class="muted">${s.state}${s.took_s !== null ? ` in ${s.took_s < 10 ? `${number(s.took_s, 2)} s` : duration(s.took_s)}` : ""}${s.at ? `, ${dayTime(s.at)}` : ""}${s.detail && `: ${s.detail}`}</div>
          </div>
        </li>`)}
    </ol>
  <//>`;

function Ledger() {
  const [ledger, set] = useState(null);
  const [failure, setFailure] = useState(null);
  const proposals = useDocument("proposals");
  const alerts = useDocument("alerts");
  useEffect(() => {
    let gone = false;
    readAll().then((l) => { if (!gone) { set(l); setFailure(null); } }, (p) => { if (!gone) setFailure(p.message); });
    return () => { gone = true; };
  }, [proposals, alerts]);
  if (failure) return html`<div class="problem" role="alert">${failure}</div>`;
  if (!ledger) return html`<${Empty} busy>Loading the ledger<//>`;
  return html`
    <${Card} title="Ledger" aside=${ledger.intact
      ? html`<span class="tag done">✓ chain intact</span>` : html`<span class="tag failed">✕ chain broken</span>`}>
      <p class="note">Every decision and every result that decisions rest on, newest first. Entries are only ever added; each carries the digest of
        the one before, so that a change would show. ${ledger.intact ? "The chain was checked just now: nothing was changed." : "An entry was changed or removed: what follows it cannot be trusted."}</p>
      <div class="scroll-x ledger">
        <table class="plain">
          <thead><tr><th class="right">No.</th><th>When</th><th>What</th><th>Subject</th><th>Who</th><th>Why</th><th>Digest</th></tr></thead>
          <tbody>
            ${ledger.entries.map((e) => html`
              <tr key=${e.seq}><td class="num right">${e.seq}</td><td class="nowrap">${dayTime(e.at)}</td><td>${words(e.kind)}</td><td>${subject(e)}</td>
                <td>${e.who}</td><td>${e.why}<${Content} body=${e.body} /></td>
                <td class="num muted" title=${e.digest}>${e.digest.slice(0, 10)}</td></tr>`)}
          </tbody>
        </table>
        ${!ledger.entries.length && html`<${Empty}>Nothing was decided yet.<//>`}
      </div>
    <//>`;
}

/** What an entry holds; written out only when somebody looks. */
function Content({ body }) {
  const [open, set] = useState(false);
  return html`
    <details class="why" onToggle=${(e) => set(e.currentTarget.open)}><summary>Content</summary>
      ${open && html`<pre>${JSON.stringify(body, null, 1)}</pre>`}</details>`;
}

/** A subject in words: who reads the ledger knows machines, not ids. */
function subject({ kind, subject: name }) {
  const instant = name.match(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/)?.[0];
  if (kind === "alert") {
    const [unit, mode] = name.split(":");
    return html`<span title=${name}>${unitName(unit)}, ${words(mode)}</span>`;
  }
  return html`<span title=${name}>${instant === name ? dayTime(name) : name.length > 20 ? `${name.slice(0, 19)}…` : name}</span>`;
}

async function readAll() {
  const entries = [];
  let intact = true;
  for (let page; !page || page.entries.length === 1000;) {
    page = await api.ledger(entries.at(-1)?.seq || 0);
    entries.push(...page.entries);
    intact = page.intact;
  }
  return { entries: entries.reverse().slice(0, 500), intact };
}

export const SystemView = () => html`
  <div class="toolbar"><h1>System</h1><a href="/api/v1/openapi.json">OpenAPI</a></div>
  <${WithDocument} name="health" what="Health">${(d) => html`<${Steps} health=${d} />`}<//>
  <${Telemetry} />
  <${Ledger} />`;
