import { SocketAddress } from "node:net";
import { endianness } from "node:os";
import type { Address } from "./address.ts";
import { type Libc, libc } from "./libc.ts";

/** One `setsockopt(2)` call. `prebind`: before bind or connect; `bound`: between bind and listen; `listening`: after listen. */
export interface SocketOption {
  readonly state: "prebind" | "bound" | "listening";
  readonly level: number;
  readonly name: number;
  readonly value: Buffer;
  /** For messages. */
  readonly description: string;
}

// asm-generic/socket.h and linux/in.h, as x86-64 and arm64 have them.
const inet = 2;
const inet6 = 10;
const streamNonBlockingCloseOnExec = 0x1 | 0x800 | 0x80000;
const socketLevel = 1;
const reuseAddress = 2;
const reusePort = 15;
const ipv6Level = 41;
const ipv6Only = 26;

const isLittleEndian = endianness() === "LE";

/** An option whose value is a C int. */
export function intOption(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (isLittleEndian) bytes.writeInt32LE(value);
  else bytes.writeInt32BE(value);
  return bytes;
}

/** Throws with the option's description. */
export function applySocketOptions(
  fileDescriptor: number,
  options: readonly SocketOption[],
  state: SocketOption["state"],
): void {
  for (const option of options) {
    if (option.state !== state) continue;
    set(fileDescriptor, option);
  }
}

function set(fileDescriptor: number, option: Omit<SocketOption, "state">): void {
  const { level, name, value, description } = option;
  const calls = libc();
  if (calls.setsockopt(fileDescriptor, level, name, value, value.length) === 0) return;
  throw new Error(`socket option ${description} was refused: ${calls.lastError()}`);
}

export interface BoundSocketOptions {
  readonly options: readonly SocketOption[];
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
}

/** A socket bound to an IP address, with the options that come before `listen`. Throws; then nothing stays open. */
export function openBoundSocket(address: Address, settings: BoundSocketOptions): number {
  const flag = (level: number, name: number, description: string) => ({
    level,
    name,
    value: intOption(1),
    description,
  });
  return openSocket(address, (fileDescriptor, calls) => {
    set(fileDescriptor, flag(socketLevel, reuseAddress, "SO_REUSEADDR"));
    if (settings.reusePort) set(fileDescriptor, flag(socketLevel, reusePort, "SO_REUSEPORT"));
    if (address.family === 6 && settings.ipv6Only)
      set(fileDescriptor, flag(ipv6Level, ipv6Only, "IPV6_V6ONLY"));
    applySocketOptions(fileDescriptor, settings.options, "prebind");
    const bytes = socketAddress(address);
    if (calls.bind(fileDescriptor, bytes, bytes.length) !== 0) throw new Error(calls.lastError());
    applySocketOptions(fileDescriptor, settings.options, "bound");
  });
}

/** A socket for an upstream of this family, not bound yet. Throws; then nothing stays open. */
export function openClientSocket(address: Address, options: readonly SocketOption[]): number {
  return openSocket(address, (fileDescriptor) =>
    applySocketOptions(fileDescriptor, options, "prebind"),
  );
}

function openSocket(
  address: Address,
  prepare: (fileDescriptor: number, calls: Libc) => void,
): number {
  const calls = libc();
  const domain = address.family === 6 ? inet6 : inet;
  const fileDescriptor = calls.socket(domain, streamNonBlockingCloseOnExec, 0);
  if (fileDescriptor < 0) throw new Error(calls.lastError());
  try {
    prepare(fileDescriptor, calls);
  } catch (error) {
    calls.close(fileDescriptor);
    throw error;
  }
  return fileDescriptor;
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function socketAddress({ ip, port, family }: Address): Buffer {
  const bytes = Buffer.alloc(family === 6 ? 28 : 16);
  if (isLittleEndian) bytes.writeUInt16LE(family === 6 ? inet6 : inet);
  else bytes.writeUInt16BE(family === 6 ? inet6 : inet);
  bytes.writeUInt16BE(port, 2);
  if (family !== 6) {
    for (const [index, part] of ip.split(".").entries()) bytes[4 + index] = Number(part);
    return bytes;
  }
  writeIpv6(bytes, ip);
  return bytes;
}

function writeIpv6(bytes: Buffer, ip: string): void {
  const { address } = new SocketAddress({ address: ip, family: "ipv6" });
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text =
    dotted === null
      ? address
      : `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  for (const [index, group] of left.entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * index);
  for (const [index, group] of right.entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), 24 - 2 * (right.length - index));
}
