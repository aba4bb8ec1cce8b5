// Pieces that several views share.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { STEP_MARK, STEP_WORDS, stepOf } from "../lib/steps.js";
import { useDocument, useProblem } from "../lib/store.js";

export const Card = ({ title, aside, children, className = "", id }) => html`
  <section class=${`card ${className}`} id=${id} aria-label=${title}>
    ${(title || aside) && html`
      <header class="card-head">
        ${title && html`<h2>${title}</h2>`}
        ${aside && html`<div class="card-aside">${aside}</div>`}
      </header>`}
    ${children}
  </section>`;

/** Draws its child with the document, or says why there is none yet. */
export function WithDocument({ name, what, children }) {
  const document = useDocument(name);
  const problem = useProblem(name);
  if (document) return children(document);
  if (problem && problem.code !== "not-ready") {
    return html`<div class="problem" role="alert"><strong>${what}:</strong> ${problem.message}</div>`;
  }
  return html`<${Waiting} step=${stepOf(name)} what=${what} />`;
}

/** How far the chain is, for a reader who came before it was through. */
function Waiting({ step, what }) {
  const health = useDocument("health");
  const mine = health?.steps[step];
  if (!mine) return html`<${Empty} busy>${what}: waiting for the first news<//>`;
  return html`
    <${Card} className="waiting">
      <${Empty} busy=${mine.state !== "failed"}>
        <strong>${what}: ${mine.state === "failed" ? "could not be computed" : "not there yet"}.</strong>
        <small>${mine.state === "failed" ? `${mine.detail} It is tried again.` : "This view fills by itself, usually within half a minute of a start."}</small>
      <//>
      <ol class="chain">
        ${Object.entries(health.steps).map(([name, s]) => html`
          <li key=${name} class=${s.state} aria-current=${name === step ? "step" : null} title=${STEP_WORDS[name]}>
            <span class="mark" aria-hidden="true">${STEP_MARK[s.state]}</span> ${name}<span class="sr"> ${s.state}</span></li>`)}
      </ol>
    <//>`;
}

export const Empty = ({ children, busy }) => html`
  <div class="empty" aria-busy=${busy ? "true" : null}>
    ${busy && html`<span class="spinner" aria-hidden="true"></span>`}
    <p>${children}</p>
  </div>`;

export const Figure = ({ label, value, note, tone = "" }) => html`
  <div class=${`figure ${tone}`}>
    <dt>${label}</dt>
    <dd class="num">${value}</dd>
    ${note && html`<dd class="note">${note}</dd>`}
  </div>`;

const WHO = "linetwin.who";

function rememberedName() {
  try {
    return localStorage.getItem(WHO) || "";
  } catch {
    return "";
  }
}

/** Asks who and why (and perhaps how much), then acts; every decision goes to the ledger. */
export function DecisionForm({ verb, quantity, unit, whyNeeded, note, onDecide, onClose }) {
  const [who, setWho] = useState(rememberedName());
  const [why, setWhy] = useState("");
  const [amount, setAmount] = useState(quantity);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  useEffect(() => form.current.querySelector("input").focus(), []);
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    try {
      localStorage.setItem(WHO, who);
    } catch { /* the name is asked again next time */ }
    try {
      const changed = quantity !== undefined && Number(amount) !== quantity;
      await onDecide({ who, why, ...(changed ? { quantity: Number(amount) } : {}) });
      onClose();
    } catch (problem) {
      setFailure(problem.message);
      setBusy(false);
    }
  }
  return html`
    <form class="decision" ref=${form} onSubmit=${submit} onKeyDown=${(e) => e.key === "Escape" && onClose()}>
      <label>Who <input required maxlength="100" autocomplete="name" value=${who} onInput=${(e) => setWho(e.target.value)} /></label>
      ${quantity !== undefined && html`
        <label>Quantity ${unit && html`<span class="muted">(${unit})</span>`}
          <input type="number" min="0" step="any" required value=${amount} onInput=${(e) => setAmount(e.target.value)} />
        </label>`}
      <label class="wide">Why <input required=${whyNeeded} maxlength="2000" value=${why} onInput=${(e) => setWhy(e.target.value)}
        placeholder=${whyNeeded ? "" : "optional"} /></label>
      ${note && html`<p class="note wide">${note}</p>`}
      <div class="row">
        <button class="primary" disabled=${busy}>${verb}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
      ${failure && html`<p class="problem" role="alert">${failure}</p>`}
    </form>`;
}

/** A share between 0 and 1 as a bar with its number. */
export const ShareBar = ({ label, share, text, tone = "" }) => html`
  <div class="share">
    <span class="share-label">${label}</span>
    <span class=${`share-track ${tone}`} aria-hidden="true">
      <i style=${{ width: `${Math.max(0, Math.min(1, share || 0)) * 100}%` }}></i>
    </span>
    <span class="num">${text}</span>
  </div>`;

/** The same numbers for a spreadsheet. */
export const Download = ({ table }) => html`
  <a class="download" href=${`/api/v1/${table}.csv`} download=${`${table}.csv`}>
    <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true"><path class="stroke" d="M6 1v7M3 5.5L6 8.5l3-3M1.5 11h9" /></svg>CSV<span class="sr"> of ${table}</span></a>`;
