import { getSystemErrorName } from "node:util";
import { type Address, ipAddress, pipeAddress, pipePath } from "./address.ts";
import type { Connection } from "./connection.ts";
import { type NativeHandle, type NativeTcp, pipe, tcp } from "./native.ts";
import { dispatch, RawConnection } from "./raw-connection.ts";
import { openClientSocket, type SocketOption } from "./socket-options.ts";
import { TlsConnection, type TlsSettings } from "./tls-connection.ts";

/** -EINVAL: the kernel takes no such option. */
const invalidArgument = -22;

/** Socket options of an upstream connection. */
export interface ConnectOptions {
  readonly noDelay?: boolean;
  /** TCP keepalive; seconds. */
  readonly keepAlive?:
    | { readonly idleSeconds: number; readonly intervalSeconds?: number; readonly probes?: number }
    | undefined;
  /** Address to bind before connecting. */
  readonly source?: Address | undefined;
  readonly socketOptions?: readonly SocketOption[] | undefined;
}

export interface PendingConnect {
  /** Give up; neither callback is called. */
  cancel(): void;
}

export interface ConnectCallbacks {
  onConnect(connection: Connection): void;
  onError(detail: string): void;
}

/** What a connection to an upstream is made of, besides its address. */
export interface ConnectLayers {
  readonly tls?: TlsSettings | undefined;
  /** Bytes that come before everything else, also before TLS: a PROXY header. */
  readonly preamble?: Uint8Array | undefined;
}

/**
 * Connect to `address`; with `tls` the connection is there when its handshake is over. One of the callbacks is called later, never
 * before this returns. A raw connection reads only after `start()`, which this calls after `onConnect`.
 */
export function connect(
  address: Address,
  options: ConnectOptions,
  callbacks: ConnectCallbacks,
  { tls, preamble }: ConnectLayers = {},
): PendingConnect {
  const handle =
    address.family === "pipe"
      ? new pipe.Pipe(pipe.constants.SOCKET)
      : new tcp.TCP(tcp.constants.SOCKET);
  let live = true;
  let securing: TlsConnection | undefined;
  const fail = (status: number): void => {
    if (!live) return;
    live = false;
    handle.close();
    dispatch(() => callbacks.onError(getSystemErrorName(status)));
  };
  const request = address.family === "pipe" ? new pipe.PipeConnectWrap() : new tcp.TCPConnectWrap();
  request.oncomplete = (status) => {
    if (!live) return;
    if (status < 0) {
      fail(status);
      return;
    }
    dispatch(() => {
      const connection = established(handle, address, options);
      if (preamble !== undefined) {
        connection.write(preamble);
        connection.flush();
      }
      if (tls === undefined) {
        live = false;
        callbacks.onConnect(connection);
        if (!connection.closed) connection.start();
        return;
      }
      const secure = new TlsConnection(connection, tls, {
        onSecure: () => {
          live = false;
          callbacks.onConnect(secure);
        },
        onFailed: (detail) => {
          if (!live) return;
          live = false;
          callbacks.onError(detail);
        },
      });
      securing = secure;
      secure.start();
    });
  };
  const error = begin(handle, request, address, options);
  if (error !== 0) process.nextTick(fail, error);
  return {
    cancel: () => {
      if (!live) return;
      live = false;
      if (securing === undefined) handle.close();
      else securing.destroy();
    },
  };
}

function begin(
  handle: NativeHandle,
  request: { oncomplete: unknown },
  address: Address,
  options: ConnectOptions,
): number {
  if (address.family === "pipe") {
    return (
      (handle as InstanceType<typeof pipe.Pipe>).connect(request as never, pipePath(address.ip)) ??
      0
    );
  }
  const socket = handle as NativeTcp;
  const error = openWithOptions(socket, address, options);
  if (error !== 0) return error;
  if (options.source !== undefined) {
    const refused =
      options.source.family === 6
        ? socket.bind6(options.source.ip, options.source.port, 0)
        : socket.bind(options.source.ip, options.source.port);
    if (refused !== 0) return refused;
  }
  return address.family === 6
    ? socket.connect6(request as never, address.ip, address.port)
    : socket.connect(request as never, address.ip, address.port);
}

/** Returns 0 or a negative errno. */
function openWithOptions(socket: NativeTcp, address: Address, options: ConnectOptions): number {
  const { socketOptions } = options;
  if (socketOptions === undefined || socketOptions.length === 0) return 0;
  try {
    return socket.open(openClientSocket(address, socketOptions));
  } catch {
    return invalidArgument;
  }
}

function established(
  handle: NativeHandle,
  address: Address,
  options: ConnectOptions,
): RawConnection {
  if (address.family === "pipe") return new RawConnection(handle, pipeAddress(""), address);
  const socket = handle as NativeTcp;
  if (options.noDelay !== false) socket.setNoDelay(true);
  if (options.keepAlive !== undefined) {
    socket.setKeepAlive(
      true,
      options.keepAlive.idleSeconds,
      options.keepAlive.intervalSeconds,
      options.keepAlive.probes,
    );
  }
  return new RawConnection(handle, localAddress(socket), address);
}

export function localAddress(socket: NativeTcp): Address {
  const out: { address?: string; port?: number } = {};
  socket.getsockname(out);
  return ipAddress(out.address ?? "", out.port ?? 0);
}

export function remoteAddress(socket: NativeTcp): Address {
  const out: { address?: string; port?: number } = {};
  socket.getpeername(out);
  return ipAddress(out.address ?? "", out.port ?? 0);
}
