import type { HealthCheck_TcpHealthCheckJson as TcpHealthCheckJson } from "#gen/envoy/config/core/v3/health_check_pb.js";
import { within } from "#lib/config-error.ts";
import type { PendingConnect } from "#net/connect.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import { writeHeader1, writeLocalHeader2 } from "../proxy-protocol/write-header.ts";
import { compilePayload, compilePayloads, containsPayloads } from "./payload.ts";
import type { Probe, ProbeContext, ProbeFactory } from "./probe.ts";

interface TcpSettings {
  readonly send: Buffer | undefined;
  readonly receive: readonly Buffer[];
  readonly proxyHeader: "V1" | "V2" | undefined;
}

const receivedBytesMax = 1024 * 1024;

/** Throws ConfigError. */
export function compileTcpCheck(config: TcpHealthCheckJson): ProbeFactory {
  const { send, proxyProtocolConfig } = config;
  const settings: TcpSettings = {
    send: send === undefined ? undefined : within("send", () => compilePayload(send)),
    receive: compilePayloads("receive", config.receive),
    proxyHeader:
      proxyProtocolConfig === undefined
        ? undefined
        : proxyProtocolConfig.version === "V2"
          ? "V2"
          : "V1",
  };
  return { type: "TCP", make: (context) => new TcpProbe(settings, context) };
}

/** Bytes sent and bytes expected; with nothing expected a connection is enough. */
class TcpProbe implements Probe, ConnectionHandler {
  readonly #settings: TcpSettings;
  readonly #context: ProbeContext;
  #pending: PendingConnect | undefined;
  #connection: Connection | undefined;
  #received = Buffer.alloc(0);

  constructor(settings: TcpSettings, context: ProbeContext) {
    this.#settings = settings;
    this.#context = context;
  }

  begin(): void {
    if (this.#connection !== undefined) {
      this.#send(this.#connection);
      return;
    }
    this.#pending = this.#context.connector.connect({
      onConnect: (connection) => {
        this.#pending = undefined;
        this.#onConnected(connection);
      },
      onError: () => {
        this.#pending = undefined;
        this.#context.owner.onFailed({ type: "NETWORK" });
      },
    });
  }

  #onConnected(connection: Connection): void {
    this.#connection = connection;
    connection.handler = this;
    if (this.#settings.receive.length > 0) this.#send(connection);
    else {
      this.#drop();
      this.#context.owner.onPassed(false);
    }
  }

  #send(connection: Connection): void {
    const { proxyHeader, send } = this.#settings;
    if (proxyHeader === "V1")
      connection.write(
        writeHeader1({ source: connection.local, destination: connection.remote, tlvs: [] }),
      );
    else if (proxyHeader === "V2") connection.write(writeLocalHeader2());
    if (send !== undefined) connection.write(send);
  }

  giveUp(): void {
    this.#drop();
  }

  destroy(): void {
    this.#drop();
  }

  /** Close, which nobody needs to hear of. */
  #drop(): void {
    this.#pending?.cancel();
    this.#pending = undefined;
    this.#received = Buffer.alloc(0);
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.destroy();
  }

  onData(chunk: Uint8Array): void {
    if (this.#connection === undefined) return;
    const room = Math.max(0, receivedBytesMax - this.#received.length);
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, room)]);
    if (!containsPayloads(this.#settings.receive, this.#received)) return;
    this.#received = Buffer.alloc(0);
    if (!this.#context.reuseConnection) this.#drop();
    this.#context.owner.onPassed(false);
  }

  onEnd(): void {
    this.#onLost();
  }

  onClose(): void {
    this.#onLost();
  }

  /** Also between two checks: the host does not keep its connections. */
  #onLost(): void {
    if (this.#connection === undefined) return;
    this.#drop();
    this.#context.owner.onFailed({ type: "NETWORK" });
  }

  onWritable(): void {}

  onUnwritable(): void {}
}
