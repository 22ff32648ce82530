import type { Address } from "#net/address.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import { actionPages } from "./action-pages.ts";
import { configDumpPage } from "./config-dump.ts";
import { AdminConnection } from "./connection.ts";
import type { AdminAnswer, AdminPage, AdminRequest } from "./page.ts";
import type { AdminSource } from "./source.ts";
import { statsPages } from "./stats-pages.ts";
import { statusPages } from "./status-pages.ts";

const connectionsMax = 256;

const helpPage: AdminPage = {
  path: "/help",
  help: "print out list of admin commands",
  answer: () => ({ body: helpText("admin commands are:\n") }),
};
const homePage: AdminPage = {
  path: "/",
  help: "Admin home page",
  answer: () => ({ type: "text/html; charset=UTF-8", body: homeHtml() }),
};

/** Every admin page, in the order in which /help lists them. A new one is a line here. */
const pages: readonly AdminPage[] = [
  homePage,
  configDumpPage,
  ...statusPages,
  ...statsPages,
  ...actionPages,
  helpPage,
].sort((a, b) => (a.path < b.path ? -1 : 1));

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

/** The admin port. Runs in the main thread; no traffic of the mesh passes here. */
export class AdminServer {
  readonly #source: AdminSource;
  readonly #connections: Set<AdminConnection> = new Set();
  #socket: ListeningSocket | undefined;

  constructor(source: AdminSource) {
    this.#source = source;
  }

  /** Resolves with the real address. */
  async listen(address: Address): Promise<Address> {
    this.#socket = await listen(address, {}, (connection) => {
      if (this.#connections.size >= connectionsMax) {
        connection.destroy();
        return;
      }
      const admin = new AdminConnection(
        connection,
        (request) => this.#answer(request),
        () => this.#connections.delete(admin),
      );
      this.#connections.add(admin);
      connection.start();
    });
    return this.#socket.address;
  }

  close(): void {
    this.#socket?.close();
    for (const connection of [...this.#connections]) connection.close();
  }

  async #answer(request: AdminRequest): Promise<AdminAnswer> {
    const stats = this.#source.stats.own;
    stats.counter("http.admin.downstream_rq_total").inc();
    const answer = await this.#find(request);
    stats.counter(`http.admin.downstream_rq_${Math.floor((answer.status ?? 200) / 100)}xx`).inc();
    return answer;
  }

  async #find(request: AdminRequest): Promise<AdminAnswer> {
    const page = pages.find(({ path }) => path === request.path);
    if (page === undefined)
      return { status: 404, body: helpText("invalid path. admin commands are:\n") };
    if (page.post === true && request.method !== "POST") {
      return { status: 405, body: `Method ${request.method} not allowed, POST required.` };
    }
    try {
      return await page.answer(request, this.#source);
    } catch (error) {
      return {
        status: 500,
        body: `${page.path} failed: ${error instanceof Error ? error.message : String(error)}\n`,
      };
    }
  }
}
