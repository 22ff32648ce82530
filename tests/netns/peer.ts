/**
 * What a test does inside a network namespace, as a process of its own.
 *
 *     peer.ts serve ADDRESS PORT          answers each connection, TCP or HTTP, with the address it was reached at
 *     peer.ts ask SOURCE ADDRESS PORT     connects, sends a GET, prints what comes until the end
 *     peer.ts get ADDRESS PORT PATH       a GET to the admin server; exit code 1 unless it is 200
 */
import { get } from "node:http";
import { connect, createServer } from "node:net";

const patienceMs = 5000;
const [action = "", ...words] = process.argv.slice(2);

if (action === "serve") serve(words[0] ?? "", Number(words[1]));
else if (action === "ask") ask(words[0] ?? "", words[1] ?? "", Number(words[2]));
else getAdmin(words[0] ?? "", Number(words[1]), words[2] ?? "");

function serve(host: string, port: number): void {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      const body = `reached ${socket.localAddress} ${socket.localPort}\n`;
      socket.end(
        `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });
  server.listen(port, host, () => process.stdout.write("listening\n"));
}

function ask(localAddress: string, host: string, port: number): void {
  const socket = connect({ host, port, localAddress });
  socket.setTimeout(patienceMs, () => socket.destroy(new Error("no answer")));
  socket.on("error", (error) => process.stdout.write(`error ${error.message}\n`));
  socket.on("data", (chunk) => process.stdout.write(chunk));
  socket.write("GET / HTTP/1.1\r\nhost: host.test\r\nconnection: close\r\n\r\n");
}

function getAdmin(host: string, port: number, path: string): void {
  const request = get({ host, port, path, agent: false }, (response) => {
    process.exitCode = response.statusCode === 200 ? 0 : 1;
    response.pipe(process.stdout);
  });
  request.on("error", () => {
    process.exitCode = 1;
  });
}
