// The URL holds what is on the screen, so that a view can be shared and the back button works.

import { CONTRACT } from "./contract.js";

/** A request with nothing chosen: the contract's defaults, and widths to begin with. */
export const DEFAULTS = Object.freeze(Object.fromEntries(
  Object.entries(CONTRACT.request).map(([name, field]) => [name, field.default])));

const ALWAYS = CONTRACT.required;
const VIEW_KEYS = ["view", "id", "point", "families", "from", "to"];

function decode(name, text) {
  const example = DEFAULTS[name];
  if (name === "structures") return text ? text.split(",").map((part) => part.trim()) : null;
  if (typeof example === "boolean") return text === "true" || text === "1";
  if (typeof example === "number") return Number.isFinite(Number(text)) ? Number(text) : example;
  return text;
}

/** {request, given, view, id, point, ...} from the address bar. */
export function readUrl(search = location.search) {
  const query = new URLSearchParams(search);
  const request = { ...DEFAULTS };
  let given = false;
  for (const name of Object.keys(DEFAULTS)) {
    if (!query.has(name)) continue;
    request[name] = decode(name, query.get(name));
    given = true;
  }
  const state = { request, given };
  for (const key of VIEW_KEYS) state[key] = query.get(key);
  state.view = state.view === "families" ? "families" : "landscape";
  return state;
}

/** The query string of a state: only what differs from the defaults. */
export function toSearch({ request, ...state }) {
  const query = new URLSearchParams();
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
