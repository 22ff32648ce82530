import { request } from "node:http";
import type { HostPort } from "./bootstrap.ts";

const answerBytesMax = 1_048_576;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Asks over HTTP, a proxy's admin port or a program; undefined: nobody answers there (yet). */
export function ask(
  { host, port }: HostPort,
  path: string,
  { method = "GET", timeoutMs = 1000 }: { method?: "GET" | "POST"; timeoutMs?: number } = {},
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    // No agent of ours keeps connections: a proxy that drains waits for them.
    const asked = request({ host, port, path, method, agent: false, timeout: timeoutMs });
    const give = (answer?: Answer): void => {
      resolve(answer);
      asked.destroy();
    };
    asked.on("error", () => give());
    asked.on("timeout", () => give());
    asked.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
        if (body.length > answerBytesMax) give();
      });
      response.on("end", () => give({ status: response.statusCode ?? 0, body }));
      response.on("error", () => give());
    });
    asked.end();
  });
}
