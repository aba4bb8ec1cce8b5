// Purchase proposals: what to buy, by when, for which order or failure, and the decision.

import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../lib/api.js";
import { chance, dayTime, duration, number, quantity, unitName, unitWord, words } from "../lib/format.js";
import { load } from "../lib/live.js";
import { Card, DecisionForm, Download, Empty } from "./common.js";
import { plantNow } from "./topbar.js";

const PEGS = 4;
const FEW = 6;
const ORDER = { proposed: 0, approved: 1, rejected: 2 };

const FINAL = "Goes to the ledger under your name; a decision cannot be taken back.";

function Decide({ proposal, onDecided }) {
  const [doing, set] = useState(null);
  if (proposal.state !== "proposed") {
    return html`<p class="note">${proposal.state === "approved" ? `${quantity(proposal.quantity, proposal.unit, 6)} approved` : "Rejected"} by ${proposal.decided_by || "?"}; it stays in the ledger.</p>`;
  }
  if (doing) {
    const approve = doing === "approve";
    return html`<${DecisionForm} verb=${approve ? "Approve" : "Reject"} whyNeeded=${!approve} unit=${unitWord(proposal.unit)}
      quantity=${approve ? proposal.quantity : undefined} note=${approve ? `${FINAL} linetwin orders nothing itself: place the order with ${proposal.supplier_id || "the supplier"}.` : FINAL} onClose=${() => set(null)}
      onDecide=${async (body) => { onDecided(await api.decide(proposal.proposal_id, doing, body)); load("proposals"); }} />`;
  }
  return html`
    <div class="row">
      <button class="primary" onClick=${() => set("approve")}>Approve</button>
      <button onClick=${() => set("reject")}>Reject</button>
    </div>`;
}

/** The first sentence at once, the rest when asked. */
function Why({ reason }) {
  const end = reason.search(/[.;] /);
  if (end < 0) return html`<p>${reason}</p>`;
  return html`<details class="why"><summary>${reason.slice(0, end + 1)}</summary><p>${reason.slice(end + 2)}</p></details>`;
}

const cause = (peg) => {
  if (peg.kind !== "failure") return `order ${peg.name}`;
  const [unit, mode] = peg.name.split(".");
  return `failure of ${unitName(unit)}, ${words(mode)}`;
};

/** When it comes beside when it is needed: the one thing a planner has to see. */
function Timing({ proposal: p }) {
  const tooLate = (new Date(p.expected_at) - new Date(p.due_at)) / 1000;
  const late = new Date(p.release_at).getTime() < (plantNow() || 0);
  if (p.state !== "proposed") return null;
  if (tooLate > 0) {
    return html`<p class="problem"><strong>Comes ${duration(tooLate)} too late</strong> even if ordered now: expedite it, or re-plan what needs it.</p>`;
  }
  return late ? html`<p class="overdue">Order it now: the day to order has passed, but it can still come in time.</p>` : null;
}

function Proposal({ proposal: p, onDecided }) {
  return html`
    <article class=${`proposal ${p.state}`} data-proposal=${p.proposal_id} aria-label=${`${p.item_id}, ${p.state}`}>
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
        <div><dt>Needed</dt><dd>${dayTime(p.due_at)}</dd></div>
        <div><dt>Comes</dt><dd>${dayTime(p.expected_at)}</dd></div>
        <div><dt>Stock-out without it</dt><dd class="num">${chance(p.stockout_probability)}</dd></div>
      </dl>
      <${Timing} proposal=${p} />
      <${Why} reason=${p.reason} />
      <p class="pegs">${p.pegging.slice(0, PEGS).map((g) => html`
        <span key=${g.kind + g.name} class=${`peg ${g.kind}`}>${cause(g)} <b class="num">${number(g.quantity)}</b></span>`)}${p.pegging.length > PEGS && html`<span class="muted">and ${p.pegging.length - PEGS} more</span>`}</p>
      <${Decide} proposal=${p} onDecided=${onDecided} />
    </article>`;
}

export function ProposalList({ proposals }) {
  const [all, setAll] = useState(false);
  const [long, setLong] = useState(false);
  const [decided, setDecided] = useState(null);
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
      </div><${Download} table="proposals" />`}>
      <div role="status">${decided && html`<p class="done-note">✓ ${decided.item_id} ${decided.state} by ${decided.decided_by}. It is in the ledger; see it under “All”.</p>`}</div>
      ${shown.length
        ? html`<div class="proposals">${(long ? shown : shown.slice(0, FEW)).map((p) => html`<${Proposal} key=${p.proposal_id} proposal=${p} onDecided=${setDecided} />`)}</div>
          ${shown.length > FEW && html`<button class="more" onClick=${() => setLong(!long)}>${long ? "Show fewer" : `Show ${shown.length - FEW} more`}</button>`}`
        : html`<${Empty}>Nothing to decide.<//>`}
    <//>`;
}
