/**
 * The runtime's own socket handles, below `node:net`. A proxy moves bytes between two sockets and needs neither streams nor their
 * events: on these handles one request costs about a quarter less CPU (docs/decisions/0010-native-handles.md). The runtime is pinned
 * in package.json, and `native.test.ts` fails when a new version changes what is used here.
 */

export interface NativeRequest {
  oncomplete: ((status: number) => void) | undefined;
  /** Keeps alive what libuv writes from until the write is complete: nothing else does. */
  buffer?: Uint8Array;
}

/** A libuv stream: TCP or Unix socket. Numbers returned are 0 or a negative errno. */
export interface NativeHandle {
  readonly fd: number;
  onread: ((this: NativeHandle, buffer?: ArrayBuffer) => void) | undefined;
  onconnection: ((status: number, client: NativeHandle | undefined) => void) | undefined;
  owner: unknown;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeBuffer(request: NativeRequest, chunk: Uint8Array): number;
  writeLatin1String(request: NativeRequest, text: string): number;
  shutdown(request: NativeRequest): number;
  close(done?: () => void): void;
  ref(): void;
  unref(): void;
}

export interface NativeTcp extends NativeHandle {
  /** Take over a socket. */
  open(fileDescriptor: number): number;
  bind(ip: string, port: number): number;
  bind6(ip: string, port: number, flags: number): number;
  connect(request: NativeRequest, ip: string, port: number): number;
  connect6(request: NativeRequest, ip: string, port: number): number;
  getsockname(out: { address?: string; port?: number; family?: string }): number;
  getpeername(out: { address?: string; port?: number; family?: string }): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, idleSeconds: number, intervalSeconds?: number, probes?: number): number;
  reset(done?: () => void): number;
}

export interface NativePipe extends NativeHandle {
  connect(request: NativeRequest, path: string): number;
}

interface TcpBinding {
  TCP: new (type: number) => NativeTcp;
  TCPConnectWrap: new () => NativeRequest;
  constants: { SOCKET: number; SERVER: number };
}

interface PipeBinding {
  Pipe: new (type: number) => NativePipe;
  PipeConnectWrap: new () => NativeRequest;
  constants: { SOCKET: number; SERVER: number };
}

interface StreamBinding {
  WriteWrap: new () => NativeRequest;
  ShutdownWrap: new () => NativeRequest;
  streamBaseState: Int32Array;
  kReadBytesOrError: number;
  kLastWriteWasAsync: number;
}

export function binding(name: string): unknown {
  const load = Reflect.get(process, "binding") as ((name: string) => unknown) | undefined;
  if (load === undefined)
    throw new Error(
      "this runtime has no process.binding: run Heddle with the Node.js of its package",
    );
  return load.call(process, name);
}

export const tcp = binding("tcp_wrap") as TcpBinding;
export const pipe = binding("pipe_wrap") as PipeBinding;
export const stream = binding("stream_wrap") as StreamBinding;

/** libuv's end of file. */
export const endOfFile = -4095;
