// The frame of the page: top bar, tabs, the view that the address names.

import { html, useEffect, useErrorBoundary, useRef } from "./vendor/preact-htm.js";
import { dayTime, unitName } from "./lib/format.js";
import { peek, update, useDocument, useStore } from "./lib/store.js";
import { TopBar } from "./parts/topbar.js";
import { AlertsView } from "./views/alerts.js";
import { ComponentsView } from "./views/components.js";
import { LineView } from "./views/line.js";
import { ScheduleView } from "./views/schedule.js";
import { SystemView } from "./views/system.js";
import { TwinView } from "./views/twin.js";
import { WhatIfView } from "./views/whatif.js";

const TABS = [
  { id: "line", label: "Line", View: LineView },
  { id: "alerts", label: "Alerts", View: AlertsView },
  { id: "whatif", label: "What if", View: WhatIfView },
  { id: "schedule", label: "Schedule", View: ScheduleView },
  { id: "components", label: "Components", View: ComponentsView },
  { id: "twin", label: "Twin", View: TwinView },
  { id: "system", label: "System", View: SystemView },
];

const selectTab = (s) => s.tab;
const selectRaised = (s) => s.documents.alerts?.alerts.filter((a) => a.state === "raised").length || 0;
const selectOpen = (s) => s.documents.proposals?.proposals.filter((p) => p.state === "proposed").length || 0;

function followAddress() {
  const name = location.hash.slice(1);
  update({ tab: TABS.some((t) => t.id === name) ? name : "line" });
}

function Tabs({ tab }) {
  const badges = { alerts: useStore(selectRaised), components: useStore(selectOpen) };
  const badgeWords = { alerts: "raised", components: "proposals to decide" };
  const bar = useRef(null);
  useEffect(() => { // on a narrow screen the bar scrolls: the chosen tab is always in sight
    const chosen = bar.current.querySelector("[aria-current]");
    bar.current.scrollLeft = chosen.offsetLeft - (bar.current.clientWidth - chosen.offsetWidth) / 2;
  }, [tab]);
  return html`
    <nav class="tabs" aria-label="Views" ref=${bar}>
      ${TABS.map(({ id, label }) => html`
        <a key=${id} href=${`#${id}`} aria-current=${id === tab ? "page" : null}>
          ${label}
          ${badges[id] > 0 && html`
            <span class=${`badge ${id === "alerts" ? "hot" : ""}`} title=${`${badges[id]} ${badgeWords[id]}`}>
              ${badges[id]}<span class="sr"> ${badgeWords[id]}</span>
            </span>`}
        </a>`)}
    </nav>`;
}

function View({ tab }) {
  const [error, reset] = useErrorBoundary((e) => console.error(e));
  useEffect(() => { if (error) reset(); }, [tab]);
  useDocument("plant"); // names and times of every view are said in its words and its time zone
  const { View: Chosen, label } = TABS.find((t) => t.id === tab);
  if (error) {
    return html`<div class="card problem" role="alert">This view failed: ${error.message}</div>`;
  }
  return html`<main id="view" tabindex="-1" data-view=${tab} aria-label=${label}><${Chosen} /></main>`;
}

/** Tells a screen reader, and the name of the window, what was raised since the page was opened. */
function Herald({ tab }) {
  const raised = useStore(selectRaised);
  const known = useRef(null);
  const alerts = (peek().documents.alerts?.alerts || []).filter((a) => a.state === "raised");
  const fresh = known.current ? alerts.filter((a) => !known.current.has(a.alert_id)) : [];
  useEffect(() => {
    const { label } = TABS.find((t) => t.id === tab);
    document.title = `${raised ? `(${raised}) ` : ""}${label} · linetwin`;
  }, [tab, raised]);
  useEffect(() => {
    if (peek().documents.alerts) known.current = new Set(alerts.map((a) => a.alert_id));
  }, [raised]);
  return html`<div class="sr" role="status">${fresh.map((a) => `New alert: ${a.name}, ${unitName(a.work_unit)}. `)}</div>`;
}

const selectLost = (s) => s.connection === "lost";

/** Old numbers must not pass for new ones. */
function Stale() {
  const lost = useStore(selectLost);
  const asOf = peek().documents.line?.as_of;
  return html`<div role="alert">${lost && html`<p class="stale">No news from linetwin${asOf && `: what you see is of ${dayTime(asOf)}`}. The page comes back by itself.</p>`}</div>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("view")?.focus();
}

export function App() {
  const tab = useStore(selectTab);
  useEffect(() => {
    addEventListener("hashchange", followAddress);
    followAddress();
    return () => removeEventListener("hashchange", followAddress);
  }, []);
  return html`
    <a class="skip" href="#view" onClick=${skip}>Skip to content</a>
    <${TopBar} />
    <${Tabs} tab=${tab} />
    <${Herald} tab=${tab} />
    <${Stale} />
    <${View} tab=${tab} />`;
}
