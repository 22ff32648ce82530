import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import { fieldValue, type Message, readMessage } from "./http-text.ts";
import { Wire } from "./wire.ts";

export interface Response extends Message {
  readonly status: number;
  header(name: string): string | undefined;
  /** 1xx answers that came before this one. */
  readonly interim: readonly Message[];
}

export interface ResponseOptions {
  /** The method that was sent, where it decides framing. */
  readonly method?: "HEAD" | "CONNECT";
}

/** A client that sends exactly the bytes it is given. */
export class RawClient extends Wire {
  static async connect(options: NetConnectOpts): Promise<RawClient> {
    const socket = connect({ allowHalfOpen: true, ...options });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Sends one message and waits for its response. */
  async exchange(request: string, options: ResponseOptions = {}): Promise<Response> {
    await this.write(request);
    return this.response(options);
  }

  /** The next final response, with the interim ones before it. */
  async response(options: ResponseOptions = {}): Promise<Response> {
    const interim: Message[] = [];
    for (;;) {
      const message = await this.until("whole response", (wire) =>
        readMessage(wire.unread, {
          kind: "response",
          bodiless: isBodiless(wire.unread, options),
          ended: wire.state !== "open",
        }),
      );
      this.consume(message.raw.length);
      const status = Number(message.startLine.split(" ")[1]);
      if (status >= 200 || status === 101) {
        return { ...message, status, interim, header: (name) => fieldValue(message.fields, name) };
      }
      interim.push(message);
    }
  }
}

function isBodiless(bytes: string, { method }: ResponseOptions): boolean {
  if (method === "HEAD") return true;
  return method === "CONNECT" && /^HTTP\/1\.\d 2/.test(bytes);
}
