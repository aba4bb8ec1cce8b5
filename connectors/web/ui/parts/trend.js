// One signal over the last hours or days, with uPlot.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import uPlot from "../vendor/uplot.js";
import { api } from "../lib/api.js";
import { dayShort, hourMinute, number, unitWord, zone } from "../lib/format.js";
import { colour, onTheme } from "../lib/theme.js";

const HEIGHT = 210;
const POINTS = 900;
const SPANS = { 8: "8 h", 24: "24 h", 168: "7 d" };

function options(width, samples, span) {
  const [ink, grid, line] = ["var(--muted)", "var(--rule)", "var(--accent)"].map((c) => colour(c));
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "11px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), zone()),
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    scales: { x: { time: true, range: () => span } },
    axes: [
      { ...axis, values: (_, splits) => splits.map((s) => (hourMinute(s * 1000) === "00:00" ? dayShort(s * 1000) : hourMinute(s * 1000))) },
      { ...axis, size: 52, values: (_, splits) => splits.map((v) => number(v, 4)) },
    ],
    series: [
      { label: "Time", value: (_, v) => (v === null ? "–" : `${dayShort(v * 1000)} ${hourMinute(v * 1000)}`) },
      { label: unitWord(samples.unit) || "value", stroke: line, width: 1.5, points: { show: false }, spanGaps: false,
        value: (_, v, __, i) => (i === null || i === undefined ? "–" : v === null ? "no value" : `${number(v, 4)} ${unitWord(samples.unit)}`) },
    ],
  };
}

/** Times and values, with nothing drawn where nothing came: a machine that is off sends no condition. */
function columns({ measured_at, value, quality, span }) {
  const gap = Math.max(1800, (span[1] - span[0]) / 60);
  const [times, values] = [[], []];
  measured_at.forEach((at, i) => {
    const t = new Date(at).getTime() / 1000;
    if (i && t - times.at(-1) > gap) {
      times.push(t - 1);
      values.push(null);
    }
    times.push(t);
    values.push(typeof value[i] === "number" && quality[i] < 2 ? value[i] : null);
  });
  return [times, values];
}

/** Trend of `signal` up to `asOf`, asked again as plant time goes on; `from` hours back at first. */
export function Trend({ signal, asOf, from = 24 }) {
  const [hours, setHours] = useState(from);
  const frame = useRef(null);
  const chart = useRef(null);
  const [samples, setSamples] = useState(null);
  const [failure, setFailure] = useState(null);
  const slot = Math.floor(new Date(asOf).getTime() / 300_000); // every five minutes of plant time

  useEffect(() => {
    let gone = false;
    const end = new Date(asOf);
    const start = new Date(end.getTime() - hours * 3_600_000);
    api.samples(signal, start.toISOString(), end.toISOString(), POINTS).then(
      (answer) => { if (!gone) { setSamples({ ...answer, span: [start, end].map((t) => t.getTime() / 1000) }); setFailure(null); } },
      (problem) => { if (!gone) setFailure(problem.message); },
    );
    return () => { gone = true; };
  }, [signal, slot, hours]);

  useEffect(() => {
    const element = frame.current;
    if (!samples || !element) return undefined;
    const draw = () => {
      chart.current?.destroy();
      chart.current = new uPlot(options(element.clientWidth, samples, samples.span), columns(samples), element);
    };
    draw();
    const observer = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    const forget = onTheme(draw);
    return () => { forget(); observer.disconnect(); chart.current?.destroy(); chart.current = null; };
  }, [samples]);

  if (failure) return html`<p class="problem" role="alert">${failure}</p>`;
  const empty = samples && !samples.measured_at.length;
  return html`
    <div class="segmented" role="group" aria-label="How far back">
      ${Object.entries(SPANS).map(([h, label]) => html`
        <button key=${h} aria-pressed=${hours === Number(h) ? "true" : "false"} onClick=${() => setHours(Number(h))}>${label}</button>`)}
    </div>
    <div class="trend" role="img" aria-label=${`Trend of ${signal}, last ${SPANS[hours]}`} ref=${frame}>
      ${!samples && html`<p class="muted">Loading the trend</p>`}
      ${empty && html`<p class="muted">No sample in the last ${SPANS[hours]}.</p>`}
    </div>`;
}
