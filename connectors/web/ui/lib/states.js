// How a state of a machine is said and drawn; colour never stands alone.

import { html } from "../vendor/preact-htm.js";

const GLYPHS = {
  production: "M3 2l7 4-7 4z",
  setup: "M6 1.5a4.5 4.5 0 1 0 4.5 4.5H9A3 3 0 1 1 6 3v2l3-2.8L6 0z",
  starved: "M1 6h4V3.5L9 6 5 8.5V6M10.5 2v8",
  blocked: "M3 2h2v8H3zM7 2h2v8H7z",
  delay: "M2 5h2v2H2zM5 5h2v2H5zM8 5h2v2H8z",
  down: "M2.5 3.5l1-1L6 5l2.5-2.5 1 1L7 6l2.5 2.5-1 1L6 7 3.5 9.5l-1-1L5 6z",
  repair: "M9.8 3.4L8.3 4.9 7.1 4.7 6.9 3.5 8.4 2A3 3 0 0 0 4.6 5.7L1.8 8.5l1.5 1.6 2.9-2.8a3 3 0 0 0 3.6-3.9z",
  off: "M5.3 1h1.4v5H5.3zM3.3 3A4.2 4.2 0 1 0 8.7 3L7.9 4.1a2.8 2.8 0 1 1-3.8 0z",
  unknown: "M5.3 8.5h1.4V10H5.3zM4 3.9A2 2 0 1 1 6.7 5.8v1.5H5.3V4.9A.8.8 0 1 0 5.3 3.9z",
};
const LABELS = {
  production: "Production", setup: "Setup", starved: "Starved", blocked: "Blocked", delay: "Delay",
  down: "Down", repair: "Repair", off: "Off shift", unknown: "No data",
};

export const STATES = Object.keys(LABELS);
export const stateLabel = (state) => LABELS[state] || state;
export const stateClass = (state) => `st-${state in LABELS ? state : "unknown"}`;

/** The glyph of a state, 12 units square, for use inside an SVG. */
export const StateGlyph = ({ state, x = 0, y = 0, size = 12 }) => html`
  <path class="glyph" transform=${`translate(${x} ${y}) scale(${size / 12})`}
    d=${GLYPHS[state] || GLYPHS.unknown} />`;

export const StatePill = ({ state }) => html`
  <span class=${`pill ${stateClass(state)}`}>
    <svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true"><${StateGlyph} state=${state} /></svg>
    ${stateLabel(state)}
  </span>`;
