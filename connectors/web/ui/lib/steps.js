// The chain: its steps in order, what each one computes, and what it does in a reader's words.

export const COMPUTED_BY = {
  calibration: ["calibration", "alerts"], // both are read from the ledger, which is open by then
  forecast: ["forecasts", "alerts"],
  schedule: ["schedule"],
  demand: ["demand", "proposals"],
};

export const STEP_WORDS = {
  history: "reads the stored telemetry",
  calibration: "fits the twin to what the machines did",
  forecast: "says when which machine is likely to fail",
  schedule: "plans the open orders around the maintenance",
  demand: "counts the components that the plan needs, and proposes purchases",
};

export const STEP_MARK = { done: "✓", running: "…", waiting: "○", failed: "✕" };
export const stepOf = (name) =>
  Object.keys(COMPUTED_BY).find((step) => COMPUTED_BY[step].includes(name)) || null;
