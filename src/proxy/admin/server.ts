import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "#net/address.ts";
import { actionPages } from "./action-pages.ts";
import { configDumpPage } from "./config-dump.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, textType } from "./page.ts";
import type { AdminSource } from "./source.ts";
import { statsPages } from "./stats-pages.ts";
import { statusPages } from "./status-pages.ts";

const helpPage: AdminPage = { path: "/help", help: "print out list of admin commands", answer: () => ({ body: helpText("admin commands are:\n") }) };
const homePage: AdminPage = { path: "/", help: "Admin home page", answer: () => ({ type: "text/html; charset=UTF-8", body: homeHtml() }) };

/** Every admin page, in the order in which /help lists them. A new one is a line here. */
const pages: readonly AdminPage[] = [homePage, configDumpPage, ...statusPages, ...statsPages, ...actionPages, helpPage].sort((a, b) => (a.path < b.path ? -1 : 1));

function helpText(title: string): string {
  let text = title;
  for (const page of pages) {
    text += `  ${page.path}${page.post === true ? " (POST)" : ""}: ${page.help}\n`;
    for (const [name, help] of page.parameters ?? []) text += `      ${name}: ${help}\n`;
  }
  return text;
}

function homeHtml(): string {
  const rows = pages
    .filter((page) => page.path !== "/")
    .map((page) =>
      page.post === true
        ? `<tr><td><form method="post" action="${page.path}"><button>${page.path}</button></form></td><td>${page.help}</td></tr>`
        : `<tr><td><a href="${page.path}">${page.path}</a></td><td>${page.help}</td></tr>`,
    );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Heddle proxy</title><style>body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:52rem;color:#1b1f24}td{padding:.35rem .8rem;border-top:1px solid #e2e6ea;vertical-align:top}table{border-collapse:collapse;width:100%}form{margin:0}button{font:inherit;cursor:pointer}</style><h1>Heddle proxy</h1><table>${rows.join("")}</table></html>\n`;
}

/** The admin port. Runs in the main thread on the runtime's own HTTP server: no traffic of the mesh passes here. */
export class AdminServer {
  readonly #source: AdminSource;
  readonly #server: Server;

  constructor(source: AdminSource) {
    this.#source = source;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Resolves with the real address. */
  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      const bound = (): void => {
        this.#server.removeListener("error", reject);
        const info = this.#server.address() as AddressInfo | string | null;
        resolve(info === null || typeof info === "string" ? address : { ip: info.address, port: info.port, family: address.family });
      };
      if (address.family === "pipe") this.#server.listen(address.ip, bound);
      else this.#server.listen(address.port, address.ip, bound);
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const stats = this.#source.stats.own;
    stats.counter("http.admin.downstream_rq_total").inc();
    const url = new URL(request.url ?? "/", "http://admin");
    const answer = await this.#answer({ method: request.method ?? "GET", path: url.pathname, query: url.searchParams });
    const status = answer.status ?? 200;
    stats.counter(`http.admin.downstream_rq_${Math.floor(status / 100)}xx`).inc();
    response.writeHead(status, {
      "content-type": answer.type ?? textType,
      "cache-control": "no-cache, max-age=0",
      "x-content-type-options": "nosniff",
      server: "envoy",
    });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  async #answer(request: AdminRequest): Promise<AdminAnswer> {
    const page = pages.find(({ path }) => path === request.path);
    if (page === undefined) return { status: 404, body: helpText("invalid path. admin commands are:\n") };
    if (page.post === true && request.method !== "POST") return { status: 405, body: `Method ${request.method} not allowed, POST required.` };
    try {
      return await page.answer(request, this.#source);
    } catch (error) {
      return { status: 500, body: `${page.path} failed: ${error instanceof Error ? error.message : String(error)}\n` };
    }
  }
}
