// The service's HTTP interface as this page needs it. Every failure becomes a ServiceError whose
// message is a sentence for the user.

const POLL_MILLISECONDS = 1000;
// A stream silent for so long may be held back by a proxy: ask once, and go on listening.
const QUIET_MILLISECONDS = 5000;
/** Whoever waits so long for an answer is told that none has come. */
const LATE_MILLISECONDS = 2500;
const TERMINAL = new Set(["finished", "failed", "cancelled"]);

let key = null;
try {
  key = sessionStorage.getItem("relu-landscape-key");
} catch {
  // Storage can be forbidden; the key then lasts as long as the page.
}

/** Send this API key from now on. */
export function useKey(text) {
  key = text;
  try {
    sessionStorage.setItem("relu-landscape-key", text);
  } catch {
    // As above.
  }
}

export class ServiceError extends Error {
  constructor(message, { status = 0, requestId = null } = {}) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
    this.requestId = requestId;
  }
}

async function failure(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // A proxy may answer without problem+json; the status line has to do then.
  }
  const fields = (problem.errors || []).map((entry) => entry.message).filter(Boolean);
  const text = fields.length
    ? fields.join(" ")
    : problem.detail || problem.title || `The service answered ${response.status}.`;
  return new ServiceError(text, { status: response.status, requestId: problem.request_id });
}

async function call(path, { headers = {}, ...options } = {}) {
  const all = { Accept: "application/json", ...headers };
  if (key) all.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { headers: all, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service does not answer. Is it still running?");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

const json = async (path, options) => (await call(path, options)).json();

/** An answer holds either the result itself or the state of its job. */
export const isResult = (answer) => !("state" in answer);

export const stored = () => json("explorer/example.json");
export const atlas = () => json("v1/atlas");
export const serviceInfo = () => json("v1/service-info");
export const known = (cursor = null) =>
  json(`v1/landscapes?${new URLSearchParams({ limit: 100, state: "finished", ...(cursor && { cursor }) })}`);
/** Results and jobs of any kind are under its plural: landscapes, trajectories, sweeps. */
const place = (kind, id, ...rest) => ["v1", kind, ...[id, ...rest].map(encodeURIComponent)].join("/");
export const result = (kind, id) => json(place(kind, id));
export const landscape = (id) => result("landscapes", id);
export const cancel = (id, kind = "landscapes") => json(place(kind, id), { method: "DELETE" });

export const submit = (request, kind = "landscapes") =>
  json(`v1/${kind}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });

/** A run of a trajectory with its curves, and a fixed point of a landscape with its weights. */
export const run = (id, key) => json(place("trajectories", id, "runs", key));
export const fixedPoint = (id, key) => json(place("landscapes", id, "fixed-points", key));

/** What a learning rate does to a minimum. */
export const learningRates = (parameters, signal) =>
  json(`v1/learning-rates?${new URLSearchParams(parameters)}`, { signal });

export const continuation = (parameters, signal) =>
  json(`v1/families/continuation?${new URLSearchParams(parameters)}`, { signal });

/** One fixed point with weights and all eigenvalues, as a NumPy archive. */
export async function archive(id, key) {
  return (await call(place("landscapes", id, "fixed-points", key), { headers: { Accept: "application/x-npz" } })).blob();
}

/** The answer of `asked`; `late()` is called once if it takes long, and the waiting goes on. */
export async function patiently(asked, late) {
  const timer = setTimeout(late, LATE_MILLISECONDS);
  try {
    return await asked;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Follow a job: `on.status(status)` with every change, `on.done(result)` or `on.failed(error)`
 * at the end; `on.silent(sentence)` when the service does not answer, and `on.silent(null)` when it
 * does again. Server-sent events where they work, polling where a proxy swallows them.
 * Returns a function that stops following.
 */
export function follow(id, on, kind = "landscapes") {
  let stopped = false;
  let source = null;
  let timer = null;
  let heard = 0; // events so far: an answer asked for before the last one is stale
  let silent = false;

  const stop = () => {
    stopped = true;
    source?.close();
    clearTimeout(timer);
  };

  const rest = () => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(look, source && !silent ? QUIET_MILLISECONDS : POLL_MILLISECONDS);
  };

  const hush = (sentence) => {
    if (stopped || silent === Boolean(sentence)) return;
    silent = Boolean(sentence);
    on.silent(sentence);
  };

  const take = (answer, isFresh) => {
    if (isResult(answer)) {
      stop();
      on.done(answer);
    } else if (TERMINAL.has(answer.state) && answer.state !== "finished") {
      stop();
      on.failed(new ServiceError(answer.error || `The computation was ${answer.state}.`));
    } else if (isFresh) {
      on.status(answer);
    }
  };

  const look = async () => {
    const before = heard;
    try {
      const answer = await patiently(result(kind, id), () => hush("The service has not answered for some seconds."));
      hush(null);
      if (!stopped) take(answer, heard === before);
    } catch (error) {
      if (!stopped && error.status === 404) {
        stop();
        on.failed(error);
      } else hush(error.message);
      // Anything else may pass: ask again.
    }
    rest();
  };

  const hear = (name, use) => source.addEventListener(name, (event) => {
    heard += 1;
    hush(null);
    rest();
    use(JSON.parse(event.data));
  });

  const listen = () => {
    source = new EventSource(place(kind, id, "events"));
    hear("progress", (progress) => on.status({ progress }));
    hear("findings", ({ findings }) => on.status({ findings }));
    hear("waiting", on.status);
    hear("state", (status) => {
      on.status(status);
      if (!TERMINAL.has(status.state)) return;
      source.close();
      look();
    });
    source.onerror = () => {
      if (stopped) return;
      // The browser reconnects by itself, with Last-Event-ID, unless the stream was refused; asking
      // at once tells whether the service is there.
      if (source.readyState === EventSource.CLOSED) source = null;
      clearTimeout(timer);
      look();
    };
  };

  // An EventSource cannot send a key.
  if (!key) listen();
  rest();
  return stop;
}
