import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Address, ipAddress, pipeAddress } from "./address.ts";
import { libc } from "./libc.ts";
import { type ListeningSocket, listen } from "./listen.ts";
import type { RawConnection } from "./raw-connection.ts";

const folder = mkdtempSync(join(tmpdir(), "listen-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Two that accept from one socket, as workers do. */
async function shared(address: Address): Promise<{
  readonly sockets: readonly ListeningSocket[];
  accepted(): Promise<void>;
  readonly counted: { connections: number };
}> {
  const counted = { connections: 0 };
  let wake = (): void => {};
  const onAccept = (connection: RawConnection): void => {
    counted.connections += 1;
    connection.destroy();
    wake();
  };
  const first = await listen(address, {}, onAccept);
  const fileDescriptor = libc().dup(first.fileDescriptor);
  const second = await listen(first.address, { fileDescriptor }, onAccept);
  const accepted = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  return { sockets: [first, second], accepted, counted };
}

async function client(address: Address): Promise<Socket> {
  const target =
    address.family === "pipe" ? { path: address.ip } : { host: address.ip, port: address.port };
  const socket = connect(target);
  socket.resume();
  await once(socket, "connect");
  return socket;
}

describe("a listening socket", () => {
  const addresses = {
    TCP: (): Address => ipAddress("127.0.0.1", 0),
    "a Unix socket": (): Address => pipeAddress(join(folder, "socket")),
  };
  for (const [kind, makeAddress] of Object.entries(addresses)) {
    it(`of ${kind} that is paused keeps clients waiting, more than once`, async () => {
      const { sockets, accepted, counted } = await shared(makeAddress());
      const address = sockets[0]?.address ?? makeAddress();
      for (let round = 1; round <= 2; round++) {
        for (const socket of sockets) socket.pause();
        const waiting = await client(address);
        assert.equal(counted.connections, round - 1);
        const next = accepted();
        for (const socket of sockets) socket.resume();
        await next;
        await once(waiting, "close");
      }
      for (const socket of sockets) socket.close();
      await assert.rejects(client(address));
      assert.equal(existsSync(join(folder, "socket")), false);
    });

    it(`of ${kind} may close while it is paused`, async () => {
      const { sockets } = await shared(makeAddress());
      const address = sockets[0]?.address ?? makeAddress();
      for (const socket of sockets) socket.pause();
      for (const socket of sockets) socket.close();
      await assert.rejects(client(address));
      assert.equal(existsSync(join(folder, "socket")), false);
    });
  }
});
