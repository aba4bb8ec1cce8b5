import { html, render } from "./vendor/preact-htm.js";
import { App } from "./app.js";
import { start } from "./lib/live.js";
import { applyTheme } from "./lib/theme.js";

applyTheme();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
start();
