/** Many light clients in one process; it tells its parent when all have what was expected. */
import { LightClient, SharedResponses } from "./light-client.ts";
import { nodeId } from "./world.ts";

export type ClientsCommand =
  | {
      readonly do: "connect";
      readonly port: number;
      readonly proxies: number;
      readonly services: number;
    }
  /** Await a response of the type at every client. */
  | { readonly do: "expect"; readonly typeUrl: string }
  | { readonly do: "reconnect" };

/** Milliseconds since 1970 of each client's last acknowledgement. */
export interface ClientsReply {
  readonly lastAckMs: readonly number[];
  readonly bytes: readonly number[];
}

const quietMs = 500;
const allTypes = 4;
/** Connections begun at a time, as many as a kernel's queue takes. */
const connectBatch = 200;

const shared = new SharedResponses();
let clients: readonly LightClient[] = [];
let waiting: Set<LightClient> = new Set();
let expected = (_client: LightClient, _typeUrl: string): boolean => false;
let quiet: NodeJS.Timeout | undefined;

function onAck(client: LightClient, typeUrl: string): void {
  if (expected(client, typeUrl)) waiting.delete(client);
  if (quiet !== undefined || waiting.size === 0) endWhenQuiet();
}

/** Something may follow what was expected: the round is over when nothing does. */
function endWhenQuiet(): void {
  clearTimeout(quiet);
  quiet = setTimeout(() => {
    quiet = undefined;
    expected = () => false;
    const reply: ClientsReply = {
      lastAckMs: clients.map(({ lastAckMs }) => lastAckMs),
      bytes: clients.map(({ bytes }) => bytes),
    };
    process.send?.(reply);
  }, quietMs);
}

function begin(test: typeof expected): void {
  for (const client of clients) {
    client.bytes = 0;
    client.responses = 0;
  }
  waiting = new Set(clients);
  expected = test;
}

function startAll(): void {
  for (let at = 0; at < clients.length; at += connectBatch)
    setTimeout(() => {
      for (const client of clients.slice(at, at + connectBatch)) client.start();
    }, at / connectBatch);
}

process.on("message", (command: ClientsCommand) => {
  switch (command.do) {
    case "connect": {
      const { port, proxies, services } = command;
      const onEnd = (detail: string): void => {
        process.stderr.write(`a stream ended: ${detail}\n`);
      };
      clients = Array.from(
        { length: proxies },
        (_, index) => new LightClient({ id: nodeId(index, services), port, shared, onAck, onEnd }),
      );
      begin((client) => client.types === allTypes);
      startAll();
      return;
    }
    case "expect":
      begin((_client, typeUrl) => typeUrl === command.typeUrl);
      process.send?.("expecting");
      return;
    default:
      for (const client of clients) client.stop();
      begin((client) => client.responses > 0);
      startAll();
  }
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
