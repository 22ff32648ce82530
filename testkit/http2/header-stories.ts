import type { FuzzRandom } from "../fuzz-inputs.ts";

export type Field = readonly [name: string, value: string];

/** Requests of one connection, of which some fields stay, some come back and some never do. */
export function requestFields(random: FuzzRandom): Field[] {
  const fields: Field[] = [
    [":method", random.pick(["GET", "GET", "GET", "POST", "PUT"])],
    [":path", random.pick(["/", "/index.html", "/api/v1/items", `/items/${random.below(40)}`])],
    [":scheme", random.pick(["http", "https"])],
    [":authority", random.pick(["reviews:9080", "www.example.com", "a.b.svc.cluster.local"])],
    ["user-agent", "curl/8.5.0"],
  ];
  for (let left = random.below(8); left > 0; left--) fields.push(anyField(random));
  return fields;
}

export function anyField(random: FuzzRandom): Field {
  switch (random.below(7)) {
    case 0:
      return ["x-request-id", octets(random, 36, "0123456789abcdef-")];
    case 1:
      return ["accept", random.pick(["*/*", "text/html", "application/json"])];
    case 2:
      return ["authorization", `Bearer ${octets(random, 1 + random.below(60), "ABCabc012._-")}`];
    case 3:
      return ["cookie", octets(random, random.below(40), "abc=;01")];
    case 4:
      return [`x-${octets(random, 1 + random.below(3), "abc")}`, random.pick(["", "1", "true"])];
    case 5:
      return ["x-octets", anyOctets(random, random.below(300))];
    default:
      return [octets(random, 1 + random.below(20), "abcdefgh-"), octets(random, 12, "xyz 0")];
  }
}

/** Of all octets that a field value may have (RFC 9110 §5.5), without white space at its ends. */
export function anyOctets(random: FuzzRandom, length: number): string {
  let text = "";
  while (text.length < length) {
    const code = 0x20 + random.below(0xe0);
    if (code !== 0x7f) text += String.fromCharCode(code);
  }
  return text.trim();
}

function octets(random: FuzzRandom, length: number, alphabet: string): string {
  let text = "";
  for (let i = 0; i < length; i++) text += alphabet[random.below(alphabet.length)];
  return text.trim();
}
