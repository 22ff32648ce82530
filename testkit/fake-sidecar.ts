/** A proxy's outside without its inside, for tests of what starts and stops proxies: takes the flags, serves /ready, ends when asked to. */
import type { ProxyProgram } from "#agent/sidecar.ts";

const script = `
const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const file = process.argv[process.argv.indexOf("-c") + 1];
const bootstrap = JSON.parse(readFileSync(file, "utf8"));
const { address, portValue } = bootstrap.admin.address.socketAddress;
if (bootstrap.refuses) { console.error("bootstrap: " + bootstrap.refuses); process.exit(1); }
console.log("flags " + process.argv.slice(1).join(" "));
createServer((request, response) => {
  if (request.url === "/die") process.exit(3);
  response.statusCode = bootstrap.unready ? 503 : 200;
  response.end(bootstrap.unready ? "INITIALIZING" : "LIVE");
}).listen(portValue, address);
process.on("SIGTERM", () => { console.log("drained"); process.exit(0); });
`;

export const fakeProxy: ProxyProgram = {
  kind: "heddle",
  command: [process.execPath, "-e", script, "--"],
};

/** What a bootstrap must have for it. */
export function fakeBootstrap(port: number, more: object = {}): string {
  const address = { socketAddress: { address: "127.0.0.1", portValue: port } };
  return JSON.stringify({ admin: { address }, ...more });
}
