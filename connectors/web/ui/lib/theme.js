// Light and dark: the reader's choice, else what the system prefers.

const KEY = "linetwin.theme";
const listeners = new Set();
const system = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

let choice = stored();

export const theme = () => choice || (system.matches ? "dark" : "light");

export function applyTheme() {
  document.documentElement.dataset.theme = theme();
  listeners.forEach((listener) => listener(theme()));
}

export function toggleTheme() {
  choice = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, choice);
  } catch { /* a browser without storage still changes the theme for this visit */ }
  applyTheme();
}

export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

system.addEventListener("change", applyTheme);

/** What a CSS colour expression is right now, for the canvas of a chart. */
export function colour(expression, element = document.body) {
  const probe = document.createElement("span");
  probe.style.color = expression;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
