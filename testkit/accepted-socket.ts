import { type Address, ipAddress } from "#net/address.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import type {
  AcceptedSocket,
  ListenerFilter,
  ListenerVerdict,
} from "#proxy/filters/listener/filter.ts";

/** What a listener filter can change, without a socket. */
export class FakeAcceptedSocket implements AcceptedSocket {
  // The filters under test look at bytes only.
  readonly connection: RawConnection = undefined as unknown as RawConnection;
  local: Address = ipAddress("127.0.0.1", 10_000);
  localRestored = false;
  remote: Address = ipAddress("127.0.0.1", 50_000);
  readonly directRemote: Address = this.remote;
  serverName = "";
  transportProtocol: AcceptedSocket["transportProtocol"] = "";
  applicationProtocols: readonly string[] = [];
  readonly dynamicMetadata: AcceptedSocket["dynamicMetadata"] = {};
  readonly filterState: Map<string, unknown> = new Map();

  setFilterState(key: string, value: unknown): void {
    this.filterState.set(key, value);
  }
}

/** Gives a filter its input in pieces until it decides; undefined: it wants more than there is. */
export function feed(
  filter: ListenerFilter,
  socket: AcceptedSocket,
  pieces: readonly Buffer[],
): ListenerVerdict | undefined {
  let verdict = filter.onAccept(socket);
  let peeked = Buffer.alloc(0);
  for (const piece of pieces) {
    if (verdict.verdict !== "more") break;
    peeked = Buffer.concat([peeked, piece]);
    verdict = filter.onData(socket, peeked);
  }
  return verdict.verdict === "more" ? undefined : verdict;
}

/** Every way to cut the bytes in two, and byte by byte. */
export function* cuts(bytes: Buffer): Generator<readonly Buffer[]> {
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield [...bytes].map((byte) => Buffer.from([byte]));
}
