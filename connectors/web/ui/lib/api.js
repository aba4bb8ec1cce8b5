// The public API, as any script would use it.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code || "unreachable";
    this.retryAfterS = body.retryAfterS || null;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { code: "unreachable", detail: "The server does not answer." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const retryAfterS = Number(response.headers.get("Retry-After")) || null;
    throw new Problem(response.status, { ...answer, retryAfterS });
  }
  return answer;
}

const part = encodeURIComponent;

export const api = {
  document: (name) => call("GET", `/${name}`),
  kpis: (hours) => call("GET", `/kpis?hours=${hours}`),
  samples: (signal, start, end, limit) => call("GET",
    `/signals/${signal.split("/").map(part).join("/")}/samples`
    + `?start=${part(start)}&end=${part(end)}&limit=${limit}`),
  acknowledge: (id, body) => call("POST", `/alerts/${part(id)}/acknowledge`, body),
  clear: (id, body) => call("POST", `/alerts/${part(id)}/clear`, body),
  decide: (id, decision, body) => call("POST", `/proposals/${part(id)}/${decision}`, body),
  whatif: (body) => call("POST", "/whatif", body),
  sweep: (body) => call("POST", "/sweeps", body),
  bottleneck: (body) => call("POST", "/bottlenecks", body),
  job: (id) => call("GET", `/jobs/${part(id)}`),
  cancel: (id) => call("DELETE", `/jobs/${part(id)}`),
  ledger: (after) => call("GET", `/ledger?after=${after}&limit=1000`),
};
