// One state for the page: documents by name, problems by name, and what the reader chose.

import { useEffect, useReducer } from "../vendor/preact-htm.js";

const state = {
  documents: {},
  problems: {},
  jobs: {},
  connection: "connecting",
  lineReceivedAt: 0,
  tab: "line",
  selectedUnit: null,
  currentJob: {},
  questions: {},
  asking: "whatif",
  draftChange: null,
  wantedAlert: null,
};
const listeners = new Set();
let notifying = false;

export const peek = () => state;

export function update(patch) {
  Object.assign(state, patch);
  if (notifying) return;
  notifying = true;
  queueMicrotask(() => {
    notifying = false;
    listeners.forEach((listener) => listener());
  });
}

export function setDocument(name, document) {
  const problems = { ...state.problems };
  delete problems[name];
  update({ documents: { ...state.documents, [name]: document }, problems });
}

export function dropDocument(name) {
  if (!(name in state.documents)) return;
  const { [name]: _, ...documents } = state.documents;
  update({ documents });
}

export const setProblem = (name, problem) =>
  update({ problems: { ...state.problems, [name]: problem } });

export const setJob = (job) => update({ jobs: { ...state.jobs, [job.job_id]: job } });

/** The value that `select` finds in the state; draws again when it is another one. */
export function useStore(select) {
  const [, redraw] = useReducer((n) => n + 1, 0);
  const value = select(state);
  useEffect(() => {
    let last = value;
    const listener = () => {
      const next = select(state);
      if (next !== last) {
        last = next;
        redraw();
      }
    };
    listeners.add(listener);
    listener();
    return () => listeners.delete(listener);
  }, [select]);
  return value;
}

const selectors = {};
/** A document by name, or undefined while there is none. */
export const useDocument = (name) =>
  useStore(selectors[name] ||= (s) => s.documents[name]);

const problemSelectors = {};
export const useProblem = (name) =>
  useStore(problemSelectors[name] ||= (s) => s.problems[name]);
