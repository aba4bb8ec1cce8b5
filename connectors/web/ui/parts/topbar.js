// Plant name, plant clock, connection, theme.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { clock, day, number, zoneName } from "../lib/format.js";
import { peek, useDocument, useStore } from "../lib/store.js";
import { onTheme, theme, toggleTheme } from "../lib/theme.js";

const MAX_AHEAD_S = 3; // seconds of wall clock that the clock runs on without news

/** Plant time now [ms], run on from the last news at the plant's speed. */
export function plantNow() {
  const { documents, lineReceivedAt } = peek();
  if (!documents.line) return null;
  const wallS = Math.min(MAX_AHEAD_S, (performance.now() - lineReceivedAt) / 1000);
  const ahead = lineReceivedAt ? wallS * documents.line.speed : 0;
  return new Date(documents.line.as_of).getTime() + 1000 * ahead;
}

function PlantClock() {
  const [, tick] = useState(0);
  const line = useDocument("line");
  useDocument("plant");
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, []);
  if (!line) return null;
  const now = plantNow();
  return html`
    <div class="clock" title="Plant time">
      <span class="muted">${day(now)}</span>
      <time class="num" id="plant-clock">${clock(now)}</time>
      <span class="muted">${zoneName()}${line.speed !== 1 ? ` · ×${number(line.speed)}` : ""}</span>
    </div>`;
}

const selectConnection = (s) => s.connection;

function Connection() {
  const connection = useStore(selectConnection);
  const health = useDocument("health");
  let [kind, label] = ["wait", "Connecting"];
  if (connection === "lost") [kind, label] = ["bad", "Connection lost"];
  else if (health?.status === "starting") [kind, label] = ["wait", "Starting"];
  else if (health?.status === "degraded") [kind, label] = ["warn", "Degraded"];
  else if (connection === "live") [kind, label] = ["good", "Live"];
  return html`<a href="#system" class=${`link-state ${kind}`} role="status"><i aria-hidden="true"></i>${label}</a>`;
}

function ThemeToggle() {
  const [now, set] = useState(theme());
  useEffect(() => onTheme(set), []);
  const other = now === "dark" ? "light" : "dark";
  return html`
    <button class="icon-button" onClick=${toggleTheme} aria-label=${`Use the ${other} theme`} title=${`Use the ${other} theme`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        ${now === "dark"
          ? html`<circle cx="8" cy="8" r="3.2" /><path class="stroke" d="M8 .8v2M8 13.2v2M.8 8h2M13.2 8h2M2.9 2.9l1.4 1.4M11.7 11.7l1.4 1.4M2.9 13.1l1.4-1.4M11.7 4.3l1.4-1.4" />`
          : html`<path d="M13.8 10A6.3 6.3 0 0 1 6 2.2a6.3 6.3 0 1 0 7.8 7.8z" />`}
      </svg>
    </button>`;
}

export function TopBar() {
  const plant = useDocument("plant");
  return html`
    <header class="topbar">
      <a class="brand" href="#line">
        <img src="/ui/icon.svg" alt="" width="24" height="24" />
        <span>linetwin</span>
      </a>
      ${plant && html`
        <div class="plant">
          <strong>${plant.name}</strong>
          <span class="muted">${plant.site} / ${plant.area} / ${plant.line}</span>
        </div>`}
      <div class="grow"></div>
      <${PlantClock} />
      <${Connection} />
      <${ThemeToggle} />
    </header>`;
}
