import assert from "node:assert/strict";
import { it } from "node:test";
import { pipe, stream, tcp } from "./native.ts";

it("this runtime has every handle and method that is used below node:net", () => {
  const shared = [
    "readStart",
    "readStop",
    "useUserBuffer",
    "writeBuffer",
    "writeLatin1String",
    "shutdown",
    "close",
    "ref",
    "unref",
  ];
  const socket = new tcp.TCP(tcp.constants.SOCKET);
  const local = new pipe.Pipe(pipe.constants.SOCKET);
  const own = [
    "bind",
    "bind6",
    "connect",
    "connect6",
    "getsockname",
    "getpeername",
    "setNoDelay",
    "setKeepAlive",
    "reset",
  ];
  for (const name of [...shared, ...own])
    assert.equal(typeof Reflect.get(socket, name), "function", `TCP.${name}`);
  for (const name of [...shared, "connect"])
    assert.equal(typeof Reflect.get(local, name), "function", `Pipe.${name}`);
  for (const make of [
    tcp.TCPConnectWrap,
    pipe.PipeConnectWrap,
    stream.WriteWrap,
    stream.ShutdownWrap,
  ])
    assert.equal(typeof make, "function");
  assert.ok(stream.streamBaseState instanceof Int32Array);
  assert.equal(typeof stream.kReadBytesOrError, "number");
  assert.equal(typeof stream.kLastWriteWasAsync, "number");
  socket.close();
  local.close();
});
