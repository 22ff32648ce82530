import type { ServerResponse } from "node:http";
import type { ConfigStore, Revision } from "../stores/store.ts";
import { ApiProblem } from "./http.ts";
import { revisionJson } from "./object-json.ts";

/** Clients that watch at a time. */
const streamsMax = 1000;
/** Bytes that wait for a client that does not read; it is cut off then, and may begin again. */
const waitingMax = 4 * 1024 * 1024;

/** Server-sent events: each revision, as JSON, with its number as id. */
export class WatchStreams {
  readonly #stores: readonly ConfigStore[];
  readonly #open: Map<ServerResponse, () => void> = new Map();

  constructor(stores: readonly ConfigStore[]) {
    this.#stores = stores;
  }

  /** `from=N`: first those after revision N, as far as they are kept. */
  open(query: URLSearchParams, response: ServerResponse): void {
    if (this.#open.size >= streamsMax)
      throw new ApiProblem(503, `${streamsMax} clients watch already`);
    const from = query.get("from");
    const missed = from === null ? [] : this.#since(Number(from));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.flushHeaders();
    const send = (revision: Revision): void => {
      const data = JSON.stringify(revisionJson(revision));
      response.write(`id: ${revision.number}\nevent: revision\ndata: ${data}\n\n`);
      if (response.writableLength > waitingMax) response.destroy();
    };
    for (const revision of missed) send(revision);
    const ends = this.#stores.map((store) => store.watch(send));
    this.#open.set(response, () => {
      for (const end of ends) end();
    });
    response.on("close", () => this.#end(response));
  }

  #since(number: number): readonly Revision[] {
    if (!Number.isInteger(number)) throw new ApiProblem(400, "from: the number of a revision");
    const [store] = this.#stores;
    const count = (store?.revision ?? 0) - number;
    if (store === undefined || count <= 0) return [];
    const revisions = store.history(count).toReversed();
    if (revisions.length < count)
      throw new ApiProblem(410, `revisions after ${number} are forgotten: list the objects again`);
    return revisions;
  }

  #end(response: ServerResponse): void {
    this.#open.get(response)?.();
    this.#open.delete(response);
  }

  close(): void {
    for (const response of [...this.#open.keys()]) {
      this.#end(response);
      response.end();
    }
  }
}
