// Numbers with their units, instants in plant time.

import { peek } from "./store.js";

const UNIT_WORDS = {
  degC: "°C", degF: "°F", count: "", 1: "", "%": "%", EA: "pcs", PNL: "panels", "1/h": "/h",
};
const formats = new Map();

function cached(key, make) {
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

/** At most `digits` significant digits, never fewer than the integer part holds. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const whole = Math.max(digits, Math.ceil(Math.log10(Math.abs(value) + 1)));
  return cached(`n${whole}`, () => new Intl.NumberFormat("en-GB", { maximumSignificantDigits: Math.min(21, whole) }))
    .format(value).replace("-", "−");
}

export const count = (value) =>
  value === null || value === undefined ? "–"
    : cached("int", () => new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 })).format(value);

/** Short for narrow cells: 12.3k, 4.1M. */
export function compact(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) < 0.005) return "0";
  return cached("compact", () => new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 }))
    .format(value).replace("-", "−");
}

export const signed = (value, digits) =>
  value > 0 ? `+${number(value, digits)}` : number(value, digits);

export const percent = (value, digits = 0) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits).replace("-", "−")} %`;

/** A probability; what is not certain is never said to be. */
export function chance(p) {
  if (p > 0.995 && p < 1) return "> 99 %";
  if (p > 0 && p < 0.005) return "< 1 %";
  return percent(p);
}

export const unitWord = (unit) => (unit in UNIT_WORDS ? UNIT_WORDS[unit] : unit || "");

export function quantity(value, unit, digits = 3) {
  if (typeof value === "string") return value || "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value === null || value === undefined) return "–";
  if (unit === "W" && Math.abs(value) >= 1000) return `${number(value / 1000, digits)} kW`;
  const word = unitWord(unit);
  return word ? `${number(value, digits)} ${word}` : number(value, digits);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${number(s / 3600, 2)} h`;
  return `${number(s / 86_400, 2)} d`;
}

export const hours = (h) => (h === null || h === undefined ? null : duration(h * 3600));

/** The plant's time zone, as IANA names it. */
export const zone = () => peek().documents.plant?.timezone || "UTC";

function dated(value, key, options) {
  if (value === null || value === undefined) return "–";
  const timeZone = zone();
  const format = cached(`${key}${timeZone}`, () => new Intl.DateTimeFormat("en-GB", { timeZone, ...options }));
  return format.format(new Date(value));
}

export const clock = (t) => dated(t, "clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const hourMinute = (t) => dated(t, "hm", { hour: "2-digit", minute: "2-digit" });
export const day = (t) => dated(t, "day", { weekday: "short", day: "numeric", month: "short" });
export const dayShort = (t) => dated(t, "ds", { weekday: "short", day: "numeric" });
export const dayTime = (t) =>
  dated(t, "dt", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const zoneName = () => {
  const parts = cached(`z${zone()}`, () => new Intl.DateTimeFormat("en-GB", { timeZone: zone(), timeZoneName: "short" }))
    .formatToParts(new Date(peek().documents.line?.as_of || Date.now()));
  return parts.find((p) => p.type === "timeZoneName")?.value || zone();
};

/** Minutes since midnight in the plant's zone, to find the days of an axis. */
export function minutesOfDay(t) {
  const [h, m] = hourMinute(t).split(":").map(Number);
  return h * 60 + m;
}

export const words = (id) => (id || "").replaceAll("_", " ");

export function unitName(id) {
  const unit = peek().documents.plant?.work_units.find((u) => u.id === id);
  return unit ? unit.name : words(id);
}

const KPI_NAMES = {
  throughput_per_h: "Throughput", good_parts: "Good parts", scrapped_parts: "Scrapped parts",
  yield_ratio: "Yield", work_in_process: "Work in process", flow_time_s: "Flow time",
  energy_kwh: "Energy", energy_per_part_kwh: "Energy per part", lateness_h: "Lateness",
  mean_tardiness_h: "Mean tardiness", tardiness_h: "Tardiness", oee_ratio: "OEE", reworked_parts: "Reworked parts",
  lost_parts: "Lost parts", escaped_defects: "Escaped defects",
};
export const kpiName = (name) => {
  const plain = words(name.replace(/_(h|s|kwh|per_h|ratio)$/, ""));
  return KPI_NAMES[name] || plain.charAt(0).toUpperCase() + plain.slice(1);
};
