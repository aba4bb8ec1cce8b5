// Purchase proposals: what to buy, by when, for which order or failure, and the decision.

import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { dayTime, number, percent, quantity, unitWord } from "../lib/format.js";
import { load } from "../lib/live.js";
import { Card, DecisionForm, Empty } from "./common.js";

const ORDER = { proposed: 0, approved: 1, rejected: 2 };

function Decide({ proposal }) {
  const [doing, set] = useState(null);
  if (proposal.state !== "proposed") {
    return html`<p class="note">${proposal.state} by ${proposal.decided_by || "?"}</p>`;
  }
  if (doing) {
    const approve = doing === "approve";
    return html`<${DecisionForm} verb=${approve ? "Approve" : "Reject"} whyNeeded=${!approve} unit=${unitWord(proposal.unit)}
      quantity=${approve ? proposal.quantity : undefined} onClose=${() => set(null)}
      onDecide=${async (body) => { await api.decide(proposal.proposal_id, doing, body); load("proposals"); }} />`;
  }
  return html`
    <div class="row">
      <button class="primary" onClick=${() => set("approve")}>Approve</button>
      <button onClick=${() => set("reject")}>Reject</button>
    </div>`;
}

function Proposal({ proposal: p }) {
  return html`
    <article class=${`proposal ${p.state}`} data-proposal=${p.proposal_id}>
      <header>
        <div>
          <strong>${p.item_id}</strong> <span class="muted">${p.description}</span>
        </div>
        <span class=${`tag ${p.state}`}>${p.state}</span>
      </header>
      <dl class="facts">
        <div><dt>Quantity</dt><dd class="num">${quantity(p.quantity, p.unit, 4)}</dd></div>
        <div><dt>Cost</dt><dd class="num">${p.cost === null ? "–" : `${number(p.cost, 4)} ${p.currency}`}</dd></div>
        <div><dt>Supplier</dt><dd>${p.supplier_id || "–"}</dd></div>
        <div><dt>Order by</dt><dd>${dayTime(p.release_at)}</dd></div>
        <div><dt>Here by</dt><dd>${dayTime(p.due_at)}</dd></div>
        <div><dt>Stock-out without it</dt><dd class="num">${percent(p.stockout_probability)}</dd></div>
      </dl>
      <p>${p.reason}</p>
      <p class="pegs">${p.pegging.map((g) => html`
        <span key=${g.kind + g.name} class=${`peg ${g.kind}`}>${g.kind === "failure" ? "failure" : "order"} ${g.name} <b class="num">${number(g.quantity)}</b></span>`)}</p>
      <${Decide} proposal=${p} />
    </article>`;
}

export function ProposalList({ proposals }) {
  const [all, setAll] = useState(false);
  const open = proposals.filter((p) => p.state === "proposed");
  const shown = (all ? [...proposals] : open)
    .sort((a, b) => (ORDER[a.state] ?? 3) - (ORDER[b.state] ?? 3) || a.release_at.localeCompare(b.release_at));
  const cost = open.reduce((sum, p) => sum + (p.cost || 0), 0);
  return html`
    <${Card} title="Purchase proposals" aside=${html`
      <span class="muted">${open.length} to decide${open.length ? `, ${number(cost, 4)} ${open[0].currency}` : ""}</span>
      <div class="segmented" role="group" aria-label="Which proposals">
        <button aria-pressed=${all ? "false" : "true"} onClick=${() => setAll(false)}>To decide</button>
        <button aria-pressed=${all ? "true" : "false"} onClick=${() => setAll(true)}>All</button>
      </div>`}>
      ${shown.length
        ? html`<div class="proposals">${shown.map((p) => html`<${Proposal} key=${p.proposal_id} proposal=${p} />`)}</div>`
        : html`<${Empty}>Nothing to decide.<//>`}
    <//>`;
}
