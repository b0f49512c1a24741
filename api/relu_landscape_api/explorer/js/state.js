// The URL holds what is on the screen, so that a view can be shared and the back button works.

import { CONTRACT } from "./contract.js";

/** A request with nothing chosen: the contract's defaults, and widths to begin with. */
export const DEFAULTS = Object.freeze(Object.fromEntries(
  Object.entries(CONTRACT.request).map(([name, field]) => [name, field.default])));

const ALWAYS = CONTRACT.required;
const VIEW_KEYS = ["view", "id", "point", "filter", "compare", "families", "from", "to", "slope"];
/** Views that ask for something else than a landscape: what they ask is theirs to read. */
export const LEARNING = ["trajectories", "frequencies", "rates", "sweeps", "descents"];
const VIEWS = ["landscape", "families", ...LEARNING];
/** Of the landscape shown, whatever view is open. */
const SHOWN = ["view", "id"];

/** {value} or, where the text is no such value, {problem}. */
function decode(name, text) {
  const { minimum, maximum, whole, default: example } = CONTRACT.request[name];
  const among = { certify: CONTRACT.proofs, precision: CONTRACT.precisions }[name];
  if (name === "structures") return { value: text ? text.split(",").map((part) => part.trim()) : null };
  if (typeof example === "boolean") {
    return /^(true|false|1|0)$/.test(text) ? { value: text === "true" || text === "1" } : { problem: "is neither true nor false" };
  }
  if (among) return text in among ? { value: text } : { problem: `is none of ${Object.keys(among).join(", ")}` };
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return { problem: `is ${whole ? "no whole number" : "no number"}` };
  }
  return value < minimum || value > maximum ? { problem: `is not between ${minimum} and ${maximum}` } : { value };
}

/** {view, id, asked, ...} of a view of learning: its own fields are texts, which it checks itself. */
function readLearning(query) {
  const asked = Object.fromEntries([...query].filter(([name]) => !SHOWN.includes(name)));
  return { problems: [], view: query.get("view"), id: query.get("id"), asked };
}

/** {request, given, problems, view, id, point, ...} from the address bar. */
export function readUrl(search = location.search) {
  const query = new URLSearchParams(search);
  if (LEARNING.includes(query.get("view"))) return readLearning(query);
  const request = { ...DEFAULTS };
  const problems = [];
  let given = false;
  for (const [name, text] of query) {
    if (VIEW_KEYS.includes(name)) continue;
    if (!(name in DEFAULTS)) {
      problems.push(CONTRACT.unasked.includes(name)
        ? `${name} cannot be given by an address.` : `The page knows no ${name}.`);
      continue;
    }
    given = true;
    const { value, problem } = decode(name, text);
    if (problem) problems.push(`${name}=${text} ${problem}.`);
    else request[name] = value;
  }
  const state = { request, given, problems, asked: {} };
  for (const key of VIEW_KEYS) state[key] = query.get(key);
  if (state.view != null && !VIEWS.includes(state.view)) problems.push(`There is no view ${state.view}.`);
  if (state.view !== "families") state.view = "landscape";
  return state;
}

/** The query string of a state: only what differs from the defaults. */
export function toSearch({ request, asked, ...state }) {
  const query = new URLSearchParams();
  if (LEARNING.includes(state.view)) {
    const shown = SHOWN.filter((key) => state[key]).map((key) => [key, state[key]]);
    return `?${new URLSearchParams([...shown, ...Object.entries(asked)])}`;
  }
  for (const key of VIEW_KEYS) {
    const value = state[key];
    if (value == null || value === "" || (key === "view" && value === "landscape")) continue;
    query.set(key, value);
  }
  for (const [name, value] of Object.entries(request || {})) {
    if (!(name in DEFAULTS)) continue;
    if (value === DEFAULTS[name] && !ALWAYS.includes(name)) continue;
    if (value == null) continue;
    query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}

/** Two requests ask for the same landscape. */
export function sameRequest(a, b) {
  const plain = (request) =>
    JSON.stringify(Object.keys(DEFAULTS).map((name) => request[name] ?? null));
  return plain({ ...DEFAULTS, ...a }) === plain({ ...DEFAULTS, ...b }) &&
    JSON.stringify(a.teacher_gram ?? null) === JSON.stringify(b.teacher_gram ?? null);
}

/** The fields of a request that differ from the defaults, widths always: what snippets show. */
export function essentials(request) {
  const fields = {};
  for (const [name, value] of Object.entries(request)) {
    if (ALWAYS.includes(name)) fields[name] = value;
    else if (value != null && value !== (DEFAULTS[name] ?? null)) fields[name] = value;
  }
  return fields;
}
