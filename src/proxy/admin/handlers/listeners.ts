import { type Address, addressText } from "#net/address.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, json } from "../page.ts";
import type { AdminSource } from "../source.ts";

export const listenersPage: AdminPage = {
  path: "/listeners",
  help: "print listener info",
  parameters: [{ name: "format", help: "File format to use", choices: ["text", "json"] }],
  answer: (request, { source }) => listeners(request, source),
};

function listeners({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  if (query.get("format") !== "json") {
    const lines = source.listeners.flatMap(({ name, addresses }) =>
      addresses.map((address) => `${name}::${addressText(address)}\n`),
    );
    return { body: lines.join("") };
  }
  const statuses = source.listeners.map(({ name, addresses }) => {
    const [first, ...more] = addresses.map(addressJson);
    return {
      name,
      ...(first === undefined ? {} : { local_address: first }),
      ...(more.length > 0 ? { additional_local_addresses: more } : {}),
    };
  });
  return json(statuses.length === 0 ? {} : { listener_statuses: statuses });
}

/** core.v3.Address. */
export function addressJson({ ip, port, family }: Address): unknown {
  if (family === "pipe") return { pipe: { path: ip } };
  return { socket_address: { address: ip, port_value: port } };
}
