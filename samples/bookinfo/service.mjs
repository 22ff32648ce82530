/** What Bookinfo's Node programs share: serving, calling by name, and passing on what belongs to a request. */
// Not imported: as a module node:http brings the fetch client along, fifteen megabytes that ratings has no use for.
const { createServer } = process.getBuiltinModule("node:http");

/** Headers of the caller that go with every call made for it: without them a trace ends here, and routing by user too. */
const passedOn = [
  "x-request-id",
  "traceparent",
  "tracestate",
  "baggage",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
  "x-ot-span-context",
  "x-datadog-trace-id",
  "x-datadog-parent-id",
  "x-datadog-sampling-priority",
  "sw8",
  "end-user",
  "user-agent",
  "cookie",
  "authorization",
];

export function headersToPassOn(request) {
  const headers = {};
  for (const name of passedOn) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** The answer's status and JSON; status 0: there was none in time. HTTP_PROXY in the environment takes the call into the mesh. */
export async function getJson(url, headers, timeoutMs) {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    return { status: response.status, body: response.ok ? JSON.parse(text) : undefined };
  } catch (error) {
    return { status: 0, why: error.name === "TimeoutError" ? "no answer in time" : error.message };
  }
}

export function sendJson(response, status, body) {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(text);
}

/** The number in `/reviews/0`; undefined: the path is another one. */
export function idIn(path, prefix) {
  const [, id] = path.match(/^\/[a-z]+\/(\d{1,9})$/) ?? [];
  return id !== undefined && path.startsWith(`/${prefix}/`) ? Number(id) : undefined;
}

/** Serves `answer(request, response, url)` on HOST:PORT until SIGTERM or SIGINT. */
export function serve(name, answer) {
  const { PORT: port = "9080", HOST: host = "127.0.0.1" } = process.env;
  const server = createServer((request, response) => {
    const url = URL.parse(request.url, "http://bookinfo");
    if (url === null) return sendJson(response, 400, { error: "not a URL" });
    if (url.pathname === "/health")
      return sendJson(response, 200, { status: `${name} is healthy` });
    return Promise.resolve(answer(request, response, url)).catch((error) => {
      process.stderr.write(`${name}: ${error.stack}\n`);
      if (!response.headersSent) sendJson(response, 500, { error: "internal error" });
      else response.destroy();
    });
  });
  server.on("error", (error) => {
    process.stderr.write(`${name}: cannot listen on ${host}:${port}: ${error.message}\n`);
    process.exitCode = 1;
  });
  // Longer than a proxy keeps an idle connection: whoever closes first should be the one who knows what is under way.
  server.keepAliveTimeout = 3_700_000;
  server.listen(Number(port), host, () => {
    process.stdout.write(`${name} listens on ${host}:${port}\n`);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, () => server.close(() => process.exit(0)));
  }
}
