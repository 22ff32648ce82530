import { chmodSync, lstatSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { type Address, ipAddress, pipeAddress, pipePath } from "./address.ts";
import { localAddress, remoteAddress } from "./connect.ts";
import { libc } from "./libc.ts";
import type { NativeHandle, NativeTcp } from "./native.ts";
import { dispatch, RawConnection } from "./raw-connection.ts";
import { applySocketOptions, openBoundSocket, type SocketOption } from "./socket-options.ts";

export interface ListenOptions {
  /** SYN queue; 128 as Envoy when unset. */
  readonly backlog?: number | undefined;
  /** Several workers each bind the port and the kernel spreads connections. */
  readonly reusePort?: boolean;
  /** IPv6 socket that takes no IPv4 (Envoy's `ipv4_compat: false`). */
  readonly ipv6Only?: boolean;
  /** Mode of a Unix socket. */
  readonly mode?: number | undefined;
  readonly noDelay?: boolean;
  /** Take over this listening descriptor instead of binding (hot restart, sockets shared by workers). */
  readonly fileDescriptor?: number | undefined;
  readonly socketOptions?: readonly SocketOption[];
}

export interface ListeningSocket {
  /** With the port that the kernel chose when it was 0. */
  readonly address: Address;
  readonly fileDescriptor: number;
  /** Stop accepting; accepted connections live on. */
  close(): void;
  /** Stop accepting for now: the kernel lets clients connect, as many as the backlog has room for, and they wait. */
  pause(): void;
  resume(): void;
}

/**
 * The one place where a listening socket is opened, so that a hot restart can hand every one of them over. `onAccept` gets a
 * connection that does not read yet: call `start()`.
 */
export function listen(
  address: Address,
  options: ListenOptions,
  onAccept: (connection: RawConnection) => void,
): Promise<ListeningSocket> {
  return new Promise((resolve, reject) => {
    // pauseOnConnect: should the runtime's own accept path ever run, no byte is lost.
    const server = createServer({ pauseOnConnect: true });
    server.once("error", reject);
    server.listen(listenTarget(address, options), () => {
      server.removeListener("error", reject);
      try {
        finishSocket(nativeHandle(server).fd, address, options);
      } catch (error) {
        server.close();
        reject(error);
        return;
      }
      const bound = boundAddress(server, address);
      resolve(
        new OpenSocket(server, {
          address: bound,
          backlog: options.backlog ?? backlogDefault,
          bound: options.fileDescriptor === undefined,
          onAccept: (client) => onAccept(accepted(client, bound, options)),
        }),
      );
    });
  });
}

interface OpenOptions {
  readonly address: Address;
  readonly backlog: number;
  /** By us, not by whom the descriptor is from. */
  readonly bound: boolean;
  readonly onAccept: (client: NativeHandle) => void;
}

class OpenSocket implements ListeningSocket {
  readonly address: Address;
  readonly #options: OpenOptions;
  /** Who removes the file of a Unix socket when it closes: the runtime does for a handle that it has bound. */
  #fileOwner: "runtime" | "us" | "other";
  #state:
    | { readonly kind: "open"; readonly server: Server }
    | { readonly kind: "paused"; readonly fileDescriptor: number }
    | { readonly kind: "closed" };

  constructor(server: Server, options: OpenOptions) {
    this.address = options.address;
    this.#options = options;
    const isFile = options.address.family === "pipe" && !options.address.ip.startsWith("@");
    this.#fileOwner = isFile && options.bound ? "runtime" : "other";
    this.#state = { kind: "open", server };
    this.#accept(server);
  }

  get fileDescriptor(): number {
    const state = this.#state;
    if (state.kind === "paused") return state.fileDescriptor;
    return state.kind === "open" ? nativeHandle(state.server).fd : -1;
  }

  #accept(server: Server): void {
    nativeHandle(server).onconnection = (status, client) => {
      if (status < 0 || client === undefined) return;
      dispatch(() => this.#options.onAccept(client));
    };
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "open") state.server.close();
    else if (state.kind === "paused") libc().close(state.fileDescriptor);
    if (this.#fileOwner === "us") rmSync(this.address.ip, { force: true });
  }

  /** The runtime accepts whatever comes to a handle that listens: the handle goes, a second descriptor keeps the socket. */
  pause(): void {
    const state = this.#state;
    if (state.kind !== "open") return;
    const fileDescriptor = libc().dup(nativeHandle(state.server).fd);
    if (fileDescriptor === -1) return;
    this.#state = { kind: "paused", fileDescriptor };
    if (this.#fileOwner === "runtime") this.#closeWithoutFile(state.server);
    else state.server.close();
  }

  /** While the handle closes, the file that it would remove is elsewhere. */
  #closeWithoutFile(server: Server): void {
    const { ip } = this.address;
    const elsewhere = `${ip}.paused`;
    const isThere = lstatSync(ip, { throwIfNoEntry: false }) !== undefined;
    if (isThere) renameSync(ip, elsewhere);
    server.close();
    if (isThere) renameSync(elsewhere, ip);
    this.#fileOwner = "us";
  }

  resume(): void {
    const state = this.#state;
    if (state.kind !== "paused") return;
    const server = createServer({ pauseOnConnect: true });
    server.listen({ fd: state.fileDescriptor, backlog: this.#options.backlog });
    this.#state = { kind: "open", server };
    this.#accept(server);
  }
}

const backlogDefault = 128;

function listenTarget(address: Address, options: ListenOptions): object {
  const backlog = options.backlog ?? backlogDefault;
  if (options.fileDescriptor !== undefined) return { fd: options.fileDescriptor, backlog };
  if (address.family === "pipe") {
    removeStale(address.ip);
    return { path: pipePath(address.ip), backlog };
  }
  if (options.socketOptions !== undefined && options.socketOptions.length > 0) {
    const fd = openBoundSocket(address, {
      options: options.socketOptions,
      reusePort: options.reusePort ?? false,
      ipv6Only: options.ipv6Only ?? true,
    });
    return { fd, backlog };
  }
  return {
    host: address.ip,
    port: address.port,
    backlog,
    reusePort: options.reusePort ?? false,
    ipv6Only: options.ipv6Only ?? true,
    exclusive: true,
  };
}

/** A process that is gone leaves the file of its socket behind. */
function removeStale(path: string): void {
  if (path.startsWith("@")) return;
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
}

function finishSocket(fileDescriptor: number, address: Address, options: ListenOptions): void {
  const { socketOptions = [], mode = 0 } = options;
  if (address.family === "pipe") {
    // No bind of our own: what should come before it comes now.
    applySocketOptions(fileDescriptor, socketOptions, "prebind");
    applySocketOptions(fileDescriptor, socketOptions, "bound");
    if (mode !== 0 && options.fileDescriptor === undefined) chmodSync(address.ip, mode);
  }
  applySocketOptions(fileDescriptor, socketOptions, "listening");
}

function nativeHandle(server: Server): NativeHandle {
  const handle = Reflect.get(server, "_handle") as NativeHandle | null;
  if (handle === null) throw new Error("the listening server has no handle");
  return handle;
}

function boundAddress(server: Server, asked: Address): Address {
  const bound = server.address();
  if (bound === null) return asked;
  if (asked.family === "pipe") return asked;
  return typeof bound === "string" ? pipeAddress(bound) : ipAddress(bound.address, bound.port);
}

function accepted(client: NativeHandle, bound: Address, options: ListenOptions): RawConnection {
  // A client of a Unix socket has no name of its own.
  if (bound.family === "pipe") return new RawConnection(client, bound, pipeAddress(""));
  const socket = client as NativeTcp;
  if (options.noDelay !== false) socket.setNoDelay(true);
  const local = localAddress(socket);
  const remote = remoteAddress(socket);
  if (options.ipv6Only !== false) return new RawConnection(client, local, remote);
  return new RawConnection(client, unmapped(local), unmapped(remote));
}

/** A client that came by IPv4 to a socket of both families has an IPv4 address (RFC 4291 §2.5.5.2). */
function unmapped(address: Address): Address {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address.ip);
  return mapped === null ? address : ipAddress(mapped[1] ?? "", address.port);
}
