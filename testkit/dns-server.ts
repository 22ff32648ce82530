import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** What the server says about one name: addresses of either family, or a failure. A name it does not know is NXDOMAIN. */
export interface DnsRecords {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly ttl?: number;
  readonly failing?: boolean;
}

const typeA = 1;
const typeAaaa = 28;

/** A name server on a free UDP port of 127.0.0.1 that answers A and AAAA (RFC 1035 §4). */
export class DnsServer {
  readonly names: Map<string, DnsRecords> = new Map();
  /** `name A` or `name AAAA`, in the order asked. */
  readonly questions: string[] = [];
  readonly #socket: Socket = createSocket("udp4");

  async listen(): Promise<this> {
    this.#socket.on("message", (query, from) => {
      this.#socket.send(this.#answer(query), from.port, from.address);
    });
    this.#socket.bind(0, "127.0.0.1");
    await once(this.#socket, "listening");
    return this;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  #answer(query: Buffer): Buffer {
    const { name, end, type } = question(query);
    this.questions.push(`${name} ${type === typeA ? "A" : type === typeAaaa ? "AAAA" : type}`);
    const records = this.names.get(name);
    const found = (type === typeA ? records?.a : type === typeAaaa ? records?.aaaa : []) ?? [];
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    const code = records === undefined ? 3 : records.failing === true ? 2 : 0;
    // RFC 1035 §4.1.1: QR, AA, RD, RA and the response code.
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(code === 0 ? found.length : 0, 6);
    const answers = code === 0 ? found.map((ip) => record(ip, type, records?.ttl ?? 60)) : [];
    return Buffer.concat([header, query.subarray(12, end), ...answers]);
  }
}

function question(query: Buffer): { name: string; end: number; type: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 5, type: query.readUInt16BE(at + 1) };
}

function record(ip: string, type: number, ttl: number): Buffer {
  const data = type === typeA ? Buffer.from(ip.split(".").map(Number)) : ipv6Bytes(ip);
  const head = Buffer.alloc(12);
  // A pointer to the question's name.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ipv6Bytes(ip: string): Buffer {
  const [before = "", after = ""] = ip.split("::");
  const groups = (text: string): string[] => text.split(":").filter((group) => group !== "");
  const [head, tail] = [groups(before), groups(after)];
  const middle = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...head, ...middle, ...tail].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  }
  return bytes;
}
