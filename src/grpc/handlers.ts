import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { MessageQueue } from "./message-queue.ts";
import type { MethodHandler, ServerCall, ServerCallEvents } from "./server-call.ts";
import { GrpcCode, GrpcError, type GrpcStatus } from "./status.ts";

type Input<M extends DescMethod> = MessageShape<M["input"]>;
type Output<M extends DescMethod> = MessageShape<M["output"]>;

/** One request, one response. */
export function unary<M extends DescMethod>(
  answer: (request: Input<M>, call: ServerCall<M>) => Promise<Output<M>> | Output<M>,
): MethodHandler<M> {
  return (call) =>
    oneRequest(call, async (request) => {
      call.send(await answer(request, call));
    });
}

/** One request, a stream of responses; they are asked for as fast as the client takes them. */
export function serverStreaming<M extends DescMethod>(
  answer: (request: Input<M>, call: ServerCall<M>) => AsyncIterable<Output<M>>,
): MethodHandler<M> {
  return (call) => {
    const room = new Room();
    return {
      ...oneRequest(call, (request) => sendAll(call, answer(request, call), room)),
      onCancel: () => room.open(),
      onWritable: () => room.open(),
    };
  };
}

/** A stream of requests, one response. */
export function clientStreaming<M extends DescMethod>(
  answer: (
    requests: AsyncIterable<Input<M>>,
    call: ServerCall<M>,
  ) => Promise<Output<M>> | Output<M>,
): MethodHandler<M> {
  return (call) =>
    manyRequests(call, new Room(), async (requests) => {
      call.send(await answer(requests, call));
    });
}

/** A stream of requests, a stream of responses, in any order. */
export function bidiStreaming<M extends DescMethod>(
  answer: (requests: AsyncIterable<Input<M>>, call: ServerCall<M>) => AsyncIterable<Output<M>>,
): MethodHandler<M> {
  return (call) => {
    const room = new Room();
    return manyRequests(call, room, (requests) => sendAll(call, answer(requests, call), room));
  };
}

/** Waits until the client takes more. */
class Room {
  #opened: (() => void) | undefined;

  open(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.();
  }

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }
}

async function sendAll<M extends DescMethod>(
  call: ServerCall<M>,
  messages: AsyncIterable<Output<M>>,
  room: Room,
): Promise<void> {
  for await (const message of messages) {
    const more = call.send(message);
    if (call.done) return;
    if (!more) await room.wait();
  }
}

function run<M extends DescMethod>(call: ServerCall<M>, work: Promise<void>): void {
  work.then(
    () => call.finish(),
    (error: unknown) => call.fail(error),
  );
}

function oneRequest<M extends DescMethod>(
  call: ServerCall<M>,
  work: (request: Input<M>) => Promise<void>,
): ServerCallEvents<M> {
  let request: Input<M> | undefined;
  return {
    onMessage: (message) => {
      if (request !== undefined) throw tooMany;
      request = message;
    },
    onHalfClose: () => {
      if (request === undefined) throw none;
      run(call, work(request));
    },
    onCancel: () => {},
  };
}

const tooMany = new GrpcError(GrpcCode.unimplemented, "more than one request message");
const none = new GrpcError(GrpcCode.unimplemented, "no request message");

function manyRequests<M extends DescMethod>(
  call: ServerCall<M>,
  room: Room,
  work: (requests: AsyncIterable<Input<M>>) => Promise<void>,
): ServerCallEvents<M> {
  const queue = new MessageQueue<Input<M>>(call);
  run(call, work(queue));
  return {
    onMessage: (message) => queue.push(message),
    onHalfClose: () => queue.end(),
    onCancel: (status: GrpcStatus) => {
      queue.fail(new GrpcError(status.code, status.message));
      room.open();
    },
    onWritable: () => room.open(),
  };
}
